package rehearse

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// mostEvents is how many lines of the timeline a person is shown.
const mostEvents = 60

// Text writes r for people. All is whether every line of a long timeline is
// shown.
func (r *Report) Text(w io.Writer, all bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Scenario, r.Title)
	if r.Source != "" {
		fmt.Fprintf(&b, "source: %s\n", r.Source)
	}
	if r.Story != "" {
		fmt.Fprintf(&b, "\n%s\n", r.Story)
	}
	fmt.Fprintf(&b, "\nservice %s, %s; %d nodes, %d resolvers, seed %d; %s of outage, %s rehearsed\n\n", r.Service, strings.Join(r.PoolRoles, " "),
		r.Nodes, r.Caches, r.Seed, clock(r.Outage), clock(r.Rehearsed))
	r.timeline(&b, all)
	r.figures(&b)
	b.WriteString("\n")
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, v := range r.Verdicts {
		mark := "ok"
		if !v.OK {
			mark = "FAILED"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", mark, v.Rule, v.Got, v.Why)
	}
	tw.Flush()
	if r.OK {
		b.WriteString("\nevery expectation is met, and no never-rule is broken\n")
	} else {
		b.WriteString("\nnot every expectation is met\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// timeline writes what happened. Of a long one the middle is left out.
func (r *Report) timeline(b *strings.Builder, all bool) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for i, e := range r.Timeline {
		if left := len(r.Timeline) - mostEvents; !all && left > 0 && i >= mostEvents/2 && i < mostEvents/2+left {
			if i == mostEvents/2 {
				fmt.Fprintf(tw, "…\t\t%d lines are left out (--all, or --json)\t\n", left)
			}
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", clock(e.At), e.Node, e.What, e.Why)
	}
	tw.Flush()
}

// figures writes the numbers.
func (r *Report) figures(b *strings.Builder) {
	b.WriteString("\n")
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	t := r.Times
	if r.Struck != "" {
		fmt.Fprintf(tw, "after the first fault of %s\tfirst failed probe\t%s\n", r.Struck, after(t.Detect))
		fmt.Fprintf(tw, "\theld down everywhere\t%s\n", after(t.Decide))
		fmt.Fprintf(tw, "\tno answer with it any more\t%s\n", after(t.Serve))
		fmt.Fprintf(tw, "\t50 / 95 / 99 %% of its clients gone\t%s / %s / %s\n", after(t.Moved50), after(t.Moved95), after(t.Moved99))
		fmt.Fprintf(tw, "the first answer with it again\tat\t%s\n", after(t.Back))
	}
	fmt.Fprintf(tw, "transitions\t\t%d\n", r.Moves)
	fmt.Fprintf(tw, "user-visible error minutes\twith shunt\t%.2f\n", r.Errors.Shunt)
	fmt.Fprintf(tw, "\tthe first path alone\t%.2f\n", r.Errors.Alone)
	fmt.Fprintf(tw, "\tchecks each 30 s, three in a row, TTL 60\t%.2f\n", r.Errors.Other)
	tw.Flush()
}

// clock writes seconds as 1h02m03.4s.
func clock(s float64) string {
	return (time.Duration(s*10) * (time.Second / 10)).String()
}

// after writes a time that may not have come.
func after(s *float64) string {
	if s == nil {
		return "never"
	}
	return clock(*s)
}
