package command

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/node"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/providers/plan"
)

// newPlan is `shunt plan`.
func newPlan(g *global) *cobra.Command {
	var provider string
	var ahead bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what DNS providers would get: what a push would change now",
		Long: `Show what a push to each DNS provider would change now: the running node reads
what is there and compares it with what it answers. Nothing is changed, and no
push that is under way is waited for. The exit code is 0 whether or not there is
something to do, and 1 where a provider cannot be read.

With --ahead no node is asked: what the first push would change is worked out from
the configuration file as it stands, before serve or reload push by themselves.
Each pool is probed once, from here; overrides, verdicts and what was pushed before
are those that node.state_dir holds. Run it as the user that serves.`,
		Example: `  shunt plan
  shunt plan --ahead
  shunt plan --provider cf
  shunt plan --json | jq '.[] | {provider, steps: [.plans[].steps[].name]}'`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, args []string) error {
			if ahead {
				return g.planAhead(c, provider)
			}
			err := g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
				list, err := node.Plan(c.Context(), provider)
				if err != nil {
					return err
				}
				return g.plans(c, list, noProviders+" on the running node: shunt plan --ahead plans by the file")
			})(c, args)
			var errno syscall.Errno
			if errors.As(err, &errno) && c.Context().Err() == nil {
				return fmt.Errorf("%w; shunt plan --ahead plans by the file, without a node", err)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&ahead, "ahead", false, "plan by the configuration file as it stands, and ask no node")
	cmd.Flags().StringVar(&provider, "provider", "", "`name` of one of them (default: all)")
	return cmd
}

// plans prints what would change, or none where there are no providers.
func (g *global) plans(c *cobra.Command, list []providers.Preview, none string) error {
	if err := g.print(c.OutOrStdout(), list, func() { writePlans(c.OutOrStdout(), list, none) }); err != nil {
		return err
	}
	var unread []string
	for _, p := range list {
		if p.Error != "" {
			unread = append(unread, p.Provider)
		}
	}
	if len(unread) > 0 {
		return fmt.Errorf("%s cannot be read", strings.Join(unread, ", "))
	}
	return nil
}

// planAhead plans by the file, and says on stderr how it found the pools.
func (g *global) planAhead(c *cobra.Command, provider string) error {
	l, err := g.check(progress(c.ErrOrStderr(), "percent of the zones loaded"))
	if err != nil {
		return err
	}
	quiet := config.Log{Level: "warn", Format: "text"}
	list, seen, err := node.PlanAhead(c.Context(), l, provider, g.custom, node.Logger(quiet, c.ErrOrStderr()))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "by %s as it stands, and one round of probes from here; nothing is changed\n", l.Config.Path)
	if seen.Blind != "" {
		fmt.Fprintf(c.ErrOrStderr(), "probes are void: %s\n", oneLine(seen.Blind))
	}
	for _, p := range l.Config.Pools {
		if is := seen.Pools[p.Name]; is != nil && is.State != health.Up {
			fmt.Fprintf(c.ErrOrStderr(), "pool %s is %s: %s\n", p.Name, is.State, oneLine(is.Reason))
		}
	}
	return g.plans(c, list, noProviders)
}

// writePlans prints what would change, a line for each RRset: + comes, ~ is
// replaced, - goes.
func writePlans(w io.Writer, list []providers.Preview, none string) {
	if len(list) == 0 {
		fmt.Fprintln(w, none)
	}
	for _, p := range list {
		fmt.Fprintf(w, "%s (%s)", p.Provider, p.Kind)
		if p.Error != "" {
			fmt.Fprintf(w, ": %s\n", oneLine(p.Error))
			continue
		}
		names, drift := 0, 0
		for _, z := range p.Plans {
			names, drift = names+len(z.Steps), drift+z.Drift
		}
		switch {
		case names == 0:
			fmt.Fprintln(w, ": nothing to change")
		case drift > 0:
			fmt.Fprintf(w, ": %s to change, of which somebody else changed %d\n", count(names, "name"), drift)
		default:
			fmt.Fprintf(w, ": %s to change\n", count(names, "name"))
		}
		for _, z := range p.Plans {
			for _, s := range z.Steps {
				for _, c := range s.Changes {
					writeChange(w, c)
				}
			}
			for _, h := range z.Held {
				fmt.Fprintf(w, "  ! %s stays as it is: %s\n", h.Name, oneLine(h.Why))
			}
		}
		for _, z := range p.Plans {
			for _, b := range z.Beside {
				fmt.Fprintf(w, "  ! %s: %s\n", b.Name, oneLine(b.Why))
			}
		}
		for _, l := range p.Left {
			fmt.Fprintf(w, "  ! %s\n", oneLine(l))
		}
		if p.Refused != "" {
			fmt.Fprintf(w, "  refused without --force: %s\n", oneLine(p.Refused))
		}
	}
}

// writeChange prints one RRset before and after.
func writeChange(w io.Writer, c plan.Change) {
	data := func(s *plan.RRset) string {
		return fmt.Sprintf("%d %s", s.TTL, oneLine(strings.Join(s.Data, ", ")))
	}
	switch s := c.Set(); {
	case c.Before == nil:
		fmt.Fprintf(w, "  + %s %s %s\n", s.Name, s.Type, data(s))
	case c.After == nil:
		fmt.Fprintf(w, "  - %s %s %s\n", s.Name, s.Type, data(s))
	default:
		fmt.Fprintf(w, "  ~ %s %s %s -> %s\n", s.Name, s.Type, data(c.Before), data(c.After))
	}
}
