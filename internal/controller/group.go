package controller

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A group is what the services that share decisions have in common. One that
// has been decided on is not written to again: readers have it.
type group struct {
	service config.Service // a representative
	alike   int            // services beside it
	goodKey string
	pooled  []string // the pools that may answer
	places  placing  // whose clients are told apart

	turn    steer.Turn       // the latest one but for its table, for explain
	calm    steer.Calm       // after it
	decided []steer.Decision // the distinct ones; the first is for clients of whom nothing is known
	of      []int32          // by place: index into decided
	wake    time.Time        // when time alone changes something; zero: never
	answers []zone.Answers   // by decided
	steered *zone.Steered
	last    *zone.Steered // the latest that had anything to answer with, or keeps what such a one had; nil: none had
}

// A cause is why decisions are taken.
type cause uint8

const (
	probed   cause = iota // probes, or the time, say something new
	byHand                // a command, or the end of what one set
	reloaded              // another configuration
)

// main returns the decision for clients of whom nothing is known.
func (g *group) main() *steer.Decision {
	if len(g.decided) == 0 {
		return &steer.Decision{}
	}
	return &g.decided[0]
}

// answering returns the pools that answer any client, those for unknown
// clients first.
func (g *group) answering() []string {
	pools := g.main().Pools()
	for i := range g.decided {
		for _, p := range g.decided[i].Picks {
			if !slices.Contains(pools, p.Pool) {
				pools = append(pools, p.Pool)
			}
		}
	}
	return pools
}

// was returns which pools answered after the latest turn, by place; nil when
// there was none for the same places.
func (g *group) was() [][]string {
	if len(g.of) != len(g.places.samples) {
		return nil
	}
	pools := make([][]string, len(g.decided))
	for i := range g.decided {
		pools[i] = g.decided[i].Pools()
	}
	by := make([][]string, len(g.of))
	for i, at := range g.of {
		by[i] = pools[at]
	}
	return by
}

// races reports whether latencies bear on the answers of g.
func (g *group) races() bool {
	return slices.ContainsFunc(g.calm.Races, func(r steer.Race) bool { return len(r.Heats) > 0 })
}

// racing reports whether latencies bear on the answers of any group.
func (c *Controller) racing() bool { return slices.ContainsFunc(c.groups, (*group).races) }

// settled reports whether nothing bears on g that was not there when decisions
// were last taken: pools that are not as they were are in c.fresh.
func (c *Controller) settled(g *group, now time.Time) bool {
	return g.steered != nil && (g.wake.IsZero() || now.Before(g.wake)) && !g.races() &&
		(len(c.fresh) == 0 || !slices.ContainsFunc(g.pooled, func(pool string) bool { return c.fresh[pool] }))
}

// refreshed returns the pools that bear on answers in another way in t, with
// waits, than they did when decisions were last taken.
func (c *Controller) refreshed(t *health.Table, waits map[string]string) map[string]bool {
	fresh := map[string]bool{}
	was := c.decidedOn
	for name := range c.pools {
		if was == nil || was.Blind != t.Blind || c.waits[name] != waits[name] || !bearsAlike(was.Pools[name], t.Pools[name]) {
			fresh[name] = true
		}
	}
	return fresh
}

// bearsAlike reports whether a decision and its words are the same for a and
// b. Either may be nil.
func bearsAlike(a, b *health.Pool) bool {
	if a == b || a == nil || b == nil {
		return a == b
	}
	override := (a.Override == nil) == (b.Override == nil) && (a.Override == nil || *a.Override == *b.Override)
	return override && a.State == b.State && a.Works == b.Works && a.ChangeIn == b.ChangeIn && a.Held == b.Held && a.AddrTTL == b.AddrTTL && a.Shed == b.Shed &&
		(a.State == health.Up || a.Reason == b.Reason) &&
		slices.EqualFunc(a.Endpoints, b.Endpoints, func(x, y health.Endpoint) bool {
			return x.Addr == y.Addr && x.State == y.State && x.Mute == y.Mute
		})
}

