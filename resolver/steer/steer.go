// Package steer decides which pools answer for a service, and says why. Its
// values are a [Candidate] (a pool as a service sees it now), a [Filter] (one
// step of a policy) and a [Decision].
//
// It computes and nothing else: it starts no goroutine, opens no socket,
// reads no file and never looks at the clock. It never leaves a service
// without a pool: when nothing is up, the last good order answers.
package steer

import (
	"fmt"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A Candidate is one pool of a service at the moment of the decision.
type Candidate struct {
	Pool     string
	Weight   int           // 0–1,000,000, as configured for this service
	State    health.State  // under any override
	Drains   bool          // an operator drains it
	Forced   bool          // an operator forces it down
	Bare     string        // why it has nothing to answer with; "" when it has
	Reason   string        // why it is not up, or what an operator said
	ChangeIn time.Duration // soonest time in which State could change; 0: nothing is in doubt
}

// A Dropped is a candidate that a filter removed, and why.
type Dropped struct {
	Pool string `json:"pool"`
	Why  string `json:"why"`
}

// A Step is what one filter of the chain did.
type Step struct {
	Filter  string    `json:"filter"`
	Note    string    `json:"note,omitempty"` // what a person should know of this step
	Kept    []string  `json:"kept"`
	Dropped []Dropped `json:"dropped"`
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
	Why      string        // one line, in plain words
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

	Now     time.Time
	Bare    func(pool string) string // why a pool has nothing to answer with; "" when it has. nil: every one has
	Explain bool                     // fill in WouldChange
}

// Decide runs the chain of the service's policy over its pools.
func Decide(in Input) Decision {
	bare := in.Bare
	if bare == nil {
		bare = func(string) string { return "" }
	}
	s := in.Service
	all := candidates(s, in.Table, in.Now, bare)
	h := hand{cards: all, good: in.Good}
	var steps []Step
	for _, f := range oldChain(s.Policy) {
		h = h.play(f, &steps)
	}
	d := Decision{
		Union:    s.Policy == config.All,
		FailOpen: h.failOpen,
		Good:     h.order,
		Steps:    steps,
	}
	weights := make([]int, len(h.cards))
	for i, c := range h.cards {
		weights[i] = max(c.Weight, 1)
	}
	for i, n := range split(Million, weights) {
		d.Picks = append(d.Picks, Pick{Pool: h.cards[i].Pool, Weight: n})
	}
	if len(d.Picks) > 1 && !d.Union {
		d.Draw = Again
	}
	d.TTL = ttl(s, all, d)
	d.Why = why(all, d)
	return d
}

// candidates lists the pools of s as they are now, in the order of s.
func candidates(s config.Service, t *health.Table, now time.Time, bare func(string) string) []Candidate {
	cs := make([]Candidate, 0, len(s.Pools))
	for _, choice := range s.Pools {
		c := Candidate{Pool: choice.Pool, Weight: choice.Weight, Bare: bare(choice.Pool)}
		if p := t.Pools[choice.Pool]; p != nil {
			c.State, c.Drains = p.Effective(now)
			c.Reason, c.ChangeIn = p.Reason, p.ChangeIn
			if o := p.Override; o != nil && o.Active(now) {
				c.Forced = o.Force == health.ForceDown
				c.ChangeIn = 0 // a forced state does not wait for probes
				c.Reason = fmt.Sprintf("override %s by %s: %s", o.Force, o.Author, o.Reason)
			}
		}
		cs = append(cs, c)
	}
	return cs
}

// ttl applies gdnsd's rule: an answer lives no longer than the present state
// is sure to last, within the bounds of the service. Only the pools whose
// change could change this answer count: for failover those up to the pick.
func ttl(s config.Service, all []Candidate, d Decision) time.Duration {
	life := s.TTL
	for _, c := range all {
		if c.ChangeIn > 0 && c.Bare == "" {
			life = min(life, c.ChangeIn)
		}
		if s.Policy == config.Failover && len(d.Picks) > 0 && c.Pool == d.Picks[0].Pool {
			break
		}
	}
	if d.FailOpen {
		life = s.TTLMin
	}
	return max(life, s.TTLMin).Truncate(time.Second)
}

// why says in one line what d does and what made it so.
func why(all []Candidate, d Decision) string {
	if len(d.Picks) == 0 {
		return "no pool has anything to answer with: " + all[0].Bare
	}
	var b strings.Builder
	switch {
	case d.FailOpen:
		order := "the last good order"
		if len(d.Good) == 0 {
			order = "the order of the service"
		}
		fmt.Fprintf(&b, "nothing is up, so %s answers: %s", order, strings.Join(d.Pools(), ", "))
	case len(d.Picks) == 1:
		fmt.Fprintf(&b, "%s answers", d.Picks[0].Pool)
	case d.Union:
		fmt.Fprintf(&b, "%s answer together", strings.Join(d.Pools(), ", "))
	default:
		fmt.Fprintf(&b, "%s share the answers", shares(d.Picks))
	}
	for _, s := range d.Steps {
		for _, x := range s.Dropped {
			if x.Why != notFirst {
				fmt.Fprintf(&b, "; %s %s", x.Pool, x.Why)
			}
		}
	}
	return b.String()
}

// shares writes picks with their percentages, as "fastly 95%, bunny 5%".
func shares(ps []Pick) string {
	sum := 0
	for _, p := range ps {
		sum += p.Weight
	}
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = fmt.Sprintf("%s %.3g%%", p.Pool, 100*float64(p.Weight)/float64(sum))
	}
	return strings.Join(out, ", ")
}
