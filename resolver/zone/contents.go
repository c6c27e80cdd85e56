package zone

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"iter"
	"slices"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// An RRset is the records of one name and type as they go out to secondaries
// and providers.
type RRset struct {
	Name    string   // fully qualified, lower case
	Type    uint16   // of all records
	TTL     uint32   // in seconds, of all records
	Records []dns.RR // at least one; of the class IN
}

// Serial returns the serial of zone i's SOA, as it is answered and
// transferred.
func (s *Snapshot) Serial(i int32) uint32 { return s.serials[i] }

// Service returns what the service named name (fully qualified) holds where
// one answer must do for all clients; see Steered.Content. It is nil for what
// is no service, and for one that has had nothing to answer with yet. Static
// records beside the service are not among it.
func (s *Snapshot) Service(name string, c config.Content) (sets []RRset) {
	wire, ok := wireName(name)
	if !ok {
		return nil
	}
	var sx suffixes
	sx.split(wire)
	zi := s.set.zoneOf(&sx, 0)
	if zi < 0 {
		return nil
	}
	z := s.set.zones[zi]
	n, i := z.closest(&sx)
	if i > 0 {
		return nil
	}
	for _, set := range s.steeredSets(zi, n, c) {
		sets = append(sets, z.rrset(n, set))
	}
	return sets
}

// Contents yields all of zone i: its SOA with Serial, then every other RRset,
// those of services (see Steered.Content) among them, glue and what lies below
// delegations too (RFC 5936 §3.5), in no particular order. The SOA does not
// come again. One RRset is made at a time.
func (s *Snapshot) Contents(i int32, c config.Content) iter.Seq[RRset] {
	return func(yield func(RRset) bool) {
		z := s.set.zones[i]
		if !yield(s.SOA(i)) {
			return
		}
		for at := range z.nodes {
			n := &z.nodes[at]
			if n.at <= tomb || n.sets == 0 && n.group == 0 {
				continue
			}
			for set := range z.each(n) {
				if set.typ != dns.TypeSOA && !yield(z.rrset(n, set)) {
					return
				}
			}
			for _, set := range s.steeredSets(i, n, c) {
				if !yield(z.rrset(n, set)) {
					return
				}
			}
		}
	}
}

// SOA returns the SOA of zone i with its Serial.
func (s *Snapshot) SOA(i int32) RRset {
	z := s.set.zones[i]
	apex := z.find(hashName(z.origin), z.origin)
	set, _ := z.get(apex, dns.TypeSOA)
	out := z.rrset(apex, set)
	if soa, ok := out.Records[0].(*dns.SOA); ok {
		soa.Serial = s.serials[i]
	}
	return out
}

// ContentKey names the content of zone i: it is equal, on every node and after
// every restart, while Contents yields the same but for the serial. It costs as
// much as the zone has groups, and the first time for a zone as much as it has
// records.
func (s *Snapshot) ContentKey(i int32, c config.Content) [16]byte {
	z := s.set.zones[i]
	d := z.sums()
	all := d.static
	for g := range z.groups {
		group := s.set.groupOf[i][g]
		body := s.steered[group].content(&s.set.groups[group], c)
		all.add(d.names[g].times(body.plain))
		all.add(d.apex[g].times(body.apex))
	}
	return all.key()
}

// Changes yields what Contents of zone i has otherwise than it had in before: each
// RRset as it was and as it is. What was not there, or is not, has no Records.
// The SOA is left out. It costs as much as the zone has names, and little
// where only answers of services differ.
func (s *Snapshot) Changes(before *Snapshot, i int32, c config.Content) iter.Seq2[RRset, RRset] {
	return func(yield func(was, is RRset) bool) {
		z, from := s.set.zones[i], before.index(s.set.zones[i])
		if from < 0 {
			for set := range s.Contents(i, c) {
				if set.Type != dns.TypeSOA && !yield(RRset{}, set) {
					return
				}
			}
			return
		}
		old := before.set.zones[from]
		d := differ{was: before, is: s, from: from, to: i, c: c, yield: yield}
		if same := &old.nodes[0] == &z.nodes[0]; same {
			d.moved()
			return
		}
		d.all()
	}
}

// index returns where s has a zone of z's name; -1: nowhere.
func (s *Snapshot) index(z *Zone) int32 {
	var sx suffixes
	sx.split(z.origin)
	if i := s.set.zoneOf(&sx, 0); i >= 0 && s.set.zones[i].labels == z.labels {
		return i
	}
	return -1
}

// A differ compares two contents of one zone.
type differ struct {
	was, is  *Snapshot
	from, to int32 // the zone in each of them
	c        config.Content
	yield    func(was, is RRset) bool
}

