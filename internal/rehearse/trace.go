package rehearse

import (
	"slices"
	"time"

	"github.com/shunt-dns/shunt/resolver/zone"
)

// A Trace is what one rehearsal did, moment by moment.
type Trace struct {
	Scenario *Scenario
	Start    time.Time         // when the scenario begins
	End      time.Duration     // of the rehearsal: some time after the outage
	Pools    []string          // of the service, in its order
	Roles    map[string]string // by pool: the target that it stands for
	Service  string
	TTL      time.Duration // of the service
	Nodes    []string
	Views    []View
	World    *World
	Clients  *Population

	Moves  []Move  // by time
	States []State // by time
	Notes  []Note  // by time
	Alarms []Alarm // by time, each when it began
	Facts  Facts

	Detected time.Duration // the first failed probe of the struck pool after its fault, of all nodes; never if none was
	Budget   int           // transitions that the service may have in an hour; 0: any number
	APICalls int           // of a provider, between a probe and an answer
	Crash    string        // what the code under rehearsal panicked with; "" if it did not

	hurt   string        // the pool of the service that the scenario strikes first, "" when it strikes none
	fault  time.Duration // when a fault of that pool begins; never if none does
	harmed []*curve      // see harm; nil until somebody asks
}

// An Alarm is the beginning of one that a node raised.
type Alarm struct {
	At   time.Duration
	Node int
	Code string
	Text string
}

// A Move is a new decision of a node for the service.
type Move struct {
	At       time.Duration
	Node     int
	Pools    []string  // that answer, in order
	Shares   []float64 // of the answers, by index in Trace.Pools
	TTL      time.Duration
	FailOpen bool
	Rcode    string // of the answer to A; NOERROR with Empty is no answer either
	Empty    bool
	Why      string
	Gen      uint64

	snap *zone.Snapshot
}

// A State is a new opinion of a node about a pool.
type State struct {
	At     time.Duration
	Node   int
	Pool   string
	State  string // up, down, unknown
	Class  string
	Held   string // why votes are void
	Reason string
}

// A Note is a line of the timeline that is neither.
type Note struct {
	At   time.Duration
	Node int
	Text string
}

// Facts are what the node's own trials (its configuration, its clock) gave,
// by metric. What a scenario does not try is not there.
type Facts map[string]Value

// movesOf returns the moves of node, of which the first is the state at the
// beginning.
func (t *Trace) movesOf(node int) []Move {
	var out []Move
	for _, m := range t.Moves {
		if m.Node == node {
			out = append(out, m)
		}
	}
	return out
}

// at returns the move that holds for node at a moment.
func (t *Trace) at(node int, at time.Duration) *Move {
	var last *Move
	for i := range t.Moves {
		if m := &t.Moves[i]; m.Node == node && m.At <= at {
			last = m
		}
	}
	return last
}

// index returns the index of a pool, nowhere for one that is not the service's.
func (t *Trace) index(pool string) int { return slices.Index(t.Pools, pool) }

// poolOf returns the pool that stands for a target, "" when none of the
// service's does.
func (t *Trace) poolOf(target string) string {
	for _, p := range t.Pools {
		if t.Roles[p] == target {
			return p
		}
	}
	return ""
}

// strike fills in hurt and fault.
func (t *Trace) strike() {
	first := never
	for _, ph := range t.Scenario.Phases {
		if p := t.poolOf(ph.Target); p != "" && hurts(ph.Plane) && (t.hurt == "" || ph.At < first) {
			first, t.hurt = ph.At, p
		}
	}
	t.fault = never
	for _, ph := range t.Scenario.Phases {
		if t.hurt != "" && t.Roles[t.hurt] == ph.Target && hurts(ph.Plane) && ph.Fault.Kind != NoFault {
			t.fault = min(t.fault, ph.At)
		}
	}
}

// hurts reports whether users feel faults of a plane.
func hurts(p Plane) bool { return p == EdgeHTTP || p == EdgeTLS || p == EdgeDNS || p == Origin }

// A stretch is a time with one value.
type stretch struct {
	from, to time.Duration
	value    float64
}

// shares returns the share of a pool in node's answers over time.
func (t *Trace) shares(node, pool int) []stretch {
	moves := t.movesOf(node)
	out := make([]stretch, 0, len(moves))
	for i, m := range moves {
		to := t.End
		if i+1 < len(moves) {
			to = moves[i+1].At
		}
		if m.At < to {
			out = append(out, stretch{m.At, to, m.Shares[pool]})
		}
	}
	return out
}

// A curve is the integral of a value that is constant between moments.
type curve struct {
	at    []time.Duration
	value []float64 // from at[i] on
	sum   []float64 // seconds × value up to at[i]
}

// newCurve returns the curve of f over moments, which are in order and of which
// the last is the end.
func newCurve(moments []time.Duration, f func(time.Duration) float64) *curve {
	c := &curve{at: moments, value: make([]float64, len(moments)), sum: make([]float64, len(moments))}
	for i, at := range moments {
		c.value[i] = f(at)
		if i > 0 {
			c.sum[i] = c.sum[i-1] + c.value[i-1]*(at-moments[i-1]).Seconds()
		}
	}
	return c
}

// upTo returns the integral from the beginning to a moment.
func (c *curve) upTo(at time.Duration) float64 {
	i, found := slices.BinarySearch(c.at, at)
	if found {
		return c.sum[i]
	}
	if i--; i < 0 {
		return 0
	}
	return c.sum[i] + c.value[i]*(at-c.at[i]).Seconds()
}

// between returns the integral from one moment to another.
func (c *curve) between(from, to time.Duration) float64 { return c.upTo(to) - c.upTo(from) }

// harm returns, by pool, the share of requests that fail over time; the load
// of a pool is the greatest of all nodes. It is for when the rehearsal is over.
func (t *Trace) harm() []*curve {
	if t.harmed == nil {
		t.harmed = t.harms()
	}
	return t.harmed
}

func (t *Trace) harms() []*curve {
	turns := t.World.Turns(t.End)
	for _, m := range t.Moves {
		turns = append(turns, min(m.At, t.End))
	}
	slices.Sort(turns)
	turns = slices.Compact(turns)
	curves := make([]*curve, len(t.Pools))
	for i, pool := range t.Pools {
		curves[i] = newCurve(turns, func(at time.Duration) float64 {
			share := 0.0
			for n := range t.Nodes {
				if m := t.at(n, at); m != nil {
					share = max(share, m.Shares[i])
				}
			}
			return t.World.Harm(pool, at, share)
		})
	}
	return curves
}

// errorMinutes returns the minutes of a total outage that are as bad as what
// the clients of p saw.
func (t *Trace) errorMinutes(p *Population) float64 {
	harm, sum := t.harm(), 0.0
	p.each(t.End, func(pool int, from, to time.Duration, share float64, _ bool) {
		if pool == nowhere {
			sum += share * (to - from).Seconds()
			return
		}
		sum += share * harm[pool].between(from, to)
	})
	return sum / 60
}
