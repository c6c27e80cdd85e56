package controller

import (
	"maps"
	"net/netip"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// A frozen is automation switched off: which states hold until when. It is
// not written to once it is made: the state file may be written from it at
// the same time.
type frozen struct {
	health.Freeze
	Pools map[string]frozenPool `json:"pools"`
}

// A frozenPool is the state of one pool at the moment of the freeze.
type frozenPool struct {
	State     health.State                `json:"state"`
	Class     health.Class                `json:"class,omitempty"`
	Reason    string                      `json:"reason,omitempty"`
	Since     time.Time                   `json:"since"`
	Works     bool                        `json:"works,omitempty"`
	Endpoints map[netip.Addr]health.State `json:"endpoints,omitempty"`
}

// freezePool returns the state of p.
func freezePool(p *health.Pool) frozenPool {
	f := frozenPool{p.State, p.Class, p.Reason, p.Since, p.Works, make(map[netip.Addr]health.State, len(p.Endpoints))}
	for _, e := range p.Endpoints {
		f.Endpoints[e.Addr] = e.State
	}
	return f
}

// freezePools returns the states in t.
func freezePools(t *health.Table) map[string]frozenPool {
	out := make(map[string]frozenPool, len(t.Pools))
	for name, p := range t.Pools {
		out[name] = freezePool(p)
	}
	return out
}

// follow returns f for the pools of t: those that came after the freeze join
// with their first verdict, those that are gone leave. It returns f itself
// when there are none.
func (f *frozen) follow(t *health.Table) *frozen {
	pools := maps.Clone(f.Pools)
	changed := false
	for name, p := range t.Pools {
		if _, ok := pools[name]; !ok && p.State != health.Unknown {
			pools[name], changed = freezePool(p), true
		}
	}
	for name := range f.Pools {
		if t.Pools[name] == nil {
			delete(pools, name)
			changed = true
		}
	}
	if !changed {
		return f
	}
	return &frozen{f.Freeze, pools}
}

// apply lays the frozen states over pools, and those of their endpoints: no
// verdict moves an answer. Addresses keep following their host names, for a
// freeze fixes which pool answers and not where it lives; one that came after
// the freeze counts as its pool does. A pool without a state in f keeps its
// own.
func (f *frozen) apply(pools map[string]*health.Pool) {
	for name, then := range f.Pools {
		now := pools[name]
		if now == nil {
			continue
		}
		p := *now
		p.State, p.Class, p.Reason, p.Since, p.Works, p.ChangeIn = then.State, then.Class, then.Reason, then.Since, then.Works, 0
		p.Endpoints = make([]health.Endpoint, len(now.Endpoints))
		for i, e := range now.Endpoints {
			state, ok := then.Endpoints[e.Addr]
			if !ok {
				state = then.State
			}
			e.State = state
			p.Endpoints[i] = e
		}
		pools[name] = &p
	}
}

// anchor returns the bounds of an operator's word on now's monotonic clock,
// so that a step of the wall clock neither ends nor prolongs it. A word from
// the future, after the wall clock went back over a restart, lasts no longer
// than it was given.
func anchor(set, expires, now time.Time) (time.Time, time.Time) {
	span := expires.Sub(set)
	left := min(expires.Sub(now.Round(0)), span)
	return now.Add(left - span), now.Add(left)
}

// onWall returns t, which has a monotonic reading, by the wall clock as it
// shows now.
func onWall(t, now time.Time) time.Time { return now.Round(0).Add(t.Sub(now)) }
