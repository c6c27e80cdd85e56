package zone

import (
	"slices"

	"github.com/miekg/dns"
)

// How many CNAMEs and DNAMEs one answer follows; whoever asked goes on from
// there. A pair of DNAMEs can make ever longer names of one question, so that
// one met again by a longer name counts only while the chain is short (Knot
// stops there too).
const (
	maxChain = 20
	maxGrown = 5 // names left behind before a DNAME that is still followed by a longer name
)

// Append answers q: it appends the answer, authority and additional sections
// to msg and sets AA, TC, the rcode and the counts in its header. Msg holds
// the header (with ID, QR, opcode and RD as they shall be) and the question
// as it was asked. Limit is the length in octets that the message must not
// exceed.
//
//	the name q asks for                          answer
//	in none of our zones                         REFUSED, and Info.Refused
//	at or below a delegation                     referral, with all glue that our zone has (RFC 9471)
//	below a DNAME                                DNAME, CNAME made from it, then as for its target (RFC 6672)
//	... and the new name is too long             DNAME, YXDOMAIN
//	a service whose pool has a host name         CNAME, then as for its target
//	a service whose pool has addresses           them; NODATA for types that it has not; never NXDOMAIN
//	a service without any pool to answer         SERVFAIL
//	has the type                                 its records, addresses of the hosts they name
//	has a CNAME                                  CNAME, then as for its target, in any of our zones
//	has other types, or only names below it      NODATA: SOA (RFC 2308 §2.2)
//	does not exist, and no wildcard covers it    NXDOMAIN: SOA (RFC 2308 §2.1)
//
// After a CNAME the rcode is that of the last name (RFC 6604), AA that of the
// first. A chain ends without an error where it leaves our zones, repeats
// itself, meets a DNAME that leads to below itself, meets one again by a longer
// name after five others, or has followed 20. The type ANY gets one RRset: what a
// service answers, else the one with the lowest type (RFC 8482 §4.1).
//
// Answer and authority sections that do not fit leave an empty message with
// TC. Glue below the delegation itself that does not fit sets TC; any other
// additional record is just left out.
//
// Append allocates what it works in. Who answers one question after the other
// has a Scratch for that, whose Append allocates nothing as long as msg has the
// capacity for the answer.
func (s *Snapshot) Append(msg []byte, q Question, limit int) ([]byte, Info) {
	var name suffixes
	name.split(q.Name)
	r := reply{asked: &name}
	msg = r.to(s, msg, &q, limit)
	return msg, r.info
}

// to makes r the reply to q, whose name is r.asked. Only what is read before it
// is written is reset: the other name, its hashes and the chain are most of r.
func (r *reply) to(s *Snapshot, msg []byte, q *Question, limit int) []byte {
	r.snap, r.msg, r.base, r.limit = s, msg, len(msg), limit
	r.qtype, r.client, r.now = q.Type, q.Client, q.Now
	r.at, r.next, r.hops = question, 0, 0
	r.aa, r.tc = true, false
	r.count = [3]uint16{}
	r.info = Info{Zone: -1, Group: -1, Variant: -1}
	r.away = false
	zi, kid := s.set.zoneFor(r.name(), q.Type)
	r.kid = kid
	r.info.Zone = zi
	if zi < 0 {
		r.info.Refused = true
		r.aa = false
		r.info.Rcode = dns.RcodeRefused
		return r.end()
	}
	for r.step(zi) && r.hops < maxChain {
		if zi = r.follow(); zi < 0 {
			break
		}
	}
	return r.end()
}

// step answers for the current name, which lies in zone zi, and reports
// whether there is a next name to go on with.
func (r *reply) step(zi int32) bool {
	z := r.snap.set.zones[zi]
	r.zone, r.zi = z, zi
	n, i := z.closest(r.name())
	if n.cut != 0 {
		c := z.at(n.cut)
		at := r.name().n - int(c.labels) // labels of the current name below the cut
		switch {
		case c.kind&isDelegation != 0 && (at > 0 || r.qtype != dns.TypeDS):
			r.refer(c, at)
			return false
		case c.kind&isDNAME != 0 && at > 0:
			r.info.Made = r.info.Made || r.hops == 0
			return r.rename(c, at)
		}
	}
	if i > 0 {
		if r.kid { // the zone does not know its child, but we do
			r.negative(maxTTL)
			return false
		}
		if n.star == 0 {
			r.info.Rcode = dns.RcodeNameError
			r.negative(maxTTL)
			return false
		}
		n = z.at(n.star)
		r.info.Made = r.info.Made || r.hops == 0
	}
	if n.group != 0 {
		return r.steer(n, r.snap.set.groupOf[zi][n.group-1])
	}
	return r.static(n)
}

// static answers from the records of n.
func (r *reply) static(n *node) bool {
	set, ok := r.pick(n)
	if ok {
		r.own(set)
		return false
	}
	if set, ok = r.zone.get(n, dns.TypeCNAME); ok {
		return r.alias(set.body)
	}
	r.negative(maxTTL)
	return false
}

// own answers with static records of the current name.
func (r *reply) own(set rrset) {
	if !r.answer(set.body, set.count) {
		return
	}
	if set.typ == dns.TypeSOA {
		r.serial()
		return
	}
	r.additional(set)
}

// pick returns the RRset at n that the question asks for.
func (r *reply) pick(n *node) (rrset, bool) {
	if r.qtype == dns.TypeANY {
		return r.zone.first(n)
	}
	return r.zone.get(n, r.qtype)
}

