//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A probeRow is a figure that a Go benchmark gives of one probe.
type probeRow struct {
	bench string
	unit  string
	title string
	goal  float64 // the most that it shall be; 0: none
}

// probeRows are the rows of the table of probes.
var probeRows = []probeRow{
	{"HTTPProbe", "cpu-µs/op", "HTTP, a new connection each, µs", 70},
	{"HTTPProbeKeptAlive", "cpu-µs/op", "HTTP, kept alive, µs", 0},
	{"HTTPSProbe", "cpu-µs/op", "HTTPS, full handshake, µs", 0},
	{"HTTPSProbe", "ratio", "… over a bare Go client's beside it", 1.1},
	{"HTTPSProbeResumed", "cpu-µs/op", "HTTPS, resumed, µs", 0},
	{"HTTPSProbeKeptAlive", "cpu-µs/op", "HTTPS, kept alive, µs", 25},
}

// probeTables prints what only shunt has rows for.
func (r *report) probeTables(b *strings.Builder) {
	if d := r.detected; d != nil {
		fmt.Fprintf(b, "\n### Detection by shunt: seconds from a fault to the first changed answer, `interval: 1s, timeout: %v, fall: 3`, %d faults each\n\n"+
			"| fault | median | least | most | goal |\n|---|---:|---:|---:|---:|\n", detectedTimeout, len(d.after[refuses]))
		for _, f := range []fault{refuses, resets, fails, hangs} {
			detectionRow(b, faultNames[f], d.after[f], detectionGoals[f])
		}
		detectionRow(b, "killed, `interval: 30s, watch: true`", d.watched, watchedGoal)
	}
	if p := r.probed; p != nil {
		fmt.Fprintf(b, "\n### Probing %s endpoints each second by HTTP, a new connection each\n\n| figure | median | worst | goal |\n|---|---:|---:|---:|\n", thousands(probedPools*probedAddrs))
		fmt.Fprintf(b, "| cores that 10,000 probes take in a second, all of shunt's process included | %s | %.2f | %v |\n", held(median(p.cores), coresGoal, "%.2f"), slices.Max(p.cores), coresGoal)
		fmt.Fprintf(b, "| … µs each | %s | %s | |\n", micro(median(p.each)), micro(slices.Max(p.each)))
		fmt.Fprintf(b, "| probes a second (fewer: the machine was too busy for more) | %s | %s | |\n", thousands(int(median(p.rate))), thousands(int(slices.Min(p.rate))))
		fmt.Fprintf(b, "| resident memory, MB | %.0f | %.0f | |\n", float64(median(p.memory))/1e6, float64(slices.Max(p.memory))/1e6)
	}
	r.probeRows(b)
}

func detectionRow(b *strings.Builder, title string, after []time.Duration, goal time.Duration) {
	if len(after) == 0 {
		return
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %.1f |\n", title, held(median(after).Seconds(), goal.Seconds(), "%.3f"),
		seconds(slices.Min(after)), seconds(slices.Max(after)), goal.Seconds())
}

// held prints a figure, bold where it is above its goal.
func held(value, goal float64, format string) string {
	text := fmt.Sprintf(format, value)
	if goal > 0 && value > goal {
		return "**" + text + "**"
	}
	return text
}

// probeRows prints the figures of single probes that the Go benchmarks gave.
func (r *report) probeRows(b *strings.Builder) {
	var rows strings.Builder
	for _, row := range probeRows {
		if value, ok := metric(r.goLines, row.bench, row.unit); ok {
			goal := ""
			if row.goal > 0 {
				goal = fmt.Sprint(row.goal)
			}
			fmt.Fprintf(&rows, "| %s | %s | %s |\n", row.title, held(value, row.goal, "%.2f"), goal)
		}
	}
	if rows.Len() > 0 {
		fmt.Fprintf(b, "\n### One probe: CPU time of the prober (the server is another process)\n\n| probe | figure | goal |\n|---|---:|---:|\n%s", rows.String())
	}
}

// metric returns the figure with this unit in the line of a Go benchmark.
func metric(lines []string, bench, unit string) (float64, bool) {
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if name, _, _ := strings.Cut(words[0], "-"); name != "Benchmark"+bench {
			continue
		}
		if i := slices.Index(words, unit); i > 0 {
			value, err := strconv.ParseFloat(words[i-1], 64)
			return value, err == nil
		}
	}
	return 0, false
}

// own returns the path of the shunt that is measured; "" where -servers has
// left it out.
func (l *lab) own() string {
	for _, p := range l.peers {
		if p.name == "shunt" {
			return l.bins[p.command]
		}
	}
	return ""
}
