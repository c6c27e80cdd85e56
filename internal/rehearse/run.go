package rehearse

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/monitor"
	"github.com/shunt-dns/shunt/health/probe"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A Plan says what to rehearse.
type Plan struct {
	Scenario *Scenario
	Config   *config.Config
	Roles    map[string]string // by target, as cdn-a: the pool that stands for it; what is missing is guessed
	Service  string            // fully qualified; "": the one that the scenario strikes most
	Seed     uint64
	Caches   int           // resolvers; 1–100,000, 0: 1,000
	Tail     time.Duration // rehearsed after the outage; 0: 90 minutes

	// Clock is a stopwatch, for the one thing that is measured in earnest: how
	// many answers a second a core can give. Nil: it is not.
	Clock func() time.Time
}

// settle is how long the nodes run before the scenario begins, so that every
// verdict is settled and every order has soaked.
const settle = 10 * time.Minute

// Run rehearses p. The error says what of the plan does not fit the
// configuration; what the rehearsal finds is in the trace.
func Run(p Plan) (*Trace, error) {
	loaded, err := controller.Load(p.Config, nil)
	if err != nil {
		return nil, err
	}
	t := &Trace{Scenario: p.Scenario, Start: p.Scenario.Start, Facts: Facts{}, Detected: never}
	if t.Start.IsZero() {
		t.Start = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	t.End = p.Scenario.Length() + p.Tail
	if p.Tail == 0 {
		t.End += 90 * time.Minute
	}
	roles, err := assign(p)
	if err != nil {
		return nil, err
	}
	t.Roles = roles
	svc, err := pick(p, roles)
	if err != nil {
		return nil, err
	}
	t.Service, t.TTL, t.Budget = svc.Name, svc.TTL, svc.Moves
	t.Pools = poolsOf(svc, p.Config)
	t.strike()
	t.World = NewWorld(p.Scenario, roles, p.Seed)
	n := nodes(p.Scenario)
	t.Views = Vantages(n)
	for i := range n {
		t.Nodes = append(t.Nodes, fmt.Sprintf("ns%d", i+1))
		if err := t.node(i, p, loaded); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(t.Moves, func(a, b Move) int { return int(a.At - b.At) })
	slices.SortStableFunc(t.States, func(a, b State) int { return int(a.At - b.At) })
	slices.SortStableFunc(t.Alarms, func(a, b Alarm) int { return int(a.At - b.At) })
	if err := t.clients(p); err != nil {
		return nil, err
	}
	return t, nil
}

// nodes returns how many nodes a scenario needs: as many as it names, and two
// at least.
func nodes(s *Scenario) int {
	n := 2
	for _, ph := range s.Phases {
		if r := roleOf(ph.Target); r == roleNode || r == roleVantage {
			n = max(n, int(ph.Target[len(ph.Target)-1]-'0'))
		}
	}
	return n
}

// A node is one shunt under rehearsal.
type node struct {
	t      *Trace
	nth    int
	view   View
	start  time.Time // of the scenario
	now    time.Time
	mon    *monitor.Manual
	ctl    controller.Manual
	snap   *zone.Snapshot
	probes map[string]uint64 // by pool
	shares map[string]float64
	table  *health.Table // as last looked at
	states map[string]State
	alarms map[string]bool
	last   Move
	begun  bool // the scenario has
	looked struct {
		gen    uint64
		states int
		at     time.Time
	} // at the alarms
	cfg  *config.Config
	load *config.Config // what a reload reads
}

// node runs node i through the whole rehearsal. A panic of the code under
// rehearsal is a finding.
func (t *Trace) node(i int, p Plan, loaded *controller.Loaded) (err error) {
	n := &node{t: t, nth: i, view: t.Views[i], cfg: p.Config, start: t.Start, probes: map[string]uint64{},
		shares: map[string]float64{}, states: map[string]State{}, alarms: map[string]bool{}}
	defer func() {
		if e := recover(); e != nil {
			t.Crash = fmt.Sprintf("%s at %v: %v", t.Nodes[i], n.at(), e)
		}
	}()
	n.now = n.start.Add(-settle)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	n.mon, err = monitor.NewManual(p.Config, monitor.Seen{Probe: n.probe, Lookup: n.lookup, Control: n.control},
		monitor.Deps{Logger: quiet}, n.now, p.Seed+uint64(i)<<32)
	if err != nil {
		return err
	}
	n.ctl = controller.NewManual(loaded, controller.Deps{
		Monitor: n.mon, Publish: func(s *zone.Snapshot) { n.snap = s }, Log: quiet,
		Load: func() (*config.Config, error) { return n.load, nil },
		Now:  func() time.Time { return n.now }})
	trials := n.trials()
	for end := n.start.Add(t.End); n.now.Before(end); {
		next := n.mon.Next()
		if len(trials) > 0 && n.start.Add(trials[0].at).Before(next) {
			next = n.start.Add(trials[0].at)
		}
		if own := n.now.Add(n.ctl.Next()); own.Before(next) {
			next = own
		}
		n.now = next
		if !n.now.Before(end) {
			break
		}
		n.mon.Advance(n.now)
		anew := n.ctl.Advance()
		for len(trials) > 0 && trials[0].at <= n.at() {
			trials[0].do()
			trials = trials[1:]
			anew = true
		}
		n.observe(anew)
	}
	return nil
}

// at returns the moment of the scenario.
func (n *node) at() time.Duration { return n.now.Sub(n.start) }

// observe writes down what has changed; anew tells that decisions were taken.
// Of the time before the scenario only its outcome is of interest.
func (n *node) observe(anew bool) {
	at := n.at()
	if at >= 0 && !n.begun {
		n.begun = true
		if n.last.Shares == nil {
			n.last, _ = n.move()
		}
		for _, pool := range n.t.Pools {
			if s, ok := n.states[pool]; ok {
				n.t.States = append(n.t.States, s)
			}
		}
		n.t.Moves = append(n.t.Moves, n.last)
	}
	if table := n.mon.Table(); table != n.table {
		n.table = table
		n.opinions()
	}
	if anew {
		if m, moved := n.move(); moved {
			n.last = m
			if n.begun {
				n.t.Moves = append(n.t.Moves, m)
			}
		}
	}
	n.raised()
}

// opinions writes down the opinions that have changed.
func (n *node) opinions() {
	for _, pool := range n.t.Pools {
		h := n.table.Pools[pool]
		if h == nil {
			continue
		}
		was, known := n.states[pool]
		if known && was.State == h.State.String() && was.Held == h.Held {
			continue
		}
		s := State{At: max(n.at(), 0), Node: n.nth, Pool: pool, State: h.State.String(), Class: string(h.Class), Held: h.Held, Reason: h.Reason}
		n.states[pool] = s
		if n.begun {
			n.t.States = append(n.t.States, s)
		}
	}
}

// move returns what the service answers with now, and whether that is new.
func (n *node) move() (Move, bool) {
	s, failOpen, _ := n.ctl.Service(n.t.Service)
	m := Move{At: max(n.at(), 0), Node: n.nth, Pools: s.Answering, TTL: time.Duration(s.TTL) * time.Second, FailOpen: failOpen, Why: s.Why, Gen: n.snap.Generation(), snap: n.snap}
	if m.Gen == n.last.Gen && m.Why == n.last.Why && m.TTL == n.last.TTL {
		return m, false
	}
	m.Shares = make([]float64, len(n.t.Pools))
	clear(n.shares)
	for _, share := range s.Shares {
		n.shares[share.Pool] = share.Percent / 100
		if i := n.t.index(share.Pool); i != nowhere {
			m.Shares[i] = share.Percent / 100
		}
	}
	m.Rcode, m.Empty = n.answer()
	return m, true
}

// answer asks the snapshot for the service's addresses.
func (n *node) answer() (rcode string, empty bool) {
	said, err := n.snap.Ask(n.t.Service, "A", netip.Addr{}, n.now.Unix())
	if err != nil {
		return "FORMERR", true
	}
	return said.Rcode, len(said.Records) == 0
}

// raised writes down alarms that are new. They are looked at when a pool's
// state or the answers have changed, and once a minute.
func (n *node) raised() {
	at := max(n.at(), 0)
	if n.looked.gen == n.last.Gen && n.looked.states == len(n.t.States) && n.now.Before(n.looked.at.Add(time.Minute)) {
		return
	}
	n.looked.gen, n.looked.states, n.looked.at = n.last.Gen, len(n.t.States), n.now
	held := map[string]bool{}
	for _, a := range n.ctl.Alarms() {
		key := a.Code + " " + a.Subject
		if held[key] = true; !n.alarms[key] && n.begun {
			n.t.Alarms = append(n.t.Alarms, Alarm{At: at, Node: n.nth, Code: a.Code, Text: strings.TrimSpace(a.Subject + " " + a.What)})
		}
	}
	n.alarms = held
}

// probe is what the monitor sees of a path.
func (n *node) probe(pool string, m *config.Monitor, _ netip.Addr, at time.Time, timeout time.Duration) (health.Result, time.Duration) {
	n.probes[pool]++
	saw := n.t.World.Probe(n.view, pool, m, at.Sub(n.start), n.shares[pool], n.probes[pool])
	if saw.Took > timeout {
		saw = failed(health.Slow, "no answer within the timeout", 0, timeout)
	}
	n.noticed(pool, saw, at.Sub(n.start))
	return saw.Result, saw.Took
}

// noticed writes down the first sign of the fault.
func (n *node) noticed(pool string, saw Probed, at time.Duration) {
	if at += saw.Took; !saw.Result.OK && at < n.t.Detected && pool == n.t.hurt && at >= n.t.fault {
		n.t.Detected = at
	}
}

// lookup is what the monitor finds of a pool's host name.
func (n *node) lookup(pool string, at time.Time) (monitor.Addresses, time.Duration, error) {
	n.probes[pool+"."]++
	r := n.t.World.Lookup(n.view, pool, at.Sub(n.start), n.probes[pool+"."])
	switch {
	case r.Deaf:
		if len(n.mon.Table().Pools[pool].Endpoints) > 0 { // it goes on with the addresses it has
			n.t.Facts["resolver_fallback_used"] = truth(true)
		}
		return monitor.Addresses{}, r.Took, probe.ErrDeaf
	case r.Fault != "":
		n.noticed(pool, Probed{Took: r.Took}, at.Sub(n.start))
		return monitor.Addresses{}, r.Took, fmt.Errorf("the host name does not resolve: %s", strings.ToUpper(string(r.Fault)))
	}
	return monitor.Addresses{Addrs: invented(pool), TTL: time.Minute}, r.Took, nil
}

// invented returns addresses for a pool: two of the range for benchmarks (RFC
// 2544).
func invented(pool string) []netip.Addr {
	h := uint16(5381)
	for _, c := range []byte(pool) {
		h = h*33 ^ uint16(c)
	}
	a := netip.AddrFrom4([4]byte{198, 18, byte(h >> 8), byte(h) &^ 1})
	return []netip.Addr{a, a.Next()}
}

// control asks the targets that have nothing to do with any path.
func (n *node) control(at time.Time) (time.Duration, error) {
	n.probes["control."]++
	sees, took := n.t.World.Sees(n.view, at.Sub(n.start), n.probes["control."])
	if !sees {
		return took, errors.New("no connection")
	}
	return took, nil
}

// clients has the population ask the nodes.
func (t *Trace) clients(p Plan) error {
	q, err := newQuery(t.Service)
	if err != nil {
		return err
	}
	n := p.Caches
	if n == 0 {
		n = 1000
	}
	t.Clients = NewPopulation(n, p.Seed)
	held := make([]*Move, len(t.Nodes))
	ask := t.asker(held, q)
	next := 0
	take := func(until time.Duration) {
		for ; next < len(t.Moves) && t.Moves[next].At <= until; next++ {
			held[t.Moves[next].Node] = &t.Moves[next]
		}
	}
	take(0)
	t.Clients.Begin(ask)
	for next < len(t.Moves) {
		at := t.Moves[next].At
		t.Clients.Advance(at, ask)
		take(at)
	}
	t.Clients.Advance(t.End, ask)
	return t.capacity(p.Clock, q)
}

// asker answers caches from what each node holds now. A cache has a node that
// it likes best, and asks the others where that is gone.
func (t *Trace) asker(held []*Move, q *query) Asked {
	index := make(map[string]int, len(t.Pools))
	for i, p := range t.Pools {
		index[p] = i
	}
	return func(client netip.Addr, at time.Duration) Answer {
		b := client.As4()
		first := int(b[1]) + int(b[2])
		for i := range t.Nodes {
			n := (first + i) % len(t.Nodes)
			m := held[n]
			if m == nil || t.World.Gone(t.Nodes[n], t.Views[n], at) {
				continue
			}
			pool, ttl, ok := q.ask(m.snap, client, t.Start.Add(at).Unix())
			if i, known := index[pool]; ok && known {
				return Answer{Pool: i, TTL: ttl}
			}
		}
		return Answer{Pool: nowhere, TTL: time.Second}
	}
}
