package xfr

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// diskWait is how long NOTIFY waits for the journals to be on the disk. One
// that hangs must not keep secondaries from being told.
const diskWait = 250 * time.Millisecond

// Deps are what a Primary works with.
type Deps struct {
	Dir   string           // state directory; the journals are in a folder of it. "": nothing is kept
	Log   *slog.Logger     //
	Event event.Sink       // told of transfers, and of secondaries that fall behind or catch up; may be nil
	Now   func() time.Time // default: time.Now

	Transferred func(secondary string, t Transfer, err error) // hears of each transfer that ended; must not wait; may be nil
}

// A Primary hands the zones of a node to its secondaries. Make it with New,
// then call Run once; all methods may be called from any goroutine. It is the
// resolver's Aside.
type Primary struct {
	deps   Deps
	shelf  shelf
	clerk  *clerk
	state  atomic.Pointer[state]         // what transfers are from
	newest atomic.Pointer[zone.Snapshot] // what they are to be from
	cfg    atomic.Pointer[config.Config]
	wake   chan struct{} // holds a token after each Publish and Reload
	nudge  chan struct{} // holds a token after a watch became due earlier
	heard  chan outcome  // of questions to secondaries
	lines  lines         // transfers under way
	told   teller        // keeps the log short

	mu       sync.Mutex // guards watches, and all of them
	watches  watches
	listened map[net.Conn]bool // connections that were taken: true where who asked may have a zone
	closed   bool              // no further one is
}

// New returns a Primary for cfg.
func New(cfg *config.Config, d Deps) (*Primary, error) {
	if d.Now == nil {
		d.Now = time.Now
	}
	p := &Primary{deps: d, wake: make(chan struct{}, 1), nudge: make(chan struct{}, 1), heard: make(chan outcome, 64), listened: map[net.Conn]bool{}}
	p.lines.init()
	p.told.init()
	p.watches.init()
	if d.Dir != "" {
		p.shelf = shelf(filepath.Join(d.Dir, Folder))
		p.clerk = newClerk(p.shelf, d.Log)
	}
	p.state.Store(&state{access: &access{}, next: make(chan struct{})})
	return p, p.Reload(cfg)
}

// Publish takes s as what transfers are to be from. It returns at once.
func (p *Primary) Publish(s *zone.Snapshot) {
	p.newest.Store(s)
	p.stir()
}

// Reload takes cfg into service: who may transfer, with which keys, and who is
// told. The error names a key whose name cannot be used.
func (p *Primary) Reload(cfg *config.Config) error {
	a, err := newAccess(cfg)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cfg.Store(cfg)
	was := p.state.Load()
	now := *was
	now.access, now.next = a, make(chan struct{})
	if a.catalog != was.access.catalog {
		now.catalog = nil
	}
	p.state.Store(&now)
	close(was.next)
	p.watches.enlist(cfg, a)
	p.stir()
	return nil
}

// stir wakes Run.
func (p *Primary) stir() { token(p.wake) }

// token leaves one in c, unless one is there.
func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run follows what is published, tells secondaries and watches them, until ctx
// ends; connections that were taken are closed then.
func (p *Primary) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { p.told.run(ctx, p.deps.Log) })
	if p.clerk != nil {
		if err := os.MkdirAll(string(p.shelf), 0o750); err != nil {
			p.deps.Log.Error("no folder for journals", "error", err) // what is served and transferred needs none
		}
		stop := make(chan struct{})
		running.Go(func() { p.clerk.run(stop) })
		defer close(stop)
	}
	defer p.hangUp()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
			p.guarded(func() { p.settle(ctx) })
		case o := <-p.heard:
			p.hear(o)
		case <-due.C:
		case <-p.nudge:
		case <-tick.C:
			p.review()
		}
		due.Reset(p.proceed(ctx))
	}
}

// guarded calls f. A panic in it must not end the process, which answers
// clients; secondaries stay as they are.
func (p *Primary) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			p.deps.Log.Error("panic while zones were made ready for secondaries", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// current returns the state, once it is of what was published last; it waits
// for that no longer than until ctx ends.
func (p *Primary) current(ctx context.Context) *state {
	for {
		s := p.state.Load()
		if s.snapshot == p.newest.Load() || !s.access.on {
			return s
		}
		select {
		case <-s.next:
		case <-ctx.Done():
			return s
		}
	}
}

// hangUp closes the connections that were taken.
func (p *Primary) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.listened {
		c.Close()
	}
}

// canonical returns a name as origins are written.
func canonical(name string) string { return dns.CanonicalName(name) }
