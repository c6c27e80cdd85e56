package dashboard

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/event"
)

// A timeline is what happened.
type timeline struct {
	Span   string // that it covers, in words
	Lanes  []lane
	More   int // pools without a lane
	Marks  []time.Time
	Events []event.Event // the latest first
}

// timeline draws up what happened within the last hour; in less, where this
// process looks on for less and could draw next to nothing.
func (b *Dashboard) timeline(s *controller.Status) timeline {
	var all []event.Event
	if b.deps.Events != nil {
		all = b.deps.Events(event.Kept)
	}
	now := b.deps.Now()
	span, words := time.Hour, "last hour"
	for _, c := range []struct {
		span  time.Duration
		words string
	}{{10 * time.Minute, "last 10 minutes"}, {2 * time.Minute, "last 2 minutes"}} {
		if now.Sub(b.born) < c.span {
			span, words = c.span, c.words
		}
	}
	from := now.Add(-span)
	t := timeline{Span: words, Marks: []time.Time{from, from.Add(span / 2), now}}
	changes := map[string][]event.Event{}
	for _, e := range all {
		if e.Kind == event.Transition && isState(e.After) {
			changes[e.Subject] = append(changes[e.Subject], e)
		}
	}
	pools := slices.Clone(s.Pools)
	if len(pools) > fewLanes { // then those first that something happened to
		slices.SortStableFunc(pools, func(x, y controller.PoolStatus) int {
			return cmp.Or(cmp.Compare(len(changes[y.Name]), len(changes[x.Name])))
		})
	}
	for i := range pools[:min(len(pools), fewLanes)] {
		p := &pools[i]
		t.Lanes = append(t.Lanes, draw(p.Name, stretches(p, changes[p.Name], from, b.born, now), from, now))
	}
	t.More = len(pools) - len(t.Lanes)
	t.Events = latest(all, fewEvents)
	return t
}

// latest returns the most latest of events, the latest first, as people want
// them at a glance: alarms are shown elsewhere, and services that moved
// together to the same pools are one.
func latest(all []event.Event, most int) []event.Event {
	var out []event.Event
	together := 0 // beside the last of out
	for _, e := range slices.Backward(all) {
		if e.Kind == event.Alarm {
			continue
		}
		moved := e.Kind == event.Transition && !isState(e.After)
		if n := len(out); n > 0 && moved && out[n-1].Kind == event.Transition && out[n-1].After == e.After && out[n-1].At.Sub(e.At) < time.Second {
			together++
			out[n-1].At, out[n-1].Subject = e.At, e.Subject
			out[n-1].What = fmt.Sprintf("%s and %d more are answered by %s", host(e.Subject), together, e.After)
			continue
		}
		if len(out) == most {
			break
		}
		if moved {
			e.Why = "" // the table of services says it
		}
		together, out = 0, append(out, e)
	}
	return out
}

// isState reports whether word is a state of a pool.
func isState(word string) bool { return word == up || word == down || word == "unknown" }

// A lane is the states of one pool over a while.
type lane struct {
	Pool  string
	SVG   template.HTML
	Words string // the same for who does not see it
}

// A stretch is a time in which a pool was in one state.
type stretch struct {
	state    string
	from, to time.Time
}

// stretches returns the states of a pool from from to now: what it is now, and
// its transitions, the oldest first. What was before all of them is known from
// born on, when this process began to look.
func stretches(p *controller.PoolStatus, changes []event.Event, from, born, now time.Time) []stretch {
	var out []stretch
	add := func(state string, began, ended time.Time) {
		if began = later(began, from); began.Before(ended) {
			out = append(out, stretch{state, began, ended})
		}
	}
	end, state := now, p.State
	for _, e := range slices.Backward(changes) {
		if e.At.Before(end) {
			add(state, e.At, end)
			end = e.At
		}
		state = e.Before // of several in the same moment, that of the first
	}
	if len(changes) == 0 && p.Since.Before(born) {
		born = p.Since
	}
	add(state, born, end)
	slices.Reverse(out)
	return out
}

// later returns the later of a and b.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// draw draws a lane from from to now. The height of what it draws tells states
// apart, not the color alone: a line is up, a block is down, nothing is unknown.
func draw(pool string, ss []stretch, from, now time.Time) lane {
	var b, words strings.Builder
	b.WriteString(`<svg class="lane" viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true">`)
	span := now.Sub(from).Seconds()
	for _, s := range ss {
		x := 1000 * s.from.Sub(from).Seconds() / span
		w := max(1000*s.to.Sub(s.from).Seconds()/span, 3)
		switch s.state {
		case up:
			fmt.Fprintf(&b, `<rect class="up" x="%.1f" y="5" width="%.1f" height="4"/>`, x, w)
		case down:
			fmt.Fprintf(&b, `<rect class="down" x="%.1f" y="0" width="%.1f" height="14"/>`, math.Min(x, 997), w)
			fmt.Fprintf(&words, "; down from %s for %s", clock(s.from), age(s.to.Sub(s.from)))
		}
	}
	b.WriteString(`</svg>`)
	text := "no outage seen"
	if words.Len() > 0 {
		text = strings.TrimPrefix(words.String(), "; ")
	}
	return lane{pool, template.HTML(b.String()), text} // numbers
}
