package resolver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"
)

// A plainConn is one connection and the goroutine that reads, answers and
// writes it, in this order. Queries may be pipelined; replies keep their order.
// What it can hold is bounded: one query of config.TCP.MessageSize, about
// 100 KiB of replies while its reader is slow, and the goroutine.
type plainConn struct {
	side *plainTCP
	conn net.Conn
	raw  net.Conn // what is below TLS, else conn
	seat seat
	talk talk
	out  []byte // replies not yet written
	gone bool   // an Aside has it
}

// evict ends the connection from elsewhere, without taking leave.
func (c *plainConn) evict() { c.raw.Close() }

// serve answers the connection until its client closes it, sends something
// other than DNS, is idle, or asks more than it may. Half a query does not
// count as activity: the idle time runs from the last whole one. Should that
// panic, the connection ends and nobody else.
func (c *plainConn) serve() {
	defer c.close()
	defer func() {
		if r := recover(); r != nil {
			c.side.gate.a.logPanic(fmt.Sprint("a connection: ", r))
		}
	}()
	if !c.handshake() {
		return
	}
	var in []byte
	answered := false
	for {
		limits := &c.side.gate.a.settings.Load().tcp
		in = roomFor(in, readAhead, limits.MessageSize)
		c.conn.SetReadDeadline(time.Unix(0, c.seat.last.Load()).Add(limits.Idle))
		if c.side.stopping.Load() {
			if answered { // there may be more that is not read
				c.drain()
			}
			return
		}
		n, err := c.conn.Read(in[len(in):cap(in)])
		in = in[:len(in)+n]
		answered = false
		for p := full; p == full; {
			var used int
			used, p = c.answer(in)
			answered = answered || used > 0
			in = in[:copy(in, in[used:])]
			if !c.flush(limits.Idle) || p == broken {
				return
			}
			if p == taken {
				c.hand(in)
				return
			}
			if p == ended {
				c.drain()
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// handshake begins TLS, where it is spoken, within the idle time.
func (c *plainConn) handshake() bool {
	t, ok := c.conn.(*tls.Conn)
	if !ok {
		return true
	}
	c.raw.SetDeadline(time.Now().Add(c.side.gate.a.settings.Load().tcp.Idle))
	return !c.side.stopping.Load() && t.Handshake() == nil
}

// answer answers the whole queries in front of in and returns how many octets
// they were.
func (c *plainConn) answer(in []byte) (used int, p phase) {
	now := time.Now()
	d := <-c.side.desks
	defer func() { c.side.desks <- d }()
	used, out, p := c.talk.answer(d.worker, d.out[:0], in, now, &c.side.gate.a.settings.Load().tcp)
	if used > 0 {
		c.seat.last.Store(now.UnixNano())
	}
	c.out = append(c.out, out...)
	return used, p
}

// flush writes all replies with one call; a client that does not take them
// within the idle time is given up.
func (c *plainConn) flush(patience time.Duration) bool {
	if len(c.out) == 0 {
		return true
	}
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := c.conn.Write(c.out)
	if c.out = c.out[:0]; cap(c.out) > keepOut {
		c.out = nil
	}
	return err == nil
}

// keepOut is how many octets of reply buffer an idle connection may keep.
const keepOut = 16 << 10

// drain tells the client that no more is coming and waits for it to close, so
// that unread queries do not reset the connection under our last replies.
func (c *plainConn) drain() {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	patience := linger
	if c.side.stopping.Load() {
		patience /= 4
	}
	c.conn.SetReadDeadline(time.Now().Add(patience))
	io.CopyN(io.Discard, c.conn, lingerBytes)
}

// hand gives the connection to the Aside, with what was read and not answered.
func (c *plainConn) hand(in []byte) {
	if c.side.stopping.Load() {
		return
	}
	s := c.side
	conn := s.gate.take(c.conn, c.raw, &c.seat)
	c.gone = true
	s.forget(c)
	c.conn.SetDeadline(time.Time{})
	a := s.gate.a
	a.aside.Take(conn, in, s.tr, a.plain.answers(s.tr))
}

// close ends the connection, unless an Aside has it, and makes room for
// another.
func (c *plainConn) close() {
	s := c.side
	if !c.gone {
		c.conn.Close()
		s.gate.leave(&c.seat)
		s.forget(c)
	}
	s.ended.Done()
}

// forget lets go of c: what stops the side no longer reaches it.
func (s *plainTCP) forget(c *plainConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, c)
}
