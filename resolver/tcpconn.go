package resolver

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// A tcpConn is one connection and the goroutine that reads, answers and
// writes it, in this order. Queries may be pipelined; replies keep their order.
type tcpConn struct {
	server  *tcpServer
	conn    *net.TCPConn
	from    netip.AddrPort
	last    atomic.Int64 // Unix nanoseconds of the last whole query, or of the beginning
	queries int
	out     []byte // replies not yet written
}

// A phase says how a connection goes on after some queries.
type phase uint8

const (
	reading phase = iota // the rest of a query is to come
	full                 // enough replies are waiting to be written
	ended                // the client may ask no more, but takes its replies
	broken               // what came is not DNS
)

// serve answers the connection until its client closes it, sends something
// other than DNS, is idle, or asks more than it may. Half a query does not
// count as activity: the idle time runs from the last whole one.
func (c *tcpConn) serve() {
	defer c.close()
	var in []byte
	for {
		limits := c.server.a.settings.Load().tcp
		in = roomFor(in, limits.MessageSize)
		c.conn.SetReadDeadline(time.Unix(0, c.last.Load()).Add(limits.Idle))
		if c.server.stopping.Load() {
			return
		}
		n, err := c.conn.Read(in[len(in):cap(in)])
		in = in[:len(in)+n]
		for p := full; p == full; {
			var used int
			used, p = c.answer(in, limits.MessageSize, limits.Queries)
			in = in[:copy(in, in[used:])]
			if !c.flush(limits.Idle) || p == broken {
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

// roomFor returns in with room to read more: for the whole of the query that
// it begins with, and some ahead.
func roomFor(in []byte, longest int) []byte {
	need := readAhead
	if len(in) >= 2 {
		need = max(need, 2+min(int(binary.BigEndian.Uint16(in)), longest))
	}
	if cap(in) >= need && len(in) < cap(in) {
		return in
	}
	return append(make([]byte, 0, max(need, len(in)+1)), in...)
}

// answer answers the whole queries in front of in and returns how many octets
// they were.
func (c *tcpConn) answer(in []byte, longest, most int) (used int, p phase) {
	if len(in) < 2 || len(in)-2 < int(binary.BigEndian.Uint16(in)) {
		return 0, tooLong(in, longest)
	}
	now := time.Now()
	c.last.Store(now.UnixNano())
	d := <-c.server.desks
	defer func() { c.server.desks <- d }()
	for len(c.out) < flushAt {
		rest := in[used:]
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			return used, tooLong(rest, longest)
		}
		n := int(binary.BigEndian.Uint16(rest))
		if n > longest {
			return used, broken
		}
		reply := d.worker.Answer(d.reply[:0], rest[2:2+n], c.from, now, TCP)
		used += 2 + n
		if len(reply) == 0 {
			return used, broken
		}
		c.out = binary.BigEndian.AppendUint16(c.out, uint16(len(reply)))
		c.out = append(c.out, reply...)
		if c.queries++; most > 0 && c.queries >= most {
			return used, ended
		}
	}
	return used, full
}

// tooLong says whether the query that rest begins with may be waited for.
func tooLong(rest []byte, longest int) phase {
	if len(rest) >= 2 && int(binary.BigEndian.Uint16(rest)) > longest {
		return broken
	}
	return reading
}

// flush writes all replies with one call; a client that does not take them
// within the idle time is given up.
func (c *tcpConn) flush(patience time.Duration) bool {
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

// drain tells the client that no more is coming and waits for it to close, so
// that unread queries do not reset the connection under our last replies.
func (c *tcpConn) drain() {
	c.conn.CloseWrite()
	c.conn.SetReadDeadline(time.Now().Add(linger))
	io.CopyN(io.Discard, c.conn, lingerBytes)
}

// close ends the connection and makes room for another.
func (c *tcpConn) close() {
	c.conn.Close()
	s := c.server
	s.mu.Lock()
	s.forget(c)
	s.mu.Unlock()
	s.running.Done()
}
