package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// mostMoves is how many services of one decision are told of by name: an
// outage of everything must not push out of the log what led to it.
const mostMoves = 100

// say passes e on, as of now.
func (c *Controller) say(e event.Event) {
	if c.deps.Event == nil {
		return
	}
	e.At = c.now().Round(0)
	if e.Level == "" {
		e.Level = event.Info
	}
	c.deps.Event(e)
}

// sayStates tells of the pools whose state, by probes, is another than was told
// of last.
//
//	before           now       told
//	(not seen yet)   down      yes
//	(not seen yet)   up        no: that is how it should be
//	unknown          up        no
//	any other        another   yes
func (c *Controller) sayStates(t *health.Table) {
	if c.deps.Event == nil {
		return
	}
	told := make(map[string]health.State, len(t.Pools))
	for _, name := range slices.Sorted(maps.Keys(t.Pools)) {
		p := t.Pools[name]
		was, now := c.told[name], p.State // not seen yet is unknown
		told[name] = now
		if was == now || was == health.Unknown && now == health.Up {
			continue
		}
		e := event.Event{Kind: event.Transition, Subject: name, Before: was.String(), After: now.String(), What: fmt.Sprintf("pool %s is %s", name, now)}
		if now != health.Up {
			e.Why, e.Level = p.Reason, event.Warning
		}
		c.say(e)
	}
	c.told = told
}

// sayMove tells that the services of g are answered otherwise; that they are
// at all, after a start, only where something is wrong.
func (c *Controller) sayMove(g *group, prev, d *steer.Decision) {
	if prev.Why == "" && len(d.Picks) > 0 && !d.FailOpen {
		return
	}
	if c.moved++; c.moved > mostMoves {
		return
	}
	e := event.Event{Kind: event.Transition, Subject: g.service.Name, Before: strings.Join(prev.Pools(), ", "), After: strings.Join(d.Pools(), ", "), Why: d.Why}
	e.What = fmt.Sprintf("%s%s is answered by %s", g.service.Name, g.others(), e.After)
	switch {
	case prev.FailOpen && !d.FailOpen && e.Before == e.After:
		e.What = fmt.Sprintf("%s%s no longer fails open: %s answers", g.service.Name, g.others(), e.After)
	case len(d.Picks) == 0:
		e.What, e.Level = fmt.Sprintf("%s%s has nothing to answer with", g.service.Name, g.others()), event.Critical
	case d.FailOpen:
		e.What, e.Level = fmt.Sprintf("%s%s fails open: nothing is up, and %s answers", g.service.Name, g.others(), e.After), event.Critical
	}
	c.say(e)
}

// sayMoved tells of the moves that were too many to be told of one by one.
func (c *Controller) sayMoved() {
	if more := c.moved - mostMoves; more > 0 {
		c.say(event.Event{Kind: event.Transition, What: fmt.Sprintf("and %s more are answered otherwise (shunt status --json lists all)", countOf(more, "service"))})
	}
	c.moved = 0
}

// countOf writes n and the word behind it, in the plural but for 1.
func countOf(n int, word string) string { return fmt.Sprintf("%d %s", n, plural(n, word, word+"s")) }

// sayAlarms tells of the alarms that are in held and were not, and the other
// way round.
func (c *Controller) sayAlarms(held map[string]Alarm) {
	if c.deps.Event == nil {
		return
	}
	raised := make(map[string]string, len(held))
	tell := func(a Alarm, after, level string) {
		e := event.Event{Kind: event.Alarm, Subject: a.Subject, Code: a.Code, What: a.What, After: after, Why: a.Mend, Level: level}
		if after == "cleared" {
			e.What, e.Why = "no longer: "+a.What, ""
		}
		c.say(e)
	}
	for _, key := range slices.Sorted(maps.Keys(held)) {
		raised[key] = c.raised[key]
		if _, ok := c.held[key]; !ok {
			raised[key] = held[key].What
			tell(held[key], "raised", held[key].Severity)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.held)) {
		if _, ok := held[key]; !ok {
			a := c.held[key]
			a.What = c.raised[key] // not that of its last moment, at which all was well again
			tell(a, "cleared", event.Info)
		}
	}
	c.raised = raised
}

// sayOverride tells what became of o.
func (c *Controller) sayOverride(o health.Override, became, why, author string) {
	e := event.Event{Kind: event.Override, Subject: o.Pool, After: became, Why: why, Author: author}
	switch became {
	case "set":
		e.What, e.Level = fmt.Sprintf("pool %s is forced %s until %s", o.Pool, o.Force, onWall(o.Expires, c.now()).Format(time.RFC3339)), event.Warning
	default:
		e.What, e.Before = fmt.Sprintf("pool %s is no longer forced %s: the override was %s", o.Pool, o.Force, became), string(o.Force)
		if became == "ended" {
			e.What = fmt.Sprintf("pool %s is no longer forced %s: the time of the override is over", o.Pool, o.Force)
		}
	}
	c.say(e)
}

// sayFreeze tells what became of the freeze, which is c.freeze.
func (c *Controller) sayFreeze(became, why, author string) {
	e := event.Event{Kind: event.Override, Subject: "freeze", After: became, Why: why, Author: author, Level: event.Warning}
	switch became {
	case "set":
		e.What = "automation is off until " + onWall(c.freeze.Expires, c.now()).Format(time.RFC3339)
	case "ended":
		e.What = "automation is on again: the time of the freeze is over"
	default:
		e.What = "automation is on again"
	}
	c.say(e)
}

// sayDrill tells what became of the drill p.
func (c *Controller) sayDrill(p *drill.Plan, became, why, level string) {
	e := event.Event{Kind: event.Drill, Subject: p.ID, After: became, Why: why, Author: p.Author, Level: level}
	e.What = fmt.Sprintf("drill %s of %s: %s", p.ID, strings.Join(p.Pools, ", "), became)
	c.say(e)
}
