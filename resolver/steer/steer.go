// Package steer decides which pools answer for a service, and says why. Its
// values are an [Input] (all that a decision depends on), a [Place] (where a
// client is) and a [Decision].
//
// A policy is a chain of filters. What passes along it is a hand of
// candidates: some in play, some on the bench, which take only what those in
// play have no room for. Each filter is a method of the hand in a file of its own,
// with its table; the ledger shares the answers out in the end. A policy that
// stands where a pool may is a candidate like any other: it is as well as the best that
// its own chain leaves.
//
// It computes and nothing else: it starts no goroutine, opens no socket,
// reads no file and never looks at the clock. It never leaves a service
// without a pool: when nothing is up, the last good order answers. Only a fence
// that nothing able is inside of may.
package steer

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A Dropped is a candidate that a filter removed, and why.
type Dropped struct {
	Pool string `json:"pool"`
	Why  string `json:"why"`

	fine bool // nothing is wrong with it
}

// A Step is what one filter of the chain did.
type Step struct {
	Filter  string    `json:"filter"`
	Note    string    `json:"note,omitempty"` // what a person should know of this step
	Kept    []string  `json:"kept"`
	Dropped []Dropped `json:"dropped"`

	depth int // 0 in the chain of the service, more in a nested one
}

// Million is the sum of the weights of all picks of a decision.
const Million = 1_000_000

// A Pick is one pool of a decision.
type Pick struct {
	Pool   string
	Weight int // share of the answers in parts per million, at least 1; over all picks exactly Million
}

// A Draw says how a query comes to one of several picks.
type Draw uint8

// The draws.
const (
	Fixed Draw = iota // there is one pick, or a union of all: nothing is drawn
	Again             // each client network draws by weight, and again after a while
	Stay              // each client network draws by weight, and stays with what it drew while it is there
)

// String returns fixed, again or stay.
func (d Draw) String() string { return [...]string{"fixed", "again", "stay"}[d] }

// A Decision says which pools answer for a service until something changes.
type Decision struct {
	Picks    []Pick        // in order; empty only when no pool that may answer has anything to answer with
	Draw     Draw          // how a query comes to one of Picks
	Union    bool          // every query gets the records of all picks, not of one
	TTL      time.Duration // of the answers, between the service's TTLMin and TTL
	FailOpen bool          // nothing that may answer is up: the last good order answers
	Good     []string      // order to fall back on later; the previous one while failing open
	Race     Race          // what fastest is to know next time
	Reason   Reason        // why these, in a few words
	Why      string        // one line, in plain words; it changes only with the answers and with what is wrong
	Steps    []Step

	// What a person must know, each in words; "" when all is well.
	FenceOpen string // a fence lets clients go to pools outside, as it is told to, since all inside are down
	FenceDown string // all pools inside a fence are down, and answer all the same
	Short     string // the pools that are up have less capacity than there are answers

	WouldChange []string // what would change the answer; only where Input.Explain asks
}

// Pools returns the names of d's picks.
func (d Decision) Pools() []string {
	names := make([]string, len(d.Picks))
	for i, p := range d.Picks {
		names[i] = p.Pool
	}
	return names
}

// An Input is all that a decision depends on.
type Input struct {
	Service  config.Service
	Policies map[string]*config.Policy // those of the file, and the presets or not
	Pools    map[string]*config.Pool   // every pool of Service and of the policies in it
	Table    *health.Table             // a pool that it does not know counts as unknown
	Place    Place                     // of the clients

	Good []string // Decision.Good of the previous decision for the same pools; nil at first
	Race Race     // Decision.Race of the previous decision for the same clients

	Caps     map[string]float64 // the share of the answers that a pool may have now, as its ramp says; 1 where absent
	Waits    map[string]string  // pools that are up and wait to be let back, and why
	Unsteady map[string]bool    // pools behind the others that are up, since the moves of the service are spent
	Drills   map[string]Drill   // pools that are taken away on purpose

	Now     time.Time
	Bare    func(pool string) string // why a pool has nothing to answer with; "" when it has. nil: every one has
	Explain bool                     // fill in WouldChange

	eases map[string]int // parts per million that drills of a share leave pools, once Caps has them
}

