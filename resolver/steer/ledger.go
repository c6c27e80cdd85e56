package steer

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/health"
)

// An account is what one pool may carry and carries, in parts per million of
// the answers of a service, however many ways lead to it.
type account struct {
	pool string
	most int // its max_share
	ramp int // what its ramp lets it have now
	used int
}

// accountOf returns the account of pool, opened where there is none.
func (r *run) accountOf(pool string) *account {
	for _, a := range r.accounts {
		if a.pool == pool {
			return a
		}
	}
	if r.accounts == nil {
		r.accounts = make([]*account, 0, len(r.in.Service.Pools))
	}
	a := &account{pool: pool, most: Million, ramp: Million}
	if p := r.in.Pools[pool]; p != nil && p.MaxShare > 0 {
		a.most = parts(p.MaxShare)
	}
	if p := r.in.Table.Pools[pool]; p != nil && p.Shed > 0 {
		a.most = int(float64(a.most) * (1 - p.Shed))
	}
	if share, ok := r.in.Caps[pool]; ok {
		a.ramp = parts(share)
	}
	r.accounts = append(r.accounts, a)
	return a
}

// parts returns share in parts per million, from 0 to Million.
func parts(share float64) int {
	return int(math.Round(Million * min(max(share, 0), 1)))
}

// A ledger shares the answers out over what a chain has left.
//
//	the chain       those in play have
//	has no split    the first one what it can carry, the next one what is left, and so on
//	has a split     shares in the proportion of their weights; what one cannot carry goes to
//	                the others in that proportion
//	either          what they all cannot carry goes to the bench, in order: those that first
//	                left over, weight 0, unsteady ones, and last resorts behind them
//
// A pool can carry what its ramp lets it have, and its max_share where the
// chain, or one around it, has capacity. When all are full, ramps give way first,
// from the top again; what is left even then is spread over all of them in
// proportion to their max_share, and is said to be short. Ramps do not count
// while failing open, nor max_share or ramps for a union.
type ledger struct {
	ramps  bool // ramps count
	capped bool // max_share counts
}

// place lets h carry n parts and returns those it cannot.
func (l ledger) place(h *hand, n int) (left int) {
	l.capped = l.capped || h.capped
	l.ramps = l.ramps && !h.failOpen
	warm := 0
	if h.warm > 0 && l.ramps {
		warm = int(math.Round(h.warm * float64(n)))
	}
	left = l.fill(h, n-warm)
	if warm == 0 {
		return left
	}
	standby, _ := part(slices.Concat(h.cards, h.bench), func(c *card) bool { return c.given == 0 && tier(c) == tierUp })
	ones := make([]int, len(standby))
	for i := range ones {
		ones[i] = 1
	}
	return left + l.fill(h, l.share(standby, ones, warm))
}

// fill lets those in play carry n parts, and then the bench.
func (l ledger) fill(h *hand, n int) (left int) {
	l.capped = l.capped || h.capped
	if h.draw != Fixed || h.union {
		n = l.share(h.cards, h.weights(h.cards), n)
	} else {
		for _, c := range h.cards {
			n = l.give(c, n)
		}
	}
	for _, c := range h.bench {
		if c.state != health.Down {
			n = l.give(c, n)
		}
	}
	return n
}

// share lets cs carry n parts in proportion to weights, and returns those
// that they cannot.
func (l ledger) share(cs []*card, weights []int, n int) int {
	weights = slices.Clone(weights)
	for n > 0 {
		given := split(n, weights)
		for i, k := range given {
			n -= k
			if left := l.give(cs[i], k); left > 0 {
				n, weights[i] = n+left, 0
			}
		}
		if slices.Max(append(given, 0)) == 0 {
			break
		}
	}
	return n
}

// give lets c carry n parts and returns those it cannot.
func (l ledger) give(c *card, n int) (left int) {
	if n == 0 {
		return 0
	}
	if left = n; c.nest != nil {
		left = l.place(c.nest, n)
	} else {
		room := Million
		if l.capped {
			room = c.account.most
		}
		if l.ramps {
			room = min(room, c.account.ramp)
		}
		k := min(n, max(room-c.account.used, 0))
		c.account.used += k
		left -= k
	}
	c.given += n - left
	return left
}

// total shares all answers out over h, and says what is short.
func (r *run) total(h *hand) (short string) {
	if len(h.cards) == 0 {
		return ""
	}
	l := ledger{ramps: true}
	left := l.place(h, Million)
	if left > 0 {
		l.ramps = false
		left = l.fill(h, left)
	}
	if left == 0 {
		return ""
	}
	var full []*account
	var room []int
	for _, a := range r.accounts {
		if a.used > 0 {
			full, room = append(full, a), append(room, a.most)
		}
	}
	text := make([]string, len(full))
	for i, k := range split(left, room) {
		text[i] = full[i].pool + " " + percent(room[i])
		full[i].used += k
	}
	return fmt.Sprintf("what is up can carry %s of the answers (%s): the other %s is spread over it in that proportion",
		percent(Million-left), strings.Join(text, ", "), percent(left))
}

// picks returns the pools that carry something, in the order in which h has
// them.
func picks(h *hand) []Pick {
	var out []Pick
	for _, c := range slices.Concat(h.cards, h.bench) {
		c.leaves(func(c *card) {
			if c.account.used > 0 && !slices.ContainsFunc(out, func(p Pick) bool { return p.Pool == c.name }) {
				out = append(out, Pick{c.name, c.account.used})
			}
		})
	}
	return out
}

// percent writes parts per million as a percentage.
func percent(n int) string { return fmt.Sprintf("%.3g%%", float64(n)/(Million/100)) }

// sharesText writes picks with their shares, as "fastly 95%, bunny 5%".
func sharesText(ps []Pick) string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = p.Pool + " " + percent(p.Weight)
	}
	return strings.Join(out, ", ")
}
