package zone

import (
	"io/fs"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// Parse compiles one zone (stub while the seam settles).
func Parse(z config.Zone, node string, files fs.FS) (*Zone, config.Problems) { return &Zone{}, nil }

// A Zone is one compiled zone.
type Zone struct{}

// Name returns the zone's origin, fully qualified and in lower case.
func (z *Zone) Name() string { return "" }

// Names returns how many owner names the zone has: those with records and
// those of services. Empty non-terminals do not count.
func (z *Zone) Names() int { return 0 }

// Records returns how many records the zone has, without those of services.
func (z *Zone) Records() int { return 0 }

// Serial returns the serial of the zone's SOA.
func (z *Zone) Serial() uint32 { return 0 }

// A Set is every zone, and the index that finds the one a name belongs to.
type Set struct{}

// NewSet indexes zones.
func NewSet(zones []*Zone) *Set { return &Set{} }

// Groups returns one service of each steering group.
func (s *Set) Groups() []config.Service { return nil }

// Group returns the group of the service named name, or -1.
func (s *Set) Group(name string) int { return -1 }

// Zones returns the zones in the order given to NewSet.
func (s *Set) Zones() []*Zone { return nil }

// Names returns how many owner names all zones have.
func (s *Set) Names() int { return 0 }

// Static follows static CNAMEs inside our zones from name.
func (s *Set) Static(name string) (target string, addrs []netip.Addr, ok bool) {
	return name, nil, false
}

// Pick says how one of several variants is chosen for a query.
type Pick uint8

// The ways to choose.
const (
	PickFirst    Pick = iota // the first variant answers every query
	PickWeighted             // each query draws one, by Variant.Weight
)

// A Steered is what one steering group answers now, packed.
type Steered struct{}

// Pack packs the variants of one group.
func Pack(vs []Variant, pick Pick) *Steered { return &Steered{} }

// Variants returns what s was packed from.
func (s *Steered) Variants() []Variant { return nil }

// A Snapshot is every zone at one moment.
type Snapshot struct{}

// Snapshot returns the set with its groups answering as in steered.
func (s *Set) Snapshot(generation uint64, steered []*Steered) *Snapshot { return &Snapshot{} }

// Generation returns the number given to Set.Snapshot.
func (s *Snapshot) Generation() uint64 { return 0 }

// Set returns the set the snapshot is of.
func (s *Snapshot) Set() *Set { return nil }

// Zone returns zone i, as Info.Zone numbers them.
func (s *Snapshot) Zone(i int32) *Zone { return nil }

// Variants returns what group i may answer now.
func (s *Snapshot) Variants(i int32) []Variant { return nil }

// Append appends the answer to q to msg.
func (s *Snapshot) Append(msg []byte, q Question, limit int) ([]byte, Info) {
	return msg, Info{}
}

// Records answers a question as Append does, for people.
func (s *Snapshot) Records(name string, qtype uint16, client netip.Addr, draw uint64) (*dns.Msg, Info, error) {
	return nil, Info{}, nil
}
