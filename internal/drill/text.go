package drill

import (
	"fmt"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// What says in a line what p takes away from whom.
func (p *Plan) What() string {
	var b strings.Builder
	if p.Share < 1 {
		b.WriteString(share(p.Share) + " of ")
	}
	from := "every service"
	if len(p.Services) > 0 {
		from = few(p.Services)
	}
	fmt.Fprintf(&b, "%s taken away from %s", strings.Join(p.Pools, ", "), from)
	if len(p.Clients) > 0 {
		fmt.Fprintf(&b, " for clients of %s", strings.Join(p.Clients, ", "))
	}
	fmt.Fprintf(&b, " for %s, by %s: %s", config.FormatDuration(p.Ends.Sub(p.Began).Round(time.Second)), p.Author, p.Reason)
	return b.String()
}

// Markdown writes r for people.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Drill %s: %s\n\n%s\n\n", r.Plan.ID, r.Outcome, cell(sentence(r.Plan.What())))
	rows := [][2]string{{"outcome", fmt.Sprintf("%s (%s)", r.Outcome, r.Why)}, {"node", r.Node}, {"began", stamp(r.Plan.Began)}}
	if r.Ended != nil {
		rows = append(rows, [2]string{"ended", fmt.Sprintf("%s, after %s", stamp(*r.Ended), r.Ended.Sub(r.Plan.Began).Round(time.Second))})
	} else if r.Outcome == Running {
		rows = append(rows, [2]string{"ends", stamp(r.Plan.Ends)})
	}
	if r.Plan.Practice != "" {
		rows = append(rows, [2]string{"practice run", r.Plan.Practice})
	}
	rows = append(rows, r.figures()...)
	b.WriteString("| | |\n|---|---|\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], cell(row[1]))
	}
	list(&b, "Refused, for every one of these reasons", r.Refused)
	list(&b, "Forced, although", r.Broke)
	b.WriteString(r.Forecast.markdown(r.Came))
	if len(r.Survivors) > 0 {
		b.WriteString("\n## Survivors\n\nLatency of probes in ms (mean; least to most), and seconds down.\n\n| pool | before | during | after |\n|---|---|---|---|\n")
		for _, v := range r.Survivors {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", v.Pool, v.Before, v.During, v.After)
		}
	}
	b.WriteString(r.Previous.markdown())
	b.WriteString("\n## Timeline\n\n| at | after | what |\n|---|---|---|\n")
	for _, e := range r.Events {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", e.At.UTC().Format("15:04:05"), time.Duration(e.Seconds)*time.Second, cell(e.What))
	}
	return b.String()
}

// figures are the numbers of r that stand alone.
func (r *Report) figures() [][2]string {
	if r.Outcome == Refused {
		return nil
	}
	first := "none were seen"
	if r.FirstSteered != nil {
		first = fmt.Sprintf("within %d s", *r.FirstSteered)
	}
	rows := [][2]string{{"first steered answers", first}, {"TTL of answers from before", fmt.Sprintf("%d s", r.Tail.TTL)}}
	if t := r.Tail; t.LastGiven != nil {
		rows = append(rows, [2]string{"last answer with what was taken away", fmt.Sprintf("after %d s; out of every cache that keeps to its TTL after %d s", *t.LastGiven, *t.Expired)})
	}
	return rows
}

// markdown sets f beside what came.
func (f *Forecast) markdown(came []Portion) string {
	if len(f.Pools) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n## Who answers\n\n| pool | before | predicted | predicted a second | came | came a second |\n|---|---|---|---|---|---|\n")
	for _, p := range f.Pools {
		got, rate := "-", "-"
		for _, c := range came {
			if c.Pool == p.Pool {
				got, rate = points1(c.After), fmt.Sprintf("%.1f", c.Rate)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f | %s | %s |\n", p.Pool, points1(p.Before), points1(p.After), p.Rate, got, rate)
	}
	b.WriteString("\nPredicted " + strings.Join(f.Notes, "; ") + ".\n")
	return b.String()
}

// Text writes f for a terminal, as lines.
func (f *Forecast) Text() string {
	var b strings.Builder
	for _, p := range f.Pools {
		fmt.Fprintf(&b, "  %-20s %7s → %7s   %.1f answers a second\n", p.Pool, points1(p.Before), points1(p.After), p.Rate)
	}
	return b.String() + "  (" + strings.Join(f.Notes, "; ") + ")\n"
}

// markdown says how d differs; "" for nil.
func (d *Difference) markdown() string {
	if d == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## Beside the drill before\n\n%s of %s, %s.\n\n| | then | now |\n|---|---|---|\n", d.ID, stamp(d.Began), d.Outcome)
	for _, c := range d.Latency {
		fmt.Fprintf(&b, "| latency of %s, ms | %.1f | %.1f |\n", c.Pool, c.Then, c.Now)
	}
	for _, c := range d.Came {
		fmt.Fprintf(&b, "| answers of %s | %s | %s |\n", c.Pool, points1(c.Then), points1(c.Now))
	}
	if d.FirstSteered != nil {
		fmt.Fprintf(&b, "\nThe first steered answers came %s.", apart(float64(*d.FirstSteered), "later", "sooner"))
	}
	fmt.Fprintf(&b, "\nIt lasted %s.\n", apart(d.Lasted, "longer", "less long"))
	return b.String()
}

// apart says how far a time is from the one before.
func apart(seconds float64, more, less string) string {
	switch {
	case seconds > 0:
		return fmt.Sprintf("%.0f s %s than then", seconds, more)
	case seconds < 0:
		return fmt.Sprintf("%.0f s %s than then", -seconds, less)
	}
	return "as then"
}

// String writes t as a cell.
func (t Stretch) String() string {
	if t.Seconds == 0 {
		return "-"
	}
	text := fmt.Sprintf("%.1f (%.1f-%.1f)", t.Mean, t.Least, t.Most)
	if t.Most == 0 {
		text = "not probed"
	}
	if t.Down > 0 {
		text += fmt.Sprintf(", down %d s", t.Down)
	}
	return text
}

func list(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", title)
	for _, l := range lines {
		fmt.Fprintf(b, "- %s\n", cell(l))
	}
}

// cell keeps text from ending a cell, a line or a page.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(text)
}

// sentence begins with a capital.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

// points1 writes a percentage.
func points1(p float64) string { return fmt.Sprintf("%.1f%%", p) }

// stamp writes a moment.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
