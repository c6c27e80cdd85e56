package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/internal/admin"
)

// newFailback is `shunt failback`.
func newFailback(g *global) *cobra.Command {
	var reason, author string
	cmd := &cobra.Command{
		Use:   "failback POOL",
		Short: "Let a pool back that is up again after a fall and waits",
		Long: `Let a pool answer again that is up after a fall and waits: for a person, since
its failback is manual or it was down for long, or for its time. It comes back
along the ramp of each service. An override up lets it answer at once and
whole, but for a while only.`,
		Example:           `  shunt failback fastly --reason "all-clear from the operator, ticket 4711"`,
		Args:              takes(1, 1),
		ValidArgsFunction: completePools(g),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, args []string) error {
			if err := node.Failback(c.Context(), args[0], admin.Change{Reason: reason, Author: author}); err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), struct{}{}, func() { fmt.Fprintf(c.OutOrStdout(), "%s may answer again\n", args[0]) })
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`text` for the people who wonder later")
	cmd.Flags().StringVar(&author, "author", "", "`name` to note (default: the user at the other end of the socket)")
	return cmd
}
