package monitor

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A Runner probes every endpoint of a configuration on its schedule and
// publishes what it has come to believe.
type Runner struct {
	d       Deps
	clock   func() time.Time
	table   atomic.Pointer[health.Table]
	plan    atomic.Pointer[plan]
	changed chan struct{}
	ready   chan struct{}
	wake    chan struct{}
	rounds  chan round
	hints   chan []Hint

	mu       sync.Mutex // guards what follows: held by the owner while it works, and by Reload and Save
	random   *rand.Rand
	pools    map[string]*pool
	order    []*pool // pools in the order of the configuration
	tallies  map[string]tally
	schedule schedule
	controls controls
	waiting  []*target       // have pending results
	unable   map[string]bool // monitors of which the log says that we could not probe
	scratch  []health.Verdict
	laps     []time.Duration // of the endpoints of the pool that is built

	unready   int       // targets without a first result, until ready is closed
	readyBy   time.Time // ready is closed at the latest; zero before Run
	isReady   bool
	stale     []*pool   // a result came since they were published
	urgent    bool      // one of them may have changed
	refreshAt time.Time // the published table is brought up to date; zero: it is
}

// A tally counts the targets under one monitor.
type tally struct{ all, ok int }

// New returns a Runner for cfg. Verdicts in saved that are young enough count
// until the first round replaces them; the Runner's first table has them.
//
// It fails when a monitor cannot be made, as for a file of authorities that
// cannot be read.
func New(cfg *config.Config, d Deps, saved []health.Saved) (*Runner, error) {
	return newRunner(cfg, d, saved, time.Now, rand.NewPCG(rand.Uint64(), rand.Uint64()))
}

// newRunner is New with a clock and a source of chance of the caller's.
func newRunner(cfg *config.Config, d Deps, saved []health.Saved, clock func() time.Time, chance rand.Source) (*Runner, error) {
	d = d.withDefaults()
	p, err := newPlan(cfg, d)
	if err != nil {
		return nil, err
	}
	r := &Runner{
		d:       d,
		clock:   clock,
		changed: make(chan struct{}, 1),
		ready:   make(chan struct{}),
		wake:    make(chan struct{}, 1),
		rounds:  make(chan round, 1),
		hints:   make(chan []Hint),
		random:  rand.New(chance),
		tallies: make(map[string]tally),
	}
	now := clock()
	r.table.Store(&health.Table{At: now, Pools: map[string]*health.Pool{}})
	r.adopt(p, now)
	r.restore(saved, now)
	r.publishAll(now)
	return r, nil
}

// Ready is closed when the first round is done: every name was looked up and
// every endpoint has been probed under every monitor, or the longest timeout
// (and half a second for the work) has passed since Run began.
func (r *Runner) Ready() <-chan struct{} { return r.ready }

// Table returns the latest opinion. It is never nil and never changes; a
// later call may return a later one.
//
// What is only for people to read (latencies, ends of certificates, reasons)
// and AddrTTL are brought up to date about once a second without a signal on
// Changed.
func (r *Runner) Table() *health.Table { return r.table.Load() }

// Changed is signalled after each new table that matters to answers: another
// state, set of addresses, vote held, blindness, or ChangeIn. It holds one
// signal: who receives it looks at Table.
func (r *Runner) Changed() <-chan struct{} { return r.changed }

// Reload puts cfg in force. The verdict of an endpoint survives where its
// pool's name, its address, and what the monitor asks stay the same; new
// thresholds and schedules apply from the next result on. On an error nothing
// has changed.
func (r *Runner) Reload(cfg *config.Config) error {
	p, err := newPlan(cfg, r.d)
	if err != nil {
		return err
	}
	r.mu.Lock()
	now := r.clock()
	r.adopt(p, now)
	r.publishAll(now)
	r.mu.Unlock()
	r.poke()
	return nil
}

// Save returns every verdict that is settled, in no order, for the next
// start. It works before, during and after Run. A verdict is as young as its
// Save: call it now and then, not only when something changed.
func (r *Runner) Save() []health.Saved {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock()
	var saved []health.Saved
	for _, p := range r.order {
		p.targets(func(t *target) {
			if t.v.State != health.Unknown {
				s := t.v.Save(t.id, now)
				s.Asked = asked(p.def, t.check, t.id.Addr)
				saved = append(saved, s)
			}
		})
	}
	return saved
}

// poke wakes the owner.
func (r *Runner) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run probes until ctx ends, and returns nil then; every goroutine that it
// started has ended. It is called once.
func (r *Runner) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	crew := newCrew(ctx, r)
	defer crew.wg.Wait()
	defer cancel()

	timer := time.NewTimer(0)
	defer timer.Stop()
	shrink := time.NewTicker(10 * time.Second)
	defer shrink.Stop()
	r.mu.Lock()
	r.readyBy = r.clock().Add(r.plan.Load().longestTimeout() + 500*time.Millisecond)
	r.mu.Unlock()
	if r.d.Hints != nil {
		crew.wg.Go(func() { r.listen(ctx) })
	}
	for {
		var got outcome
		var rd round
		var hints []Hint
		select {
		case <-ctx.Done():
			return nil
		case got = <-crew.out:
		case rd = <-r.rounds:
		case hints = <-r.hints:
		case <-timer.C:
		case <-r.wake:
		case <-shrink.C:
			crew.shrink()
		}
		r.mu.Lock()
		now := r.clock()
		if !rd.began.IsZero() {
			r.endRound(rd, now)
		}
		r.takeAll(crew, got, now)
		r.heed(hints, now)
		wait := min(r.step(crew, now), crew.press(now))
		r.mu.Unlock()
		timer.Reset(wait)
	}
}
