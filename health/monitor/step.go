package monitor

import (
	"net/netip"
	"time"

	"github.com/shunt-dns/shunt/health"
)

const (
	batch    = 256         // outcomes taken in one step
	refresh  = time.Second // the table may be this old in what is for people
	idleStep = time.Minute // the owner looks around at least this often

	overworked = 50 * time.Millisecond // an owner that is as late has no business with hedges
)

// takeAll takes got (where it is an outcome) and those that wait behind it.
func (r *Runner) takeAll(c *crew, got outcome, now time.Time) {
	for n := 0; got.t != nil; n++ {
		c.finished(got)
		if !got.t.gone {
			r.take(got, now)
		}
		got = outcome{}
		if n == batch {
			return
		}
		select {
		case got = <-c.out:
		default:
		}
	}
}

// take lets one outcome count.
func (r *Runner) take(o outcome, now time.Time) {
	t := o.t
	t.out--
	t.last = o.r
	if o.r.Class != health.Internal {
		r.mark(t, o.r.OK)
		if !o.r.OK {
			t.failed = o.r.At
		}
	} else if !o.r.NoRoute && !t.isLookup() {
		r.logUnable(t, o.r.Reason)
	}
	if o.r.OK {
		t.latency = o.r.Phases.Total
		t.smooth, t.seen = health.Smooth(t.smooth, t.latency, o.r.At.Sub(t.seen)), o.r.At
	}
	if !o.r.CertEnd.IsZero() {
		t.certEnd = o.r.CertEnd
	}
	if t.isLookup() && o.r.OK {
		r.found(t.pool, o.found, now)
	}
	t.pending = append(t.pending, o.r)
	if len(t.pending) == 1 && !r.settle(t, now) {
		r.waiting = append(r.waiting, t)
	}
	r.reschedule(t, now)
	r.touch(t.pool)
}

// settle puts the pending results of t to the vote, in their order, and
// reports whether none is left.
func (r *Runner) settle(t *target, now time.Time) bool {
	for i, res := range t.pending {
		was, held := t.v, t.held
		if !r.vote(t, res, now) {
			t.pending = append(t.pending[:0], t.pending[i:]...)
			return false
		}
		doubt := was.Against == 0 && t.v.Against > 0 && t.v.State == health.Up
		if t.v.State != was.State || t.held != held || doubt {
			r.urgent = true
		}
	}
	t.pending = t.pending[:0]
	r.arrived(t)
	return true
}

// mark counts whether the latest result of t was a success.
func (r *Runner) mark(t *target, ok bool) {
	if t.ok == ok {
		return
	}
	t.ok = ok
	n := r.tallies[t.id.Monitor]
	if ok {
		n.ok++
	} else {
		n.ok--
	}
	r.tallies[t.id.Monitor] = n
}

// reschedule decides when t is probed next, after a result.
//
//	a vote is pending or void    regular: more probes would not help
//	a burst helps                recheck from now, or sooner where that is set
//	else                         interval from the start of the latest probe
//	… which is over              at once, but for others that are out: the last
//	                             of them to come back says when
func (r *Runner) reschedule(t *target, now time.Time) {
	d := t.check.def
	calm := len(t.pending) > 0 || t.held != ""
	switch {
	case t.quick:
		return // it is due already
	case !calm && d.Recheck > 0 && t.check.th.Bursting(t.v, t.out):
		due := now.Add(t.check.th.NextProbe(t.v, t.out, t.interval(), d.Recheck, 0))
		if t.index < 0 || t.due.After(due) {
			r.schedule.set(t, due)
		}
	default:
		wait := t.check.th.NextProbe(t.v, t.out, t.interval(), 0, 2*r.random.Float64()-1)
		if !t.spread {
			// The first probes began at once; from here on they are spread.
			t.spread = true
			wait = time.Duration(float64(t.interval()) * r.random.Float64())
		}
		if due := t.launched.Add(wait); t.out == 0 || due.After(now) {
			r.schedule.set(t, later(now, due))
		}
	}
}

