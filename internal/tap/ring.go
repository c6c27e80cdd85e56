package tap

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/shunt-dns/shunt/resolver"
)

// ringSize is what a worker can be ahead of an output, in octets: some
// thousands of queries. It is taken with the first of them.
const ringSize = 1 << 20

// A ring carries records from one worker to one output. The worker puts, the
// output takes; neither waits for the other, and what has no room is dropped.
type ring struct {
	buf     []byte        // made by the worker, before head first moves
	head    atomic.Uint64 // octets put so far, those skipped at the end of buf included
	tail    atomic.Uint64 // octets taken so far
	dropped atomic.Uint64 // records without room
}

// A record lies in one piece, at a multiple of 8 octets:
//
//	length of all        4   0 skips to the beginning of the ring
//	length of the query  4
//	read at              8   nanoseconds since 1970
//	answered at          8
//	address             16
//	port                 2
//	transport            1
//	flags                1   bit 0: the address is IPv4
//	length of the pool   4
//	pool, query, reply
const recordHead = 48

// put puts h in, which was answered at done.
func (r *ring) put(h *resolver.Heard, done time.Time) {
	if r.buf == nil {
		r.buf = make([]byte, ringSize)
	}
	size := recordHead + len(h.Pool) + len(h.Query) + len(h.Reply)
	need := (size + 7) &^ 7
	head, tail := r.head.Load(), r.tail.Load()
	at := int(head % ringSize)
	skip := 0
	if at+need > ringSize {
		skip = ringSize - at
	}
	if int(head-tail)+skip+need > ringSize {
		r.dropped.Add(1)
		return
	}
	if skip > 0 {
		binary.NativeEndian.PutUint32(r.buf[at:], 0)
		at = 0
	}
	b := r.buf[at : at+need]
	addr := h.Client.Addr().Unmap()
	binary.NativeEndian.PutUint32(b, uint32(size))
	binary.NativeEndian.PutUint32(b[4:], uint32(len(h.Query)))
	binary.NativeEndian.PutUint64(b[8:], uint64(h.At.UnixNano()))
	binary.NativeEndian.PutUint64(b[16:], uint64(done.UnixNano()))
	a16 := addr.As16()
	copy(b[24:], a16[:])
	binary.NativeEndian.PutUint16(b[40:], h.Client.Port())
	b[42], b[43] = byte(h.Transport), 0
	if addr.Is4() {
		b[43] = 1
	}
	binary.NativeEndian.PutUint32(b[44:], uint32(len(h.Pool)))
	n := recordHead
	n += copy(b[n:], h.Pool)
	n += copy(b[n:], h.Query)
	copy(b[n:], h.Reply)
	r.head.Store(head + uint64(skip+need))
}

// A record is one query as an output has it. Its slices lie in the ring until
// the next take.
type record struct {
	query, reply []byte
	client       netip.AddrPort
	at, done     time.Time
	transport    resolver.Transport
	pool         string
}

// take calls f with each record that is there, and returns how many.
func (r *ring) take(f func(*record)) (n int) {
	tail, head := r.tail.Load(), r.head.Load()
	for tail != head {
		at := int(tail % ringSize)
		size := int(binary.NativeEndian.Uint32(r.buf[at:]))
		if size == 0 {
			tail += uint64(ringSize - at)
			continue
		}
		rec := parse(r.buf[at : at+size])
		f(&rec)
		n++
		tail += uint64(size+7) &^ 7
		r.tail.Store(tail)
	}
	r.tail.Store(tail)
	return n
}

// parse reads what put wrote.
func parse(b []byte) record {
	addr := netip.AddrFrom16([16]byte(b[24:40]))
	if b[43]&1 != 0 {
		addr = addr.Unmap()
	}
	query := recordHead + int(binary.NativeEndian.Uint32(b[44:]))
	reply := query + int(binary.NativeEndian.Uint32(b[4:]))
	return record{
		query: b[query:reply:reply], reply: b[reply:],
		client:    netip.AddrPortFrom(addr, binary.NativeEndian.Uint16(b[40:])),
		at:        time.Unix(0, int64(binary.NativeEndian.Uint64(b[8:]))),
		done:      time.Unix(0, int64(binary.NativeEndian.Uint64(b[16:]))),
		transport: resolver.Transport(b[42]),
		pool:      string(b[recordHead:query]),
	}
}
