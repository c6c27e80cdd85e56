package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// A worker keeps one provider in step. Its goroutine, run, is the only one that
// writes to the provider.
type worker struct {
	k        *Keeper
	cfg      config.Provider
	provider kind.Provider
	able     kind.Abilities
	limiter  *rate.Limiter // nil: as often as we like

	wake     chan struct{} // holds a token when there may be something to do
	targeted atomic.Pointer[target]
	stuck    atomic.Int32 // calls that were given up and have not come back

	started bool // guarded by Keeper.mu, as is cancel
	cancel  context.CancelFunc
	after   <-chan struct{} // closed when the worker of before, of the same name, has ended; may be nil
	done    chan struct{}   // closed when run has returned

	mu      sync.Mutex // guards what follows
	entries map[string]*entry
	newest  uint64 // stamp
	dirty   bool   // the memory differs from what is on disk
	look    look
	orders  []*order

	alarms atomic.Pointer[[]Condition] // as they were when mu was last to be had

	// Only run's goroutine has these.
	seen       Source // that entries are of
	seenTarget *target
	floors     map[string]uint32 // seconds: the lowest TTL of zones that have their own; guarded by mu
	floor      uint32            // seconds: lowest TTL that the provider turned out to take; guarded by mu

	patientTill time.Time // guarded by mu
	early       bool      // names are held that would not be, were the process older
	checked     time.Time // when all was last compared
	attempts    int       // in a row that failed
	reads       bool      // the zone could be read after a change was denied
	inRow       int       // names that were denied in a row
	notBefore   time.Time // the provider wants no call before
	retryAt     time.Time // the same is not tried again before
	saved       time.Time
	writing     chan error // tells how the write of the memory under way went; nil: none is
	unkept      bool       // the latest one failed
}

// An order is a person's word to push now.
type order struct {
	force bool
	done  chan error
}

func newWorker(k *Keeper, p config.Provider, opened kind.Provider) *worker {
	w := &worker{k: k, cfg: p, provider: opened, wake: make(chan struct{}, 1), done: make(chan struct{}), entries: map[string]*entry{}}
	if a, ok := opened.(kind.Abler); ok {
		w.able = a.Abilities()
	}
	if w.able.Rate > 0 {
		w.limiter = rate.NewLimiter(rate.Limit(w.able.Rate), max(1, int(w.able.Rate), w.able.Burst))
	}
	w.look = look{State: Pending, Since: time.Now()}
	return w
}

// retarget tells the worker which names it has under cfg.
func (w *worker) retarget(cfg *config.Config) {
	t := targetOf(cfg, &w.cfg)
	w.targeted.Store(&t)
	w.nudge()
}

// nudge has the worker look whether there is something to do.
func (w *worker) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// stop ends the worker; one that never ran is done at once.
func (w *worker) stop() {
	if !w.started {
		w.started = true
		close(w.done)
		return
	}
	w.cancel()
}

// run keeps the provider in step until ctx ends. The latest answer counts: what
// was decided in between is never pushed.
func (w *worker) run(ctx context.Context) {
	defer close(w.done)
	if w.after != nil { // the one of before may still be writing
		<-w.after
	}
	w.recall()
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			w.finish()
			return
		case <-w.wake:
		case <-due.C:
		}
		wait := w.turn(ctx)
		if w.early {
			wait = min(wait, max(time.Millisecond, time.Until(w.patientTill)))
		}
		due.Reset(wait)
	}
}

// turn does what there is to do, and returns when to look again.
//
//	the provider said later   is there news   a person's order   makes it
//	yes                       -               no                 wait for that
//	no                        no              no                 after a failure wait, else compare all when it is time
//	no                        yes             -                  push it at once
//	-                         -               yes                compare and push all at once
func (w *worker) turn(ctx context.Context) time.Duration {
	news := w.refresh()
	force, orders := w.ordered()
	now := time.Now()
	all := now.Sub(w.checked) >= w.every() || len(orders) > 0 || w.early && !w.patient()
	if len(orders) == 0 {
		switch {
		case w.seen == nil: // not current: it may have come since
			return time.Hour // Publish wakes us
		case now.Before(w.notBefore):
			return w.notBefore.Sub(now)
		case !news && now.Before(w.retryAt):
			return w.retryAt.Sub(now)
		case !all && !w.pending():
			w.save(false)
			return w.every() - now.Sub(w.checked)
		}
	}
	if force {
		w.insist()
	}
	err := errNothing
	if w.seen != nil {
		err = w.push(ctx, all, force, len(orders) > 0)
	}
	for _, o := range orders {
		o.done <- err
	}
	w.save(false)
	if ctx.Err() != nil {
		return time.Hour
	}
	return w.next(err)
}

// errNothing is the error of an order that came before the first answer.
var errNothing = errors.New("nothing is answered yet")

// every is how often all is compared, the same for one provider and different
// for others, so that they do not ask at once.
func (w *worker) every() time.Duration {
	spread := 0.0
	for _, c := range []byte(w.cfg.Name) {
		spread = spread*0.7 + float64(c%16)/16*0.3
	}
	return time.Duration(float64(w.cfg.Every) * (0.9 + 0.2*min(1, spread)))
}

