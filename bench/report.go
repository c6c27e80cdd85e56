//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The table stands between these lines of the document.
const (
	tableBegin = "<!-- bench: begin, written by make bench -->"
	tableEnd   = "<!-- bench: end -->"
)

// A report gathers what was measured and prints it.
type report struct {
	options  options
	peers    []peer
	about    []string // machine, versions, command
	works    []work
	cells    map[string]cell
	loads    []load
	reloads  []reload
	reaction *reaction
	detected *detection
	probed   *probing
	reaches  []*reach
	axfr     *axfr
	dnsperf  map[string][]time.Duration
	goLines  []string
}

func newReport(o options, l *lab, root string) *report {
	r := &report{options: o, peers: l.peers, cells: map[string]cell{}}
	var versions []string
	seen := map[string]bool{}
	for _, p := range l.peers {
		if len(p.version) > 0 && !seen[p.command] {
			seen[p.command] = true
			versions = append(versions, strings.TrimSpace(versionOf(l.bins[p.command], p.version)))
		}
	}
	r.about = []string{
		"Machine: " + machine(),
		"Servers: " + strings.Join(versions, " · "),
		"Built with " + runtime.Version() + ", source " + revision(root),
		fmt.Sprintf("Measured %s, %d rounds of %v, by `go run ./bench %s`",
			time.Now().UTC().Format("2006-01-02 15:04 MST"), o.rounds, o.length, strings.Join(os.Args[1:], " ")),
	}
	for _, p := range l.peers {
		if p.note != "" {
			r.about = append(r.about, p.name+": "+p.note)
		}
	}
	if len(l.missing) > 0 {
		r.about = append(r.about, "Missing on this machine: "+strings.Join(l.missing, ", "))
	}
	return r
}

// machine describes CPU, cores and kernel.
func machine() string {
	model := "unknown CPU"
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	var u unix.Utsname
	unix.Uname(&u)
	return fmt.Sprintf("%s, %d cores, Linux %s", model, strings.Count(string(text), "processor\t:"), unix.ByteSliceToString(u.Release[:]))
}

// revision names the commit of the source tree.
func revision(root string) string {
	out, err := exec.Command("git", "-C", root, "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return "of no repository"
	}
	return strings.TrimSpace(string(out))
}

// add takes the figures of some works.
func (r *report) add(works []work, cells map[string]cell) {
	r.works = append(r.works, works...)
	for key, c := range cells {
		r.cells[key] = c
	}
}

// judge is the error that a short run ends with: queries of shunt were lost
// at a moderate rate, or in a reload. Wrong answers end a run earlier.
func (r *report) judge() error {
	var all []error
	for _, w := range r.works {
		for _, f := range r.cells[w.key]["shunt"] {
			if w.rate > 0 && f.lost+f.wrong > 0 {
				all = append(all, fmt.Errorf("shunt lost %d of %d queries: %s", f.lost+f.wrong, f.sent, w.title))
			}
		}
	}
	for _, re := range r.reloads {
		for i, lost := range re.lost["shunt"] {
			if lost > 0 {
				all = append(all, fmt.Errorf("shunt lost %d queries in a reload: %s", lost, re.title()))
			}
			if re.after["shunt"][i] >= re.limit {
				all = append(all, fmt.Errorf("shunt: no new answer %v after a reload: %s", re.limit, re.title()))
			}
		}
	}
	if r.reaction != nil {
		if lost := sum(r.reaction.lost); lost > 0 {
			all = append(all, fmt.Errorf("shunt lost %d queries while a path failed", lost))
		}
		for f, after := range r.reaction.after {
			if m := median(after["shunt"]); m >= r.reaction.limit {
				all = append(all, fmt.Errorf("shunt: the answer did not change within %v: %s", m, faultNames[f]))
			}
		}
	}
	if d := r.detected; d != nil {
		for f, after := range d.after {
			if m := median(after); m >= d.limit {
				all = append(all, fmt.Errorf("shunt alone: the answer did not change within %v: %s", m, faultNames[f]))
			}
		}
		if m := median(d.watched); m >= d.limit {
			all = append(all, fmt.Errorf("shunt alone: the answer did not change within %v: a watched endpoint was killed", m))
		}
	}
	for _, w := range r.works {
		for _, p := range r.peers {
			for _, f := range r.cells[w.key][p.name] {
				if f.wrong > 0 {
					all = append(all, fmt.Errorf("%s answered %d of %d queries wrong: %s", p.name, f.wrong, f.sent, w.title))
				}
			}
		}
	}
	return errors.Join(all...)
}

// replaceTable puts text between the markers of the file.
func replaceTable(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	next, err := between(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(next), 0o644)
}

// between returns doc with text between the markers.
func between(doc, text string) (string, error) {
	head, rest, ok1 := strings.Cut(doc, tableBegin)
	_, tail, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		return "", errors.New("the markers of the table are missing")
	}
	return head + tableBegin + "\n" + strings.TrimSpace(text) + "\n" + tableEnd + tail, nil
}

// median returns the middle of all, zero for none; of an even number, the
// lower of the two.
func median[T cmp.Ordered](all []T) T {
	var zero T
	if len(all) == 0 {
		return zero
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)/2]
}

// over returns a of each figure.
func over[T any](all []figure, a func(figure) T) []T {
	var out []T
	for _, f := range all {
		out = append(out, a(f))
	}
	return out
}

// ratios returns ours over theirs, round by round.
func ratios(ours, theirs []figure) []float64 {
	var out []float64
	for i := range min(len(ours), len(theirs)) {
		if theirs[i].cpu > 0 {
			out = append(out, float64(ours[i].cpu)/float64(theirs[i].cpu))
		}
	}
	return out
}
