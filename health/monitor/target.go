package monitor

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A target is one unit that has a verdict: an address under a monitor, or the
// look-up of a pool's host name. The owner alone touches it.
type target struct {
	id    health.Target
	pool  *pool
	check *check // whose thresholds and schedule hold; for a look-up those of the pool's first monitor
	v     health.Verdict

	last    health.Result // the latest, counted or not
	ok      bool          // the latest result that says anything was a success
	failed  time.Time     // the latest failure, counted or not
	latency time.Duration // of the latest success
	smooth  time.Duration // latency, smoothed by health.Smooth; 0: no success yet
	seen    time.Time     // the latest success
	certEnd time.Time     // as last seen
	held    string        // why its latest vote is void

	due      time.Time // of the next probe, where index ≥ 0
	index    int       // in the schedule, -1 outside
	launched time.Time // the latest probe
	hinted   time.Time // the latest probe for a hint
	out      int       // probes under way or queued
	quick    bool      // the next probe is for a decision: it gets the timeout of a burst
	fresh    bool      // no result yet, in the first round
	spread   bool      // its place within the interval is drawn
	gone     bool      // no longer wanted: results are dropped

	pending []health.Result // wait for witnesses, oldest first
	since   time.Time       // the control round must be newer than this
	asOf    time.Time       // and other witnesses than this
	until   time.Time       // after this the decision is made with what is known
	asked   []*target       // witnesses asked whether the check succeeds elsewhere
}

// isLookup reports whether t is the look-up of its pool's host name.
func (t *target) isLookup() bool { return !t.id.Addr.IsValid() }

// interval returns the time between regular probes of t.
func (t *target) interval() time.Duration {
	if t.isLookup() {
		return lookupInterval(t.check.def.Interval, t.pool.ttl)
	}
	return t.check.def.Interval
}

// timeout returns how long the probe that starts now may take.
func (t *target) timeout() time.Duration {
	d := t.check.def
	if t.quick || t.v.Against > 0 && t.check.th.Bursting(t.v, t.out) {
		return t.check.th.BurstTimeout(d.Timeout, d.Recheck, t.latency)
	}
	return d.Timeout
}

// mute reports whether nothing can be learnt of t from here: this host has no
// route to it, or could not ask it once so far.
func (t *target) mute() bool {
	return t.last.NoRoute || t.v.State == health.Unknown && t.last.Class == health.Internal
}

// rank returns that of the probe that starts now.
func (t *target) rank() rank {
	switch {
	case t.quick || t.check.th.Bursting(t.v, t.out):
		return regular
	case t.v.State == health.Down:
		return resting
	case t.v.State == health.Up && t.out > 0:
		return hedging
	}
	return regular
}

// An endpoint is one address of a pool with a target for each monitor.
type endpoint struct {
	addr    netip.Addr
	targets []*target
	absent  int // look-ups in a row that did not name it
}

// mute reports whether every target of e is. Where some are, as a ping that
// this host may not send, those that are not speak for e.
func (e *endpoint) mute() bool {
	for _, t := range e.targets {
		if !t.mute() {
			return false
		}
	}
	return len(e.targets) > 0
}

// smooth returns the smoothed latency of e, by the slowest of its monitors.
func (e *endpoint) smooth() time.Duration {
	var most time.Duration
	for _, t := range e.targets {
		most = max(most, t.smooth)
	}
	return most
}

// A pool is the owner's side of a pool.
type pool struct {
	def       config.Pool
	checks    []*check
	lookup    *target     // of the host name; nil for a pool of addresses
	endpoints []*endpoint // sorted by address
	ttl       time.Duration
	fetched   bool         // it is the origin of another pool
	published *health.Pool // the latest opinion; nil at first
	stale     bool         // a result came since
}

// targets calls f with each target of p.
func (p *pool) targets(f func(*target)) {
	if p.lookup != nil {
		f(p.lookup)
	}
	for _, e := range p.endpoints {
		for _, t := range e.targets {
			f(t)
		}
	}
}

// find returns where addr is, or would be, among the endpoints.
func (p *pool) find(addr netip.Addr) (int, bool) {
	return slices.BinarySearchFunc(p.endpoints, addr, func(e *endpoint, a netip.Addr) int { return e.addr.Compare(a) })
}

// lookupCheck returns the check whose schedule and thresholds hold for the
// look-up of a pool's host name: its first.
func lookupCheck(checks []*check) *check {
	if len(checks) > 0 {
		return checks[0]
	}
	return plainLookup
}
