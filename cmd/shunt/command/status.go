package command

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/event"
)

// newStatus is `shunt status`.
func newStatus(g *global) *cobra.Command {
	var watch bool
	every := span{d: time.Second, least: 100 * time.Millisecond, most: 24 * time.Hour}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show pools, services, overrides and alarms: what answers now, and why",
		Example: `  shunt status
  shunt status --watch
  shunt status --json | jq '.services[] | {name, answering}'`,
		Args: usage(cobra.NoArgs),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			var news <-chan struct{}
			if watch {
				news = watchEvents(c.Context(), node)
			}
			for again := false; ; again = true {
				s, err := node.Status(c.Context())
				switch {
				case watch && c.Context().Err() != nil:
					return nil // Ctrl-C is how watching ends
				case err != nil:
					return err
				}
				switch {
				case g.json:
				case watch && terminal(c.OutOrStdout()):
					fmt.Fprint(c.OutOrStdout(), "\x1b[H\x1b[2J")
				case again:
					fmt.Fprintln(c.OutOrStdout())
				}
				if err := g.print(c.OutOrStdout(), s, func() { writeStatus(c.OutOrStdout(), s) }); err != nil || !watch {
					return err
				}
				select {
				case <-c.Context().Done():
					return nil
				case <-time.After(every.d):
				case <-news:
				}
			}
		}),
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "draw it again whenever something happens, until Ctrl-C")
	cmd.Flags().Var(&every, "every", "`duration` after which --watch draws again though nothing happened")
	return cmd
}

// watchEvents returns a channel that has something when something has
// happened, at most ten times a second. A node that tells no events is looked
// at by the clock alone.
func watchEvents(ctx context.Context, node *admin.Client) <-chan struct{} {
	news := make(chan struct{}, 1)
	go func() {
		for {
			have, err := node.Events(ctx, 1)
			if err == nil {
				// However it ends, it is begun anew.
				_ = node.Follow(ctx, have.Last, func(event.Event) bool {
					select {
					case news <- struct{}{}:
						return sleep(ctx, 100*time.Millisecond)
					default:
						return true
					}
				})
			}
			if !sleep(ctx, time.Second) {
				return
			}
		}
	}()
	return news
}

// count writes n and the word behind it, in the plural but for 1.
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// sleep waits for d and reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// maxRows is how many services the text form lists; --json has them all.
const maxRows = 50

// writeStatus prints s for people.
func writeStatus(w io.Writer, s *admin.Status) {
	fmt.Fprintf(w, "%s  generation %d  %s, %s, %s\n", s.Node, s.Generation,
		count(s.Zones, "zone"), count(s.Names, "name"), count(len(s.Services), "service"))
	if s.Frozen != nil {
		fmt.Fprintf(w, "FROZEN until %s by %s: %s\n", stamp(s.Frozen.Until), s.Frozen.Author, s.Frozen.Reason)
	}
	for _, d := range s.Drills {
		fmt.Fprintf(w, "DRILL %s: %s taken away (%s) from %s, %s left, by %s: %s\n", d.ID, strings.Join(d.Pools, ", "), percent(d.Percent),
			count(d.Services, "service"), age(time.Duration(d.Left)*time.Second), oneLine(d.Author), oneLine(d.Reason))
	}
	if len(s.Alarms) > 0 {
		rows := [][]string{{"ALARM", "", "FOR", ""}}
		for _, a := range s.Alarms {
			rows = append(rows, []string{a.Code, a.Subject, age(time.Since(a.Since)), oneLine(a.What)})
		}
		fmt.Fprintln(w)
		table(w, rows)
	}
	if len(s.Pools) > 0 {
		rows := [][]string{{"POOL", "OPERATOR", "STATE", "FOR", "UP", "OVERRIDE", "REASON"}}
		for _, p := range s.Pools {
			rows = append(rows, poolRow(p))
		}
		fmt.Fprintln(w)
		table(w, rows)
	}
	if len(s.Secondaries) > 0 {
		fmt.Fprintln(w)
		table(w, secondaryRows(s.Secondaries))
	}
	if len(s.Providers) > 0 {
		fmt.Fprintln(w)
		table(w, providerRows(s.Providers))
	}
	if len(s.Services) > 0 {
		rows := [][]string{{"SERVICE", "POLICY", "ANSWERING", "TTL", "WHY"}}
		for _, v := range s.Services[:min(len(s.Services), maxRows)] {
			rows = append(rows, []string{v.Name, v.Policy, answering(v), fmt.Sprint(v.TTL), oneLine(v.Why)})
		}
		fmt.Fprintln(w)
		table(w, rows)
		if rows := calmRows(s.Services); len(rows) > 1 {
			fmt.Fprintln(w)
			table(w, rows[:min(len(rows), maxRows)])
		}
		if n := len(s.Services) - maxRows; n > 0 {
			fmt.Fprintf(w, "and %d more (--json lists all)\n", n)
		}
	}
}

