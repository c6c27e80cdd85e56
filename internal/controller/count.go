package controller

import (
	"maps"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// Counts are totals since the node began, as of the last decision. They are
// immutable, and so are their maps.
type Counts struct {
	Transitions map[Transition]uint64 // of pools, by what probes say of them; the first state of a pool is none
	Moves       uint64                // of answers: services whose pools for clients of whom nothing is known became others
	Taken       uint64                // reloads that came into force
	Refused     uint64                // reloads that did not
	Compiles    Durations             // of the decisions that made a snapshot, until it was in service

	FailOpen   time.Duration            // with a service that answers though nothing is up
	FailOpenBy map[string]time.Duration // the same by service, as [GroupStatus] names it; "other" for all beyond the first thousand
}

// A Transition is a pool that came to a state.
type Transition struct {
	Pool string
	To   health.State
}

// Durations are a histogram.
type Durations struct {
	Counts [len(compileBounds) + 1]uint64 // of the buckets: the last is of what took longer than all
	Sum    time.Duration
}

// Bounds returns the upper bounds of the buckets, included, rising.
func (d Durations) Bounds() []time.Duration { return compileBounds[:] }

var compileBounds = [...]time.Duration{
	100 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 500 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second,
}

// take counts one that took so long.
func (d *Durations) take(took time.Duration) {
	i := 0
	for i < len(compileBounds) && took > compileBounds[i] {
		i++
	}
	d.Counts[i]++
	d.Sum += took
}

// mostFailOpen is how many services have a counter of their own.
const mostFailOpen = 1000

// otherService stands for all services beyond those.
const otherService = "other"

// count returns what the view after v has counted. The time is that since v
// for what lasts, and took for the decision that made after.
func (v *view) count(after *view, took time.Duration) Counts {
	if v == nil {
		n := Counts{}
		n.Compiles.take(took)
		return n
	}
	n := v.counts
	if after.snapshot != v.snapshot {
		n.Compiles.take(took)
	}
	if now := after.status.Reload; !now.At.Equal(v.status.Reload.At) {
		if now.OK {
			n.Taken++
		} else {
			n.Refused++
		}
	}
	n.Transitions = transitions(n.Transitions, v.live, after.live)
	for i, g := range after.groups {
		if i < len(v.groups) && g != v.groups[i] && after.loaded == v.loaded && !samePools(g, v.groups[i]) {
			n.Moves += uint64(g.alike) + 1
		}
	}
	v.failOpen(&n, after.status.At.Sub(v.status.At))
	return n
}

// samePools reports whether a and b answer clients of whom nothing is known
// with the same pools.
func samePools(a, b *group) bool {
	return slices.Equal(a.main().Pools(), b.main().Pools())
}

// transitions returns n with what changed from before to after.
func transitions(n map[Transition]uint64, before, after *health.Table) map[Transition]uint64 {
	if before == after {
		return n
	}
	copied := false
	for name, p := range after.Pools {
		was := before.Pools[name]
		if was == p || was == nil || was.State == p.State || was.State == health.Unknown {
			continue
		}
		if !copied {
			n, copied = maps.Clone(n), true
		}
		if n == nil {
			n = map[Transition]uint64{}
		}
		n[Transition{name, p.State}]++
	}
	return n
}

// failOpen adds to n that what failed open in v did so for a while.
func (v *view) failOpen(n *Counts, while time.Duration) {
	if while <= 0 {
		return
	}
	copied := false
	for _, g := range v.groups {
		if !g.failsOpen() {
			continue
		}
		if !copied {
			n.FailOpen += while
			n.FailOpenBy, copied = maps.Clone(n.FailOpenBy), true
		}
		if n.FailOpenBy == nil {
			n.FailOpenBy = map[string]time.Duration{}
		}
		name := g.service.Name
		if _, known := n.FailOpenBy[name]; !known && len(n.FailOpenBy) >= mostFailOpen {
			name = otherService
		}
		n.FailOpenBy[name] += while
	}
}

// Counts returns the totals as of the last decision.
func (c *Controller) Counts() Counts {
	if v := c.view.Load(); v != nil {
		return v.counts
	}
	return Counts{}
}

// A GroupStatus is what services have in common that differ in nothing but
// their name.
type GroupStatus struct {
	Service  string // the name of one of them, by which answers are counted
	Services int    // how many they are
	FailOpen bool
	Shares   []Share // as in ServiceStatus
}

// Groups returns all groups in no order; shares are worked out for the first
// most of them only.
func (c *Controller) Groups(most int) []GroupStatus {
	v := c.view.Load()
	if v == nil {
		return nil
	}
	list := make([]GroupStatus, len(v.groups))
	for i, g := range v.groups {
		list[i] = GroupStatus{Service: g.service.Name, Services: g.alike + 1, FailOpen: g.failsOpen()}
		if i < most {
			list[i].Shares = sharesOf(g.main())
		}
	}
	return list
}
