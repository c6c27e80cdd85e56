package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	flushAt     = 32 << 10         // octets of replies that are written before more queries are answered
	keepOut     = 16 << 10         // octets of reply buffer that an idle connection may keep
	readAhead   = 4 << 10          // octets of queries read at once
	sampleIdle  = 32               // connections compared to find the one idle for longest
	linger      = time.Second      // for a client to take the last replies
	lingerBytes = 64 << 10         // of queries dropped meanwhile
	maxPause    = time.Second      // between failing accepts
	minPause    = time.Millisecond // first of them
)

// A tcpServer owns the listeners and every connection (RFC 7766). What one
// connection can hold is bounded: one query of config.TCP.MessageSize, about
// 100 KiB of replies while its reader is slow, and one goroutine.
type tcpServer struct {
	a         *Answerer
	listeners []*net.TCPListener
	desks     chan *desk // one per core; a connection borrows one while it computes, never while it waits
	running   sync.WaitGroup
	stopping  atomic.Bool

	accepted, refused, evicted atomic.Uint64

	mu        sync.Mutex
	conns     map[*tcpConn]struct{}
	perClient map[netip.Addr]int
}

// A desk is a worker and room for one reply.
type desk struct {
	worker *Worker
	reply  [maxTCP]byte
}

// newTCPServer returns a server without listeners, which answers up to n
// connections at a time.
func newTCPServer(a *Answerer, n int) *tcpServer {
	s := &tcpServer{
		a:         a,
		desks:     make(chan *desk, n),
		conns:     map[*tcpConn]struct{}{},
		perClient: map[netip.Addr]int{},
	}
	for range n {
		s.desks <- &desk{worker: a.Worker()}
	}
	return s
}

// listenTCP opens one listener. Keep-alive probes are off: the idle time is
// shorter than their first interval.
func listenTCP(addr netip.AddrPort) (*net.TCPListener, error) {
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1}
	l, err := lc.Listen(context.Background(), family("tcp", addr), addr.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// accept takes connections until the listener is closed. Lasting errors, such
// as too many open files, slow it down and do not end it.
func (s *tcpServer) accept(l *net.TCPListener) {
	pause := minPause
	for {
		conn, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(pause)
			pause = min(2*pause, maxPause)
			continue
		}
		pause = minPause
		if c := s.admit(conn); c != nil {
			go c.serve()
		} else {
			conn.Close()
		}
	}
}

// admit takes conn in, or returns nil:
//
//	connections of this address   in all          conn     others
//	PerClient or more             any             refused  -
//	fewer                         fewer           taken    -
//	fewer                         Connections     taken    the longest idle one is closed
//
// So whoever fills the table with idle connections shuts out nobody.
func (s *tcpServer) admit(conn *net.TCPConn) *tcpConn {
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	c := &tcpConn{server: s, conn: conn, from: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}
	c.last.Store(time.Now().UnixNano())
	limits := s.a.settings.Load().tcp

	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted.Add(1)
	if s.stopping.Load() || s.perClient[c.from.Addr()] >= limits.PerClient {
		s.refused.Add(1)
		return nil
	}
	for len(s.conns) >= limits.Connections {
		idlest := s.idlest()
		s.evicted.Add(1)
		s.forget(idlest)
		idlest.conn.Close()
	}
	s.conns[c] = struct{}{}
	s.perClient[c.from.Addr()]++
	s.running.Add(1)
	return c
}

// idlest returns the connection whose last query is longest ago, of a sample
// in the map's random order.
func (s *tcpServer) idlest() (oldest *tcpConn) {
	n := 0
	for c := range s.conns {
		if oldest == nil || c.last.Load() < oldest.last.Load() {
			oldest = c
		}
		if n++; n == sampleIdle {
			break
		}
	}
	return oldest
}

// forget strikes c off; it may be gone already. The caller holds mu.
func (s *tcpServer) forget(c *tcpConn) {
	if _, ok := s.conns[c]; !ok {
		return
	}
	delete(s.conns, c)
	if s.perClient[c.from.Addr()]--; s.perClient[c.from.Addr()] == 0 {
		delete(s.perClient, c.from.Addr())
	}
}

// stop closes the listeners and wakes every connection, which then ends after
// the replies it is writing.
func (s *tcpServer) stop() {
	s.stopping.Store(true)
	for _, l := range s.listeners {
		l.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// wait returns when all connections have ended, which they must within grace.
func (s *tcpServer) wait(grace time.Duration) {
	late := time.AfterFunc(grace, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			c.conn.Close()
		}
	})
	s.running.Wait()
	late.Stop()
}

// addTo adds what the connections counted.
func (s *tcpServer) addTo(st *Stats) {
	st.Accepted = s.accepted.Load()
	st.Refused = s.refused.Load()
	st.Evicted = s.evicted.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Connections = uint64(len(s.conns))
}