// answering lists the pools of v with their shares. Where that depends on the
// client's place, it lists all that answer anyone.
func answering(v controller.ServiceStatus) string {
	if v.Places > 1 {
		return fmt.Sprintf("%s (by place)", strings.Join(v.Answering, ","))
	}
	if len(v.Shares) < 2 || v.Shares[0].Percent == 100 {
		return strings.Join(v.Answering, ",")
	}
	out := make([]string, len(v.Shares))
	for i, s := range v.Shares {
		out[i] = s.Pool + " " + percent(s.Percent)
	}
	return strings.Join(out, ",")
}

// percent writes p as 5%, 0.1% or 33.3%.
func percent(p float64) string { return strconv.FormatFloat(math.Round(10*p)/10, 'f', -1, 64) + "%" }

// calmRows are the lines of the table of what moves by itself, and of what does
// not: ramps and spent budgets.
func calmRows(services []controller.ServiceStatus) [][]string {
	rows := [][]string{{"SERVICE", "POOL", "HAS", "NEXT", "IN"}}
	for _, v := range services {
		for _, r := range v.Ramps {
			rows = append(rows, []string{v.Name, r.Pool, percent(r.Percent), percent(r.Next), age(time.Until(r.At))})
		}
		if m := v.Moves; m != nil && m.Until != nil {
			rows = append(rows, []string{v.Name, strings.Join(m.Held, ","), fmt.Sprintf("%d of %d moves", m.Used, m.Limit), "may come", age(time.Until(*m.Until))})
		}
	}
	return rows
}

// poolRow is one line of the pool table. The reason of a pool that is up is
// history, and left out.
func poolRow(p controller.PoolStatus) []string {
	up := 0
	for _, e := range p.Endpoints {
		if e.State == "up" {
			up++
		}
	}
	endpoints, override, reason := fmt.Sprintf("%d/%d", up, len(p.Endpoints)), "", ""
	if o := p.Override; o != nil {
		override = fmt.Sprintf("%s, %s left", o.Force, age(time.Until(o.Expires)))
	}
	if p.Drill != "" {
		override = strings.TrimPrefix(override+", drilled", ", ")
	}
	if p.Frozen != "" {
		override = strings.TrimPrefix(override+", frozen "+p.Frozen, ", ")
	}
	if p.State != "up" {
		reason = p.Reason
	}
	if p.Rising > 0 {
		reason += fmt.Sprintf("; %d successes in a row", p.Rising)
	}
	if p.HoldUntil != nil && time.Until(*p.HoldUntil) > 0 {
		reason += "; held down for " + age(time.Until(*p.HoldUntil))
	}
	switch {
	case p.Waits != "" && p.WaitsUntil != nil:
		reason = "waits to be let back in " + age(time.Until(*p.WaitsUntil))
	case p.Waits != "":
		reason = "waits to be let back " + p.Waits
	}
	if p.Held != "" {
		reason = p.Held
	}
	since := ""
	if !p.Since.IsZero() {
		since = age(time.Since(p.Since))
	}
	return []string{p.Name, p.Operator, p.State, since, endpoints, override, oneLine(reason)}
}

// table prints rows in columns; the first row is the heading. An empty cell at
// the end keeps its column, and leaves no spaces.
func table(w io.Writer, rows [][]string) {
	var text strings.Builder
	tw := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(tw, strings.Join(r, "\t"))
	}
	tw.Flush()
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// oneLine keeps the first line of s, without what would break a table or
// steer a terminal.
func oneLine(s string) string {
	line, _, more := strings.Cut(s, "\n")
	if more {
		line += " …"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line)
}

// age writes d as a person says it: 42s, 12m, 3h05m, 4d.
func age(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 2*time.Minute:
		return d.String()
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d/time.Minute%60)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// stamp writes a moment in local time.
func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }
