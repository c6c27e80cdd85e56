// Package zone holds compiled zones and answers questions from them by
// RFC 1034 §4.3.2. Its values are a [Zone] (one master file and its services,
// packed), a [Set] (all zones), a [Steered] (what a group of services answers
// now) and a [Snapshot] (all that a query needs, at one moment).
//
// It computes and nothing else: it starts no goroutine, opens no socket, takes
// no lock and never looks at the clock. It reads the master files that it is
// handed as a file system, and nothing else; after that, every value is
// immutable. It never signs, never recurses, and knows nothing of EDNS.
package zone

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math/bits"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// A Zone is one compiled zone: a hash table of its names, which points into
// an arena of packed records. It is immutable.
type Zone struct {
	name   string // origin, fully qualified, lower case
	origin []byte // in wire form
	labels int    // of the origin

	nodes   []node // open addressing with linear probing; a slot with at == 0 is free
	arena   []byte // at each node's at: its name, then its RRsets
	deepest int    // labels of the longest name

	soa    []byte           // the SOA as negative answers carry it (RFC 2308 §3), owner as in the arena
	groups []config.Service // one of each kind of service; node.group counts from 1 into it

	names, records int
	owners         int // names with records
	serial         uint32

	plan   *plan                   // for reading the zone again
	digest *atomic.Pointer[digest] // of this content; nothing before someone asks
}

// A node is one name of a zone, or one that only has names below it (an empty
// non-terminal). References to other nodes are their slot plus 1; 0 is none.
type node struct {
	tag    uint32 // low half of the name's hash
	at     uint32 // in the arena; 0: no node here
	cut    uint32 // the topmost delegation or DNAME at or above this name
	star   uint32 // the child named "*"
	group  uint32 // the kind of service that answers here
	sets   uint16 // RRsets
	labels uint8
	kind   uint8
}

// What a node is beside a name.
const (
	isDelegation = 1 << iota // has NS, and is not the apex
	isDNAME
)

// An rrset in the arena is a head of 6 octets (type, records, octets, each of
// 16 bits) and then its records, each with the owner written as a pointer to
// the question and with uncompressed names in its data.
type rrset struct {
	typ   uint16
	count uint16
	body  []byte
}

const (
	setHead  = 6
	rrHead   = 12           // owner pointer, type, class, TTL, length
	question = 12           // offset of the question's name in a message
	maxBody  = 65535 - 1024 // octets of the largest RRset that a message can carry
)

// Name returns the zone's origin, fully qualified and in lower case.
func (z *Zone) Name() string { return z.name }

// Names returns how many owner names the zone has: those with records and
// those of services. Empty non-terminals do not count.
func (z *Zone) Names() int { return z.names }

// Records returns how many records the zone has, without those of services.
func (z *Zone) Records() int { return z.records }

// Serial returns the serial of the SOA in the zone's file; Snapshot.Serial is
// the one that is answered.
func (z *Zone) Serial() uint32 { return z.serial }

// slot returns where the search for a name of this hash begins.
func slot(hash uint64, size int) int {
	hi, _ := bits.Mul64(hash, uint64(size))
	return int(hi)
}

// find returns the node of a name in wire form, lower-cased; nil: none.
func (z *Zone) find(hash uint64, name []byte) *node {
	for i := slot(hash, len(z.nodes)); ; {
		n := &z.nodes[i]
		if n.at == 0 {
			return nil
		}
		if n.tag == uint32(hash) && bytes.HasPrefix(z.arena[n.at:], name) {
			return n
		}
		if i++; i == len(z.nodes) {
			i = 0
		}
	}
}

// closest returns the node of the name or of its closest encloser (RFC 4592
// §3.3.1), which is i labels shorter. The name must lie in the zone, so there
// always is one: the apex.
func (z *Zone) closest(s *suffixes) (n *node, i int) {
	for i = max(0, s.n-z.deepest); ; i++ {
		if n = z.find(s.hash[i&maxLabels], s.suffix(i)); n != nil {
			return n, i
		}
	}
}

// sets returns what follows the name of n in the arena.
func (z *Zone) sets(n *node) []byte {
	at := int(n.at)
	for z.arena[at] != 0 {
		at += int(z.arena[at]) + 1
	}
	return z.arena[at+1:]
}

// get returns the RRset of type typ at n.
func (z *Zone) get(n *node, typ uint16) (rrset, bool) {
	rest := z.sets(n)
	for range n.sets {
		size := int(binary.BigEndian.Uint16(rest[4:]))
		if binary.BigEndian.Uint16(rest) == typ {
			return rrset{typ, binary.BigEndian.Uint16(rest[2:]), rest[setHead : setHead+size]}, true
		}
		rest = rest[setHead+size:]
	}
	return rrset{}, false
}

// each yields the RRsets at n.
func (z *Zone) each(n *node) iter.Seq[rrset] {
	return func(yield func(rrset) bool) {
		rest := z.sets(n)
		for range n.sets {
			size := int(binary.BigEndian.Uint16(rest[4:]))
			if !yield(rrset{binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:]), rest[setHead : setHead+size]}) {
				return
			}
			rest = rest[setHead+size:]
		}
	}
}

// first returns the RRset with the lowest type at n.
func (z *Zone) first(n *node) (rrset, bool) {
	if n.sets == 0 {
		return rrset{}, false
	}
	rest := z.sets(n)
	size := int(binary.BigEndian.Uint16(rest[4:]))
	return rrset{binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:]), rest[setHead : setHead+size]}, true
}

// at returns the node that a reference means.
func (z *Zone) at(ref uint32) *node { return &z.nodes[ref-1] }

// appendRR appends one record as the arena holds it.
func appendRR(dst []byte, typ uint16, ttl uint32, data []byte) []byte {
	dst = append(dst, 0xC0, question)
	dst = binary.BigEndian.AppendUint16(dst, typ)
	dst = binary.BigEndian.AppendUint16(dst, dns.ClassINET)
	dst = binary.BigEndian.AppendUint32(dst, ttl)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(data)))
	return append(dst, data...)
}

// kindOf says what the records at n make of it.
func (z *Zone) kindOf(n *node, apex bool) (kind uint8) {
	if n.sets == 0 {
		return 0
	}
	if _, ok := z.get(n, dns.TypeNS); ok && !apex {
		kind |= isDelegation
	}
	if _, ok := z.get(n, dns.TypeDNAME); ok {
		kind |= isDNAME
	}
	return kind
}

// sealSOA makes the SOA that negative answers carry: its TTL is the lower of
// its own and its last field (RFC 2308 §3).
func (z *Zone) sealSOA() {
	apex := z.find(hashName(z.origin), z.origin)
	set, ok := z.get(apex, dns.TypeSOA)
	if !ok {
		return
	}
	data := set.body[rrHead:]
	tail := data[len(data)-soaTail:]
	z.serial = binary.BigEndian.Uint32(tail)
	ttl := min(ttlOf(set.body), binary.BigEndian.Uint32(tail[16:]))
	z.soa = appendRR(nil, dns.TypeSOA, ttl, data)
}
