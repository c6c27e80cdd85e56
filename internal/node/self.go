package node

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/self"
)

const (
	selfEvery = 5 * time.Second // between looks at the machine
	selfStop  = 2 * time.Second // for a look under way, at the end
)

// trialFile is what is written to the state directory to see whether that
// works, and removed at once.
const trialFile = "trial"

// A machine is what is known of what a node runs on.
type machine struct {
	dir string

	mu    sync.Mutex
	facts self.Facts
	began time.Time          // of the look under way; zero: none is
	held  map[string]bool    // codes that held when last judged
	seen  map[string]watched // clocks of others, by pool
}

// A watched is the clock of one endpoint of a pool.
type watched struct {
	addr netip.Addr
	hand self.Hand
}

// observe takes in what the clock of an endpoint showed. One endpoint speaks
// for its pool, as long as it does.
func (m *machine) observe(t health.Target, r health.Result) {
	if r.Clock.IsZero() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.seen[t.Pool]
	if w.addr != t.Addr && r.At.Sub(w.hand.Seen()) > time.Minute {
		w = watched{addr: t.Addr}
	}
	if w.addr == t.Addr {
		w.hand = w.hand.Next(r.Clock, r.At)
		if m.seen == nil {
			m.seen = map[string]watched{}
		}
		m.seen[t.Pool] = w
	}
}

// watchSelf looks at the machine until ctx ends. A disk that hangs holds up
// this goroutine, and nothing else.
func (n *Node) watchSelf(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(selfEvery)
		defer tick.Stop()
		for before := time.Now(); ; {
			now := time.Now()
			n.machine.look(now, before)
			before = now
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	<-ctx.Done()
	select {
	case <-ended:
	case <-time.After(selfStop):
	}
	return nil
}

// look gathers facts. Before is when it was called before.
func (m *machine) look(now, before time.Time) {
	m.mu.Lock()
	m.began = now
	m.mu.Unlock()
	disk, trial := diskOf(m.dir), try(m.dir)
	open, limit := descriptors()
	unsynced := unsynced()

	m.leap(now, before, now.Round(0).Sub(before.Round(0)))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.began = time.Time{}
	f := &m.facts
	f.Disk, f.Trial, f.Descriptors, f.DescriptorLimit, f.Unsynced = disk, trial, open, limit, unsynced
}

// leap notes that the wall clock went on by wall from before to now, where that
// is not how long it was.
func (m *machine) leap(now, before time.Time, wall time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if leapt := wall - now.Sub(before); leapt.Abs() >= self.Leap {
		m.facts.Leapt, m.facts.LeaptAt = leapt, now
	}
}

// try writes a file to dir, and says how that went.
func try(dir string) self.Trial {
	path := filepath.Join(dir, trialFile)
	_ = os.Remove(path) // of a process that was killed; another user's, perhaps
	err := os.WriteFile(path, make([]byte, 4<<10), 0o600)
	if gone := os.Remove(path); err == nil {
		err = gone
	}
	if err == nil {
		return self.Trial{}
	}
	return self.Trial{Full: isFull(err), Why: err.Error()}
}

// unfit lists what is wrong with the machine, as conditions.
func (n *Node) unfit() (list []controller.Condition) {
	m := &n.machine
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.facts
	f.At, f.Dir, f.Goroutines = now, m.dir, runtime.NumGoroutine()
	if !m.began.IsZero() {
		f.Hangs = now.Sub(m.began)
	}
	for _, d := range n.ctl.Databases() {
		f.Databases = append(f.Databases, self.Database{Path: d.Path, Built: d.Built})
	}
	f.Clocks = m.clocks(n.ctl.Glance().Pools, now)
	found := self.Judge(f, func(code string) bool { return m.held[code] })
	m.held = map[string]bool{}
	for _, c := range found {
		m.held[c.Code] = true
		list = append(list, controller.Condition(c))
	}
	return list
}

// clocks returns those that others were seen to have; pools say whose they are.
// What was seen of a pool that is gone is forgotten.
func (m *machine) clocks(pools []controller.PoolStatus, now time.Time) (clocks []self.Clock) {
	operator := make(map[string]string, len(pools))
	for i := range pools {
		operator[pools[i].Name] = pools[i].Operator
	}
	for pool, w := range m.seen {
		if of := operator[pool]; of == "" {
			delete(m.seen, pool) // it is no longer configured
		} else if ahead, ok := w.hand.Ahead(now); ok {
			clocks = append(clocks, self.Clock{Of: of, Ahead: ahead})
		}
	}
	return clocks
}
