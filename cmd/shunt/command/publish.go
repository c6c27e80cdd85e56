package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/providers"
)

// newPublish is `shunt publish`.
func newPublish(g *global) *cobra.Command {
	var provider string
	var force bool
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Send DNS providers what they should have, now, and wait for it",
		Long: `Compare DNS providers with what is answered, push what differs, and wait until
their servers serve it. serve does so by itself; this is for not waiting, and for
what it refused: with --force more names may change or go than the provider's
max_changes and max_deletes, and what another node wrote later is overwritten.
What others changed is written again, also where drift is report.`,
		Example: `  shunt publish
  shunt publish --provider cf --force`,
		Args: usage(cobra.NoArgs),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			list, err := node.Publish(c.Context(), provider, force)
			if err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), list, func() {
				if len(list) == 0 {
					fmt.Fprintln(c.OutOrStdout(), noProviders)
					return
				}
				table(c.OutOrStdout(), providerRows(list))
			})
		}),
	}
	cmd.Flags().StringVar(&provider, "provider", "", "`name` of one of them (default: all)")
	cmd.Flags().BoolVar(&force, "force", false, "change and delete more than one run may, and overwrite what another node wrote later")
	return cmd
}

// noProviders is said where there is nobody to push to.
const noProviders = "no providers are configured"

// providerRows are the lines of the table of providers.
func providerRows(list []providers.Status) [][]string {
	rows := [][]string{{"PROVIDER", "KIND", "STATE", "FOR", "NAMES", "WAITING", "WHY"}}
	for _, p := range list {
		waiting := ""
		if p.Waiting > 0 {
			waiting = fmt.Sprint(p.Waiting)
		}
		rows = append(rows, []string{p.Name, p.Kind, string(p.State), age(time.Since(p.Since)), fmt.Sprint(p.Names), waiting, oneLine(p.Why)})
	}
	return rows
}