// moved yields what differs in the answers of services, between snapshots of
// the same zone.
func (d *differ) moved() {
	z := d.is.set.zones[d.to]
	moved := make([]bool, len(z.groups)+1)
	some := false
	for g := range z.groups {
		was, is := d.was.groupContent(d.from, g, d.c), d.is.groupContent(d.to, g, d.c)
		moved[g+1] = was.plain != is.plain || was.apex != is.apex
		some = some || moved[g+1]
	}
	for at := 0; some && at < len(z.nodes); at++ {
		if n := &z.nodes[at]; n.at > tomb && moved[n.group] && !d.pair(z, n, d.was.steeredSets(d.from, n, d.c), d.is.steeredSets(d.to, n, d.c)) {
			return
		}
	}
}

// all yields what differs between two versions of a zone.
func (d *differ) all() {
	old, z := d.was.set.zones[d.from], d.is.set.zones[d.to]
	for at := range old.nodes {
		n := &old.nodes[at]
		if n.at <= tomb {
			continue
		}
		var now []rrset
		if other := z.same(old, n); other != nil {
			now = d.is.nodeSets(d.to, other, d.c)
		}
		if !d.pair(old, n, d.was.nodeSets(d.from, n, d.c), now) {
			return
		}
	}
	for at := range z.nodes {
		n := &z.nodes[at]
		if n.at > tomb && old.same(z, n) == nil && !d.pair(z, n, nil, d.is.nodeSets(d.to, n, d.c)) {
			return
		}
	}
}

// pair yields what differs between the RRsets of n, which is of z.
func (d *differ) pair(z *Zone, n *node, was, is []rrset) bool {
	for _, set := range was {
		at := slices.IndexFunc(is, func(s rrset) bool { return s.typ == set.typ })
		switch {
		case at < 0:
			if !d.yield(z.rrset(n, set), RRset{}) {
				return false
			}
		case !bytes.Equal(is[at].body, set.body) && sumOf(is[at]) != sumOf(set):
			if !d.yield(z.rrset(n, set), z.rrset(n, is[at])) {
				return false
			}
		}
	}
	for _, set := range is {
		if !slices.ContainsFunc(was, func(s rrset) bool { return s.typ == set.typ }) && !d.yield(RRset{}, z.rrset(n, set)) {
			return false
		}
	}
	return true
}

// same returns the node of z that has the name of n, which is of other.
func (z *Zone) same(other *Zone, n *node) *node {
	owner := other.arena[n.at:]
	name := owner[:nameLen(owner)]
	return z.find(hashName(name), name)
}

// nodeSets returns all RRsets of n but the SOA.
func (s *Snapshot) nodeSets(i int32, n *node, c config.Content) (sets []rrset) {
	for set := range s.set.zones[i].each(n) {
		if set.typ != dns.TypeSOA {
			sets = append(sets, set)
		}
	}
	return append(sets, s.steeredSets(i, n, c)...)
}

// steeredSets returns the RRsets that n has of its service; none where it is no
// service, or one that has had nothing to answer with.
func (s *Snapshot) steeredSets(i int32, n *node, c config.Content) []rrset {
	if n.group == 0 {
		return nil
	}
	body := s.groupContent(i, int(n.group-1), c)
	return body.packed.sets(int(n.labels) == s.set.zones[i].labels)
}

// groupContent returns the content of group g of zone i.
func (s *Snapshot) groupContent(i int32, g int, c config.Content) *content {
	group := s.set.groupOf[i][g]
	return s.steered[group].content(&s.set.groups[group], c)
}

// rrset returns a packed set of n as records.
func (z *Zone) rrset(n *node, set rrset) RRset {
	owner, _, err := dns.UnpackDomainName(z.arena, int(n.at))
	if err != nil { // no name that was parsed or configured is such
		owner = presentation(z.arena[n.at:])
	}
	out := RRset{Name: owner, Type: set.typ, TTL: ttlOf(set.body), Records: make([]dns.RR, 0, set.count)}
	for body := set.body; len(body) > 0; {
		size := rdLen(body)
		head := dns.RR_Header{Name: owner, Rrtype: set.typ, Class: binary.BigEndian.Uint16(body[4:]), Ttl: out.TTL, Rdlength: uint16(size)}
		rr, _, err := dns.UnpackRRWithHeader(head, body[:rrHead+size], rrHead)
		if err != nil { // what the library reads more strictly than we do goes out as it is
			head.Rdlength = 0
			rr = &dns.RFC3597{Hdr: head, Rdata: hex.EncodeToString(body[rrHead : rrHead+size])}
		}
		out.Records = append(out.Records, rr)
		body = body[rrHead+size:]
	}
	return out
}
