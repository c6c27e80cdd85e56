package steer

import (
	"fmt"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A card is one candidate at the moment of the decision: a pool, or a policy
// that stands where a pool may.
type card struct {
	name   string // of the pool, or "policy NAME"
	index  int    // among the candidates of its chain
	weight int    // 0–1,000,000, as configured
	choice config.Choice

	state    health.State  // under any override
	drains   bool          // an operator drains it
	forced   bool          // an operator forces it down
	works    bool          // it is down, and nothing but its hold-down keeps it so
	bare     string        // why it has nothing to answer with; "" when it has
	reason   string        // why it is not up, or what an operator said
	waits    string        // why it waits to be let back; "" when it does not
	unsteady bool          // the moves of the service are spent, and it is not where answers were
	drilled  string        // why a drill keeps it away; "" when none does
	latency  time.Duration // 0: not known

	late      bool // a last resort: behind all others, in whatever order they are
	fencedOut bool // a fence has shut it out
	resort    bool // a last resort of the client's place, and no person takes it away: answers though it is down

	account *account // of a pool; nil for a policy
	nest    *hand    // of a policy: what its chain left; nil for a pool
	given   int      // parts per million that it has so far
}

// policyName returns the name of the candidate that stands for policy: no
// pool has such a name, for it has a blank in it.
func policyName(policy string) string { return "policy " + policy }

// is reports whether the name in a list of pools means c.
func (c *card) is(name string) bool {
	return c.choice.Pool == name && c.nest == nil || c.nest != nil && c.choice.Policy == name
}

// deal returns the candidates of own as they are now, in their order, those
// of last resort behind the others.
func (r *run) deal(h *hand, own []config.Choice) []*card {
	made := make([]card, len(own))
	cards := make([]*card, 0, len(own))
	for i, choice := range own {
		c := &made[i]
		if choice.Policy != "" {
			r.nested(c, h, choice)
		} else if h.allows(choice.Pool) {
			r.pool(c, choice)
		} else {
			continue
		}
		c.index, c.weight, c.choice, c.late = i, choice.Weight, choice, choice.LastResort
		cards = append(cards, c)
	}
	slices.SortStableFunc(cards, func(a, b *card) int { return order(a.late, b.late) })
	return cards
}

// order sorts false before true.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// pool fills in c as the candidate for a pool. A person who forces a pool up
// outranks whatever would hold it back.
func (r *run) pool(c *card, choice config.Choice) {
	in := r.in
	c.name, c.account = choice.Pool, r.accountOf(choice.Pool)
	if in.Bare != nil {
		c.bare = in.Bare(c.name)
	}
	c.waits, c.unsteady, c.drilled = in.Waits[c.name], in.Unsteady[c.name], in.drilled(c.name)
	if p := in.Table.Pools[c.name]; p != nil {
		c.state, c.drains = p.Effective(in.Now)
		c.reason, c.latency = p.Reason, p.Latency
		c.works = c.state == health.Down && p.Works && !c.drains
		if o := p.Override; o != nil && o.Active(in.Now) {
			c.forced = o.Force == health.ForceDown
			c.works = c.works && !c.forced
			c.reason = fmt.Sprintf("override %s by %s: %s", o.Force, o.Author, o.Reason)
			if o.Force == health.ForceUp {
				c.waits, c.unsteady, c.drilled, c.account.ramp = "", false, "", Million
			}
		}
	}
	if r.suppose != nil {
		r.suppose(c)
	}
}

// nested fills in c as the candidate for the policy of choice: it is as well
// as the best of those that its chain leaves.
func (r *run) nested(c *card, h *hand, choice config.Choice) {
	c.name, c.bare, c.latency = policyName(choice.Policy), "", 0
	p := r.in.Policies[choice.Policy]
	if p == nil || slices.Contains(h.path, choice.Policy) {
		c.bare = "leads nowhere"
		return
	}
	c.nest = r.chain(choice.Policy, p.Pools, append(slices.Clip(h.path), choice.Policy), h.allow)
	if len(c.nest.cards) == 0 {
		c.bare = "has no pool with anything to answer with"
		return
	}
	best := c.nest.cards[0]
	c.forced = true
	for _, inner := range c.nest.cards {
		c.forced = c.forced && inner.forced
		if tier(inner) < tier(best) {
			best = inner
		}
		if inner.latency > 0 && (c.latency == 0 || inner.latency < c.latency) {
			c.latency = inner.latency
		}
	}
	c.state, c.drains, c.reason, c.waits, c.unsteady, c.drilled = best.state, best.drains, best.reason, best.waits, best.unsteady, best.drilled
}

// leaves calls f with each pool that can answer through c.
func (c *card) leaves(f func(*card)) {
	if c.nest == nil {
		f(c)
		return
	}
	for _, inner := range c.nest.cards {
		inner.leaves(f)
	}
	for _, inner := range c.nest.bench {
		inner.leaves(f)
	}
}

// names returns the names of cs; never nil, so that it prints as [].
func names(cs []*card) []string {
	out := make([]string, len(cs))
	for i, c := range cs {
		out[i] = c.name
	}
	return out
}
