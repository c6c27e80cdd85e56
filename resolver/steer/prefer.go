package steer

import (
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// prefer keeps the pools of the list for the client's place, in its order. The
// most specific place that the client is in says which list: the longest
// network, its ASN, subdivision, country, union, continent, else the default.
// A list without pools, as the default may be, keeps all in their order.
//
//	before healthy   listed and able     kept
//	yes              some                those, then its last resorts, which healthy lets answer when none of the others is up
//	yes              none                its last resorts; without any, what is there
//
//	after healthy    listed in play      kept
//	yes, not open    some                those; its last resorts take overflow
//	yes, not open    none                those on the bench; else its last resorts, the best tier of them and down ones
//	                                     too; without any, what is there
//	yes, open        any                 its last resorts; without any, those listed, in play or not; without any, what is there
//
// A last resort answers whatever its own state, but for one that an operator
// drains or forces down. Then skip leaves out the first n, while more are left:
// they go to the bench.
func (h *hand) prefer(f config.PreferFilter) {
	list := f.Default
	switch i := listFor(f, h.run.in.Place); {
	case i >= 0:
		list = f.Lists[i]
		h.note("the list for " + placesText(list.Places))
	case len(list.Pools) > 0:
		h.note("the default list")
	default:
		h.note("the default: all, in their order")
	}
	before := h.cards
	if len(list.Pools) > 0 || len(list.LastResort) > 0 {
		h.listed(list)
	}
	h.skip(f.Skip)
	for _, c := range before {
		if !slices.Contains(h.cards, c) && !slices.Contains(h.bench, c) {
			h.drop(c, func(*card) string { return unlisted })
		}
	}
}

// listed keeps what list says, as prefer's table has it.
func (h *hand) listed(list config.PlaceList) {
	pools := list.Pools
	if len(pools) == 0 {
		pools = namesOf(h.field)
	}
	resorts, _ := part(inOrder(h.field, list.LastResort), func(c *card) bool { return !c.forced && !c.drains })
	for _, c := range resorts {
		c.resort = true
		c.late = c.late || !slices.ContainsFunc(pools, c.is)
	}
	cards, bench := inOrder(h.cards, pools), inOrder(h.bench, pools)
	late, _ := part(resorts, func(c *card) bool { return c.late && !slices.Contains(cards, c) })
	switch {
	case h.judged && h.failOpen:
		if cards = resorts; len(cards) == 0 {
			cards, _ = part(inOrder(h.field, pools), func(c *card) bool { return !c.forced && !c.drains })
		}
		h.nobodyLeft(cards, resorts)
		bench = nil
	case h.judged && len(cards) > 0:
		late, _ = part(late, func(c *card) bool { return tier(c) <= tierLast })
		bench = append(bench, late...)
	case h.judged && len(bench) > 0:
		cards, bench = bench, nil
	case h.judged:
		cards, _ = part(resorts, func(c *card) bool { return tier(c) == best(resorts, tier) })
		h.nobodyLeft(cards, resorts)
	default:
		cards = append(cards, late...)
	}
	if len(cards) == 0 {
		h.note("none of them is left: what is there stays")
		return
	}
	h.cards, h.bench, h.sorted = cards, bench, true
}

// nobodyLeft takes note that cards answer since none of a list does; resorts
// are its last resorts.
func (h *hand) nobodyLeft(cards, resorts []*card) {
	if len(cards) == 0 || len(resorts) == 0 {
		return
	}
	h.resorted = true
	h.note("nobody left: the last resort of this place answers, whatever its state")
	if !h.failOpen && !alive(cards) {
		h.failOpen = true
	}
}

// skip puts the first n in play on the bench, while more are left.
func (h *hand) skip(n int) {
	if n = min(n, len(h.cards)-1); n <= 0 {
		return
	}
	for _, c := range h.cards[:n] {
		h.drop(c, func(*card) string { return skipped })
	}
	h.bench = append(slices.Clone(h.cards[:n]), h.bench...)
	h.cards = h.cards[n:]
}

// inOrder returns those of cs that list names, in its order.
func inOrder(cs []*card, list []string) []*card {
	var out []*card
	for _, name := range list {
		for _, c := range cs {
			if c.is(name) && !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// namesOf returns the names by which lists know cs.
func namesOf(cs []*card) []string {
	out := make([]string, len(cs))
	for i, c := range cs {
		if out[i] = c.choice.Pool; c.nest != nil {
			out[i] = c.choice.Policy
		}
	}
	return out
}

// placesText lists places, the first few of them.
func placesText(ws []config.Where) string {
	const most = 5
	var out []string
	for i, w := range ws {
		if i == most {
			out = append(out, "…")
			break
		}
		out = append(out, w.String())
	}
	return strings.Join(out, ", ")
}
