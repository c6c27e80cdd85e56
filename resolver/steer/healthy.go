package steer

import (
	"cmp"
	"slices"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// healthy keeps the best tier that has a candidate:
//
//	tier  candidate                                      when no better tier has one
//	1     up                                             kept
//	2     up, unsteady                                   kept; beside better ones it takes overflow
//	3     unknown                                        kept: unknown is not down
//	4     a last resort that is up                       kept; beside better ones it takes overflow, last
//	5     a last resort, unknown                         kept
//	6, 7  up, unknown, and a drill keeps it away         kept: a drill is the first to give way
//	8, 9  up, unknown, and it waits to be let back       kept, what is in the last good order first: who
//	                                                     answers meanwhile goes on until a person says so
//	10-11 up, unknown, and an operator drains it         kept
//	12    down, and only its hold-down keeps it so       kept, and the decision fails open: it works, which
//	                                                     nothing else does
//	13    the last resort of the client's place, down    kept, and the decision fails open
//	14    down                                           kept, and the decision fails open: last good
//	                                                     order first, then the order of the service;
//	                                                     what an operator drains comes after, and
//	                                                     what one forces down comes last
//
// With unknown: keep, unknown counts as up. Where fewer than min_up are kept,
// tiers 2 and 3 are added, a whole tier at a time; never one that waits, is
// drained or is down, since an operator's word and "down" outrank a number.
func (h *hand) healthy(f config.HealthyFilter) {
	rank := tier
	if f.KeepUnknown {
		rank = tierKeepingUnknown
	}
	if best(h.cards, rank) >= tierWorks && best(h.bench, rank) < tierWorks {
		// What first left over is better than failing open.
		h.cards, h.bench = append(h.cards, h.bench...), nil
	}
	h.judged = true
	top := best(h.cards, rank)
	if top >= tierWorks {
		h.open(top)
		return
	}
	upTo := top
	for upTo < tierUnknown && count(h.cards, rank, upTo) < f.MinUp {
		upTo++
	}
	out := h.keep(func(c *card) bool { return rank(c) <= upTo }, unfit)
	if top == tierWaits || top == tierWaitsUnknown {
		slices.SortStableFunc(h.cards, func(a, b *card) int { return cmp.Compare(h.goodAt(a), h.goodAt(b)) })
	}
	if upTo > top {
		slices.SortStableFunc(h.cards, func(a, b *card) int { return cmp.Compare(rank(a), rank(b)) })
	}
	h.bench, _ = part(append(h.bench, out...), func(c *card) bool {
		return rank(c) <= max(top, tierUnsteady) || rank(c) == tierLast
	})
	h.order = h.remember(h.cards)
}

// goodAt returns where c stands in the last good order, behind all of it when
// it does not.
func (h *hand) goodAt(c *card) int {
	if i := slices.Index(h.good, c.name); i >= 0 {
		return i
	}
	return len(h.good)
}

// The tiers of healthy.
const (
	tierUp = iota + 1
	tierUnsteady
	tierUnknown
	tierLast
	tierLastUnknown
	tierDrilled
	tierDrilledUnknown
	tierWaits
	tierWaitsUnknown
	tierDrained
	tierDrainedUnknown
	tierWorks
	tierResort
	tierDown
	noTier
)

// tier returns the row of c in healthy's table.
func tier(c *card) int {
	unknown := 0
	if c.state == health.Unknown {
		unknown = 1
	}
	switch {
	case c.works:
		return tierWorks
	case c.state == health.Down && c.resort:
		return tierResort
	case c.state == health.Down:
		return tierDown
	case c.drains:
		return tierDrained + unknown
	case c.waits != "":
		return tierWaits + unknown
	case c.drilled != "":
		return tierDrilled + unknown
	case c.late:
		return tierLast + unknown
	case unknown == 1:
		return tierUnknown
	case c.unsteady:
		return tierUnsteady
	}
	return tierUp
}

// tierKeepingUnknown is tier with unknown: keep.
func tierKeepingUnknown(c *card) int {
	if c.state != health.Unknown {
		return tier(c)
	}
	up := *c
	up.state = health.Up
	return tier(&up)
}

// best returns the best tier among cs; noTier when there are none.
func best(cs []*card, rank func(*card) int) int {
	top := noTier
	for _, c := range cs {
		top = min(top, rank(c))
	}
	return top
}

// count returns how many of cs are of tier upTo or a better one.
func count(cs []*card, rank func(*card) int, upTo int) int {
	n := 0
	for _, c := range cs {
		if rank(c) <= upTo {
			n++
		}
	}
	return n
}

// unfit says why c is not in the best tier.
func unfit(c *card) string {
	word := "is " + c.state.String()
	switch {
	case c.state == health.Down:
	case c.drains:
		word = "drains"
	case c.waits != "":
		return "waits to be let back (" + c.waits + ")"
	case c.drilled != "":
		return c.drilled
	case c.late:
		return isLast
	case c.unsteady:
		return "stays behind: the service has moved too often"
	}
	if c.reason == "" {
		return word
	}
	return word + " (" + c.reason + ")"
}

// Reasons of candidates that are fine.
const (
	notFirst = "is not needed"
	isLast   = "is the last resort"
	skipped  = "is skipped"
	unlisted = "is not on the list"
)

// open fails open: nothing is up. The tier top says whether the last resort
// of the client's place answers, or the last good order.
func (h *hand) open(top int) {
	h.failOpen, h.order, h.bench = true, h.before(), nil
	switch top {
	case noTier:
		h.failOpen = false // nothing is left at all, which is another matter
	case tierWorks:
		h.keep(func(c *card) bool { return tier(c) == tierWorks }, unfit)
		slices.SortStableFunc(h.cards, func(a, b *card) int { return cmp.Compare(h.goodAt(a), h.goodAt(b)) })
		h.works = true
		h.note("nothing is up: fail open, to what works again and is only held down")
	case tierResort:
		h.keep(func(c *card) bool { return tier(c) == tierResort }, unfit)
		h.resorted = true
		h.note("nobody left: the last resort of this place answers, whatever its state")
	default:
		kept, out := h.lastGood(h.cards)
		h.cards = kept
		for _, c := range out {
			h.drop(c, unfit)
		}
		h.note("nothing is up: fail open")
	}
}

// lastGood orders cs, none of which is up, as the last row of healthy's table
// says, and parts the best class of them from the others: an operator's word
// holds also when nothing is up.
func (h *hand) lastGood(cs []*card) (kept, out []*card) {
	const known, drained, forced = 1 << 18, 1 << 19, 1 << 20
	rank := func(c *card) int {
		switch i := slices.Index(h.good, c.name); {
		case c.forced:
			return forced
		case c.drains:
			return drained
		case i >= 0:
			return i
		}
		return known
	}
	cs = slices.Clone(cs)
	slices.SortStableFunc(cs, func(a, b *card) int { return cmp.Compare(rank(a), rank(b)) })
	return part(cs, func(c *card) bool { return rank(c)>>18 == rank(cs[0])>>18 })
}
