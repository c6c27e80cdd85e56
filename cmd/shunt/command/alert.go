package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/alert"
)

// newAlert is `shunt alert`.
func newAlert(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert",
		Short: "See and try the routes by which people hear of alarms",
		Args:  usage(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newAlertList(g), newAlertTest(g))
	return cmd
}

func newAlertList(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the routes, and how they go",
		Args:  usage(cobra.NoArgs),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			list, err := node.Alerts(c.Context())
			if err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), list, func() {
				if len(list) == 0 {
					fmt.Fprintln(c.OutOrStdout(), "no routes are configured")
					return
				}
				table(c.OutOrStdout(), alertRows(list))
			})
		}),
	}
}

func newAlertTest(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "test [ROUTE]",
		Short: "Send a test by a route, or by all, and say what came of it",
		Long: `Send a message that says it is a test, at once, by a route of alerts, or by all
of them. It fails where a receiver does not take it.`,
		Example: `  shunt alert test
  shunt alert test oncall`,
		Args: takes(0, 1),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, args []string) error {
			list, err := node.TestAlerts(c.Context(), first(args))
			if err != nil {
				return err
			}
			failed := 0
			for _, t := range list {
				if !t.OK {
					failed++
				}
			}
			err = g.print(c.OutOrStdout(), list, func() {
				for _, t := range list {
					if t.OK {
						fmt.Fprintf(c.OutOrStdout(), "%s took it\n", t.Route)
					} else {
						fmt.Fprintf(c.OutOrStdout(), "%s did not take it: %s\n", t.Route, oneLine(t.Why))
					}
				}
			})
			if err == nil && failed > 0 {
				err = fmt.Errorf("%d of %d routes failed", failed, len(list))
			}
			return err
		}),
	}
}

// alertRows are the lines of the table of routes.
func alertRows(list []alert.Status) [][]string {
	rows := [][]string{{"ROUTE", "KIND", "STATE", "SENT", "TOLD", "WAITING", "WHY"}}
	for _, s := range list {
		sent := "never"
		if s.Sent != nil {
			sent = age(time.Since(*s.Sent)) + " ago"
		}
		waiting := ""
		if s.Pending > 0 {
			waiting = fmt.Sprint(s.Pending)
		}
		rows = append(rows, []string{s.Name, s.Kind, s.State, sent, fmt.Sprint(s.Told), waiting, oneLine(s.Why)})
	}
	return rows
}
