package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/admin"
)

// newOverride is `shunt override set|clear|list`.
func newOverride(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "override",
		Short: "Take a pool out, or keep it in, whatever its probes say",
		Args:  usage(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newOverrideSet(g), newOverrideClear(g), newOverrideList(g))
	return cmd
}

func newOverrideSet(g *global) *cobra.Command {
	var ch changing
	cmd := &cobra.Command{
		Use:   "set POOL up|down|drain",
		Short: "Override a pool until a time is over",
		Long: `Override what probes say of a pool, for at most 72 hours (3d).

  up      the pool counts as up
  down    the pool counts as down, and answers last of all
  drain   the pool answers only while no other does better

A change that would leave a service with fewer usable pools than
safety.at_least is refused; --force does it all the same.`,
		Example: `  shunt override set fastly drain --for 2h --reason "error spike, ticket 4711"
  shunt override set fastly down --for 30m --reason "drill" --force`,
		Args: func(c *cobra.Command, args []string) error {
			if err := takes(2, 2)(c, args); err != nil {
				return err
			}
			switch ch.force = health.Force(args[1]); ch.force {
			case health.ForceUp, health.ForceDown, health.ForceDrain:
				return nil
			}
			return usageError{fmt.Errorf("%q is not up, down or drain (see %s --help)", args[1], c.CommandPath())}
		},
		PreRunE: ch.check,
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				return completePools(g)(c, args, "")
			case 1:
				return []string{"up", "down", "drain"}, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, args []string) error {
			o, err := node.Override(c.Context(), args[0], ch.change())
			if err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), o, func() {
				fmt.Fprintf(c.OutOrStdout(), "%s is forced %s until %s\n", o.Pool, o.Force, stamp(o.Expires))
			})
		}),
	}
	ch.flags(cmd)
	cmd.Flags().BoolVar(&ch.anyway, "force", false, "break a safety rule")
	return cmd
}

// changing is a change in the making: the flags of all that an operator does
// on purpose.
type changing struct {
	force          health.Force // of a pool
	lasts          span
	reason, author string
	anyway         bool
}

// flags gives them to cmd.
func (ch *changing) flags(cmd *cobra.Command) {
	ch.lasts.least, ch.lasts.most = time.Second, health.MaxOverride
	cmd.Flags().Var(&ch.lasts, "for", "`duration`, as 2h, 1h30m or 3d; at most 3d (required)")
	cmd.Flags().StringVar(&ch.reason, "reason", "", "`text` for the people who wonder later (required)")
	cmd.Flags().StringVar(&ch.author, "author", "", "`name` to note (default: the user at the other end of the socket)")
}

// check returns a usageError for what is missing.
func (ch *changing) check(c *cobra.Command, _ []string) error {
	if err := need(c, "for", "reason"); err != nil {
		return err
	}
	if strings.TrimSpace(ch.reason) == "" {
		return usageError{fmt.Errorf("--reason is empty: say why (see %s --help)", c.CommandPath())}
	}
	return nil
}

// change returns it as the node understands it.
func (ch *changing) change() admin.Change {
	return admin.Change{Force: ch.force, For: ch.lasts.d.String(), Reason: ch.reason, Author: ch.author, Anyway: ch.anyway}
}

func newOverrideClear(g *global) *cobra.Command {
	return &cobra.Command{
		Use:               "clear POOL",
		Short:             "End an override before its time",
		Args:              takes(1, 1),
		ValidArgsFunction: completePools(g),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, args []string) error {
			if err := node.ClearOverride(c.Context(), args[0]); err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), struct{}{}, func() {
				fmt.Fprintf(c.OutOrStdout(), "%s follows its probes again\n", args[0])
			})
		}),
	}
}

func newOverrideList(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show the overrides in force, beside what probes say",
		Args:  usage(cobra.NoArgs),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			s, err := node.Status(c.Context())
			if err != nil {
				return err
			}
			list := []health.Override{}
			rows := [][]string{{"POOL", "FORCED", "REAL", "ENDS IN", "AUTHOR", "REASON"}}
			for _, p := range s.Pools {
				if o := p.Override; o != nil {
					list = append(list, *o)
					rows = append(rows, []string{p.Name, string(o.Force), p.State, age(time.Until(o.Expires)), oneLine(o.Author), oneLine(o.Reason)})
				}
			}
			return g.print(c.OutOrStdout(), list, func() {
				if len(list) == 0 {
					fmt.Fprintln(c.OutOrStdout(), "no overrides")
					return
				}
				table(c.OutOrStdout(), rows)
			})
		}),
	}
}

// newFreeze is `shunt freeze`.
func newFreeze(g *global) *cobra.Command {
	var ch changing
	cmd := &cobra.Command{
		Use:   "freeze",
		Short: "Switch automation off: the pools that answer now go on answering",
		Long: `Switch automation off. Verdicts go on being taken and shown, but move no
answer, until the freeze ends or shunt unfreeze ends it. Overrides still count.
A freeze survives a restart and needs no network.`,
		Example: `  shunt freeze --for 1h --reason "our probes flap, looking into it"`,
		Args:    usage(cobra.NoArgs),
		PreRunE: ch.check,
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			f, err := node.Freeze(c.Context(), ch.change())
			if err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), f, func() {
				fmt.Fprintf(c.OutOrStdout(), "automation is off until %s\n", stamp(f.Expires))
			})
		}),
	}
	ch.flags(cmd)
	return cmd
}

// newUnfreeze is `shunt unfreeze`.
func newUnfreeze(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "unfreeze",
		Short: "Switch automation on again",
		Args:  usage(cobra.NoArgs),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			if err := node.Unfreeze(c.Context()); err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), struct{}{}, func() { fmt.Fprintln(c.OutOrStdout(), "automation is on") })
		}),
	}
}
