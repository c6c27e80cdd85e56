package controller

import (
	"maps"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A savedCalm is what one service must not forget over a restart, of its
// ramps and its budget. A race begins anew.
type savedCalm struct {
	Climbs   map[string]steer.Climb `json:"climbs,omitempty"`
	Moves    steer.Budget           `json:"moves,omitempty"`
	Unsteady []string               `json:"unsteady,omitempty"`
}

// saveCalm returns what is to outlive the process of each group, by the name
// of its representative. Groups of which there is nothing to say are left out.
func (c *Controller) saveCalm(now time.Time) map[string]savedCalm {
	out := map[string]savedCalm{}
	for _, g := range c.groups {
		if len(g.calm.Climbs) == 0 && len(g.calm.Moves) == 0 {
			continue
		}
		s := savedCalm{Climbs: make(map[string]steer.Climb, len(g.calm.Climbs)), Unsteady: slices.Sorted(maps.Keys(g.calm.Unsteady))}
		for pool, climb := range g.calm.Climbs {
			climb.Since = onWall(climb.Since, now)
			s.Climbs[pool] = climb
		}
		for _, at := range g.calm.Moves {
			s.Moves = append(s.Moves, onWall(at, now))
		}
		out[g.service.Name] = s
	}
	return out
}

// recallCalm returns what was saved, on now's monotonic clock.
func recallCalm(saved map[string]savedCalm, now time.Time) map[string]steer.Calm {
	out := make(map[string]steer.Calm, len(saved))
	for name, s := range saved {
		var calm steer.Calm
		for pool, climb := range s.Climbs {
			climb.Since = ago(climb.Since, now)
			if calm.Climbs == nil {
				calm.Climbs = map[string]steer.Climb{}
			}
			calm.Climbs[pool] = climb
		}
		for _, at := range s.Moves {
			calm.Moves = append(calm.Moves, ago(at, now))
		}
		for _, pool := range s.Unsteady {
			if calm.Unsteady == nil {
				calm.Unsteady = map[string]bool{}
			}
			calm.Unsteady[pool] = true
		}
		out[name] = calm
	}
	return out
}

// saveFalls returns the falls of pools by the wall clock.
func (c *Controller) saveFalls(now time.Time) map[string]health.Fall {
	out := make(map[string]health.Fall, len(c.falls))
	for pool, f := range c.falls {
		f.Began = onWall(f.Began, now)
		if !f.Ended.IsZero() {
			f.Ended = onWall(f.Ended, now)
		}
		out[pool] = f
	}
	return out
}

// recallFalls returns saved falls on now's monotonic clock.
func recallFalls(saved map[string]health.Fall, now time.Time) map[string]health.Fall {
	out := make(map[string]health.Fall, len(saved))
	for pool, f := range saved {
		if !f.Fallen() {
			continue
		}
		f.Began = ago(f.Began, now)
		if !f.Ended.IsZero() {
			f.Ended = ago(f.Ended, now)
		}
		out[pool] = f
	}
	return out
}

// ago returns the moment t of the wall clock on now's monotonic one; what lies
// in the future, after the wall clock went back, is now.
func ago(t, now time.Time) time.Time { return now.Add(-max(0, now.Round(0).Sub(t))) }

// settleFalls brings the falls of pools up to t, and what those wait for that
// are up again, and notes what is fresh. A freeze holds falls and waits as they
// are.
func (c *Controller) settleFalls(t *health.Table, now time.Time) {
	defer func() { c.decidedOn = t }()
	if c.freeze != nil {
		c.back, c.fresh = nil, c.refreshed(t, c.waits)
		return
	}
	falls := steer.NextFalls(c.pools, c.falls, c.decidedOn, t, now)
	if !maps.Equal(falls, c.falls) {
		c.dirty = true
	}
	c.falls = falls
	waits, back := steer.Waits(c.pools, c.falls, t, now)
	c.logWaits(waits)
	c.fresh = c.refreshed(t, waits)
	c.waits, c.back = waits, back
}

// logWaits logs the pools that begin to wait and those that no longer do.
func (c *Controller) logWaits(waits map[string]string) {
	for _, pool := range slices.Sorted(maps.Keys(waits)) {
		if c.waits[pool] == "" {
			c.deps.Log.Warn("pool is up and waits", "pool", pool, "why", waits[pool])
		}
	}
	for _, pool := range slices.Sorted(maps.Keys(c.waits)) {
		if waits[pool] == "" && !c.falls[pool].Fallen() {
			c.deps.Log.Info("pool is back", "pool", pool)
		}
	}
}

// inherit takes over what was known of the services of g while they were in
// the group was.
func (g *group) inherit(was *group) {
	g.calm, g.decided, g.last = was.calm, was.decided, was.last
	if g.places.of != was.places.of {
		g.calm.Races = g.racesOf(was)
		return
	}
	g.turn, g.of, g.answers, g.steered = was.turn, was.of, was.answers, was.steered
}

// racesOf returns the races of was, for the places of g: who leads does not
// change because a database has.
func (g *group) racesOf(was *group) []steer.Race {
	key := g.places.key
	if key == nil || !was.races() {
		return nil
	}
	by := make(map[string]steer.Race, len(was.places.samples))
	for i, race := range was.calm.Races {
		if k := key(was.places.samples[i]); len(by[k].Heats) == 0 {
			by[k] = race
		}
	}
	races := make([]steer.Race, len(g.places.samples))
	for i, p := range g.places.samples {
		races[i] = by[key(p)]
	}
	return races
}
