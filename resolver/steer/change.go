package steer

import (
	"fmt"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// changes says what would change the answer d, in plain words: for each pool
// what could happen to it and would make another decision, one thing at a
// time.
//
//	the pool                       what could happen
//	up                             it goes down
//	down                           it is up again
//	unknown                        it is up, it is down
//	an operator forces or drains   the override ends
//	waits to be let back           it is let back
//	unsteady                       the service may move again
//	is drilled                     the drill ends
//	below its ramp's last step     the ramp's next step
//	is faster by the margin        it stays so
//
// Another place of the client is named where the chain looks at places.
func (in *Input) changes(d *Decision, accounts []*account) []string {
	out := []string{}
	for _, a := range accounts {
		for _, e := range in.events(a) {
			if !slices.Contains(out, e.words) && in.supposing(a.pool, e.suppose).differs(d) {
				out = append(out, e.words)
			}
		}
	}
	for _, h := range d.Race.Heats {
		for _, u := range h.Duels {
			if u.Over == h.Order[0] {
				out = append(out, fmt.Sprintf("%s faster than %s for %s more", u.Pool, u.Over, u.Due.Sub(in.Now).Round(time.Second)))
			}
		}
	}
	if Places(in.Service, in.Policies, in.Pools) {
		out = append(out, "another place of the client")
	}
	return out
}

// An event is something that could happen to a pool.
type event struct {
	words   string
	suppose func(*card)
}

// events returns what could happen to the pool of a.
func (in *Input) events(a *account) []event {
	state := func(words string, s health.State) event {
		return event{a.pool + " " + words, func(c *card) { c.state = s }}
	}
	p := in.Table.Pools[a.pool]
	if p == nil {
		p = &health.Pool{}
	}
	var list []event
	forced := p.Override != nil && p.Override.Active(in.Now)
	if forced {
		was := p.State
		list = append(list, event{fmt.Sprintf("the end of the override %s of %s", p.Override.Force, a.pool), func(c *card) {
			c.state, c.drains, c.forced = was, false, false
			c.waits, c.unsteady, c.drilled = in.Waits[a.pool], in.Unsteady[a.pool], in.drilled(a.pool)
		}})
	}
	switch s, _ := p.Effective(in.Now); {
	case forced && p.Override.Force != health.ForceDrain:
	case s == health.Up:
		list = append(list, state("down", health.Down))
	case s == health.Down:
		list = append(list, state("up again", health.Up))
	default:
		list = append(list, state("up", health.Up), state("down", health.Down))
	}
	if in.Waits[a.pool] != "" {
		list = append(list, event{a.pool + " let back", func(c *card) { c.waits = "" }})
	}
	if in.Unsteady[a.pool] {
		list = append(list, event{"moves of the service free again", func(c *card) { c.unsteady = false }})
	}
	if d, ok := in.drill(a.pool); ok {
		list = append(list, event{"the end of the drill " + d.Name, func(c *card) { c.drilled, c.account.ramp = "", Million }})
	}
	if _, ok := in.eases[a.pool]; a.ramp < Million && !ok {
		list = append(list, event{"the next step of the ramp of " + a.pool, func(c *card) { c.account.ramp = Million }})
	}
	return list
}
