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
	r.table(&b, "Ratio: shunt's CPU per answer over the other's (median of the rounds' ratios; below 1 shunt is cheaper)", r.works, nil)
	r.table(&b, "Answers per second", r.atRate(false), func(all []figure) string {
		return thousands(int(median(over(all, figure.qps))))
	})
	r.table(&b, "Share of queries without a right answer, percent (worst round)", r.works, func(all []figure) string {
		return percent(slices.Max(over(all, figure.lossShare)))
	})
	r.table(&b, "Delay of an answer at a fixed rate, µs: half come sooner", r.atRate(true), func(all []figure) string {
		return micro(median(over(all, func(f figure) time.Duration { return f.p50 })))
	})
	r.table(&b, "Resident memory after the load, MB", r.works[:min(1, len(r.works))], megabytes)
	r.loadTables(&b)
	r.reloadTables(&b)
	if len(r.dnsperf) > 0 {
		b.WriteString("\n### dnsperf instead of our sender: server CPU per answer, µs\n\n")
		r.peerTable(&b, "static names", func(name string) string {
			return orNone(r.dnsperf[name], func(all []time.Duration) string { return micro(median(all)) })
		})
	}
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

// table prints a row for each work and a column for each server. Without
// text, it prints ratios.
func (r *report) table(b *strings.Builder, title string, works []work, text func([]figure) string) {
	if len(works) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n", title)
	peers := r.peers
	if text == nil {
		peers = slices.DeleteFunc(slices.Clone(peers), func(p peer) bool { return p.name == "shunt" })
	}
	head(b, "work", peers)
	for _, w := range works {
		fmt.Fprintf(b, "| %s |", w.title)
		for _, p := range peers {
			all := r.cells[w.key][p.name]
			fmt.Fprintf(b, " %s |", orNone(all, func(all []figure) string {
				if text != nil {
					return text(all)
				}
				return orNone(ratios(r.cells[w.key]["shunt"], all), ratio)
			}))
		}
		b.WriteString("\n")
	}
}

// peerTable prints one row with a value for each server.
func (r *report) peerTable(b *strings.Builder, title string, text func(name string) string) {
	head(b, "", r.peers)
	r.row(b, title, text)
}

func (r *report) row(b *strings.Builder, title string, text func(name string) string) {
	fmt.Fprintf(b, "| %s |", title)
	for _, p := range r.peers {
		fmt.Fprintf(b, " %s |", text(p.name))
	}
	b.WriteString("\n")
}

func head(b *strings.Builder, first string, peers []peer) {
	fmt.Fprintf(b, "| %s |", first)
	for _, p := range peers {
		fmt.Fprintf(b, " %s |", p.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(peers)) + "\n")
}

func (r *report) loadTables(b *strings.Builder) {
	if len(r.loads) == 0 {
		return
	}
	b.WriteString("\n### Loading: from the start of the process to the first right answer, and memory then\n\n")
	head(b, "", r.peers)
	for _, l := range r.loads {
		r.row(b, thousands(l.names)+" names: ready, s", func(name string) string {
			return orNone(l.ready[name], func(all []time.Duration) string { return seconds(median(all)) })
		})
		r.row(b, "… resident octets per name", func(name string) string {
			return orNone(l.bytes[name], func(all []int) string { return thousands(median(all)) })
		})
	}
}

func (r *report) reloadTables(b *strings.Builder) {
	if len(r.reloads) == 0 {
		return
	}
	b.WriteString("\n### Reload of a changed zone file at 20,000 queries a second\n\n")
	head(b, "", r.peers)
	for _, re := range r.reloads {
		r.row(b, thousands(re.names)+" names: new answer after, s", func(name string) string {
			return orNone(re.after[name], func(all []time.Duration) string {
				if m := median(all); m < re.limit {
					return seconds(m)
				}
				return "> " + seconds(re.limit)
			})
		})
		r.row(b, "… queries lost (worst)", func(name string) string {
			return orNone(re.lost[name], func(all []int) string { return thousands(slices.Max(all)) })
		})
		r.row(b, "… peak memory over memory before", func(name string) string {
			return orNone(re.peak[name], ratio)
		})
	}
}

// orNone prints all, if there is anything.
func orNone[T any](all []T, text func([]T) string) string {
	if len(all) == 0 {
		return none
	}
	return text(all)
}

func ratio(all []float64) string { return fmt.Sprintf("%.2f", median(all)) }

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
