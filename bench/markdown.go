//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// none stands where a server does not take part.
const none = "–"

// markdown prints the report.
func (r *report) markdown() string {
	var b strings.Builder
	for _, line := range r.about {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	cpu := func(all []figure) string {
		return micro(median(over(all, func(f figure) time.Duration { return f.cpu })))
	}
	r.table(&b, "Server CPU per answer, µs", r.works, cpu)
	r.table(&b, "Ratio: shunt's CPU per answer over the other's (median of the rounds' ratios; behind ≤ or > is this project's goal)", r.works, nil)
	r.table(&b, "Answers per second", r.atRate(false), func(all []figure) string {
		return thousands(int(median(over(all, figure.qps))))
	})
	r.table(&b, "How busy the server's CPU was with it, percent", r.atRate(false), func(all []figure) string {
		return fmt.Sprintf("%.0f", 100*median(over(all, figure.busy)))
	})
	r.table(&b, "Share of queries without a right answer, percent (worst round)", r.works, func(all []figure) string {
		return percent(slices.Max(over(all, figure.lossShare)))
	})
	r.table(&b, "Delay of an answer at a fixed rate, µs: half come sooner", r.atRate(true), func(all []figure) string {
		return micro(median(over(all, func(f figure) time.Duration { return f.p50 })))
	})
	r.table(&b, "Resident memory after the load, MB", r.works[:min(1, len(r.works))], megabytes)
	r.loadTable(&b)
	r.reloadTable(&b)
	r.reactionTable(&b)
	r.probeTables(&b)
	r.besideTables(&b)
	r.grid(&b, "dnsperf instead of our sender: server CPU per answer, µs", "work", []row{{"static names", func(name string) string {
		return orNone(r.dnsperf[name], func(all []time.Duration) string { return micro(median(all)) })
	}}})
	if len(r.goLines) > 0 {
		fmt.Fprintf(&b, "\n### Go benchmarks of the packages\n\n```\n%s\n```\n", strings.Join(r.goLines, "\n"))
	}
	return b.String()
}

// atRate returns the works at a fixed rate, or the others.
func (r *report) atRate(fixed bool) []work {
	var kept []work
	for _, w := range r.works {
		if (w.rate > 0) == fixed {
			kept = append(kept, w)
		}
	}
	return kept
}

// table prints a row for each work and a column for each server that took
// part. Without text, it prints ratios.
func (r *report) table(b *strings.Builder, title string, works []work, text func([]figure) string) {
	var rows []row
	for _, w := range works {
		c := r.cells[w.key]
		rows = append(rows, row{w.title, func(name string) string {
			switch {
			case text != nil:
				return orNone(c[name], text)
			case name == "shunt":
				return none
			}
			return orNone(ratios(c["shunt"], c[name]), func(all []float64) string { return against(all, w.goals[name]) })
		}})
	}
	r.grid(b, title, "work", rows)
}

// A row is a line of a table: a value for each server, or none.
type row struct {
	title string
	value func(server string) string
}

// grid prints a table, without the servers that have no value in it.
func (r *report) grid(b *strings.Builder, title, first string, rows []row) {
	var names []string
	for _, p := range r.peers {
		if slices.ContainsFunc(rows, func(row row) bool { return row.value(p.name) != none }) {
			names = append(names, p.name)
		}
	}
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n| %s | %s |\n|---|%s\n", title, first, strings.Join(names, " | "), strings.Repeat("---:|", len(names)))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |", row.title)
		for _, name := range names {
			fmt.Fprintf(b, " %s |", row.value(name))
		}
		b.WriteString("\n")
	}
}

// Goals of loading 1,000,000 names.
const (
	readyGoal = 1500 * time.Millisecond
	bytesGoal = 110
)

