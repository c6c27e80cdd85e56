package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/event"
)

// newLog is `shunt log`.
func newLog(g *global) *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Show the audit log: who changed what, why, and how it went",
		Long: `Show every request that was to change something, the oldest first: by whom, from
where, why, and whether it was done. With --json also what was so before, and
after.`,
		Example: `  shunt log --since 24h
  shunt log --since 2026-01-31T12:00:00Z --json`,
		Args: usage(cobra.NoArgs),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			list, err := node.Log(c.Context(), since)
			if err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), list, func() {
				if len(list) == 0 {
					fmt.Fprintln(c.OutOrStdout(), "nobody changed anything")
					return
				}
				rows := [][]string{{"WHEN", "WHO", "FROM", "WHAT", "SUBJECT", "OUTCOME", "WHY"}}
				for _, d := range list {
					rows = append(rows, deedRow(d))
				}
				table(c.OutOrStdout(), rows)
			})
		}),
	}
	cmd.Flags().StringVar(&since, "since", "", "a `moment`, as 2026-01-31T12:00:00Z, or how long ago, as 24h or 3d (default all that is kept)")
	return cmd
}

// deedRow is one line of the audit log.
func deedRow(d admin.Deed) []string {
	outcome, why := d.Outcome, d.Why
	if d.Forced {
		outcome += ", forced"
	}
	if d.Error != "" {
		why = strings.TrimPrefix(why+"; "+d.Error, "; ")
	}
	return []string{stamp(d.At), oneLine(d.Who), d.Via, d.What, oneLine(d.Subject), outcome, oneLine(why)}
}

// newEvents is `shunt events`.
func newEvents(g *global) *cobra.Command {
	var follow bool
	last := 50
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened, and with --follow what happens",
		Long: `Show the latest events: pools and answers that change, overrides, drills,
reloads, transfers, pushes and alarms. With --follow go on with those to come,
until Ctrl-C. With --json each is a line.`,
		Example: `  shunt events --last 10
  shunt events --follow --json | jq 'select(.level == "critical")'`,
		Args: usage(cobra.NoArgs),
		PreRunE: func(c *cobra.Command, _ []string) error {
			if last < 0 || last > event.Kept {
				return usageError{fmt.Errorf("--last %d is not from 0 to %d (see %s --help)", last, event.Kept, c.CommandPath())}
			}
			return nil
		},
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			have, err := node.Events(c.Context(), max(1, last))
			if err != nil {
				return err
			}
			for _, e := range have.Events[max(0, len(have.Events)-last):] {
				if err := g.event(c.OutOrStdout(), e); err != nil {
					return err
				}
			}
			if !follow {
				return nil
			}
			return g.follow(c.Context(), node, have.Last, func(e event.Event) error { return g.event(c.OutOrStdout(), e) })
		}),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens, until Ctrl-C")
	cmd.Flags().IntVar(&last, "last", last, "begin with the latest `n` events, at most 4096")
	return cmd
}

// follow calls each with the events behind the one called after, over restarts
// of the node, until ctx ends or each fails.
func (g *global) follow(ctx context.Context, node *admin.Client, after uint64, each func(event.Event) error) error {
	for {
		var failed error
		err := node.Follow(ctx, after, func(e event.Event) bool {
			if e.ID != 0 {
				after = e.ID
			}
			failed = each(e)
			return failed == nil
		})
		switch {
		case failed != nil:
			return failed
		case ctx.Err() != nil:
			return nil // Ctrl-C is how following ends
		case err == nil:
			return nil
		}
		if !sleep(ctx, time.Second) { // the node ended, or starts anew
			return nil
		}
	}
}

// event prints e; one without an id says that others are missing.
func (g *global) event(w io.Writer, e event.Event) error {
	if g.json {
		return json.NewEncoder(w).Encode(e)
	}
	if e.ID == 0 {
		_, err := fmt.Fprintln(w, "… some are no longer kept")
		return err
	}
	of := ""
	if e.Code != "" {
		of = strings.TrimSpace(e.Code+" "+oneLine(e.Subject)) + ": "
	}
	line := fmt.Sprintf("%s  %-8s  %-10s  %s%s", stamp(e.At), e.Level, e.Kind, of, oneLine(e.What))
	if e.Why != "" && e.Why != e.What {
		line += ": " + oneLine(e.Why)
	}
	if e.Author != "" {
		line += " (" + oneLine(e.Author) + ")"
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