// ordered takes the orders that wait.
func (w *worker) ordered() (force bool, orders []*order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	orders, w.orders = w.orders, nil
	return slices.ContainsFunc(orders, func(o *order) bool { return o.force }), orders
}

// insist makes what is answered a decision of now: a person says that it counts
// more than what another node wrote.
func (w *worker) insist() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.patientTill = time.Time{}
	for _, e := range w.entries {
		e.fresh = true
	}
}

// pending reports whether something is to be pushed or to be verified.
func (w *worker) pending() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if e.unsettled() {
			return true
		}
	}
	return false
}

// unsettled reports whether e is not known to be in step, and something can be
// done about that: it is known what it is to hold.
//
//	known   held   settled   verified   unsettled
//	no      -      -         -          no: nothing has been answered since the start
//	yes     yes    -         -          no: a person must do something
//	yes     no     no        -          yes
//	yes     no     yes       no         yes
//	yes     no     yes       yes        no
func (e *entry) unsettled() bool {
	return (len(e.sets) > 0 || e.Gone) && e.held == "" && (!e.Settled || e.unverified)
}

// Waits after failures: doubled with each, with a quarter of jitter.
const (
	leastWait = time.Second
	mostWait  = 5 * time.Minute
)

// next notes how a push came out, and returns when to look again.
func (w *worker) next(err error) time.Duration {
	now := time.Now()
	w.notBefore, w.retryAt = time.Time{}, time.Time{}
	switch {
	case errors.Is(err, errSuperseded):
		w.attempts = 0
		return time.Millisecond
	case err == nil:
		w.attempts = 0
		if w.pending() {
			return leastWait
		}
		return max(time.Millisecond, w.every()-now.Sub(w.checked))
	case errors.Is(err, errRefused), errors.Is(err, errUnverified):
		w.attempts = 0
		w.retryAt = now.Add(w.every())
		return w.every()
	}
	wait := min(leastWait<<min(w.attempts, 10), mostWait)
	if errors.Is(err, kind.ErrDenied) {
		wait = mostWait
	}
	w.attempts++
	wait = time.Duration(float64(wait) * (0.75 + rand.Float64()/2))
	w.retryAt, w.notBefore = now.Add(wait), now.Add(min(wait, leastWait)) // news is tried sooner than the same again
	var later kind.Later
	if errors.As(err, &later) && later.After > 0 {
		wait = max(wait, later.After)
		w.notBefore = now.Add(wait)
	}
	return wait
}

// finish saves the memory and tells who waits for an order that it will not be
// carried out.
func (w *worker) finish() {
	_, orders := w.ordered()
	for _, o := range orders {
		o.done <- errors.New("shunt is stopping, or the provider is gone from the configuration")
	}
	w.save(true)
}

// say notes the state that the provider is in, and tells of a change; what is
// under way is no change.
func (w *worker) say(state State, why string) {
	w.mu.Lock()
	if w.look.State != state {
		w.look.Since = time.Now()
	}
	w.look.State, w.look.Why = state, why
	told := w.look.told
	if state == Pending || told == state {
		w.mu.Unlock()
		return
	}
	w.look.told = state
	w.mu.Unlock()
	level, log := event.Warning, w.k.deps.Log.Warn
	if state == InStep {
		level, log = event.Info, w.k.deps.Log.Info
	}
	log("provider "+string(state), "provider", w.cfg.Name, "kind", w.cfg.Kind, "was", string(told), "why", why)
	w.k.deps.Event.Say(event.Event{Kind: event.Push, Subject: w.cfg.Name, What: w.cfg.Name + " is " + string(state), Before: string(told), After: string(state), Why: why, Level: level})
}

// fathom learns the lowest TTL of a zone, at a provider that has one for each.
func (w *worker) fathom(ctx context.Context, origin string) error {
	f, ok := w.provider.(kind.Floorer)
	w.mu.Lock()
	_, known := w.floors[origin]
	w.mu.Unlock()
	if !ok || known {
		return nil
	}
	var floor time.Duration
	err := w.call(ctx, "read", true, func(ctx context.Context) (err error) {
		floor, err = f.Floor(ctx, origin)
		return err
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.floors == nil {
		w.floors = map[string]uint32{}
	}
	w.floors[origin] = seconds(floor)
	return nil
}

// plans reads and plans without changing anything, for a person.
func (w *worker) plans(ctx context.Context) ([]*plan.Plan, []string, error) {
	w.mu.Lock()
	names := w.byZone(func(*entry) bool { return true })
	w.mu.Unlock()
	zones := slices.Sorted(maps.Keys(names))
	for _, origin := range zones {
		if err := w.fathom(ctx, origin); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", origin, err)
		}
	}
	list := map[string][]plan.Wanted{}
	var left []string
	w.mu.Lock()
	names = w.byZone(func(*entry) bool { return true })
	for _, origin := range zones {
		some, not := w.wanted(origin, names[origin])
		list[origin], left = some, append(left, not...)
	}
	w.mu.Unlock()
	var out []*plan.Plan
	for _, origin := range zones {
		is, err := w.lookup(ctx, origin, list[origin], true, true)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", origin, err)
		}
		out = append(out, plan.Diff(list[origin], is, w.lockedRules(origin, true)))
	}
	return out, left, nil
}
