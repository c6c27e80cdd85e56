//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// besideTables prints how soon others serve a flip, what handing out a zone
// takes, and what the rest costs.
func (r *report) besideTables(b *strings.Builder) {
	for _, one := range r.reaches {
		one.table(b)
	}
	r.axfrTable(b)
	r.costTable(b)
}

// table prints one reach.
func (r *reach) table(b *strings.Builder) {
	if len(r.all) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### A flip of %s services in %d zones reaches %s: seconds from the first failed probe, %d flips\n\n"+
		"| until | median | least | most | goal |\n|---|---:|---:|---:|---:|\n", thousands(r.zones*r.each), r.zones, r.title, len(r.all))
	line := func(until string, all []time.Duration, goal time.Duration) {
		if len(all) == 0 {
			return
		}
		text := ""
		if goal > 0 {
			text = fmt.Sprintf("%.1f", goal.Seconds())
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", until, held(median(all).Seconds(), goal.Seconds(), "%.3f"), seconds(slices.Min(all)), seconds(slices.Max(all)), text)
	}
	for _, kind := range []string{"bind", "knot", "nsd", "pdns"} {
		line(kind+" serves all", r.served[kind], 0)
	}
	goal := r.goal
	if len(r.verified) > 0 {
		goal = 0
	}
	line("all of them do", r.all, goal)
	line("shunt has asked them for every record, and seen it", r.verified, r.goal)
	fmt.Fprintf(b, "\nFrom the fault itself until all of them serve all: %s (%s–%s).", seconds(median(r.faults)), seconds(slices.Min(r.faults)), seconds(slices.Max(r.faults)))
	if r.whole > 0 {
		fmt.Fprintf(b, " A secondary took its last change as a whole zone %d times.", r.whole)
	}
	if len(r.lacks) > 0 {
		fmt.Fprintf(b, " Missing on this machine: %s.", strings.Join(r.lacks, ", "))
	}
	b.WriteString("\n")
}

// axfrTable prints what transfers take.
func (r *report) axfrTable(b *strings.Builder) {
	a := r.axfr
	if a == nil {
		return
	}
	r.grid(b, "AXFR of "+thousands(a.names)+" names to one client", "figure", []row{
		{"seconds", func(name string) string {
			return orNone(a.took[name], func(all []time.Duration) string { return seconds(median(all)) })
		}},
		{"server CPU per record, ns", func(name string) string {
			return orNone(a.cpu[name], func(all []time.Duration) string { return thousands(int(median(all))) })
		}},
		{"MB", func(name string) string {
			if a.octets[name] == 0 {
				return none
			}
			return fmt.Sprintf("%.1f", float64(a.octets[name])/1e6)
		}},
	})
}

// countingGoal is the most, in percent of an answer's CPU time, that counting
// it may take.
const countingGoal = 3

// costTable prints what Go benchmarks say of the work that is done beside
// answering.
func (r *report) costTable(b *strings.Builder) {
	var rows strings.Builder
	line := func(title, format string, value, goal float64) {
		text := ""
		if goal > 0 {
			text = fmt.Sprint(goal)
		}
		fmt.Fprintf(&rows, "| %s | %s | %s |\n", title, held(value, goal, format), text)
	}
	if ns, ok := metric(r.goLines, "Refresh/all", "ns/op"); ok {
		line("working out what 100,000 services that all move shall hold at a provider, s", "%.3f", ns/1e9, 0)
	}
	if ns, ok := metric(r.goLines, "Diff", "ns/op"); ok {
		line("planning 100,000 records at a provider: 50,000 names that all move, and their marks, s", "%.3f", ns/1e9, 1)
	}
	for _, of := range []struct{ bench, title string }{
		{"Contents", "reading a zone of 100,000 names as RRsets, for what compares them, ns a record"},
		{"Wire", "… in wire form, for AXFR, ns a record"},
		{"Whole/plain", "… the messages of an AXFR, ns a record"},
		{"Whole/signed", "… signed (TSIG, HMAC-SHA256), ns a record"},
	} {
		if ns, ok := metric(r.goLines, of.bench, "ns/record"); ok {
			line(of.title, "%.0f", ns, 0)
		}
	}
	if ns, ok := metric(r.goLines, "Counting", "ns/op"); ok {
		line("counting an answer by transport, type, rcode, service and pool, and how long it took, ns", "%.1f", ns, 0)
		if all := r.cells["failover"]["shunt"]; len(all) > 0 {
			whole := median(over(all, func(f figure) time.Duration { return f.cpu }))
			line("… percent of the CPU time of a steered answer over UDP", "%.2f", 100*ns/float64(whole), countingGoal)
		}
		if whole, ok := metric(r.goLines, "Answer/steered", "ns/op"); ok {
			line("… percent of the part of it that is ours, outside the kernel", "%.1f", 100*ns/whole, 0)
		}
	}
	if rows.Len() > 0 {
		fmt.Fprintf(b, "\n### Work beside answering\n\n| work | figure | goal |\n|---|---:|---:|\n%s", rows.String())
	}
}
