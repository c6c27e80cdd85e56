package monitor

import (
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

const (
	decideSlack  = 50 * time.Millisecond  // of health.DecideWithin, kept for work
	witnessGrace = 250 * time.Millisecond // the least time that witnesses get
	maxAsked     = 4                      // witnesses of one challenge
)

// vote lets res count towards the verdict of t, or finds it void. It reports
// false when that needs witnesses which have not been heard: then res must be
// put to the vote again.
//
// A fall is decided only with a control round that began after the first
// failure of its run, however long that takes (a round that takes long is one
// that finds us blind). The other witnesses must have been heard after the
// failure that would decide: what failed with t may have been well when t
// began to fail. They are bounded: when they are not heard within
// [health.DecideWithin] of the first failure, what they said last stands.
func (r *Runner) vote(t *target, res health.Result, now time.Time) bool {
	if res.Class == health.Internal {
		if t.isLookup() {
			t.held = res.Reason // while resolvers are dead, nothing is known of any name
		}
		return true
	}
	if !res.OK && r.controls.leftover(res.At.Add(-res.Phases.Total)) {
		return true
	}
	next := t.check.th.Next(t.v, res)
	if next.State != health.Down || t.v.State == health.Down {
		t.held = health.Void(res, health.Witness{Blind: r.controls.blind, Elsewhere: true})
		if t.held == "" {
			if next.State == health.Up && next.Against == 1 {
				r.controls.want(res.At)
				r.consult(t, res, res.At, now)
			}
			t.v = next
		}
		return true
	}
	if t.until.IsZero() {
		t.since = res.At
		if t.v.Against > 0 {
			t.since = later(t.v.First, res.At.Add(-health.DecideWithin))
		}
		t.until = later(t.since.Add(health.DecideWithin-decideSlack), now.Add(witnessGrace))
		t.asOf = res.At
		r.controls.want(t.since)
		r.consult(t, res, t.asOf, now)
	}
	w, heard := r.witness(t, res, now)
	if !r.controls.fresh(t.since) || !heard && now.Before(t.until) {
		return false
	}
	if t.held = health.Void(res, w); t.held == "" {
		t.v = next
	}
	t.until, t.asked = time.Time{}, nil
	return true
}

// consult asks the witnesses that a fall of t by a failure like res would
// need to have been heard after since. It is called at a first failure too, so
// that what they say last is no older, should they not answer in time.
func (r *Runner) consult(t *target, res health.Result, since, now time.Time) {
	switch {
	case res.ServerError() && t.pool.def.Origin != "":
		t.asked = r.others(t, res)
		for _, o := range r.originOf(t) {
			r.hurry(o, since, now)
		}
	case res.Class == health.Challenge:
		t.asked = r.others(t, res)
	}
	for _, o := range t.asked {
		r.hurry(o, since, now)
	}
}

// witness returns what is known now, and whether all that were asked have
// been heard since t.asOf.
func (r *Runner) witness(t *target, res health.Result, now time.Time) (w health.Witness, heard bool) {
	w.Blind, heard = r.controls.blind, true
	if res.ServerError() && t.pool.def.Origin != "" {
		w.Origin = t.pool.def.Origin
		w.OriginFails, heard = allFail(r.originOf(t), t.asOf, now)
	}
	if res.OK || res.Class != health.Challenge && w.Origin == "" {
		return w, heard
	}
	for _, o := range t.asked {
		fresh := !o.last.At.Before(t.asOf)
		if o.ok && (res.Class == health.Challenge || o.steady(now)) {
			w.Elsewhere = true
			if fresh {
				return w, true
			}
		}
		heard = heard && fresh
	}
	return w, heard
}

// allFail reports whether each of ts fails at now, and whether that is known
// from results since. Those that could not be probed from here are left out; none
// fail when there are no others.
func allFail(ts []*target, since, now time.Time) (fail, heard bool) {
	ts = slices.DeleteFunc(ts, func(o *target) bool { return o.last.Class == health.Internal })
	fail, heard = len(ts) > 0, true
	for _, o := range ts {
		fresh := !o.last.At.Before(since)
		if fresh && !o.failing(now) {
			return false, true
		}
		fail = fail && o.failing(now) && !o.last.At.IsZero()
		heard = heard && fresh
	}
	return fail, heard
}

// failing reports whether o fails as an origin at now: its latest result did,
// or it is down and has succeeded for less than Rise intervals since. CDNs keep
// the 5xx of an origin for some seconds after it has recovered (CloudFront for
// ten): were those counted, every CDN would fall at the end of an outage, and
// all traffic go to the origin. Its hold-down has no part in this.
func (o *target) failing(now time.Time) bool {
	return !o.ok || o.v.State == health.Down && (o.v.Against == 0 || now.Sub(o.v.First) < o.recovery())
}

// steady reports whether o has not failed for a while: a path that is well
// while the origin fails, and not one that failed with it and came back first.
func (o *target) steady(now time.Time) bool {
	return o.failed.IsZero() || now.Sub(o.failed) >= o.recovery()
}

// recovery is how long after a failure what o says is not relied upon.
func (o *target) recovery() time.Duration {
	return time.Duration(max(o.check.def.Rise, 1)) * o.check.def.Interval
}

// originOf returns the targets of the pool that t's pool fetches from, under
// the monitor of t; under all its monitors when it does not have that one.
func (r *Runner) originOf(t *target) []*target {
	origin := r.pools[t.pool.def.Origin]
	if origin == nil {
		return nil
	}
	var same, all []*target
	for _, e := range origin.endpoints {
		for _, o := range e.targets {
			all = append(all, o)
			if o.id.Monitor == t.id.Monitor {
				same = append(same, o)
			}
		}
	}
	if len(same) > 0 {
		return same
	}
	return all
}

// others returns up to four targets that succeeded last, under t's monitor
// and of different pools where there are such; where t alone has its monitor,
// under any that asks HTTP, for a challenge. A pool that CDNs fetch from is no witness: nothing
// stands before it that would challenge anyone, and while every CDN does (an
// attack, say) the traffic must not be thrown at it.
func (r *Runner) others(t *target, res health.Result) []*target {
	shared := r.tallies[t.id.Monitor].all > 1
	if shared && r.tallies[t.id.Monitor].ok == 0 || !shared && res.ServerError() {
		return nil
	}
	var others []*target
	for _, p := range r.order {
		if p.fetched {
			continue
		}
		if found := likeness(p, t, shared); found != nil {
			if others = append(others, found); len(others) == maxAsked {
				break
			}
		}
	}
	return others
}

// likeness returns the first target of p, other than t, that succeeded last
// and asks what t asks (shared), or at least asks HTTP.
func likeness(p *pool, t *target, shared bool) *target {
	for _, e := range p.endpoints {
		for _, o := range e.targets {
			web := o.check.def.Kind == config.HTTPS || o.check.def.Kind == config.HTTP
			if o != t && o.ok && (o.id.Monitor == t.id.Monitor || !shared && web) {
				return o
			}
		}
	}
	return nil
}

// hurry has o probed at once, unless a probe has started since.
func (r *Runner) hurry(o *target, since, now time.Time) {
	if o.launched.Before(since) && !o.gone {
		o.quick = true
		r.schedule.set(o, now)
	}
}

// later returns the later of a and b.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
