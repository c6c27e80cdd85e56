package zone

import (
	"slices"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// A grouper finds the steering groups that the services of one zone come to.
type grouper struct {
	groups []config.Service  // one of each
	byKey  map[string]uint32 // by GroupKey: the number, from 1
}

func newGrouper() grouper { return grouper{byKey: map[string]uint32{}} }

// of returns the number of s's kind, from 1.
func (k *grouper) of(s config.Service) uint32 {
	key := GroupKey(s)
	g, ok := k.byKey[key]
	if !ok {
		k.groups = append(k.groups, s)
		g = uint32(len(k.groups))
		k.byKey[key] = g
	}
	return g
}

// Regroup returns z with the services of c, which must differ from the
// configuration of z in nothing but [config.Service.Apart]. No file is read:
// the records are those of z, whatever has become of its file meanwhile. It
// costs as much as a copy of z's names, and they share all else.
func (z *Zone) Regroup(c config.Zone) *Zone {
	next := z.configured(c)
	next.digest = new(atomic.Pointer[digest])
	next.nodes = slices.Clone(z.nodes)
	k := newGrouper()
	for _, s := range c.Services {
		wire, _ := wireName(dns.Fqdn(s.Name))
		if n := next.find(hashName(wire), wire); n != nil {
			n.group = k.of(s)
		}
	}
	next.groups = k.groups
	return next
}
