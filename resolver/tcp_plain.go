package resolver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// plainTCP answers connections through package net, which every system can
// do, with one goroutine each. It also answers what comes wrapped in TLS.
type plainTCP struct {
	gate      *gate
	tr        Transport
	tls       *tls.Config // wraps the connections; nil: they are plain
	listeners []net.Listener
	desks     chan *desk // a connection borrows one while it computes, never while it waits
	stopping  atomic.Bool

	mu      sync.Mutex
	running map[*plainConn]struct{}
	ended   sync.WaitGroup // for each of them
}

// A desk is a worker and room for its replies.
type desk struct {
	worker *Worker
	out    [replyRoom]byte
}

// newPlainTCP returns a side without listeners, which computes for up to n
// connections at a time.
func newPlainTCP(a *Answerer, g *gate, n int) (tcpSide, error) { return newPlain(a, g, n, TCP), nil }

// newPlain is newPlainTCP for queries that come over tr.
func newPlain(a *Answerer, g *gate, n int, tr Transport) *plainTCP {
	s := &plainTCP{gate: g, tr: tr, desks: make(chan *desk, n), running: map[*plainConn]struct{}{}}
	for range n {
		s.desks <- &desk{worker: a.Worker()}
	}
	return s
}

func (s *plainTCP) listen(addr netip.AddrPort) (netip.AddrPort, error) {
	l, err := listenTCP(addr)
	if err != nil {
		return addr, err
	}
	s.listeners = append(s.listeners, l)
	return netip.AddrPortFrom(addr.Addr(), l.Addr().(*net.TCPAddr).AddrPort().Port()), nil
}

// listenTCP opens one listener. Keep-alive probes are off: the idle time is
// shorter than their first interval.
func listenTCP(addr netip.AddrPort) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1}
	return lc.Listen(context.Background(), family("tcp", addr), addr.String())
}

func (s *plainTCP) unlisten() {
	last := len(s.listeners) - 1
	s.listeners[last].Close()
	s.listeners = s.listeners[:last]
}

func (s *plainTCP) serve() {
	var accepting sync.WaitGroup
	for _, l := range s.listeners {
		accepting.Go(func() { s.accept(l) })
	}
	accepting.Wait()
	late := time.AfterFunc(stopGrace, func() { s.each((*plainConn).evict) })
	s.ended.Wait()
	late.Stop()
}

// accept takes connections until the listener is closed. Lasting errors, such
// as too many open files, slow it down and do not end it.
func (s *plainTCP) accept(l net.Listener) {
	pause := minPause
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(pause)
			pause = min(2*pause, maxPause)
			continue
		}
		pause = minPause
		from, ok := conn.RemoteAddr().(*net.TCPAddr)
		if !ok {
			conn.Close()
			continue
		}
		c := &plainConn{side: s, conn: conn, raw: conn}
		if s.tls != nil {
			c.conn = tls.Server(conn, s.tls)
		}
		c.talk = talk{from: netip.AddrPortFrom(from.AddrPort().Addr().Unmap(), from.AddrPort().Port()), tr: s.tr}
		c.seat.owner = c
		if !s.admit(c) {
			conn.Close()
			continue
		}
		go c.serve()
	}
}

// admit asks the gate, and notes c.
func (s *plainTCP) admit(c *plainConn) bool {
	if !s.gate.admit(&c.seat, c.talk.from.Addr(), time.Now().UnixNano()) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[c] = struct{}{}
	s.ended.Add(1)
	return true
}

// each calls do for every connection, with mu locked.
func (s *plainTCP) each(do func(*plainConn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.running {
		do(c)
	}
}

// stop closes the listeners and wakes every connection, which then ends after
// the replies it is writing.
func (s *plainTCP) stop() {
	s.stopping.Store(true)
	s.close()
	s.each(func(c *plainConn) { c.raw.SetReadDeadline(time.Unix(1, 0)) })
}

func (s *plainTCP) close() {
	for _, l := range s.listeners {
		l.Close()
	}
}
