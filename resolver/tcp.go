package resolver

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/shunt-dns/shunt/config"
)

const (
	flushAt     = 32 << 10             // octets of replies that are written before more queries are answered
	replyRoom   = flushAt + 2 + maxTCP // octets in which replies are gathered
	readAhead   = 4 << 10              // octets of queries read at once where each connection has its buffer
	linger      = time.Second          // for a client to take the last replies; a quarter when the server ends
	lingerBytes = 64 << 10             // of queries dropped meanwhile
	maxPause    = time.Second          // between failing accepts
	minPause    = time.Millisecond     // first of them
)

// A tcpSide is the TCP half of a server: the listeners of every address and
// the loops that answer their connections (RFC 7766). There are two: pollTCP
// for Linux, and plainTCP for every system.
type tcpSide interface {
	// listen opens all listeners of addr and returns it with the port that
	// was found for port 0, or opens none.
	listen(addr netip.AddrPort) (netip.AddrPort, error)
	// unlisten closes what the last listen opened, before serve.
	unlisten()
	// serve answers until stop, and then until no connection is left, which
	// takes at most stopGrace. Then it closes everything.
	serve()
	// stop ends serve and may be called more than once, also before it: the
	// replies under way are written, and no more is read.
	stop()
	// close closes the listeners of a side that is not going to serve.
	close()
}

// A phase says how a connection goes on after some queries.
type phase uint8

const (
	reading phase = iota // the rest of a query is to come
	full                 // enough replies are waiting to be written
	ended                // the client may ask no more, but takes its replies
	broken               // what came is not DNS
	taken                // an Aside takes it, with the query that comes next
)

// A talk is what answering needs to know of a connection.
type talk struct {
	from    netip.AddrPort
	tr      Transport
	queries int // answered
}

// answer answers the whole queries in front of in. It returns how many octets
// they were, and out with the replies appended, each behind its length: its
// capacity must be replyRoom more than its length. At flushAt it pauses.
func (t *talk) answer(w *Worker, out, in []byte, now time.Time, limits *config.TCP) (used int, _ []byte, p phase) {
	w.begin(now, t.tr)
	defer w.timed()
	defer w.end()
	for begin := len(out); len(out)-begin < flushAt; {
		rest := in[used:]
		if len(rest) < 2 {
			return used, out, reading
		}
		n := int(binary.BigEndian.Uint16(rest))
		switch {
		case n > limits.MessageSize:
			return used, out, broken
		case len(rest)-2 < n:
			return used, out, reading
		}
		if w.streams(rest[2:2+n], t.tr) {
			return used, out, taken
		}
		at := len(out) + 2
		reply := w.answer(out[at:at:at+maxTCP], rest[2:2+n], t.from)
		used += 2 + n
		if len(reply) == 0 {
			return used, out, broken
		}
		out = out[:at+len(reply)]
		binary.BigEndian.PutUint16(out[at-2:], uint16(len(reply)))
		if t.queries++; limits.Queries > 0 && t.queries >= limits.Queries {
			return used, out, ended
		}
	}
	return used, out, full
}

// roomFor returns in with room to read more: for the whole of the query that
// it begins with, and ahead octets at least.
func roomFor(in []byte, ahead, longest int) []byte {
	need := ahead
	if len(in) >= 2 {
		need = max(need, 2+min(int(binary.BigEndian.Uint16(in)), longest))
	}
	if cap(in) >= need && len(in) < cap(in) {
		return in
	}
	return append(make([]byte, 0, max(need, len(in)+1)), in...)
}
