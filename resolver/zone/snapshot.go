package zone

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// A Snapshot is every zone at one moment: all that a query needs. It is
// immutable, and safe for any number of readers at once.
type Snapshot struct {
	set        *Set
	steered    []*Steered
	serials    []uint32 // by zone: of the SOA that is answered
	generation uint64
}

// Snapshot returns the set with group i answering as in steered[i], and zone i
// with the serial serials[i]. It costs as much as there are groups, however many
// names share them, and little for each zone. A group without an answer,
// because steered is short or nil there, answers SERVFAIL. A zone without a
// serial, because serials is short or 0 there, has that of its file.
func (s *Set) Snapshot(generation uint64, steered []*Steered, serials []uint32) *Snapshot {
	all := make([]*Steered, len(s.groups))
	copy(all, steered)
	return &Snapshot{set: s, steered: all, serials: s.serialsFrom(serials), generation: generation}
}

// serialsFrom returns the serial of each zone: what given says, else that of
// its file.
func (s *Set) serialsFrom(given []uint32) []uint32 {
	if len(given) == 0 {
		return s.filed
	}
	serials := slices.Clone(s.filed)
	for i, serial := range given[:min(len(given), len(serials))] {
		if serial != 0 {
			serials[i] = serial
		}
	}
	return serials
}

// Generation returns the number given to Set.Snapshot.
func (s *Snapshot) Generation() uint64 { return s.generation }

// Set returns the set the snapshot is of.
func (s *Snapshot) Set() *Set { return s.set }

// Zone returns zone i, as Info.Zone counts them; nil for -1.
func (s *Snapshot) Zone(i int32) *Zone {
	if i < 0 {
		return nil
	}
	return s.set.zones[i]
}

// Variants returns what group i may answer now, as Info.Group and
// Info.Variant count them.
func (s *Snapshot) Variants(i int32) []Variant {
	if i < 0 || s.steered[i] == nil {
		return nil
	}
	return s.steered[i].variants
}

// Records answers a question as Append does, for people: it allocates. Now is
// in seconds since 1970. The error tells of a name that is none.
func (s *Snapshot) Records(name string, qtype uint16, client netip.Addr, now int64) (*dns.Msg, Info, error) {
	asked, wrong := appendName(nil, []byte(name), []byte{0})
	if wrong != "" {
		return nil, Info{}, fmt.Errorf("%q is no name: %s", name, wrong)
	}
	msg := make([]byte, question, 4096)
	msg[2] = 0x80 // a response
	msg[5] = 1    // one question
	msg = append(msg, asked...)
	msg = append(msg, byte(qtype>>8), byte(qtype), 0, dns.ClassINET)
	q := Question{Name: lower(nil, asked), Type: qtype, Client: client.Unmap().WithZone(""), Now: now}
	msg, info := s.Append(msg, q, dns.MaxMsgSize)
	m := new(dns.Msg)
	if err := m.Unpack(msg); err != nil {
		return nil, info, fmt.Errorf("unpack the answer for %q: %w", name, err)
	}
	return m, info, nil
}
