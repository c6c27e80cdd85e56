package monitor

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// adopt puts the plan p in force: pools, endpoints and targets that are new
// begin now, those no longer wanted end, and those that stay keep their
// verdicts.
func (r *Runner) adopt(p *plan, now time.Time) {
	r.plan.Store(p)
	r.unable = make(map[string]bool)
	old := r.pools
	r.pools = make(map[string]*pool, len(p.cfg.Pools))
	r.order = r.order[:0:0]
	for _, def := range p.cfg.Pools {
		pl := old[def.Name]
		if pl != nil && pl.def.CNAME != def.CNAME {
			pl = nil // another path under the old name
		}
		if pl == nil {
			pl = &pool{}
		} else {
			delete(old, def.Name)
		}
		r.rebuild(pl, def, p.checksOf(def), now)
		r.pools[def.Name] = pl
		r.order = append(r.order, pl)
	}
	for _, pl := range r.order {
		if o := r.pools[pl.def.Origin]; o != nil {
			o.fetched = true
		}
	}
	for _, pl := range old {
		pl.targets(r.discard)
	}
	r.setControls(p.cfg.Vantage.Controls, now)
}

// rebuild makes pl what def asks for.
func (r *Runner) rebuild(pl *pool, def config.Pool, checks []*check, now time.Time) {
	pl.def, pl.checks, pl.fetched = def, checks, false
	if def.CNAME != "" {
		if pl.lookup == nil {
			pl.lookup = r.newTarget(pl, lookupCheck(checks), netip.Addr{}, now)
		}
		pl.lookup.check = lookupCheck(checks)
		for _, e := range pl.endpoints {
			r.retarget(pl, e, now)
		}
		return
	}
	addrs := tidyAll(def.Addresses)
	pl.endpoints = slices.DeleteFunc(pl.endpoints, func(e *endpoint) bool {
		_, keep := slices.BinarySearchFunc(addrs, e.addr, netip.Addr.Compare)
		if !keep {
			r.discardAll(e)
		}
		return !keep
	})
	for _, a := range addrs {
		r.retarget(pl, r.endpointOf(pl, a), now)
	}
}

// retarget gives e a target for each check of its pool. A target whose
// monitor still asks the same stays, with its verdict.
func (r *Runner) retarget(pl *pool, e *endpoint, now time.Time) {
	old := e.targets
	e.targets = make([]*target, 0, len(pl.checks))
	for _, c := range pl.checks {
		i := slices.IndexFunc(old, func(t *target) bool {
			return t.id.Monitor == c.def.Name && sameMonitor(t.check.def, c.def)
		})
		if i < 0 {
			e.targets = append(e.targets, r.newTarget(pl, c, e.addr, now))
			continue
		}
		t := old[i]
		old = slices.Delete(old, i, i+1)
		t.check = c
		if soon := now.Add(t.interval()); t.index >= 0 && t.due.After(soon) {
			r.schedule.set(t, soon)
		}
		e.targets = append(e.targets, t)
	}
	for _, t := range old {
		r.discard(t)
	}
}

// endpointOf returns the endpoint of addr in pl, a new one without targets
// where there was none.
func (r *Runner) endpointOf(pl *pool, addr netip.Addr) *endpoint {
	i, ok := pl.find(addr)
	if !ok {
		pl.endpoints = slices.Insert(pl.endpoints, i, &endpoint{addr: addr})
	}
	return pl.endpoints[i]
}

// newTarget returns a target that is due now. The zero addr makes it the
// look-up of the pool's host name.
func (r *Runner) newTarget(pl *pool, c *check, addr netip.Addr, now time.Time) *target {
	t := &target{id: health.Target{Pool: pl.def.Name, Addr: addr}, pool: pl, check: c, index: -1}
	if addr.IsValid() {
		t.id.Monitor = c.def.Name
	}
	if !r.isReady {
		t.fresh = true
		r.unready++
	}
	n := r.tallies[t.id.Monitor]
	n.all++
	r.tallies[t.id.Monitor] = n
	r.schedule.set(t, now)
	return t
}

// discard ends t: what is under way for it will be dropped.
func (r *Runner) discard(t *target) {
	r.arrived(t)
	r.mark(t, false)
	n := r.tallies[t.id.Monitor]
	n.all--
	r.tallies[t.id.Monitor] = n
	r.schedule.drop(t)
	t.gone = true
}

// discardAll ends every target of e.
func (r *Runner) discardAll(e *endpoint) {
	for _, t := range e.targets {
		r.discard(t)
	}
}

// found makes the addresses that a look-up brought the endpoints of pl: a new
// one begins as Unknown, one that two look-ups in a row did not name ends.
// Many CDNs answer with a part of their addresses, another one each time;
// one look-up must not end what the next brings back.
func (r *Runner) found(pl *pool, found Addresses, now time.Time) {
	pl.ttl = found.TTL
	for _, e := range pl.endpoints {
		e.absent++
	}
	for _, a := range found.Addrs {
		e := r.endpointOf(pl, a)
		e.absent = 0
		if len(e.targets) != len(pl.checks) {
			r.retarget(pl, e, now)
		}
	}
	count := len(pl.endpoints)
	pl.endpoints = slices.DeleteFunc(pl.endpoints, func(e *endpoint) bool {
		if e.absent >= 2 {
			r.discardAll(e)
		}
		return e.absent >= 2
	})
	if len(pl.endpoints) != count || pl.published == nil || len(pl.published.Endpoints) != count {
		r.urgent = true
	}
}

// restore gives targets the verdicts that were saved for them, as far as
// those are young and of the question that is asked now, and pools of host
// names the addresses they had.
func (r *Runner) restore(saved []health.Saved, now time.Time) {
	byTarget := make(map[health.Target]health.Saved, len(saved))
	p := r.plan.Load()
	for _, s := range saved {
		pl := r.pools[s.Pool]
		if pl == nil || !s.Young(now, health.MaxAge(lookupCheck(pl.checks).def.Interval)) {
			continue
		}
		if c := p.checks[s.Monitor]; s.Addr.IsValid() && c == nil || s.Asked != asked(pl.def, c, s.Addr) {
			continue
		}
		byTarget[s.Target()] = s
		if pl.lookup != nil && s.Addr.IsValid() {
			if e := r.endpointOf(pl, s.Addr); len(e.targets) == 0 {
				r.retarget(pl, e, now)
			}
		}
	}
	for _, pl := range r.order {
		pl.targets(func(t *target) {
			if s, ok := byTarget[t.id]; ok {
				t.v = s.Verdict(now)
			}
		})
	}
}

// setControls puts the control targets in force. Blindness is found anew when
// they change.
func (r *Runner) setControls(defs []config.Control, now time.Time) {
	addrs := make([]netip.AddrPort, len(defs))
	for i, d := range defs {
		addrs[i] = d.Address
	}
	if slices.Equal(addrs, r.controls.addrs) {
		return
	}
	flying := r.controls.flying
	r.controls = controls{addrs: addrs, flying: flying, next: now, again: !flying.IsZero()}
}
