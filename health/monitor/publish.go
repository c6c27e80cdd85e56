package monitor

import (
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// touch takes note that the published opinion of p may be out of date.
func (r *Runner) touch(p *pool) {
	if !p.stale {
		p.stale = true
		r.stale = append(r.stale, p)
	}
}

// publishAll publishes every pool anew.
func (r *Runner) publishAll(now time.Time) {
	for _, p := range r.order {
		r.touch(p)
	}
	r.urgent = true
	r.publish(now)
}

// publish brings the table up to date when something urgent happened, and
// otherwise about once a second. It signals Changed when answers may change.
func (r *Runner) publish(now time.Time) {
	switch {
	case len(r.stale) == 0 && !r.urgent:
		return
	case !r.urgent && r.refreshAt.IsZero():
		r.refreshAt = now.Add(refresh)
		return
	case !r.urgent && now.Before(r.refreshAt):
		return
	}
	before := r.table.Load()
	after := &health.Table{At: now, Blind: r.controls.blind, Pools: maps.Clone(before.Pools)}
	changed := r.dropPools(after)
	if before.Blind != after.Blind {
		changed = true
		r.logBlind(before.Blind, after.Blind)
	}
	for _, p := range r.stale {
		p.stale = false
		if r.pools[p.def.Name] != p {
			continue
		}
		was := p.published
		p.published = r.build(p, now)
		after.Pools[p.def.Name] = p.published
		if differs(was, p.published) {
			changed = true
			r.logPool(was, p.published, before, after)
		}
	}
	r.stale, r.urgent, r.refreshAt = r.stale[:0], false, time.Time{}
	r.table.Store(after)
	if changed {
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}
}

// dropPools removes the pools from t that are no longer configured.
func (r *Runner) dropPools(t *health.Table) (dropped bool) {
	for name := range t.Pools {
		if r.pools[name] == nil {
			delete(t.Pools, name)
			dropped = true
		}
	}
	return dropped
}

// build returns the opinion of p at now.
func (r *Runner) build(p *pool, now time.Time) *health.Pool {
	h := &health.Pool{Name: p.def.Name, AddrTTL: p.ttl, Held: r.controls.blind}
	h.Endpoints = make([]health.Endpoint, 0, len(p.endpoints))
	rule := health.PoolRule{Monitored: len(p.checks) > 0, UpIf: p.def.UpIf}
	if p.lookup != nil {
		rule.Lookup, rule.Resolves = &p.lookup.v, works(now, p.lookup)
		if rule.Monitored {
			consider(h, p.lookup, now)
		}
	}
	r.laps = r.laps[:0]
	for _, e := range p.endpoints {
		mute := e.mute()
		r.scratch = r.scratch[:0]
		for _, t := range e.targets {
			if mute || !t.mute() {
				r.scratch = append(r.scratch, t.v)
			}
			consider(h, t, now)
		}
		he := health.MergeEndpoint(e.addr, r.scratch)
		he.Works = he.State == health.Down && works(now, e.targets...)
		he.Mute = mute
		if he.State == health.Up {
			r.laps = append(r.laps, e.smooth())
		}
		for _, t := range e.targets {
			describe(&he, t, now)
		}
		h.Endpoints = append(h.Endpoints, he)
	}
	h.Latency = health.MeanLatency(r.laps)
	h.ChangeIn = steady(h.ChangeIn)
	h.Settle(rule, p.published, now)
	return h
}

// proven is how long successes must have been in a row, too, for what is held
// down to be said to work: what fails four times of five has five good ones in
// a row now and then.
const proven = time.Minute

// works reports whether each of ts is not Down, or has had the successes that
// would bring it up but for its hold-down.
func works(now time.Time, ts ...*target) bool {
	for _, t := range ts {
		if t.v.State == health.Down && (t.v.Against < max(t.check.th.Rise, 1) || now.Sub(t.v.First) < proven) {
			return false
		}
	}
	return true
}

// consider lets t bear on ChangeIn and Held of h.
func consider(h *health.Pool, t *target, now time.Time) {
	in := t.check.th.ChangeIn(t.v, now, t.interval(), t.check.def.Recheck)
	if in > 0 && (h.ChangeIn == 0 || in < h.ChangeIn) {
		h.ChangeIn = in
	}
	if h.Held == "" {
		h.Held = t.held
	}
}

// describe adds to e what is for people, as t saw it.
func describe(e *health.Endpoint, t *target, now time.Time) {
	e.Latency = max(e.Latency, t.latency)
	if at := t.last.At; !at.IsZero() && (e.Seen.IsZero() || at.Before(e.Seen)) {
		e.Seen = at
	}
	if !t.certEnd.IsZero() && (e.CertEnd.IsZero() || t.certEnd.Before(e.CertEnd)) {
		e.CertEnd = t.certEnd
	}
	if warn := certWarn(t.check.def); !t.certEnd.IsZero() && t.certEnd.Sub(now) < warn {
		e.CertWarn = true
	}
	if t.v.State == health.Unknown && !t.last.OK && e.Reason == "" {
		e.Reason = t.last.Reason
	}
}

// certWarn returns how long before its end a certificate raises an alarm.
func certWarn(m config.Monitor) time.Duration {
	if m.Kind == config.TLS {
		return m.TLS.CertWarn
	}
	return m.HTTP.CertWarn
}

// steady rounds d, from a second on, down to a power of two of seconds: so a
// hold-down of minutes makes a handful of tables and not one a probe, and
// what is published is never more than what is left.
func steady(d time.Duration) time.Duration {
	s := uint64(d / time.Second)
	if s == 0 {
		return d
	}
	return time.Duration(uint64(1)<<(bits.Len64(s)-1)) * time.Second
}

// differs reports whether a and b differ in what matters to answers or is an
// alarm. a may be nil.
func differs(a, b *health.Pool) bool {
	return a == nil || a.State != b.State || a.Works != b.Works || a.Held != b.Held || a.ChangeIn != b.ChangeIn ||
		!slices.EqualFunc(a.Endpoints, b.Endpoints, func(x, y health.Endpoint) bool {
			return x.Addr == y.Addr && x.State == y.State && x.CertWarn == y.CertWarn && x.Mute == y.Mute
		})
}