// endRound takes note of what the controls said. Votes that were void while
// this node was blind are not held any longer once it sees.
func (r *Runner) endRound(rd round, now time.Time) {
	was := r.controls.blind
	r.controls.end(rd, now)
	if was == r.controls.blind {
		return
	}
	r.urgent = true
	for _, p := range r.order {
		r.touch(p)
		p.targets(func(t *target) {
			if t.held == was {
				t.held = ""
			}
		})
	}
}

// hands do what a step asks for: a crew in earnest, a [Manual] in a rehearsal.
type hands interface {
	start(job)                                    // a probe, as soon as there is room
	hedge() bool                                  // is there room for a hedge?
	ask(controls []netip.AddrPort, now time.Time) // a round of all controls
}

// step does what is due at now and returns how long nothing else will be.
func (r *Runner) step(c hands, now time.Time) time.Duration {
	r.settleWaiting(now)
	if r.controls.due(now) {
		r.controls.begin(now)
		c.ask(r.controls.addrs, now)
	}
	for t := r.schedule.dueBy(now); t != nil; t = r.schedule.dueBy(now) {
		r.launch(c, t, now)
	}
	r.announceReady(now)
	r.publish(now)
	return r.idleUntil(now).Sub(now)
}

// settleWaiting votes again on what waits for witnesses.
func (r *Runner) settleWaiting(now time.Time) {
	waiting := r.waiting[:0]
	for _, t := range r.waiting {
		if t.gone {
			continue
		}
		if !r.settle(t, now) {
			waiting = append(waiting, t)
			continue
		}
		r.reschedule(t, now)
		r.touch(t.pool)
	}
	clear(r.waiting[len(waiting):])
	r.waiting = waiting
}

// launch starts a probe of t, and says when the next one of its burst is due,
// or of its hedge if this one does not come back. Otherwise it is a result
// that says when the next probe is due, so that probes of an endpoint that
// hangs do not pile up.
func (r *Runner) launch(c hands, t *target, now time.Time) {
	th, d := t.check.th, t.check.def
	if t.out > 0 && !t.quick && t.v.State == health.Up && t.v.Against == 0 && (now.Sub(t.due) > overworked || !c.hedge()) {
		return // it is perhaps we who are slow; what is out says when the next probe is due
	}
	j := job{t: t, addr: t.id.Addr, ask: t.check.ask, timeout: t.timeout(), rank: t.rank()}
	if t.isLookup() {
		j.ask, j.lookup = nil, r.d.resolver(r.plan.Load().cfg.Resolvers, t.pool.def)
	}
	t.quick = false
	t.out++
	t.launched = now
	if d.Recheck > 0 && t.held == "" && len(t.pending) == 0 {
		if th.Bursting(t.v, t.out) {
			r.schedule.set(t, now.Add(th.NextProbe(t.v, t.out, t.interval(), d.Recheck, 0)))
		} else if wait, ok := th.Hedge(t.v, t.out, d.Recheck, t.latency, j.timeout); ok && !t.isLookup() {
			r.schedule.set(t, now.Add(wait))
		}
	}
	c.start(j)
}

// arrived takes note that t has had its say in the first round.
func (r *Runner) arrived(t *target) {
	if t.fresh {
		t.fresh = false
		r.unready--
	}
}

// announceReady closes ready when the first round is done.
func (r *Runner) announceReady(now time.Time) {
	if r.isReady || r.unready > 0 && now.Before(r.readyBy) {
		return
	}
	r.isReady = true
	r.urgent = true
	r.publish(now)
	close(r.ready)
}

// idleUntil returns when the owner must look again.
func (r *Runner) idleUntil(now time.Time) time.Time {
	until := now.Add(idleStep)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(until) {
			until = t
		}
	}
	if len(r.schedule) > 0 {
		sooner(r.schedule[0].due)
	}
	if len(r.controls.addrs) > 0 && r.controls.flying.IsZero() {
		sooner(r.controls.next)
	}
	for _, t := range r.waiting {
		if t.until.After(now) { // past it, only a control round is missing
			sooner(t.until)
		}
	}
	sooner(r.refreshAt)
	if !r.isReady {
		sooner(r.readyBy)
	}
	return until
}
