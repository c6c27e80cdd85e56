package kindtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// A scene is a title and what happens.
type scene struct {
	title string
	needs []string
	acts  []act
}

// An act is a command, its words, and the lines below it.
type act struct {
	words []string
	lines []string
	at    int // line in conformance.txt
}

// scenes reads the scenes.
func scenes(t *testing.T) []scene {
	t.Helper()
	var all []scene
	for i, line := range strings.Split(conformance, "\n") {
		text := strings.TrimSpace(line)
		title, ok := strings.CutPrefix(line, "== ")
		switch {
		case ok:
			all = append(all, scene{title: title})
		case text == "" || strings.HasPrefix(line, "#"):
		case len(all) == 0:
			t.Fatalf("conformance.txt:%d: %q is in no scene", i+1, text)
		case line != text: // indented
			s := &all[len(all)-1]
			if len(s.acts) == 0 {
				t.Fatalf("conformance.txt:%d: %q is of no command", i+1, text)
			}
			a := &s.acts[len(s.acts)-1]
			a.lines = append(a.lines, text)
		default:
			s, words := &all[len(all)-1], strings.Fields(text)
			if words[0] == "needs" {
				s.needs = append(s.needs, words[1:]...)
				continue
			}
			s.acts = append(s.acts, act{words: words, at: i + 1})
		}
	}
	return all
}

// sets returns lines as RRsets.
func (p *player) sets(lines []string) []plan.RRset {
	p.t.Helper()
	var sets []plan.RRset
	ttls := map[string]uint32{"low": p.low(), "short": max(300, p.low()), "long": 2 * max(300, p.low())}
	for _, line := range lines {
		f := strings.SplitN(strings.TrimSpace(strings.TrimLeft(line, "+-")), " ", 4)
		if len(f) < 4 || ttls[f[1]] == 0 {
			p.t.Fatalf("%q is no record", line)
		}
		name := kind.Absolute(f[0], p.Zone)
		data := strings.ReplaceAll(f[3], "$ZONE", p.Zone)
		at := slices.IndexFunc(sets, func(s plan.RRset) bool { return s.Name == name && s.Type == f[2] && s.TTL == ttls[f[1]] })
		if at < 0 {
			at = len(sets)
			sets = append(sets, plan.RRset{Name: name, Type: f[2], TTL: ttls[f[1]]})
		}
		sets[at].Data = append(sets[at].Data, data)
	}
	for i, s := range sets {
		canonical, err := plan.New(s.Name, s.Type, s.TTL, s.Data)
		if err != nil {
			p.t.Fatal(err)
		}
		sets[i] = canonical
	}
	return sets
}

// records returns lines as libdns has them.
func (p *player) records(lines []string) []libdns.Record {
	var out []libdns.Record
	for _, s := range p.sets(lines) {
		out = append(out, kind.Records(p.Zone, s)...)
	}
	return out
}

// changes returns lines as changes, in the order of their first lines.
func (p *player) changes(lines []string) []plan.Change {
	p.t.Helper()
	var before, after []string
	for _, line := range lines {
		if strings.HasPrefix(line, "-") {
			before = append(before, line)
		} else {
			after = append(after, line)
		}
	}
	var out []plan.Change
	comes := p.sets(after)
	for _, b := range p.sets(before) {
		c := plan.Change{Before: &b}
		if at := slices.IndexFunc(comes, func(s plan.RRset) bool { return s.Name == b.Name && s.Type == b.Type }); at >= 0 {
			a := comes[at]
			c.After = &a
			comes = slices.Delete(comes, at, at+1)
		}
		out = append(out, c)
	}
	for _, a := range comes {
		out = append(out, plan.Change{After: &a})
	}
	return out
}

// expected reports whether err is what words say; no words: none.
func expected(err error, words []string) bool {
	if len(words) == 0 {
		return err == nil
	}
	var later kind.Later
	isLater := errors.As(err, &later)
	switch words[0] {
	case "stale":
		return errors.Is(err, kind.ErrStale)
	case "denied":
		return errors.Is(err, kind.ErrDenied)
	case "nozone":
		return errors.Is(err, kind.ErrNoZone)
	case "slow":
		return errors.Is(err, context.DeadlineExceeded)
	case "later":
		want, bad := time.ParseDuration(words[1])
		return isLater && bad == nil && later.After == want
	case "failed":
		return err != nil && !isLater && !errors.Is(err, kind.ErrDenied) && !errors.Is(err, kind.ErrNoZone)
	}
	return false
}

// show returns sets as sorted lines.
func show(zone string, sets []plan.RRset) []string {
	var lines []string
	for _, s := range sets {
		for _, data := range s.Data {
			lines = append(lines, fmt.Sprintf("%s %d %s %s", kind.Relative(s.Name, zone), s.TTL, s.Type, data))
		}
	}
	slices.Sort(lines)
	return lines
}
