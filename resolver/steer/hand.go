package steer

import (
	"slices"

	"github.com/shunt-dns/shunt/config"
)

// A run is one pass through a chain and those nested in it.
type run struct {
	in       *Input
	accounts []*account  // one for each pool met, in the order met
	suppose  func(*card) // what is assumed of a pool, against the table; nil: nothing
	steps    *[]Step     // nil: nobody asks
	race     *Race       // takes what fastest is to know next time; nil: nobody asks
}

// A hand is what passes from filter to filter.
type hand struct {
	run   *run
	path  []string               // the policies that led here
	allow func(pool string) bool // false for a pool that a fence around the policy shuts out; nil: all

	cards []*card // in play, the preferred one first
	bench []*card // take only what those in play have no room for, in this order
	field []*card // every candidate that is able and that no fence shuts out, for fences and last resorts

	good     []string // the last good order, from the previous decision
	order    []string // the order to remember
	judged   bool     // healthy has sorted out what is not well
	failOpen bool     // all in play are down
	resorted bool     // the last resort of the place answers
	works    bool     // nothing is up, and what is only held down answers
	sorted   bool     // by something else than the last good order
	because  Reason

	draw   Draw // Fixed: in order, the first one has what it can carry
	equal  bool // shuffle: weights do not count
	union  bool
	capped bool    // max_share counts
	warm   float64 // share for standbys

	fenceOpen, fenceDown string // see Decision

	step *Step // takes notes; nil when nobody asks
}

// chain plays the chain of policy over own and returns what it leaves.
func (r *run) chain(policy string, own []config.Choice, path []string, allow func(string) bool) *hand {
	h := &hand{run: r, path: path, allow: allow}
	h.cards = r.deal(h, own)
	h.good = h.own(r.in.Good)
	h.play("able", func() { h.able() })
	h.field = slices.Clone(h.cards)
	for i, f := range Chain(policy, own, r.in.Policies, r.in.Pools) {
		h.play(label(f), func() { h.filter(i, f) })
	}
	h.settle()
	return h
}

// filter lets one filter work.
func (h *hand) filter(i int, f config.Filter) {
	switch f.Kind {
	case config.Healthy:
		h.healthy(f.Healthy)
	case config.Fence:
		h.fence(f.Fence)
	case config.Prefer:
		h.prefer(f.Prefer)
	case config.ByDistance:
		h.nearest()
	case config.ByLatency:
		h.fastest(i, f.Fastest)
	case config.ByWeight:
		h.weighted(Again)
	case config.Sticky:
		h.weighted(Stay)
	case config.Shuffle:
		h.shuffle()
	case config.Capacity:
		h.capacity()
	case config.KeepWarm:
		h.keepWarm(f.Warm)
	case config.First:
		h.first(f.First)
	case config.Everyone:
		h.everyone()
	}
}

// settle ends the chain: a last resort does not play beside others.
func (h *hand) settle() {
	if slices.ContainsFunc(h.cards, func(c *card) bool { return !c.late }) {
		var late []*card
		h.cards, late = part(h.cards, func(c *card) bool { return !c.late })
		h.bench = append(h.bench, late...)
	}
	slices.SortStableFunc(h.bench, func(a, b *card) int { return order(a.late, b.late) })
	if h.order == nil && !h.failOpen {
		h.order = h.remember(h.cards)
	}
}

// play lets f work as the step called name, and notes what it did.
func (h *hand) play(name string, f func()) {
	if h.run.steps == nil {
		f()
		return
	}
	depth := len(h.path)
	for i := depth - 1; i >= 0; i-- {
		name = h.path[i] + ": " + name
	}
	h.step = &Step{Filter: name, Dropped: []Dropped{}, depth: depth}
	f()
	h.step.Kept = names(h.cards)
	*h.run.steps = append(*h.run.steps, *h.step)
	h.step = nil
}

// note adds what a person should know of the present step.
func (h *hand) note(text string) {
	switch {
	case h.step == nil || text == "":
	case h.step.Note == "":
		h.step.Note = text
	default:
		h.step.Note += "; " + text
	}
}

// drop notes that c is no longer in play.
func (h *hand) drop(c *card, why func(*card) string) {
	if h.step != nil {
		word := why(c)
		fine := word == notFirst || word == isLast || word == skipped || word == unlisted || c.fencedOut
		h.step.Dropped = append(h.step.Dropped, Dropped{c.name, word, fine})
	}
}

// keep keeps the cards in play for which ok holds, and returns the others.
func (h *hand) keep(ok func(*card) bool, why func(*card) string) (out []*card) {
	h.cards, out = part(h.cards, ok)
	for _, c := range out {
		h.drop(c, why)
	}
	return out
}

// part splits cs into those for which in holds and the others.
func part(cs []*card, in func(*card) bool) (yes, no []*card) {
	for _, c := range cs {
		if in(c) {
			yes = append(yes, c)
		} else {
			no = append(no, c)
		}
	}
	return yes, no
}

// allows reports whether no fence around h shuts pool out.
func (h *hand) allows(pool string) bool { return h.allow == nil || h.allow(pool) }

// own returns what of the order good is about candidates of h.
func (h *hand) own(good []string) []string {
	var own []string
	for _, name := range good {
		if slices.ContainsFunc(h.cards, func(c *card) bool { return c.name == name }) {
			own = append(own, name)
		}
	}
	return own
}

// before returns the order to remember while failing open: what it was.
func (h *hand) before() []string {
	if len(h.path) == 0 {
		return h.run.in.Good
	}
	return h.good
}

// remember returns cs as an order to fall back on: behind the name of a
// policy stands its own.
func (h *hand) remember(cs []*card) []string {
	out := make([]string, 0, len(cs))
	for _, c := range cs {
		out = append(out, c.name)
		if c.nest != nil {
			out = append(out, c.nest.order...)
		}
	}
	return out
}

// able drops what has nothing to answer with, such as a flattened host name
// that never resolved. Beside a fence it alone may drop every candidate: then
// no valid data exists, and the server says SERVFAIL.
func (h *hand) able() {
	h.keep(func(c *card) bool { return c.bare == "" }, func(c *card) string { return c.bare })
}
