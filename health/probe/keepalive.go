package probe

import (
	"net/netip"
	"sync"
	"time"
)

// maxIdle bounds the idle connections that one probe keeps.
const maxIdle = 4096

// idleConns are the connections that a probe with keep_alive keeps between
// its runs, at most one an endpoint. It has no goroutine: what is too old is
// closed when the next connection comes back, and what a discarded probe
// leaves is closed with it by the garbage collector.
type idleConns struct {
	age time.Duration // a connection idle for longer is not used again

	mu    sync.Mutex
	conns map[netip.Addr]*conn
	swept time.Time
}

func newIdleConns(age time.Duration) *idleConns {
	return &idleConns{age: age, conns: map[netip.Addr]*conn{}, swept: time.Now()}
}

// take returns the idle connection to addr, which is then the caller's; nil
// when there is none that is young enough.
func (s *idleConns) take(addr netip.Addr) *conn {
	s.mu.Lock()
	c := s.conns[addr]
	delete(s.conns, addr)
	s.mu.Unlock()
	if c != nil && time.Since(c.used) > s.age {
		c.abort()
		return nil
	}
	return c
}

// put keeps c for the next probe of addr, or closes it when there is one
// already or no room.
func (s *idleConns) put(addr netip.Addr, c *conn) {
	now := time.Now()
	c.used = now
	s.mu.Lock()
	old := s.sweep(now)
	if _, taken := s.conns[addr]; taken || len(s.conns) >= maxIdle {
		old = append(old, c)
	} else {
		s.conns[addr] = c
	}
	s.mu.Unlock()
	for _, c := range old {
		c.abort()
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
