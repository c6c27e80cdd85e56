package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/rehearse"
)

// rehearsal are the flags of `shunt rehearse`.
type rehearsal struct {
	*global
	list    bool
	all     bool
	html    string
	against string
	service string
	seed    uint64
	caches  int
	tail    span
	roles   []string
}

// newRehearse is `shunt rehearse`.
func newRehearse(g *global) *cobra.Command {
	r := &rehearsal{global: g, tail: span{d: 90 * time.Minute, least: time.Second, most: 30 * 24 * time.Hour}}
	cmd := &cobra.Command{
		Use:   "rehearse SCENARIO|FILE",
		Short: "Replay an outage in virtual time, and report what users would have seen",
		Long: `Replay an outage in virtual time: the monitors' schedule, the verdicts, the
policies and the zones are those of serve, fed with what probes of that outage
would have seen, and asked by a thousand caching resolvers. Nothing is sent, and
no running node is asked.

Without -c it is rehearsed with a built-in site behind two CDNs; with -c with
your own configuration, whose pools stand for those of the scenario (--map
cdn-a=fastly). Exit code 1 when an expectation of the scenario is not met, a
never-rule is broken, or something got worse than --against.`,
		Example: `  shunt rehearse --list
  shunt rehearse cloudflare-2025-11-18
  shunt rehearse cloudflare-2025-11-18 -c shunt.yaml --map cdn-a=fastly,org=origin --html report.html
  shunt rehearse fastly-2021-06-08 --json > before.json
  shunt rehearse fastly-2021-06-08 --against before.json`,
		Args: func(c *cobra.Command, args []string) error {
			if r.list {
				return takes(0, 0)(c, args)
			}
			return takes(1, 1)(c, args)
		},
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			if r.list {
				return r.library(c.OutOrStdout())
			}
			return r.run(c.OutOrStdout(), args[0])
		},
	}
	f := cmd.Flags()
	f.BoolVar(&r.list, "list", false, "list the scenarios that come with the program")
	f.BoolVar(&r.all, "all", false, "print every line of a long timeline")
	f.StringVar(&r.html, "html", "", "also write a report with plots to this `file`")
	f.StringVar(&r.against, "against", "", "compare with an earlier report, a `file` that --json wrote")
	f.StringVar(&r.service, "service", "", "the service to watch, by its `name` (default: the one that the scenario strikes)")
	f.Uint64Var(&r.seed, "seed", 1, "what chance is drawn from: the same seed gives the same report")
	f.IntVar(&r.caches, "resolvers", 1000, "caching resolvers that ask, 1-100000")
	f.Var(&r.tail, "tail", "how long to go on after the outage, 1s-30d")
	f.StringSliceVar(&r.roles, "map", nil, "which pool stands for what of the scenario: `TARGET=POOL`, as cdn-a=fastly")
	return cmd
}

// library lists the scenarios of the program.
func (r *rehearsal) library(w io.Writer) error {
	all, err := rehearse.Library()
	if err != nil {
		return err
	}
	type item struct {
		ID     string `json:"id"`
		Title  string `json:"title"`
		Source string `json:"source,omitempty"`
	}
	items := make([]item, len(all))
	rows := [][]string{{"SCENARIO", "WHAT HAPPENED"}}
	for i, s := range all {
		items[i] = item{s.ID, s.Title, s.Source}
		rows = append(rows, []string{s.ID, s.Title})
	}
	return r.print(w, items, func() { table(w, rows) })
}

// run rehearses one scenario and reports.
func (r *rehearsal) run(w io.Writer, name string) error {
	plan, err := r.plan(name)
	if err != nil {
		return err
	}
	var before *rehearse.Report
	if r.against != "" {
		text, err := os.ReadFile(r.against)
		if err != nil {
			return err
		}
		if before, err = rehearse.ReadReport(text); err != nil {
			return fmt.Errorf("%s: %w", r.against, err)
		}
	}
	trace, err := rehearse.Run(plan)
	if err != nil {
		return err
	}
	report := rehearse.NewReport(plan, trace)
	if r.html != "" {
		if err := writePage(r.html, report.HTML); err != nil {
			return err
		}
	}
	if err := r.print(w, report, func() { err = report.Text(w, r.all) }); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return r.judge(w, report, before)
}

// judge returns an error where report is not good enough.
func (r *rehearsal) judge(w io.Writer, report, before *rehearse.Report) error {
	worse := 0
	if before != nil {
		changes, err := report.Against(before)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if c.Worse {
				worse++
			}
		}
		if r.json {
			w = io.Discard // what is better or worse is in the two files
		}
		if err := rehearse.WriteChanges(w, changes); err != nil {
			return err
		}
	}
	failed := 0
	for _, v := range report.Verdicts {
		if !v.OK {
			failed++
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d demands of %s are not met", failed, len(report.Verdicts), report.Scenario)
	case worse > 0:
		return fmt.Errorf("%s got worse than %s", count(worse, "figure"), r.against)
	}
	return nil
}

// plan makes the plan that the command line asks for.
func (r *rehearsal) plan(name string) (p rehearse.Plan, err error) {
	p = rehearse.Plan{Seed: r.seed, Caches: r.caches, Tail: r.tail.d, Clock: time.Now, Roles: map[string]string{}}
	if r.caches < 1 || r.caches > 100000 {
		return p, usageError{fmt.Errorf("--resolvers must be from 1 to 100000, not %d", r.caches)}
	}
	if p.Scenario, err = scenario(name); err != nil {
		return p, err
	}
	if r.config != "" {
		p.Config, err = r.load(nil, nil)
	} else {
		p.Config, err = config.Parse(rehearse.BuiltIn(), "/built-in/shunt.yaml", config.Overrides{Hostname: "ns1.example.net"})
	}
	if err != nil {
		return p, err
	}
	for _, m := range r.roles {
		target, pool, ok := strings.Cut(m, "=")
		if !ok || target == "" || pool == "" {
			return p, usageError{fmt.Errorf("--map takes TARGET=POOL, as cdn-a=fastly, not %q", m)}
		}
		if p.Roles[target] != "" {
			return p, usageError{fmt.Errorf("--map names %s twice", target)}
		}
		p.Roles[target] = pool
	}
	if r.service != "" {
		p.Service = strings.ToLower(strings.TrimSuffix(r.service, ".")) + "."
	}
	return p, nil
}

// scenario returns the one of the library with that name, else the one in that
// file.
func scenario(name string) (*rehearse.Scenario, error) {
	s, ok, err := rehearse.Shipped(name)
	if ok || err != nil {
		return s, err
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no scenario %q, and no file of that name (shunt rehearse --list has the scenarios)", name)
	}
	if err != nil {
		return nil, err
	}
	return rehearse.Parse(name, text)
}

// writePage writes a page to the file path, once it is whole.
func writePage(path string, page func(io.Writer) error) error {
	var b bytes.Buffer
	if err := page(&b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// completeScenarios offers the scenarios of the library, and files.
func completeScenarios(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	all, err := rehearse.Library()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ids := make([]string, len(all))
	for i, s := range all {
		ids[i] = s.ID
	}
	slices.Sort(ids)
	return ids, cobra.ShellCompDirectiveDefault
}
