package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/providers/plan"
)

// newPlan is `shunt plan`.
func newPlan(g *global) *cobra.Command {
	var provider string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what DNS providers would get: what a push would change now",
		Long: `Show what a push to each DNS provider would change now: the running node reads
what is there and compares it with what it answers. Nothing is changed, and no
push that is under way is waited for. The exit code is 0 whether or not there is
something to do, and 1 where a provider cannot be read.`,
		Example: `  shunt plan
  shunt plan --provider cf
  shunt plan --json | jq '.[] | {provider, steps: [.plans[].steps[].name]}'`,
		Args: usage(cobra.NoArgs),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			list, err := node.Plan(c.Context(), provider)
			if err != nil {
				return err
			}
			if err := g.print(c.OutOrStdout(), list, func() { writePlans(c.OutOrStdout(), list) }); err != nil {
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
		}),
	}
	cmd.Flags().StringVar(&provider, "provider", "", "`name` of one of them (default: all)")
	return cmd
}

// writePlans prints what would change, a line for each RRset: + comes, ~ is
// replaced, - goes.
func writePlans(w io.Writer, list []providers.Preview) {
	if len(list) == 0 {
		fmt.Fprintln(w, noProviders)
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
