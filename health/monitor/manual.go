package monitor

import (
	"container/heap"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
)

// Seen says what probes come to in a rehearsal, and how long each takes. It is
// asked when the probe begins.
type Seen struct {
	// Probe is one probe of addr by m, for pool. What takes timeout or longer
	// ends with it.
	Probe func(pool string, m *config.Monitor, addr netip.Addr, at time.Time, timeout time.Duration) (health.Result, time.Duration)

	// Lookup resolves the host name of pool. The error probe.ErrDeaf says that
	// no resolver answers anything.
	Lookup func(pool string, at time.Time) (Addresses, time.Duration, error)

	// Control asks all control targets.
	Control func(at time.Time) (time.Duration, error)
}

// A Manual drives a [Runner] by hand, in whatever time its caller keeps: it
// starts no goroutine, opens no socket and never looks at the clock. The
// schedule, bursts, witnesses and verdicts are the Runner's own. Its methods
// must be called from one goroutine.
type Manual struct {
	*Runner
	see    Seen
	now    time.Time
	due    time.Time // when the Runner wants to look around again
	events events
	count  int
}

// NewManual returns a Manual that begins at start, with places in the interval
// drawn from seed. Of d it uses Local and Logger.
func NewManual(cfg *config.Config, see Seen, d Deps, start time.Time, seed uint64) (*Manual, error) {
	m := &Manual{see: see, now: start, due: start}
	d.Probe = func(config.Monitor) (Probe, error) { return nil, nil }
	r, err := newRunner(cfg, d, nil, func() time.Time { return m.now }, rand.NewPCG(seed, 0))
	if err != nil {
		return nil, err
	}
	r.readyBy = start.Add(r.plan.Load().longestTimeout() + 500*time.Millisecond)
	m.Runner = r
	return m, nil
}

// Next returns the moment at which something is due.
func (m *Manual) Next() time.Time {
	if len(m.events) > 0 && m.events[0].at.Before(m.due) {
		return m.events[0].at
	}
	return m.due
}

// Advance does what is due up to the moment to, that included.
func (m *Manual) Advance(to time.Time) {
	for next := m.Next(); !next.After(to); next = m.Next() {
		if next.After(m.now) {
			m.now = next
		}
		m.mu.Lock()
		for len(m.events) > 0 && !m.events[0].at.After(m.now) {
			m.happen(heap.Pop(&m.events).(event))
		}
		m.due = m.now.Add(max(m.step(m, m.now), time.Microsecond))
		m.mu.Unlock()
	}
	if to.After(m.now) {
		m.now = to
	}
}

// Reload puts cfg in force at the present moment.
func (m *Manual) Reload(cfg *config.Config) error {
	err := m.Runner.Reload(cfg)
	m.due = m.now
	return err
}

// happen lets one event count.
func (m *Manual) happen(e event) {
	if e.o.t == nil {
		m.endRound(e.round, m.now)
		return
	}
	if e.o.r.At = m.now; !e.o.t.gone {
		m.take(e.o, m.now)
	}
}

// start has the result of j arrive when the probe would end.
func (m *Manual) start(j job) {
	e := event{o: outcome{t: j.t, rank: j.rank}}
	var took time.Duration
	if j.t.isLookup() {
		e.o, took = m.lookup(j)
	} else {
		e.o.r, took = m.see.Probe(j.t.pool.def.Name, &j.t.check.def, j.addr, m.now, j.timeout)
	}
	took = min(took, j.timeout)
	if e.o.r.Phases.Total == 0 {
		e.o.r.Phases.Total = took
	}
	m.later(e, took)
}

// hedge reports that there is room for any number of probes.
func (m *Manual) hedge() bool { return true }

// lookup is what a look-up of the pool of j comes to.
func (m *Manual) lookup(j job) (outcome, time.Duration) {
	found, took, err := m.see.Lookup(j.t.pool.def.Name, m.now)
	o := lookedUp(found, err)
	o.t, o.rank = j.t, j.rank
	return o, took
}

// lookedUp is the outcome of a look-up.
func lookedUp(found Addresses, err error) (o outcome) {
	switch {
	case errors.Is(err, probe.ErrDeaf):
		o.r = health.Result{Class: health.Internal, Reason: err.Error()}
	case err != nil:
		o.r = health.Result{Class: health.ProviderDNS, Reason: err.Error()}
	case len(found.Addrs) == 0:
		o.r = health.Result{Class: health.ProviderDNS, Reason: "the host name has no addresses"}
	default:
		o.r, o.found = health.Result{OK: true}, found
	}
	return o
}

// ask has the end of a round of controls arrive when it would.
func (m *Manual) ask(_ []netip.AddrPort, now time.Time) {
	took, err := m.see.Control(now)
	m.later(event{round: round{began: now, err: err}}, took)
}

// later has e happen after some time.
func (m *Manual) later(e event, in time.Duration) {
	m.count++
	e.at, e.nth = m.now.Add(in), m.count
	heap.Push(&m.events, e)
}

// An event is the end of a probe or of a round of controls.
type event struct {
	at    time.Time
	nth   int // of two at one moment, the one that began first comes first
	o     outcome
	round round // where o is of no target
}

// events is a heap by time.
type events []event

func (h events) Len() int      { return len(h) }
func (h events) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h events) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].nth < h[j].nth
}
func (h *events) Push(x any) { *h = append(*h, x.(event)) }
func (h *events) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
