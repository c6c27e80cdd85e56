package zone

import (
	"encoding/binary"
	"encoding/hex"
	"iter"

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

// Wire yields what Contents does but for the SOA, as records in wire form
// (RFC 1035 §3.2.1): all of one name behind each other, no name compressed.
// They are in memory that the next name takes. It costs a fraction of Contents.
func (s *Snapshot) Wire(i int32, c config.Content) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		z := s.set.zones[i]
		wire := make([]byte, 0, 1024)
		for at := range z.nodes {
			if at%ahead == 0 {
				wire = append(wire[:0], z.fetch(at)) // of no meaning, but used
			}
			n := &z.nodes[at]
			if n.at <= tomb {
				continue
			}
			wire = z.appendSets(wire[:0], n)
			for _, set := range s.steeredSets(i, n, c) {
				wire = z.appendWire(wire, n, set.body)
			}
			if len(wire) > 0 && !yield(wire) {
				return
			}
		}
	}
}

// ahead is how many nodes are fetched at a time.
const ahead = 32

// fetch has the processor get the records of the nodes from at on, all at once:
// they lie all over the arena. As with Place, what it returns must be used.
func (z *Zone) fetch(at int) (seen byte) {
	for i := range z.nodes[at:min(at+ahead, len(z.nodes))] {
		seen += z.arena[z.nodes[at+i].at]
	}
	return seen
}

// appendSets appends the RRsets of n but the SOA in wire form. It is each
// without its function: that would be made anew for every name.
func (z *Zone) appendSets(dst []byte, n *node) []byte {
	if n.sets == 0 {
		return dst
	}
	rest := z.sets(n)
	for range n.sets {
		body := rest[setHead : setHead+int(binary.BigEndian.Uint16(rest[4:]))]
		if binary.BigEndian.Uint16(rest) != dns.TypeSOA {
			dst = z.appendWire(dst, n, body)
		}
		rest = rest[setHead+len(body):]
	}
	return dst
}

// appendWire appends the packed records of one RRset of n in wire form.
func (z *Zone) appendWire(dst []byte, n *node, body []byte) []byte {
	owner := z.arena[n.at:]
	owner = owner[:nameLen(owner)]
	for len(body) > 0 {
		size := rrHead + rdLen(body)
		dst = append(dst, owner...)
		dst = append(dst, body[2:size]...) // a pointer to the owner stands before
		body = body[size:]
	}
	return dst
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

// Same reports whether zone i has the content that it had in before, as far as
// that can be told at a glance; false says nothing.
func (s *Snapshot) Same(before *Snapshot, i int32) bool {
	if before == nil || before.set != s.set {
		return false
	}
	for _, group := range s.set.groupOf[i] {
		if s.steered[group] != before.steered[group] {
			return false
		}
	}
	return true
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
