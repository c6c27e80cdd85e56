package steer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// fence keeps clients of its places to pools of its jurisdictions. It looks at
// every candidate that is able, also at those that a filter before it has
// dropped, and so holds wherever it stands in the chain.
//
//	the client      inside the fence                          kept
//	elsewhere       -                                         what is there
//	of its places   some in play are not down                 those
//	of its places   else: some on the bench are not down      those
//	of its places   else: some are not down                   the best tier of them
//	of its places   all down, serve-all-in-fence              all inside, as in failing open
//	of its places   nothing able, serve-all-in-fence          nothing: SERVFAIL
//	of its places   all down or nothing able, open            what is there
//
// The last three rows are alarmed. Of a nested policy, the pools inside stay, unless the others made it what it was:
// behind healthy, what is now of a worse tier than any in play is treated as dropped.
// A fence that holds shuts the others out for all filters behind it.
func (h *hand) fence(f config.FenceFilter) {
	if !within(h.run.in.Place, f.Clients) {
		h.note("does not hold for these clients")
		return
	}
	inside := h.run.inside(f)
	field := h.fenced(h.field, inside)
	cards, bench := pick(h.cards, field), pick(h.bench, field)
	if worst := worstOf(h.cards); h.judged {
		cards, _ = part(cards, func(c *card) bool { return tier(c) <= worst })
		bench, _ = part(bench, func(c *card) bool { return tier(c) <= max(worst, tierLast) })
	}
	switch {
	case alive(cards):
		h.note("holds for these clients")
	case alive(bench):
		cards, bench = append(cards, bench...), nil
		h.note("the pools inside that were put aside answer")
	case alive(field) && h.judged:
		top := best(field, tier)
		cards, bench = nil, nil
		for _, c := range field {
			if tier(c) == top {
				cards = append(cards, c)
			}
		}
		h.note("brought back those inside")
	case alive(field):
		cards, bench = field, nil
		h.note("brought back those inside")
	case f.Open:
		h.fenceOpen = h.breach(f, field) + ": the fence is open, and others answer"
		h.note(h.fenceOpen)
		return
	default:
		h.fenceDown = h.breach(f, field)
		if cards = field; len(field) > 0 {
			h.fenceDown += ": they answer all the same"
			cards, _ = h.lastGood(field)
		}
		bench, h.failOpen = nil, len(field) > 0
		if h.order == nil {
			h.order = h.before()
		}
		h.note(h.fenceDown)
	}
	if h.fenceDown == "" {
		h.failOpen, h.resorted = h.failOpen && !alive(cards), h.resorted && !alive(cards)
	}
	for _, c := range h.cards {
		if !slices.ContainsFunc(cards, func(k *card) bool { return k.index == c.index }) {
			c.fencedOut = true
			h.drop(c, func(*card) string { return outside(f) })
		}
	}
	before := h.allow
	h.allow = func(pool string) bool { return (before == nil || before(pool)) && inside(pool) }
	h.cards, h.bench, h.field = cards, bench, field
}

// breach says what is wrong inside the fence.
func (h *hand) breach(f config.FenceFilter, field []*card) string {
	if len(field) == 0 {
		return "no pool in " + orList(f.Jurisdictions) + " has anything to answer with"
	}
	return fmt.Sprintf("all pools in %s are down (%s)", orList(f.Jurisdictions), strings.Join(names(field), ", "))
}

// outside is the reason of a pool that a fence shuts out.
func outside(f config.FenceFilter) string {
	return "is not in " + orList(f.Jurisdictions)
}

// orList joins words with or.
func orList(words []string) string { return strings.Join(words, " or ") }

// inside returns whether a pool lies in one of the jurisdictions of f.
func (r *run) inside(f config.FenceFilter) func(pool string) bool {
	return func(pool string) bool {
		p := r.in.Pools[pool]
		return p != nil && slices.ContainsFunc(p.Jurisdictions, func(j string) bool { return slices.Contains(f.Jurisdictions, j) })
	}
}

// fenced returns what of cs lies inside: a policy plays its chain again over
// those of its pools that do.
func (h *hand) fenced(cs []*card, inside func(pool string) bool) []*card {
	var in []*card
	for _, c := range cs {
		if c.nest == nil {
			if inside(c.name) {
				in = append(in, c)
			}
			continue
		}
		again := *h.run
		again.steps, again.race = nil, nil
		around := *h
		around.allow = func(pool string) bool { return h.allows(pool) && inside(pool) }
		smaller := *c
		again.nested(&smaller, &around, c.choice)
		if smaller.bare == "" {
			in = append(in, &smaller)
		}
	}
	return in
}

// pick returns the cards of field that stand for those of cs, in the order of
// cs.
func pick(cs, field []*card) []*card {
	var out []*card
	for _, c := range cs {
		for _, f := range field {
			if f.index == c.index {
				out = append(out, f)
			}
		}
	}
	return out
}

// worstOf returns the worst tier among cs; 0 when there are none.
func worstOf(cs []*card) int {
	worst := 0
	for _, c := range cs {
		worst = max(worst, tier(c))
	}
	return worst
}

// alive reports whether one of cs is not down.
func alive(cs []*card) bool {
	return slices.ContainsFunc(cs, func(c *card) bool { return c.state != health.Down })
}
