package zone

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// A Set is every zone, the index that finds the one a name belongs to, and
// the steering groups of all their services. It is immutable, and shared by
// all snapshots until the configuration changes.
type Set struct {
	zones   []*Zone
	origins []origin // open addressing with linear probing; never full
	longest int      // labels of the longest origin
	groups  []config.Service
	groupOf [][]int32 // by zone and node.group-1: index into groups
	filed   []uint32  // by zone: the serial of its file
	still   *Snapshot // every group answers an address that nobody sees, for Static
}

// An origin is one entry of the index.
type origin struct {
	hash uint64
	zone int32 // index into zones plus 1; 0: free
}

// NewSet indexes zones, whose origins must differ. A name belongs to the zone
// with the longest origin above it.
func NewSet(zones []*Zone) *Set {
	s := &Set{zones: zones, origins: make([]origin, 2*len(zones)+1), groupOf: make([][]int32, len(zones)), filed: make([]uint32, len(zones))}
	index := map[string]int32{}
	for zi, z := range zones {
		s.filed[zi] = z.serial
		hash := hashName(z.origin)
		i := slot(hash, len(s.origins))
		for s.origins[i].zone != 0 {
			i = (i + 1) % len(s.origins)
		}
		s.origins[i] = origin{hash, int32(zi + 1)}
		s.longest = max(s.longest, z.labels)
		for _, g := range z.groups {
			key := GroupKey(g)
			gi, ok := index[key]
			if !ok {
				gi = int32(len(s.groups))
				index[key] = gi
				s.groups = append(s.groups, g)
			}
			s.groupOf[zi] = append(s.groupOf[zi], gi)
		}
	}
	here := Pack([]Variant{{Addrs: []netip.Addr{netip.IPv4Unspecified()}}})
	s.still = s.Snapshot(0, slices.Repeat([]*Steered{here}, len(s.groups)), nil)
	return s
}

// Groups returns one service of each steering group: services that differ in
// nothing but their names share one, and so one decision and one packed
// answer. The order is that of first appearance.
func (s *Set) Groups() []config.Service { return s.groups }

// Group returns the group of the service named name (fully qualified), as an
// index into Groups; -1 when no service has that name. A wildcard service is
// named as it is written, with its asterisk.
func (s *Set) Group(name string) int {
	wire, ok := wireName(name)
	if !ok {
		return -1
	}
	var sx suffixes
	sx.split(wire)
	zi := s.zoneOf(&sx, 0)
	if zi < 0 {
		return -1
	}
	n, i := s.zones[zi].closest(&sx)
	if i > 0 || n.group == 0 {
		return -1
	}
	return int(s.groupOf[zi][n.group-1])
}

// Zones returns the zones in the order given to NewSet, as Info.Zone counts
// them.
func (s *Set) Zones() []*Zone { return s.zones }

// Names returns how many owner names all zones have.
func (s *Set) Names() int {
	n := 0
	for _, z := range s.zones {
		n += z.names
	}
	return n
}

// zoneOf returns the zone with the longest origin at or above the name
// without its first skip labels; -1: none.
func (s *Set) zoneOf(sx *suffixes, skip int) int32 {
	for i := max(skip, sx.n-s.longest); i <= sx.n; i++ {
		hash := sx.hash[i&maxLabels]
		for at := slot(hash, len(s.origins)); s.origins[at].zone != 0; {
			if o := s.origins[at]; o.hash == hash && bytes.Equal(s.zones[o.zone-1].origin, sx.suffix(i)) {
				return o.zone - 1
			}
			if at++; at == len(s.origins) {
				at = 0
			}
		}
	}
	return -1
}

// zoneFor is zoneOf for a question: the DS records of a child's apex belong to
// the parent where we serve that too (RFC 4035 §3.1.4.1); kid reports that
// this is so.
func (s *Set) zoneFor(sx *suffixes, qtype uint16) (zi int32, kid bool) {
	zi = s.zoneOf(sx, 0)
	if qtype != dns.TypeDS || zi < 0 || s.zones[zi].labels != sx.n {
		return zi, false
	}
	if parent := s.zoneOf(sx, 1); parent >= 0 {
		return parent, true
	}
	return zi, false
}

// A Lead is where our zones lead a name statically.
type Lead struct {
	Name    string       // where the chain of CNAMEs and DNAMEs ends
	Addrs   []netip.Addr // of Name, where it is ours
	Ours    bool         // our zones have the last word on Name
	Steered bool         // a service answers for Name, by its own name or a wildcard
}

// Static follows what our zones say statically about the addresses of name,
// which must be fully qualified: through CNAMEs and DNAMEs, never through a
// service.
//
//	name leads to                       Lead.Name     Addrs  Ours   Steered
//	addresses in our zones              their owner   them   true   false
//	a name of ours without addresses    that name     none   true   false
//	a service                           the service   none   true   true
//	a name outside our zones            that name     none   false  false: ask a resolver for it
//	a name that we delegate             that name     none   false  false: likewise
func (s *Set) Static(name string) Lead {
	lead := Lead{Name: dns.CanonicalName(name)}
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		m, info, err := s.still.Records(name, qtype, netip.Addr{}, 0)
		if err != nil || info.Refused {
			return Lead{Name: lead.Name}
		}
		end, addrs := chase(m)
		switch {
		case info.Group >= 0:
			return Lead{Name: end, Ours: true, Steered: true}
		case len(addrs) == 0 && (len(m.Ns) == 0 || m.Ns[0].Header().Rrtype != dns.TypeSOA):
			return Lead{Name: end}
		}
		lead = Lead{Name: end, Addrs: append(lead.Addrs, addrs...), Ours: true}
	}
	return lead
}

// chase returns the name that the CNAMEs in m's answer end at, and its
// addresses. The question is the first name.
func chase(m *dns.Msg) (end string, addrs []netip.Addr) {
	end = dns.CanonicalName(m.Question[0].Name)
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.CNAME:
			end = dns.CanonicalName(rr.Target)
		case *dns.A:
			if a, ok := netip.AddrFromSlice(rr.A.To4()); ok {
				addrs = append(addrs, a)
			}
		case *dns.AAAA:
			if a, ok := netip.AddrFromSlice(rr.AAAA.To16()); ok {
				addrs = append(addrs, a)
			}
		}
	}
	return end, addrs
}

// wireName returns a fully qualified name in lower-cased wire form.
func wireName(name string) ([]byte, bool) {
	wire, wrong := appendName(nil, []byte(name), []byte{0})
	return lower(wire[:0], wire), wrong == ""
}
