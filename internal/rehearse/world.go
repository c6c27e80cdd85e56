package rehearse

import (
	"fmt"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A World is what one sees of the paths at a moment of a scenario. All chance
// in it comes from the seed: asked the same twice, it says the same.
type World struct {
	phases []Phase
	roles  map[string]string // by pool: the target it stands for
	seed   uint64
}

// NewWorld returns the world of s for pools, of which roles says which target
// each one stands for.
func NewWorld(s *Scenario, roles map[string]string, seed uint64) *World {
	return &World{phases: s.Phases, roles: roles, seed: seed}
}

// A View is who looks: a node, from a place.
type View struct {
	Vantage string  // v1, v2, …
	Place   float64 // 0–1: which part of the world it stands in; parts are struck from 0 on
}

// Where the nodes stand, and where the customer's host name stands among all
// of an operator's. Faults of a part of the world strike from 0 on, so that a
// small place is where it hurts first and longest: what a rehearsal shows is
// rather worse than what the average place sees.
const (
	firstPlace = 0.04
	placeStep  = 0.02
	ownHost    = 0.5
)

// Vantages returns the views of n nodes.
func Vantages(n int) []View {
	vs := make([]View, n)
	for i := range vs {
		vs[i] = View{Vantage: fmt.Sprintf("v%d", i+1), Place: firstPlace + placeStep*float64(i)}
	}
	return vs
}

// on reports whether ph is on at the moment at, the pauses of a flap left out.
func (w *World) on(ph *Phase, at time.Duration) bool {
	if at < ph.At || at >= ph.At+ph.For {
		return false
	}
	f := ph.Flap
	if f == nil {
		return true
	}
	i := int((at - ph.At) / f.Period)
	if f.Bad != nil {
		return f.Bad[i%len(f.Bad)]
	}
	return w.chance(ph.Line, "flap", uint64(i)) < f.Share
}

// strikes reports whether ph, which is on, strikes one probe of v. Nth tells
// apart what is drawn anew for each.
func (w *World) strikes(ph *Phase, v View, nth uint64) bool {
	switch ph.By {
	case ByGeo:
		return v.Place < ph.Ratio
	case ByHost:
		return ownHost < ph.Ratio || ph.Ratio == 1
	case ByVantage:
		return v.Place < ph.Ratio
	}
	return ph.Ratio >= 1 || w.chance(ph.Line, v.Vantage, nth) < ph.Ratio
}

// chance returns a number from 0 to 1 that depends on nothing but its
// arguments and the seed.
func (w *World) chance(line int, word string, n uint64) float64 {
	x := w.seed ^ uint64(line)*0x9e3779b97f4a7c15
	for i := range len(word) {
		x = mix(x ^ uint64(word[i]))
	}
	return float64(mix(x^n*0xc2b2ae3d27d4eb4f)>>11) / (1 << 53)
}

// mix spreads every bit of x over all of them (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// each calls f with each phase that is on for a target and one of planes.
func (w *World) each(target string, at time.Duration, f func(*Phase), planes ...Plane) {
	for i := range w.phases {
		if ph := &w.phases[i]; ph.Target == target && slices.Contains(planes, ph.Plane) && w.on(ph, at) {
			f(ph)
		}
	}
}

// A Probed is what a probe of a path comes to.
type Probed struct {
	Result health.Result // without At
	Took   time.Duration
}

// usual is how long a probe takes when nothing is wrong.
const usual = 40 * time.Millisecond

// Probe says what a probe of pool by monitor m from v sees at the moment at.
// Share is the pool's present share of the answers; nth numbers the probes.
func (w *World) Probe(v View, pool string, m *config.Monitor, at time.Duration, share float64, nth uint64) Probed {
	p := Probed{Result: health.Result{OK: true, Status: 200}, Took: usual}
	if cut := w.cut(v, at, nth); cut != "" {
		return failed(health.Network, cut, 0, m.Timeout)
	}
	target := w.roles[pool]
	w.each(target, at, func(ph *Phase) {
		if p.Result.OK && seenBy(ph, m) && overShare(ph, share) && w.strikes(ph, v, nth) {
			p = w.outcome(ph, m, p)
		}
	}, EdgeHTTP, EdgeTLS, Origin, Vantage)
	if p.Took >= m.Timeout && p.Result.OK {
		return failed(health.Slow, "no answer within the timeout", 0, m.Timeout)
	}
	return p
}

// cut says why v sees nothing at all; "" when it sees.
func (w *World) cut(v View, at time.Duration, nth uint64) (why string) {
	w.each(v.Vantage, at, func(ph *Phase) {
		if w.strikes(ph, v, nth) && ph.Fault.Kind != NoFault {
			why = "the node is cut off"
		}
	}, Vantage)
	return why
}

// seenBy reports whether a monitor asks for what ph strikes. The path of a
// check is taken to be one that edges do not cache, and not a large object.
func seenBy(ph *Phase, m *config.Monitor) bool {
	path := m.HTTP.Path
	is := func(word string) bool { return word == "uncached" || word == path }
	if ph.Fault.Kind == SizeLimit {
		return false
	}
	if slices.ContainsFunc(ph.Except, is) {
		return false
	}
	return ph.Paths == nil || slices.ContainsFunc(ph.Paths, is)
}

// overShare reports whether the load that ph needs is there.
func overShare(ph *Phase, share float64) bool {
	return ph.Fault.ShareOver == 0 || share > ph.Fault.ShareOver+1e-9
}

// outcome is what a probe by m comes to that ph strikes.
func (w *World) outcome(ph *Phase, m *config.Monitor, was Probed) Probed {
	f := &ph.Fault
	web := m.Kind == config.HTTPS || m.Kind == config.HTTP
	switch f.Kind {
	case HTTPStatus:
		if !web || slices.Contains(m.HTTP.Status, f.Status) {
			return was
		}
		return failed(classOf(f.Status), fmt.Sprintf("status %d", f.Status), f.Status, was.Took)
	case Timeout, APIHang:
		return failed(health.Network, "no connection within the timeout", 0, m.Timeout)
	case Refuse:
		return failed(health.Refused, "connection refused", 0, was.Took/2)
	case Reset:
		return failed(health.Refused, "connection reset", 0, was.Took)
	case TLS:
		if m.Kind != config.HTTPS && m.Kind != config.TLS {
			return was
		}
		return failed(health.TLSFailure, "the handshake failed", 0, was.Took)
	case WrongBody:
		if !web || m.HTTP.Body.Text == "" && len(m.HTTP.Headers) == 0 {
			return was
		}
		return failed(health.WrongBody, "the body is not the site's", 200, was.Took)
	case Challenge:
		if !web {
			return was
		}
		return failed(health.Challenge, fmt.Sprintf("a challenge page, status %d", max(f.Status, 200)), max(f.Status, 200), was.Took)
	case Latency:
		was.Took += f.Delay
	}
	return was
}

// classOf returns the class of a status that is not accepted, as package probe
// has it for an edge that does not say whose failure it is.
func classOf(status int) health.Class {
	switch {
	case status == 502, status == 504, status >= 520 && status <= 530:
		return health.Origin5xx
	case status >= 500:
		return health.Edge5xx
	}
	return health.Status
}

func failed(c health.Class, why string, status int, took time.Duration) Probed {
	return Probed{Result: health.Result{Class: c, Reason: why, Status: status}, Took: took}
}

// A Resolved is what a look-up of a pool's host name comes to.
type Resolved struct {
	Fault Kind // ServFail, NXDomain, NoData or DNSTimeout of the name; "" when it resolves
	Deaf  bool // none of the node's resolvers answers anything
	Took  time.Duration
}

// Lookup says what a look-up of pool's host name from v comes to.
func (w *World) Lookup(v View, pool string, at time.Duration, nth uint64) Resolved {
	const timeout = 2 * time.Second
	r := Resolved{Took: usual / 2}
	if w.cut(v, at, nth) != "" {
		return Resolved{Deaf: true, Took: timeout}
	}
	w.each(v.Vantage, at, func(ph *Phase) {
		if ph.Fault.Kind != NoFault && w.strikes(ph, v, nth) {
			r = Resolved{Deaf: true, Took: timeout}
		}
	}, Resolver)
	if r.Deaf {
		return r
	}
	w.each(w.roles[pool], at, func(ph *Phase) {
		if ph.Fault.Kind == NoFault || !w.strikes(ph, v, nth) {
			return
		}
		switch r.Fault = ph.Fault.Kind; r.Fault {
		case ServFail, NXDomain, NoData:
		default:
			r.Fault, r.Took = DNSTimeout, timeout
		}
	}, EdgeDNS)
	return r
}

// Sees reports whether v can reach targets that have nothing to do with any
// path, and how long that takes to find out.
func (w *World) Sees(v View, at time.Duration, nth uint64) (bool, time.Duration) {
	if w.cut(v, at, nth) != "" {
		return false, 800 * time.Millisecond
	}
	return true, usual / 2
}

// What of the users' requests hits which path. These are assumptions, and
// stated in the report.
const (
	uncachedShare = 0.3  // of requests reach the origin
	largeShare    = 0.05 // of requests are for large objects
	tooSlow       = 10 * time.Second
)

// Harm returns which share of the users' requests through pool fail at the
// moment at, while the pool has the given share of the answers.
func (w *World) Harm(pool string, at time.Duration, share float64) float64 {
	good := 1.0
	w.each(w.roles[pool], at, func(ph *Phase) {
		if overShare(ph, share) {
			good *= 1 - harmOf(ph)
		}
	}, EdgeHTTP, EdgeTLS, EdgeDNS, Origin)
	return 1 - good
}

// harmOf returns the share of requests that ph makes fail.
func harmOf(ph *Phase) float64 {
	harm := ph.Ratio
	switch ph.Fault.Kind {
	case NoFault, StaleOK:
		return 0
	case Latency:
		if ph.Fault.Delay < tooSlow {
			return 0
		}
	case SizeLimit:
		harm *= largeShare
	}
	if ph.Paths != nil {
		of := 0.0
		for _, p := range ph.Paths {
			switch p {
			case "cached":
				of += 1 - uncachedShare
			case "uncached":
				of += uncachedShare
			case "large":
				of += largeShare
			}
		}
		harm *= min(of, 1)
	}
	return harm
}

// Turns returns the moments at which what the world says of pools may change,
// in order, from 0 to end.
func (w *World) Turns(end time.Duration) []time.Duration {
	ts := []time.Duration{0, end}
	for _, ph := range w.phases {
		ts = append(ts, ph.At, ph.At+ph.For)
		if ph.Flap == nil {
			continue
		}
		for t := ph.At; t < ph.At+ph.For; t += ph.Flap.Period {
			ts = append(ts, t)
		}
	}
	slices.Sort(ts)
	ts = slices.Compact(ts)
	return slices.DeleteFunc(ts, func(t time.Duration) bool { return t < 0 || t > end })
}

// Gone reports whether the node behind view v is out of service at the moment
// at: nobody gets an answer from it. A node that has lost its peers and its own
// view of the world (plane vantage) goes on answering from what it knows.
func (w *World) Gone(node string, v View, at time.Duration) bool {
	gone := false
	w.each(node, at, func(ph *Phase) {
		switch ph.Fault.Kind {
		case Timeout, Refuse, Reset:
			gone = true
		}
	}, Node)
	return gone && w.cut(v, at, 0) == ""
}
