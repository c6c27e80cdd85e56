package resolver

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"time"
)

// An Aside answers what needs keys or streams, beside the hot path, which
// turns to it for the rare messages below and for no other. Its methods are
// called from many goroutines and threads at once, and must not block: queries
// wait behind them.
//
//	a sound query                                      goes to
//	AXFR or IXFR over TCP or TLS, which it Streams     Take, with its connection
//	any other AXFR or IXFR, but for HTTPS              Reply
//	with a TSIG record                                 Reply
//	for a name outside all zones                       Reply
//	anything else                                      nobody
type Aside interface {
	// Reply returns the reply to msg, written to the front of dst, whose
	// capacity the reply must not exceed; ok is false where the usual answer
	// stands: NOTAUTH with BADKEY for a TSIG record, else REFUSED. It keeps
	// neither slice. Over UDP the reply is held to the rate limits.
	//
	// Plain answers a message as if there were no Aside, for a query that was
	// signed: it is not held to the rate limits. It needs 512 octets of
	// capacity at least, knows nothing of an Aside's own zones, and is of no
	// use once Reply has returned.
	Reply(dst, msg []byte, from netip.AddrPort, now time.Time, tr Transport, plain func(dst, msg []byte) []byte) (reply []byte, ok bool)

	// Streams reports whether msg, an AXFR or IXFR over tr, is to have its
	// connection. It may still be malformed.
	Streams(msg []byte, tr Transport) bool

	// Take owns conn from now on, whatever becomes of the server, and returns
	// at once. Read is what the client sent and nobody answered: msg behind its
	// length, and perhaps more. Conn is without deadlines, counts towards the
	// limits of config.TCP until it is closed, and is closed from elsewhere if
	// the server is full and it has been quiet for long. Plain is as in Reply,
	// and may be called from any goroutine.
	Take(conn net.Conn, read []byte, tr Transport, plain func(dst, msg []byte, from netip.AddrPort) []byte)
}

// SetAside has a answer what it is for; nil: nobody does. It is called before
// Serve.
func (s *Server) SetAside(a Aside) { s.answerer.setAside(a) }

func (a *Answerer) setAside(aside Aside) {
	a.aside = aside
	if aside != nil {
		a.plain.worker = a.plainWorker()
	}
}

// plainWorker returns a worker that knows no Aside and no rate limits.
func (a *Answerer) plainWorker() *Worker {
	w := a.Worker()
	w.plain = true
	return w
}

// A plainDesk answers for the goroutines that have taken connections.
type plainDesk struct {
	mu     sync.Mutex
	worker *Worker
}

// answers returns the plain of Aside.Take for tr.
func (d *plainDesk) answers(tr Transport) func(dst, msg []byte, from netip.AddrPort) []byte {
	return func(dst, msg []byte, from netip.AddrPort) []byte {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.worker.Answer(dst[:0], msg, from, time.Now(), tr)
	}
}

// An annex is what a worker has for its Aside once it has turned to it.
type annex struct {
	worker *Worker
	plain  func(dst, msg []byte) []byte // of Aside.Reply; made once
	from   netip.AddrPort               // whose message the Aside has
	used   bool                         // plain was
	room   [maxTCP]byte                 // for the reply, as long as it is not sure that there is one
}

// newAnnex returns the annex of w.
func newAnnex(w *Worker) *annex {
	x := &annex{worker: w.a.plainWorker()}
	x.plain = func(dst, msg []byte) []byte {
		x.used = true
		return x.worker.Answer(dst[:0], msg, x.from, w.x.now, w.x.tr)
	}
	return x
}

// beside has the Aside answer msg; ok is false where the usual answer, which
// the exchange has already, stands.
func (w *Worker) beside(msg []byte, from netip.AddrPort) (reply []byte, ok bool) {
	if w.x.tr == HTTPS && asksTransfer(msg) {
		return nil, false
	}
	if w.annex == nil {
		w.annex = newAnnex(w)
	}
	x, annex := &w.x, w.annex
	annex.from, annex.used = from, false
	reply, ok = w.a.aside.Reply(annex.room[:0:x.size], msg, from, x.now, x.tr, annex.plain)
	if !ok || len(reply) < headerLen || len(reply) > x.size {
		return nil, false
	}
	x.msg = append(x.msg[:0], reply...)
	x.rcode, x.info = uint16(reply[3]&rcodeMask), &x.none
	if annex.used { // it has counted this query already
		w.n.now.queries[x.tr]--
	} else {
		w.n.now.rcode(x.rcode)
	}
	return w.limited(msg), true
}

// limited passes the reply of an Aside through rate limiting.
func (w *Worker) limited(msg []byte) []byte {
	x := &w.x
	switch x.pass() {
	case drop:
		w.n.limited.Add(1)
		return nil
	case truncate:
		w.n.limited.Add(1)
		w.n.slipped.Add(1)
		x.begin(x.msg[:0], msg)
		x.empty()
	}
	if x.msg[2]&(flagTC>>8) != 0 {
		w.n.truncated.Add(1)
	}
	return x.msg
}

// streams reports whether the Aside takes the connection over which msg came.
func (w *Worker) streams(msg []byte, tr Transport) bool {
	return w.a.aside != nil && asksTransfer(msg) && w.a.aside.Streams(msg, tr)
}

// asksTransfer reports whether msg is a query for AXFR or IXFR.
func asksTransfer(msg []byte) bool {
	if len(msg) < headerLen || msg[2]&((flagQR|opcodeMask)>>8) != 0 || binary.BigEndian.Uint16(msg[4:]) != 1 {
		return false
	}
	at, ok := skipName(msg, headerLen)
	if !ok || at+4 > len(msg) || binary.BigEndian.Uint16(msg[at+2:]) != classIN {
		return false
	}
	qtype := binary.BigEndian.Uint16(msg[at:])
	return qtype == typeAXFR || qtype == typeIXFR
}

// A takenConn is a connection that an Aside has taken: it keeps its seat until
// it is closed.
type takenConn struct {
	net.Conn
	raw  net.Conn // what is below TLS, else Conn
	gate *gate
	seat seat
	once sync.Once
}

// take moves the connection of from to a seat of its own.
func (g *gate) take(conn, raw net.Conn, from *seat) *takenConn {
	c := &takenConn{Conn: conn, raw: raw, gate: g}
	c.seat.owner = c
	g.move(from, &c.seat)
	return c
}

// Read reads, and notes that the client is alive.
func (c *takenConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.alive(n)
	return n, err
}

// Write writes, and notes that the client takes it.
func (c *takenConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.alive(n)
	return n, err
}

func (c *takenConn) alive(n int) {
	if n > 0 {
		c.seat.last.Store(time.Now().UnixNano())
	}
}

// CloseWrite tells the client that no more is coming.
func (c *takenConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the connection and makes room for another.
func (c *takenConn) Close() error {
	c.once.Do(func() { c.gate.leave(&c.seat) })
	return c.Conn.Close()
}

// evict ends the connection from elsewhere, without taking leave.
func (c *takenConn) evict() { c.raw.Close() }