// Decide runs the chain of the service's policy over its pools.
//
// It leaves no service without a pick, but where no pool has anything to
// answer with, or none inside a fence that is not to be opened.
func Decide(in Input) Decision {
	in = in.eased()
	d := Decision{Steps: make([]Step, 0, 6)}
	r := &run{in: &in, steps: &d.Steps, race: &d.Race}
	h := r.chain(in.Service.Policy, in.Service.Pools, nil, nil)
	d.FailOpen, d.Good = h.failOpen, h.order
	r.share(h, &d)
	d.Reason = reason(h, &d)
	if shared := h.sharing(&d); shared != nil {
		d.Steps = append(d.Steps, *shared)
	}
	d.TTL = ttl(&in, &d, r.accounts)
	d.Why = why(h, &d)
	if in.Explain {
		d.WouldChange = in.changes(&d, r.accounts)
	}
	return d
}

// share fills in who answers, and how a query comes to one of them.
func (r *run) share(h *hand, d *Decision) {
	if h.union {
		h.bench = nil
		for _, c := range h.cards {
			c.leaves(func(c *card) { c.account.used = 1 })
		}
		d.Picks = picks(h)
		ones := make([]int, len(d.Picks))
		for i := range ones {
			ones[i] = 1
		}
		for i, n := range split(Million, ones) {
			d.Picks[i].Weight = n
		}
	} else {
		d.Short = r.total(h)
		d.Picks = picks(h)
	}
	d.Union = h.together()
	if len(d.Picks) > 1 && !d.Union {
		d.Draw = Again
		if h.stays() {
			d.Draw = Stay
		}
	}
	d.FenceOpen, d.FenceDown = h.fences()
}

// used calls f with the hands of the policies that carry something.
func (h *hand) used(f func(*hand)) {
	for _, c := range slices.Concat(h.cards, h.bench) {
		if c.nest != nil && (c.given > 0 || h.union) {
			f(c.nest)
		}
	}
}

// together reports whether all that answer do so together: the chain says so,
// or that of the one policy that answers.
func (h *hand) together() bool {
	if h.union {
		return true
	}
	n, all := 0, false
	for _, c := range slices.Concat(h.cards, h.bench) {
		if c.given > 0 {
			n++
			all = c.nest != nil && c.nest.together()
		}
	}
	return n == 1 && all
}

// stays reports whether a split that is in use lets clients stay.
func (h *hand) stays() bool {
	stays := h.draw == Stay
	h.used(func(n *hand) { stays = stays || n.stays() })
	return stays
}

// fences returns what is wrong at the fences that are in use.
func (h *hand) fences() (open, shut string) {
	open, shut = h.fenceOpen, h.fenceDown
	h.used(func(n *hand) {
		o, s := n.fences()
		open, shut = cmp.Or(open, o), cmp.Or(shut, s)
	})
	return open, shut
}

// sharing returns a last step where capacity, ramps or keep_warm have had a
// say in the shares; nil where not.
func (h *hand) sharing(d *Decision) *Step {
	if d.Union || len(d.Picks) < 2 && d.Short == "" {
		return nil
	}
	plain := h.draw != Fixed && d.Short == ""
	for _, c := range h.bench {
		plain = plain && c.given == 0
	}
	for _, a := range h.run.accounts {
		plain = plain && (a.used == 0 || a.ramp == Million && (a.most == Million || !h.capped))
	}
	h.used(func(*hand) { plain = false })
	if plain {
		return nil
	}
	s := &Step{Filter: "shares", Kept: d.Pools(), Dropped: []Dropped{}, Note: sharesText(d.Picks)}
	for _, a := range h.run.accounts {
		if note := h.run.in.drillNote(a); note != "" {
			s.Note += "; " + note
		} else if a.ramp < Million {
			s.Note += fmt.Sprintf("; the ramp of %s is at %s", a.pool, percent(a.ramp))
		}
	}
	if d.Short != "" {
		s.Note += "; " + d.Short
	}
	return s
}
