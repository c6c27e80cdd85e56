package command

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // practice runs name time zones, which not every system has

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/drill"
)

// newDrill is `shunt drill start|stop|list|show|report`.
func newDrill(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Fail a pool away on purpose, guarded and for a while, and see how it went",
		Args:  usage(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newDrillStart(g), newDrillStop(g), newDrillList(g), newDrillShow(g), newDrillReport(g))
	return cmd
}

func newDrillStart(g *global) *cobra.Command {
	var ch changing
	var q admin.DrillRequest
	var portion string
	cmd := &cobra.Command{
		Use:   "start POOL…",
		Short: "Begin a drill: the pools answer no more, until it ends by itself",
		Long: `Take pools away from the answers, as an outage would, for at most 72 hours.

Guards look first whether the others can carry it. A refusal lists every reason;
--force overrules those that can be. A drill is the lowest of what moves answers:
what probes see, and a person's override, end it. So do the conditions of
--abort-if, which are looked at each second; two of them always count:

  fail-open                 nothing is up for a service of the drill
  survivor down             a pool falls that it does not take away
  pool X down               that one does
  answers from X < 10%      of the answers of the last ten seconds
  probe latency > 800ms     of a survivor`,
		Example: `  shunt drill start fastly --for 30m --reason "quarterly exercise" --dry-run
  shunt drill start fastly --for 30m --reason "quarterly exercise"
  shunt drill start fastly --for 1h --share 25% --clients DE --reason "first steps" --abort-if "probe latency > 800ms"`,
		Args: takes(1, 64),
		PreRunE: func(c *cobra.Command, args []string) error {
			if err := ch.check(c, args); err != nil {
				return err
			}
			return readShare(c, portion, &q.Share)
		},
		ValidArgsFunction: completePools(g),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, args []string) error {
			q.Pools, q.For, q.Reason, q.Author, q.Anyway = args, config.FormatDuration(ch.lasts.d), ch.reason, ch.author, ch.anyway
			a, err := node.StartDrill(c.Context(), q)
			if err != nil {
				return err
			}
			if err := g.print(c.OutOrStdout(), a, func() { writeStarted(c.OutOrStdout(), a) }); err != nil {
				return err
			}
			if a.Outcome == drill.Refused {
				return errors.New("the drill would be refused")
			}
			return nil
		}),
	}
	ch.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&portion, "share", "100%", "`percentage` of the answers that the pools would give")
	f.StringSliceVar(&q.Services, "services", nil, "`names` whose answers move (default: all that have one of the pools)")
	f.StringSliceVar(&q.Clients, "clients", nil, "`places` whose answers move: a network, a country (DE), AS64500, continent:EU (default: everyone)")
	f.StringArrayVar(&q.AbortIf, "abort-if", nil, "`condition` that ends the drill, as failed; may be given again")
	f.BoolVar(&q.DryRun, "dry-run", false, "only say what would be")
	f.BoolVar(&ch.anyway, "force", false, "overrule the guards")
	return cmd
}

// readShare reads a percentage into share.
func readShare(c *cobra.Command, text string, share *float64) error {
	digits, ok := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(f > 0 && f <= 100) {
		return usageError{fmt.Errorf("--share: %q is no percentage above 0%% and at most 100%% (see %s --help)", text, c.CommandPath())}
	}
	*share = f / 100
	return nil
}

// writeStarted says what began, or would.
func writeStarted(w io.Writer, a admin.DrillAnswer) {
	services := fmt.Sprintf("%s of %s", count(a.Count, "service"), strings.Join(a.Names, ", "))
	switch {
	case a.Outcome == drill.Refused:
		fmt.Fprintf(w, "the drill would be refused, for %s:\n", count(len(a.Refused), "reason"))
		for _, why := range a.Refused {
			fmt.Fprintf(w, "  - %s\n", oneLine(why))
		}
	case a.DryRun:
		fmt.Fprintf(w, "the drill could begin; it would move %s\n", services)
	default:
		fmt.Fprintf(w, "drill %s runs until %s; it moves %s\n", a.Plan.ID, stamp(a.Plan.Ends), services)
	}
	for _, why := range a.Broke {
		fmt.Fprintf(w, "  forced, although %s\n", oneLine(why))
	}
	fmt.Fprintf(w, "who answers, before and with it:\n%s", a.Forecast.Text())
	if !a.DryRun {
		fmt.Fprintf(w, "shunt drill stop ends it, shunt drill show says how it goes\n")
	}
}

func newDrillStop(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "stop [ID]",
		Short: "End a drill before its time",
		Args:  takes(0, 1),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, args []string) error {
			r, err := node.StopDrill(c.Context(), first(args))
			if err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), r, func() {
				fmt.Fprintf(c.OutOrStdout(), "drill %s has ended, %s; shunt drill report %s says how it went\n", r.Plan.ID, r.Outcome, r.Plan.ID)
			})
		}),
	}
}

func newDrillList(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show the drills that run and the latest ones",
		Args:  usage(cobra.NoArgs),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			list, err := node.Drills(c.Context())
			if err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), list, func() {
				if len(list) == 0 {
					fmt.Fprintln(c.OutOrStdout(), "no drills yet")
					return
				}
				rows := [][]string{{"DRILL", "OUTCOME", "BEGAN", "LASTED", "POOLS", "SHARE", "WHY"}}
				for _, r := range list {
					rows = append(rows, drillRow(r))
				}
				table(c.OutOrStdout(), rows)
			})
		}),
	}
}

// drillRow is one line of the list.
func drillRow(r *drill.Report) []string {
	lasted := ""
	switch {
	case r.Ended != nil:
		lasted = age(r.Ended.Sub(r.Plan.Began))
	case r.Outcome == drill.Running:
		lasted = age(time.Until(r.Plan.Ends)) + " left"
	}
	why := r.Why
	if len(r.Refused) > 0 {
		why = strings.Join(r.Refused, "; ")
	}
	return []string{r.Plan.ID, string(r.Outcome), stamp(r.Plan.Began), lasted, strings.Join(r.Plan.Pools, ","), percent(100 * r.Plan.Share), oneLine(why)}
}

func newDrillShow(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "show [ID]",
		Short: "Show how a drill goes, or went (default: the latest)",
		Args:  takes(0, 1),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, args []string) error {
			return g.report(c, node, first(args), "")
		}),
	}
}

func newDrillReport(g *global) *cobra.Command {
	var html string
	cmd := &cobra.Command{
		Use:   "report [ID]",
		Short: "Print the report of a drill (default: the latest), or write it as a page",
		Long: `Print the report of a drill: what was predicted and what came, when the first
steered answer was given, how the survivors were, and how it was the last time.
It is Markdown; --json prints all that was measured, --html writes one page with
plots that needs no other file.`,
		Args: takes(0, 1),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, args []string) error {
			return g.report(c, node, first(args), html)
		}),
	}
	cmd.Flags().StringVar(&html, "html", "", "write a page with plots to `file`")
	return cmd
}

// report prints the report of the drill id, or writes it to the file page.
func (g *global) report(c *cobra.Command, node *admin.Client, id, page string) error {
	r, err := node.Drill(c.Context(), id)
	if err != nil {
		return err
	}
	if page != "" {
		return writePage(page, r.HTML)
	}
	return g.print(c.OutOrStdout(), r, func() { fmt.Fprint(c.OutOrStdout(), r.Markdown()) })
}

// first returns the first of args, "" when there is none.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
