package controller

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A Manual drives a [Controller] by hand, in whatever time Deps.Now keeps: it
// starts no goroutine and saves nothing. Decisions, ramps, budgets and
// expiries are the Controller's own. Its methods must be called from one
// goroutine.
type Manual struct{ *Controller }

// NewManual returns a Manual for l that remembers nothing, and has it take its
// first decision.
func NewManual(l *Loaded, d Deps) Manual { return newManual(l, &State{}, d) }

func newManual(l *Loaded, s *State, d Deps) Manual {
	c := New(l, s, d)
	c.hand = true
	c.decide(reloaded)
	return Manual{c}
}

// Advance does what is due now: it follows the monitor, ends what has ended,
// and takes the steps that time alone brings. It reports whether decisions
// were taken anew.
func (m Manual) Advance() (decided bool) {
	select {
	case <-m.deps.Monitor.Changed():
		m.decide(probed)
		decided = true
	default:
	}
	if m.untilExpiry() <= time.Millisecond {
		m.decide(m.expire())
		decided = true
	}
	return decided
}

// Next returns how long nothing else will be due, unless the monitor changes
// its mind. Where a policy compares latencies, that is at most a second.
func (m Manual) Next() time.Duration {
	next := m.untilExpiry()
	if m.racing() {
		next = min(next, time.Second)
	}
	return next
}

// Service returns what answers now for the service named name (fully
// qualified), and whether it fails open for anyone. It reports false for a
// name that no service has.
func (m Manual) Service(name string) (s ServiceStatus, failOpen, ok bool) {
	v := m.view.Load()
	i := v.loaded.Set.Group(name)
	if i < 0 {
		return s, false, false
	}
	g := v.groups[i]
	return v.service(name, g), slices.ContainsFunc(g.decided, func(d steer.Decision) bool { return d.FailOpen }), true
}

// Alarms returns the alarms that hold now.
func (m Manual) Alarms() []Alarm {
	m.refresh()
	return m.view.Load().status.Alarms
}

// Restarted returns the node as it would be after a restart at a moment of
// the wall clock: from the state that it would have saved.
func (m Manual) Restarted(wall time.Time) (Manual, error) {
	text, err := json.Marshal(m.state(m.now()))
	if err != nil {
		return Manual{}, err
	}
	s := new(State)
	if err := json.Unmarshal(text, s); err != nil {
		return Manual{}, err
	}
	d := m.deps
	d.Now, d.Publish = func() time.Time { return wall }, func(*zone.Snapshot) {}
	return newManual(m.loaded, s, d), nil
}

// Forced returns the override of pool that is in force.
func (m Manual) Forced(pool string) (health.Override, bool) {
	o, ok := m.overrides[pool]
	return o, ok && o.Active(m.now())
}
