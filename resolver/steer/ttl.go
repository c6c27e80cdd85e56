package steer

import (
	"slices"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// ttl applies gdnsd's rule: an answer lives no longer than the present state
// is sure to last, within the bounds of the service.
//
//	a pool could change within ChangeIn           the answer lives
//	and answers                                   no longer
//	and does not, but its change would alter d    no longer
//	and its change would alter nothing            as long as it may
//	any, while failing open                       the least time
//
// A state that an operator forces does not wait for probes.
func ttl(in *Input, d *Decision, accounts []*account) time.Duration {
	life, least := in.Service.TTL, in.Service.TTLMin
	for _, a := range accounts {
		if d.FailOpen || life <= least {
			break
		}
		p := in.Table.Pools[a.pool]
		if p == nil || p.ChangeIn <= 0 || p.ChangeIn >= life || p.Override != nil && p.Override.Active(in.Now) {
			continue
		}
		if in.Bare != nil && in.Bare(a.pool) != "" {
			continue
		}
		if d.answers(a.pool) || in.alters(a.pool, d) {
			life = p.ChangeIn
		}
	}
	if d.FailOpen {
		life = least
	}
	return max(life, least).Truncate(time.Second)
}

// answers reports whether pool is one of the picks.
func (d *Decision) answers(pool string) bool {
	return slices.ContainsFunc(d.Picks, func(p Pick) bool { return p.Pool == pool })
}

// alters reports whether another state of pool would make another decision
// than d.
func (in *Input) alters(pool string, d *Decision) bool {
	for _, s := range []health.State{health.Up, health.Down} {
		if in.supposing(pool, func(c *card) { c.state = s }).differs(d) {
			return true
		}
	}
	return false
}

// supposing returns the picks of the decision if f held of pool.
func (in *Input) supposing(pool string, f func(*card)) *Decision {
	r := &run{in: in, suppose: func(c *card) {
		if c.name == pool {
			f(c)
		}
	}}
	h := r.chain(in.Service.Policy, in.Service.Pools, nil, nil)
	d := &Decision{}
	r.share(h, d)
	return d
}

// differs reports whether other pools, or in other shares, answer with d than
// with e.
func (d *Decision) differs(e *Decision) bool {
	return d.Union != e.Union || !slices.Equal(d.Picks, e.Picks)
}
