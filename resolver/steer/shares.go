package steer

import (
	"fmt"
	"slices"

	"github.com/shunt-dns/shunt/config"
)

// weighted shares the answers out by weight: draw says whether a client
// network stays with what it drew. What has weight 0 goes to the bench while
// one of another weight is in play; alone, they share equally.
func (h *hand) weighted(draw Draw) {
	h.draw, h.equal = draw, false
	if slices.ContainsFunc(h.players(), func(c *card) bool { return c.weight > 0 }) {
		out := h.keep(func(c *card) bool { return c.weight > 0 }, func(*card) string { return "has weight 0" })
		h.bench = append(h.bench, out...)
	}
	h.noteShares()
}

// shuffle shares the answers out equally.
func (h *hand) shuffle() {
	h.draw, h.equal = Again, true
	h.noteShares()
}

// noteShares notes how a split shares out.
func (h *hand) noteShares() {
	if h.step == nil {
		return
	}
	cs := h.players()
	picks := make([]Pick, len(cs))
	for i, n := range split(Million, h.weights(cs)) {
		picks[i] = Pick{cs[i].name, n}
	}
	h.note(sharesText(picks))
}

// players returns those in play beside which no last resort plays.
func (h *hand) players() []*card {
	if early, _ := part(h.cards, func(c *card) bool { return !c.late }); len(early) > 0 {
		return early
	}
	return h.cards
}

// weights returns those of cs under the split of h.
func (h *hand) weights(cs []*card) []int {
	ws := make([]int, len(cs))
	sum := 0
	for i, c := range cs {
		if ws[i] = c.weight; h.equal {
			ws[i] = 1
		}
		sum += ws[i]
	}
	if sum == 0 {
		for i := range ws {
			ws[i] = 1
		}
	}
	return ws
}

// first keeps the first n; the others go to the bench, and take what a ramp
// holds back. Behind a split it has nothing to do: each answer is of one pool.
func (h *hand) first(n int) {
	if h.draw != Fixed {
		h.note("each answer is of one pool")
		return
	}
	i := 0
	out := h.keep(func(*card) bool { i++; return i <= n }, func(*card) string { return notFirst })
	h.bench = append(out, h.bench...)
}

// everyone lets all that are left answer together.
func (h *hand) everyone() { h.union = true }

// capacity makes max_share count: no pool gets more of the answers while
// another one that is up has room. See [ledger].
func (h *hand) capacity() {
	h.capped = true
	if h.step == nil {
		return
	}
	for _, c := range slices.Concat(h.cards, h.bench) {
		if c.account != nil && c.account.most < Million {
			h.note(fmt.Sprintf("%s at most %s", c.name, percent(c.account.most)))
		}
	}
}

// keepWarm gives pools that stand by the share w of the answers, together, so
// that they are exercised and seen. A pool stands by when it is up, no last
// resort, not unsteady, and would get nothing else. No cap is exceeded for it.
func (h *hand) keepWarm(w float64) { h.warm = w }

// label returns f as explain prints it.
func label(f config.Filter) string {
	switch f.Kind {
	case config.Healthy:
		text := string(f.Kind)
		if f.Healthy.KeepUnknown {
			text += ", unknown: keep"
		}
		if f.Healthy.MinUp > 1 {
			text += fmt.Sprintf(", min_up: %d", f.Healthy.MinUp)
		}
		return text
	case config.Fence:
		text := "fence: " + orList(f.Fence.Jurisdictions)
		if f.Fence.Open {
			text += ", otherwise open"
		}
		return text
	case config.Prefer:
		if f.Prefer.Skip > 0 {
			return fmt.Sprintf("prefer, skip: %d", f.Prefer.Skip)
		}
	case config.KeepWarm:
		return fmt.Sprintf("keep_warm: %.3g%%", 100*f.Warm)
	case config.First:
		return fmt.Sprintf("first: %d", f.First)
	}
	return string(f.Kind)
}
