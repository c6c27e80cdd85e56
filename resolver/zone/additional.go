package zone

import (
	"bytes"
	"encoding/binary"

	"github.com/miekg/dns"
)

// maxHosts is how many hosts of one RRset get their addresses added. Beyond
// that the answer is of no use to anyone in one message.
const maxHosts = 32

// hostAt returns where in the data of a record the host name stands whose
// addresses belong in the additional section; -1: nowhere.
func hostAt(typ uint16) int {
	switch typ {
	case dns.TypeNS:
		return 0
	case dns.TypeMX, dns.TypeKX, dns.TypeSVCB, dns.TypeHTTPS:
		return 2
	case dns.TypeSRV:
		return 6
	}
	return -1
}

// additional adds the addresses of the hosts that the records of set name, as
// far as this zone has them and they fit (RFC 1035 §3.3, RFC 2782, RFC 9460
// §4.1). Set must be what was added last.
func (r *reply) additional(set rrset) {
	skip := hostAt(set.typ)
	if skip < 0 {
		return
	}
	var named [maxHosts]uint16
	known := named[:0] // where the hosts are written whose addresses are in
	at := len(r.msg) - len(set.body)
	if at < r.base || r.at > maxPointer {
		return // the owner was written out, and the hosts are past any pointer anyway
	}
	for body := set.body; len(body) > 0 && len(known) < maxHosts; {
		host := at + rrHead + skip
		n := r.host(host)
		// What is not ours to answer for is glue, which only an NS may carry.
		if n != nil && (set.typ == dns.TypeNS || r.zone.owns(n)) && !r.named(known, host) {
			known = append(known, uint16(host))
			r.addresses(n, host)
		}
		size := rrHead + rdLen(body)
		at, body = at+size, body[size:]
	}
}

// named reports whether the name written at host is also written at one of
// the offsets in known.
func (r *reply) named(known []uint16, host int) bool {
	for _, k := range known {
		if sameName(r.wireAt(int(k)), r.wireAt(host)) {
			return true
		}
	}
	return false
}

// owns reports whether n is neither at or below a delegation nor below a
// DNAME.
func (z *Zone) owns(n *node) bool {
	return n.cut == 0 || z.at(n.cut) == n && n.kind&isDelegation == 0
}

// glue adds the addresses of the servers in set, the delegation at c, whose
// records begin at start. Those of servers at or below c come first, and must
// fit: nobody could find them otherwise (RFC 9471 §3.1).
func (r *reply) glue(c *node, set rrset, start int) {
	if r.msg[start] < 0xC0 {
		return // a chain of names past any pointer; the resolver asks again from there
	}
	others := true // there may be hosts for the second round
	for round := 0; round < 2 && others; round++ {
		below, at := round == 0, start
		others = false
		for body := set.body; len(body) > 0; {
			n := r.host(at + rrHead)
			switch {
			case n == nil:
			case r.within(c) != below:
				others = true
			case !r.addresses(n, at+rrHead):
				r.tc = below
				return
			}
			size := rrHead + rdLen(body)
			at, body = at+size, body[size:]
		}
	}
}

// within reports whether the current name is that of c or below it.
func (r *reply) within(c *node) bool {
	i := r.name().n - int(c.labels)
	return i >= 0 && bytes.HasPrefix(r.zone.arena[c.at:], r.name().suffix(i))
}

// host makes the name written at offset at the current one and returns the
// node that has its records: its own, or the wildcard that covers it. Nil:
// the zone has none. The root is no host: it says that there is none
// (RFC 7505 §3, RFC 2782), or means the owner itself (RFC 9460 §2.5).
func (r *reply) host(at int) *node {
	z := r.zone
	r.read(at)
	i := r.name().n - z.labels
	if r.name().n == 0 || i < 0 || !bytes.Equal(r.name().suffix(i), z.origin) {
		return nil
	}
	n, i := z.closest(r.name())
	if i == 0 {
		return n
	}
	if n.star == 0 {
		return nil
	}
	return z.at(n.star)
}

// addresses adds the static addresses of n under the name written at owner,
// and reports whether they fit.
func (r *reply) addresses(n *node, owner int) bool {
	rest := r.zone.sets(n)
	for range n.sets { // by ascending type, and so A before AAAA
		typ, size := binary.BigEndian.Uint16(rest), setHead+int(binary.BigEndian.Uint16(rest[4:]))
		if typ == dns.TypeA || typ == dns.TypeAAAA {
			if !r.put(rest[setHead:size], owner) {
				return false
			}
			r.count[inAdditional] += binary.BigEndian.Uint16(rest[2:])
		}
		rest = rest[size:]
	}
	return true
}
