package zone

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"
)

// A reply is one message in the making. It lives in a Scratch, or on the stack
// of Append.
type reply struct {
	snap  *Snapshot
	zone  *Zone // of the current name
	zi    int32 // its index
	msg   []byte
	base  int // length of header and question
	limit int // of the message
	qtype uint16

	client netip.Addr
	now    int64 // seconds since 1970

	asked *suffixes // the question's name
	other suffixes  // each target's and host's
	away  bool      // the current name is the other one
	at    int       // where the current name is written in msg
	next  int       // where the next one is
	hops  int       // CNAMEs and DNAMEs followed

	aa, tc bool
	kid    bool      // the current name is the apex of another zone of ours, and its parent answers
	count  [3]uint16 // of each section
	info   Info

	owners [maxChain + 1]uint16 // where the names that were left behind are written
	dnames [maxChain + 1]*node  // the DNAMEs that were followed; nil for a CNAME
}

// The sections, as count indexes them.
const (
	inAnswer = iota
	inAuthority
	inAdditional
)

const (
	maxTTL     = 1<<31 - 1 // RFC 2181 §8
	maxPointer = 0x3FFF    // RFC 1035 §4.1.4
)

// name returns the current name: the question's, then each target's.
func (r *reply) name() *suffixes {
	if r.away {
		return &r.other
	}
	return r.asked
}

// read makes the name that is written at offset at the current one.
func (r *reply) read(at int) {
	r.away = true
	r.other.take(r.msg[at:])
}

// end writes the header and returns the message.
func (r *reply) end() []byte {
	h := r.msg
	if r.aa {
		h[2] |= 0x04
	}
	if r.tc {
		h[2] |= 0x02
	}
	h[3] = h[3]&0xF0 | byte(r.info.Rcode)
	binary.BigEndian.PutUint16(h[6:], r.count[inAnswer])
	binary.BigEndian.PutUint16(h[8:], r.count[inAuthority])
	binary.BigEndian.PutUint16(h[10:], r.count[inAdditional])
	msg := r.msg
	r.snap, r.zone, r.msg, r.asked = nil, nil, nil, nil // a scratch keeps no snapshot alive
	clear(r.dnames[:r.hops])
	return msg
}

// truncate empties the message: what did not fit must not be used in part
// (RFC 2181 §9).
func (r *reply) truncate() {
	r.msg = r.msg[:r.base]
	r.count = [3]uint16{}
	r.tc = true
	r.info.Rcode = dns.RcodeSuccess
}

// fail answers SERVFAIL: we have nothing to say, and whoever holds an older
// answer shall keep it (RFC 8767).
func (r *reply) fail() {
	r.msg = r.msg[:r.base]
	r.count = [3]uint16{}
	r.aa = false
	r.info.Rcode = dns.RcodeServerFailure
}

// answer adds records of the current name to the answer section.
func (r *reply) answer(body []byte, count uint16) bool {
	return r.add(body, count, r.at, inAnswer)
}

// add copies packed records into a section under the owner that is written at
// owner. When they do not fit, it leaves an empty message with TC and returns
// false.
func (r *reply) add(body []byte, count uint16, owner, section int) bool {
	if !r.put(body, owner) {
		r.truncate()
		return false
	}
	r.count[section] += count
	return true
}

// put appends packed records under the owner that is written at owner, and
// reports whether they fit.
func (r *reply) put(body []byte, owner int) bool {
	if owner > maxPointer {
		return r.putFar(body, owner)
	}
	if len(r.msg)+len(body) > r.limit {
		return false
	}
	at := len(r.msg)
	r.msg = append(r.msg, body...)
	if owner != question {
		for ; at < len(r.msg); at += rrHead + rdLen(r.msg[at:]) {
			r.msg[at] = 0xC0 | byte(owner>>8)
			r.msg[at+1] = byte(owner)
		}
	}
	return true
}

// putFar is put for an owner that no pointer reaches: it is written out.
func (r *reply) putFar(body []byte, owner int) bool {
	start := len(r.msg)
	for len(body) > 0 {
		size := rrHead + rdLen(body)
		name := r.wireAt(owner)
		if len(r.msg)+len(name)+size-2 > r.limit {
			r.msg = r.msg[:start]
			return false
		}
		r.msg = append(r.msg, name...)
		r.msg = append(r.msg, body[2:size]...)
		body = body[size:]
	}
	return true
}

// negative adds the SOA of the zone to the authority section, with a TTL of
// at most ttl.
func (r *reply) negative(ttl uint32) {
	z := r.zone
	at := len(r.msg)
	owner := r.at + int(r.name().off[(r.name().n-z.labels)&maxLabels])
	if !r.add(z.soa, 1, owner, inAuthority) {
		return
	}
	r.serial()
	r.shorten(at, ttl)
}

// serial gives the SOA that was added last the serial that the snapshot has
// for the current zone: packed records have that of the file.
func (r *reply) serial() {
	binary.BigEndian.PutUint32(r.msg[len(r.msg)-soaTail:], r.snap.serials[r.zi])
}

// shorten lowers the TTLs of the records from offset at on to at most ttl
// seconds.
func (r *reply) shorten(at int, ttl uint32) {
	for at < len(r.msg) {
		at += r.ownerLen(at) - 2
		if ttl < ttlOf(r.msg[at:]) {
			binary.BigEndian.PutUint32(r.msg[at+6:], ttl)
		}
		at += rrHead + rdLen(r.msg[at:])
	}
}

// wireAt returns the name that is written at offset at, which is never
// compressed.
func (r *reply) wireAt(at int) []byte { return r.msg[at : at+nameLen(r.msg[at:])] }

// ownerLen returns the length of the owner of the record at offset at: a
// pointer, or a name written out.
func (r *reply) ownerLen(at int) int {
	if r.msg[at] >= 0xC0 {
		return 2
	}
	return nameLen(r.msg[at:])
}

// rdLen returns the length of the data of the packed record at the start of
// body.
func rdLen(body []byte) int { return int(binary.BigEndian.Uint16(body[10:])) }

// ttlOf returns the TTL of the packed record at the start of body.
func ttlOf(body []byte) uint32 { return binary.BigEndian.Uint32(body[6:]) }