// steer answers from what a group answers now, and from the static records
// beside it. What the absence of a type depends on may change as soon as the
// answer may, so it is told with the same TTL. No answer outlives the draw that
// it comes from, so that what a client asks for later, within the TTL, comes
// from the same pool.
func (r *reply) steer(n *node, group int32) bool {
	if r.qtype != dns.TypeANY {
		if set, ok := r.zone.get(n, r.qtype); ok {
			r.own(set)
			return false
		}
	}
	st := r.snap.steered[group]
	c := st.choose(r.client, n.tag, r.now)
	r.info.Scope = max(r.info.Scope, c.scope)
	if r.info.Group < 0 {
		r.info.Group, r.info.Variant = group, c.variant
	}
	if c.variant < 0 {
		r.fail()
		return false
	}
	p, at := &st.packed[c.variant], len(r.msg)
	more := r.records(n, p, min(p.ttl, c.left))
	if c.left < p.ttl {
		r.shorten(at, c.left)
	}
	return more
}

// records answers with what p has for the question, or says for ttl seconds
// that it has nothing, and reports whether there is a next name to go on with.
func (r *reply) records(n *node, p *packed, ttl uint32) bool {
	if p.cname != nil {
		if r.qtype == dns.TypeCNAME || r.qtype == dns.TypeANY {
			r.answer(p.cname, 1)
			return false
		}
		return r.alias(p.cname)
	}
	set := p.of(r.qtype, int(n.labels) == r.zone.labels)
	if set.count == 0 {
		r.negative(ttl)
		return false
	}
	if r.answer(set.body, set.count) && set == &p.https {
		r.beside(p)
	}
	return false
}

// of returns the records of p of a type; a set of none where there are none.
func (p *packed) of(typ uint16, apex bool) *rrset {
	switch {
	case typ == dns.TypeA || typ == dns.TypeANY && p.a.count > 0:
		return &p.a
	case typ == dns.TypeAAAA || typ == dns.TypeANY:
		return &p.aaaa
	case typ == dns.TypeHTTPS && apex && p.alias.count > 0:
		return &p.alias
	case typ == dns.TypeHTTPS:
		return &p.https
	}
	return &rrset{}
}

// beside adds the addresses that an HTTPS record of the current name leads
// to, as far as they fit (RFC 9460 §4.1).
func (r *reply) beside(p *packed) {
	for _, set := range [2]*rrset{&p.a, &p.aaaa} {
		if !r.put(set.body, r.at) {
			return
		}
		r.count[inAdditional] += set.count
	}
}

// alias answers with a CNAME record and goes on with its target.
func (r *reply) alias(body []byte) bool {
	return r.leave(nil) && r.forward(body)
}

// rename answers with the DNAME at c and the CNAME it makes of the current
// name, which is i labels longer, and goes on with the CNAME's target
// (RFC 6672 §3.2). A DNAME that is met again is in the answer already; one
// that leads to below itself would be met for ever, and is not followed.
func (r *reply) rename(c *node, i int) bool {
	met := slices.Index(r.dnames[:r.hops], c)
	grown := met >= 0 && len(r.wireAt(int(r.owners[met]))) < r.name().size
	if grown && r.hops >= maxGrown || !r.leave(c) {
		return false
	}
	set, _ := r.zone.get(c, dns.TypeDNAME)
	prefix := int(r.name().off[i&maxLabels])
	if met < 0 && !r.add(set.body, set.count, r.at+prefix, inAnswer) {
		return false
	}
	target := set.body[rrHead:]
	if prefix+len(target) > maxName {
		r.info.Rcode = dns.RcodeYXDomain
		return false
	}
	var data [maxName]byte
	copy(data[:], r.msg[r.at:r.at+prefix])
	copy(data[prefix:], target)
	var made [rrHead + maxName]byte
	body := appendRR(made[:0], dns.TypeCNAME, ttlOf(set.body), data[:prefix+len(target)])
	if r.qtype == dns.TypeCNAME || r.qtype == dns.TypeANY || r.zone.below(c, target) {
		r.answer(body, 1)
		return false
	}
	return r.forward(body)
}

// below reports whether name, in wire form and of any case, is that of n or
// lies below it.
func (z *Zone) below(n *node, name []byte) bool {
	for cut := labelsIn(name) - int(n.labels); cut > 0; cut-- {
		name = name[name[0]+1:]
	}
	owner := z.arena[n.at:]
	return sameName(owner[:nameLen(owner)], name)
}

// leave notes that the current name is left behind, through the DNAME at c or
// through a CNAME. It returns false where it was left before: the chain is a
// loop, and all of it is in the answer.
func (r *reply) leave(c *node) bool {
	for _, seen := range r.owners[:r.hops] {
		if sameName(r.wireAt(int(seen)), r.wireAt(r.at)) {
			return false
		}
	}
	r.owners[r.hops], r.dnames[r.hops] = uint16(r.at), c
	r.hops++
	return true
}

// forward answers with a CNAME record whose target is the next name.
func (r *reply) forward(body []byte) bool {
	at := len(r.msg)
	if !r.answer(body, 1) {
		return false
	}
	r.next = at + r.ownerLen(at) + rrHead - 2
	return true
}

// follow makes the target of the last CNAME the current name and returns its
// zone, -1 when that is none of ours.
func (r *reply) follow() int32 {
	r.at = r.next
	r.read(r.at)
	var zi int32
	zi, r.kid = r.snap.set.zoneFor(r.name(), r.qtype)
	return zi
}

// refer answers with the delegation at c, which is i labels above the current
// name, and with the addresses that the zone has for its servers.
func (r *reply) refer(c *node, i int) {
	set, _ := r.zone.get(c, dns.TypeNS)
	if r.hops == 0 {
		r.aa = false
	}
	at := len(r.msg)
	if !r.add(set.body, set.count, r.at+int(r.name().off[i&maxLabels]), inAuthority) {
		return
	}
	r.glue(c, set, at)
}