// redecide takes the decisions of the i-th group anew and reports whether its
// answers changed.
func (c *Controller) redecide(i int, t *health.Table, now time.Time, why cause) bool {
	was := c.groups[i]
	if why == probed && c.settled(was, now) {
		return false
	}
	g := *was
	c.groups[i] = &g
	g.turn = c.occasion(&g, t, now, why)
	ds, calm, wake := g.calm.Next(g.turn)
	g.calm, g.wake = calm, wake
	g.turn.Table = nil        // else each group would keep the table of its own moment
	if g.turn.Drills == nil { // what a drill takes away is as good as before
		c.memory.note(g.goodKey, ds[0].Good, now)
	}
	g.fold(ds)
	if prev := was.main(); prev.Why != g.main().Why || !slices.Equal(was.of, g.of) {
		c.dirty = true
		c.logMove(&g, prev, g.main())
	}
	given := make([]zone.Answers, len(g.decided))
	for i, d := range g.decided {
		given[i] = zone.AnswersOf(d, g.service, c.pools, t)
	}
	if was.steered != nil && slices.Equal(was.of, g.of) && slices.EqualFunc(was.answers, given, zone.Answers.Equal) {
		g.answers = was.answers
		return false
	}
	g.answers = given
	g.pack()
	return true
}

// occasion returns what g is to be decided on.
func (c *Controller) occasion(g *group, t *health.Table, now time.Time, why cause) steer.Turn {
	bare := make(map[string]string, len(g.pooled))
	for _, pool := range g.pooled {
		bare[pool] = zone.Bare(c.pools[pool], g.service.Flatten, t.Pools[pool])
	}
	return steer.Turn{
		Input: steer.Input{Service: g.service, Policies: c.policies, Pools: c.pools, Table: t,
			Good: c.memory.last(g.goodKey, now), Waits: c.waits, Drills: c.drilled(g), Now: now,
			Bare: func(pool string) string { return bare[pool] }},
		Pooled: g.pooled, Places: g.places.samples, Was: g.was(), Back: c.back,
		Still: c.freeze != nil, ByHand: why != probed,
	}
}

// fold makes ds, one for each place, the decisions of g: equal ones are kept
// once. The steps of all but the first are dropped, since explain takes them
// again.
func (g *group) fold(ds []steer.Decision) {
	g.decided, g.of = nil, make([]int32, len(ds))
	for i, d := range ds {
		at := slices.IndexFunc(g.decided, func(x steer.Decision) bool { return alike(&x, &d) })
		if at < 0 {
			at = len(g.decided)
			if at > 0 {
				d.Steps = nil
			}
			d.Race = steer.Race{}
			g.decided = append(g.decided, d)
		}
		g.of[i] = int32(at)
	}
}

// alike reports whether a and b give the same answers and alarms.
func alike(a, b *steer.Decision) bool {
	return a.Draw == b.Draw && a.Union == b.Union && a.TTL == b.TTL && a.FailOpen == b.FailOpen &&
		a.FenceOpen == b.FenceOpen && a.FenceDown == b.FenceDown && a.Short == b.Short && slices.Equal(a.Picks, b.Picks)
}

// pack packs the answers of g for service. Where there are none, secondaries
// and providers keep what they had.
func (g *group) pack() {
	g.steered = zone.PackPlaces(g.places.of, g.of, g.answers).Keep(g.last, &g.service)
	g.last = g.steered
}

// logMove logs a decision whose reason changed: loudly when the pools did, and
// as no move when they did not.
//
//	pools      fails open           is
//	the same   as before            logged for who debugs, and no event
//	the same   no longer            that the answers stay, and an event
//	another    or begins to, or
//	           nothing to answer    a move, and an event
func (c *Controller) logMove(g *group, prev, d *steer.Decision) {
	level, what := slog.LevelInfo, "answers move"
	same := slices.Equal(prev.Pools(), d.Pools()) && prev.Why != "" // else it is the first
	switch {
	case same && prev.FailOpen == d.FailOpen:
		level, what = slog.LevelDebug, "answers stay"
	case d.FailOpen, len(d.Picks) == 0:
		level = slog.LevelError
	case same:
		what = "answers stay"
	}
	if level != slog.LevelDebug {
		c.sayMove(g, prev, d)
	}
	c.deps.Log.Log(context.Background(), level, what, "service", g.service.Name, "alike", g.alike, "policy", g.service.Policy,
		"from", prev.Pools(), "to", d.Pools(), "ttl", d.TTL.String(), "why", d.Why)
}
