package rehearse

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// The switch that a rehearsal compares with: what Route 53 health checks do
// with their standard settings, and the usual TTL beside them.
const (
	otherInterval = 30 * time.Second
	otherFall     = 3
	otherTTL      = time.Minute
)

// alone returns the error minutes of a site that has the first pool only.
func (t *Trace) alone() float64 { return t.harm()[0].between(0, t.End) / 60 }

// other returns the population of a site whose switch checks each pool every
// 30 s, changes its mind after three results in a row, sends everyone to the
// first pool that it holds healthy (to the first of all, when none is), and
// answers with a TTL of a minute.
func (t *Trace) other(p Plan) *Population {
	turns := t.otherTurns(p)
	pop := NewPopulation(len(t.Clients.caches), p.Seed)
	at := func(now time.Duration) Answer {
		i, found := slices.BinarySearchFunc(turns, now, func(s span, at time.Duration) int { return int(s.from - at) })
		if !found {
			i--
		}
		return Answer{Pool: turns[max(i, 0)].pool, TTL: otherTTL}
	}
	ask := func(_ netip.Addr, now time.Duration) Answer { return at(now) }
	pop.Begin(ask)
	for _, turn := range turns {
		pop.Advance(turn.from, ask)
	}
	pop.Advance(t.End, ask)
	return pop
}

// otherTurns returns what that switch answers with, and since when.
func (t *Trace) otherTurns(p Plan) []span {
	type opinion struct {
		down    bool
		against int
	}
	opinions := make([]opinion, len(t.Pools))
	turns := []span{{0, 0}}
	for nth, at := uint64(0), time.Duration(0); at < t.End; nth, at = nth+1, at+otherInterval {
		best := nowhere
		for i, pool := range t.Pools {
			o := &opinions[i]
			ok := t.otherProbe(p, pool, at, nth, turns[len(turns)-1].pool == i)
			if ok == !o.down {
				o.against = 0
			} else if o.against++; o.against >= otherFall {
				o.down, o.against = !o.down, 0
			}
			if !o.down && best == nowhere {
				best = i
			}
		}
		if best = max(best, 0); best != turns[len(turns)-1].pool {
			turns = append(turns, span{at, best})
		}
	}
	return turns
}

// otherProbe reports whether that switch finds pool well.
func (t *Trace) otherProbe(p Plan, pool string, at time.Duration, nth uint64, answers bool) bool {
	share := 0.0
	if answers {
		share = 1
	}
	v := View{Vantage: "v0", Place: firstPlace} // it has views of its own
	if r := t.World.Lookup(v, pool, at, nth); r.Fault != "" {
		return false
	}
	m := monitorOf(pool, p.Config)
	return m == nil || t.World.Probe(v, pool, m, at, share, nth).Result.OK
}

// monitorOf returns the first monitor of pool, nil when it has none.
func monitorOf(pool string, cfg *config.Config) *config.Monitor {
	for _, c := range cfg.Pools {
		if c.Name != pool || len(c.Monitors) == 0 {
			continue
		}
		for i := range cfg.Monitors {
			if cfg.Monitors[i].Name == c.Monitors[0] {
				return &cfg.Monitors[i]
			}
		}
	}
	return nil
}
