package probe

import (
	"net/netip"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// maxIdle bounds the idle connections that one probe keeps.
const maxIdle = 16384

// idleConns are the connections that a probe keeps between its runs, at most
// one an endpoint: to use again (keep_alive), or to see them end (watch). It
// has no goroutine: what is too old is closed when the next connection comes
// back, and what a discarded probe leaves is closed with it by the garbage
// collector, or by the Watch.
type idleConns struct {
	monitor string
	reuse   bool   // take gives them back
	watch   *Watch // nil: nobody watches them
	age     time.Duration

	mu    sync.Mutex
	conns map[netip.Addr]*conn
	swept time.Time
}

// newIdleConns returns the set of m's probe, nil for a monitor that keeps no
// connection. One that is idle for longer than two intervals is not used again.
func newIdleConns(m config.Monitor, w *Watch) *idleConns {
	if !m.Watch {
		w = nil
	}
	if w == nil && !m.HTTP.KeepAlive {
		return nil
	}
	return &idleConns{
		monitor: m.Name, reuse: m.HTTP.KeepAlive, watch: w, age: 2*m.Interval + m.Timeout,
		conns: map[netip.Addr]*conn{}, swept: time.Now(),
	}
}

// take returns the idle connection to addr, which is then the caller's; nil
// when there is none that is young enough.
func (s *idleConns) take(addr netip.Addr) *conn {
	if !s.reuse {
		return nil
	}
	s.mu.Lock()
	c := s.conns[addr]
	delete(s.conns, addr)
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	s.unwatch(c)
	if time.Since(c.used) > s.age {
		c.abort()
		return nil
	}
	return c
}

// put keeps c until the next probe of addr, instead of the one kept before.
// Without room it closes c.
func (s *idleConns) put(addr netip.Addr, c *conn) {
	now := time.Now()
	c.used, c.br = now, nil
	if !s.reuse {
		c.Conn = c.tcp // what is only watched needs no keys
	}
	s.mu.Lock()
	old := s.sweep(now)
	if before := s.conns[addr]; before != nil {
		old = append(old, before)
		delete(s.conns, addr)
	}
	watching := s.watch != nil && s.watch.add(watched{s, addr, c, now.Add(s.age)})
	if (watching || s.reuse) && len(s.conns) < maxIdle {
		s.conns[addr] = c
	} else {
		old = append(old, c)
	}
	s.mu.Unlock()
	for _, c := range old {
		s.unwatch(c)
		c.abort()
	}
}

// forget takes c out of the set, and reports whether it was there: it is then
// the caller's.
func (s *idleConns) forget(addr netip.Addr, c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[addr] != c {
		return false
	}
	delete(s.conns, addr)
	return true
}

// unwatch ends the watch over c.
func (s *idleConns) unwatch(c *conn) {
	if s.watch != nil {
		s.watch.drop(c)
	}
}

// sweep removes the connections of endpoints that are no longer probed, once
// in a while. The caller holds s.mu and closes them.
func (s *idleConns) sweep(now time.Time) (old []*conn) {
	if now.Sub(s.swept) < s.age {
		return nil
	}
	s.swept = now
	for addr, c := range s.conns {
		if now.Sub(c.used) > s.age {
			old = append(old, c)
			delete(s.conns, addr)
		}
	}
	return old
}
