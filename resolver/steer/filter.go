package steer

import (
	"cmp"
	"slices"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A Filter is one step of a policy: it reorders or removes candidates. It
// never removes the last one.
type Filter struct {
	Name  string // as explain prints it
	apply func(hand) (hand, []Dropped)
}

// A hand is what passes from filter to filter.
type hand struct {
	cards    []Candidate
	good     []string // the last good order, from the previous decision
	order    []string // the order to remember
	failOpen bool
}

// oldChain returns the filters behind a preset, in the order in which they run.
func oldChain(p string) []Filter {
	chain := []Filter{{"able", able}, {"healthy", healthy}}
	switch p {
	case config.Weighted:
		return append(chain, Filter{"weighted", weighted})
	case config.All:
		return append(chain, Filter{"all", everyone})
	default:
		return append(chain, Filter{"first: 1", first})
	}
}

// notFirst is the reason of a pool that is fine and not needed.
const notFirst = "is not needed"

// play applies f and notes what it did.
func (h hand) play(f Filter, steps *[]Step) hand {
	next, dropped := f.apply(h)
	step := Step{Filter: f.Name, Kept: names(next.cards), Dropped: dropped}
	if next.failOpen && !h.failOpen {
		step.Note = "nothing is up: fail open"
	}
	if step.Dropped == nil {
		step.Dropped = []Dropped{}
	}
	*steps = append(*steps, step)
	return next
}

// able drops pools that have nothing to answer with, such as a
// flattened host name that never resolved. It alone may drop every
// candidate: then no valid data exists, and the server says SERVFAIL.
func able(h hand) (hand, []Dropped) {
	return h.split(func(c Candidate) string { return c.Bare })
}

// healthy keeps the best tier that has a candidate:
//
//	tier  state    drained  kept when no better tier has one
//	1     Up       no       yes
//	2     Unknown  no       yes: unknown is not down
//	3     Up       yes      yes
//	4     Unknown  yes      yes
//	5     Down     any      yes, and the decision fails open: last good order first,
//	                        then the order of the service; what an operator drains
//	                        comes after, and what one forces down comes last
func healthy(h hand) (hand, []Dropped) {
	best := tierDown
	for _, c := range h.cards {
		best = min(best, tier(c))
	}
	if best == tierDown {
		return failOpen(h)
	}
	next, dropped := h.split(func(c Candidate) string {
		if tier(c) == best {
			return ""
		}
		return unfit(c)
	})
	next.order = names(next.cards)
	return next, dropped
}

// The tiers of healthy.
const (
	tierUp = iota + 1
	tierUnknown
	tierUpDrained
	tierUnknownDrained
	tierDown
)

// tier returns the row of c in healthy's table.
func tier(c Candidate) int {
	switch {
	case c.State == health.Down:
		return tierDown
	case c.State == health.Up && !c.Drains:
		return tierUp
	case !c.Drains:
		return tierUnknown
	case c.State == health.Up:
		return tierUpDrained
	}
	return tierUnknownDrained
}

// unfit says why c is not in the best tier.
func unfit(c Candidate) string {
	word := "is " + c.State.String()
	if c.Drains && c.State != health.Down {
		word = "drains"
	}
	if c.Reason == "" {
		return word
	}
	return word + " (" + c.Reason + ")"
}

// failOpen orders every candidate as the last row of healthy's table
// says, and keeps those of the last good order where it names any.
func failOpen(h hand) (hand, []Dropped) {
	rank := func(c Candidate) int {
		switch i := slices.Index(h.good, c.Pool); {
		case c.Forced:
			return 1 << 20
		case c.Drains:
			return 1 << 19
		case i >= 0:
			return i
		}
		return 1 << 18
	}
	cards := slices.Clone(h.cards)
	slices.SortStableFunc(cards, func(a, b Candidate) int { return cmp.Compare(rank(a), rank(b)) })
	// Only the best class answers: an operator's word holds also when nothing is up.
	class := func(c Candidate) int { return rank(c) >> 18 }
	next := hand{good: h.good, order: h.good, failOpen: len(cards) > 0}
	var dropped []Dropped
	for _, c := range cards {
		if class(c) == class(cards[0]) {
			next.cards = append(next.cards, c)
		} else {
			dropped = append(dropped, Dropped{c.Pool, unfit(c)})
		}
	}
	return next, dropped
}

// first keeps the first candidate.
func first(h hand) (hand, []Dropped) {
	n := 0
	return h.split(func(Candidate) string {
		n++
		if n > 1 {
			return notFirst
		}
		return ""
	})
}

// weighted drops candidates of weight 0 while one of another weight is
// there; alone, they share equally.
func weighted(h hand) (hand, []Dropped) {
	if !slices.ContainsFunc(h.cards, func(c Candidate) bool { return c.Weight > 0 }) {
		return h, nil
	}
	return h.split(func(c Candidate) string {
		if c.Weight == 0 {
			return "has weight 0"
		}
		return ""
	})
}

// everyone keeps all candidates: every one of them answers.
func everyone(h hand) (hand, []Dropped) { return h, nil }

// split keeps the candidates for which why returns "".
func (h hand) split(why func(Candidate) string) (hand, []Dropped) {
	var kept []Candidate
	var dropped []Dropped
	for _, c := range h.cards {
		if w := why(c); w != "" {
			dropped = append(dropped, Dropped{c.Pool, w})
			continue
		}
		kept = append(kept, c)
	}
	h.cards = kept
	return h, dropped
}

// names returns the pools of cs; never nil, so that it prints as [].
func names(cs []Candidate) []string {
	out := make([]string, len(cs))
	for i, c := range cs {
		out[i] = c.Pool
	}
	return out
}