func (r *report) loadTable(b *strings.Builder) {
	var rows []row
	for _, l := range r.loads {
		title, ready, bytes := thousands(l.names)+" names", 0.0, 0.0
		if l.zones > 0 {
			title = fmt.Sprintf("%s zones × %s records", thousands(l.zones+1), thousands(smallZone))
		}
		if l.names == 1_000_000 {
			ready, bytes = readyGoal.Seconds(), bytesGoal
		}
		rows = append(rows,
			row{title + ": ready, s", func(name string) string {
				return orNone(l.ready[name], func(all []time.Duration) string {
					return beside(name, seconds(median(all)), median(all).Seconds(), ready)
				})
			}},
			row{"… resident octets per record", func(name string) string {
				return orNone(l.bytes[name], func(all []int) string {
					return beside(name, thousands(median(all)), float64(median(all)), bytes)
				})
			}})
	}
	r.grid(b, "Loading: from the start of the process to the first right answer, and memory then", "zone", rows)
}

func (r *report) reloadTable(b *strings.Builder) {
	var rows []row
	for _, re := range r.reloads {
		rows = append(rows,
			row{re.title() + ": new answer after, s", func(name string) string {
				return orNone(re.after[name], func(all []time.Duration) string {
					if m := median(all); m < re.limit {
						return beside(name, seconds(m), m.Seconds(), re.goal.Seconds())
					}
					return "> " + seconds(re.limit)
				})
			}},
			row{"… queries lost (worst)", func(name string) string {
				return orNone(re.lost[name], func(all []int) string { return thousands(slices.Max(all)) })
			}},
			row{"… peak memory over memory before", func(name string) string {
				return orNone(re.peak[name], func(all []float64) string { return beside(name, ratio(all), median(all), memoryGoal) })
			}})
	}
	r.grid(b, "Reload of a changed zone file at 20,000 queries a second", "zone", rows)
}

// beside prints a figure of a server, which is text, beside the goal that
// shunt has for it, where there is one.
func beside(name, text string, figure, goal float64) string {
	switch {
	case name != "shunt" || goal == 0:
		return text
	case figure <= goal:
		return fmt.Sprintf("%s ≤ %v", text, goal)
	}
	return fmt.Sprintf("**%s** > %v", text, goal)
}

func (r *report) reactionTable(b *strings.Builder) {
	if r.reaction == nil {
		return
	}
	var rows []row
	for _, f := range []fault{refuses, fails, hangs} {
		rows = append(rows, row{faultNames[f], func(name string) string {
			return orNone(r.reaction.after[f][name], func(all []time.Duration) string {
				return fmt.Sprintf("%s (%s–%s)", seconds(median(all)), seconds(slices.Min(all)), seconds(slices.Max(all)))
			})
		}})
	}
	r.grid(b, "Failover: seconds from the fault of the first path to the first changed answer (least–most)", "fault", rows)
	if len(r.reaction.flip) > 0 {
		fmt.Fprintf(b, "\nshunt with %s services, at %s queries a second: from the deciding 500 to the first changed answer %.1f ms (worst %.1f ms), %s queries lost in all faults.\n",
			thousands(crowded), thousands(reloadRate), median(r.reaction.flip).Seconds()*1000, slices.Max(r.reaction.flip).Seconds()*1000, thousands(sum(r.reaction.lost)))
	}
}

func sum(all []int) (n int) {
	for _, i := range all {
		n += i
	}
	return n
}

// orNone prints all, if there is anything.
func orNone[T any](all []T, text func([]T) string) string {
	if len(all) == 0 {
		return none
	}
	return text(all)
}

// against prints the median of all beside its goal, if there is one.
func against(all []float64, goal float64) string {
	m := ratio(all)
	switch {
	case goal == 0:
		return m
	case median(all) <= goal:
		return fmt.Sprintf("%s ≤ %v", m, goal)
	}
	return fmt.Sprintf("**%s** > %v", m, goal)
}

// ratio prints two digits that say something.
func ratio(all []float64) string {
	m := median(all)
	if m < 0.1 {
		return fmt.Sprintf("%.2g", m)
	}
	return fmt.Sprintf("%.2f", m)
}

func micro(d time.Duration) string {
	us := float64(d) / float64(time.Microsecond)
	if us >= 100 {
		return fmt.Sprintf("%.0f", us)
	}
	return fmt.Sprintf("%.2f", us)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func percent(share float64) string {
	if share == 0 {
		return "0"
	}
	return fmt.Sprintf("%.3f", share*100)
}

func megabytes(all []figure) string {
	return fmt.Sprintf("%.1f", float64(median(over(all, func(f figure) int { return f.rss })))/1e6)
}
