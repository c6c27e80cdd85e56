package xfr

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// An access says who may have which zone. It is immutable.
type access struct {
	on          bool // somebody may have something
	keys        keyring
	allow       []netip.Prefix
	secondaries []config.Secondary
	catalog     string // origin, fully qualified and in lower case; "": there is none
	origin      []byte // of the catalog, in wire form
}

// newAccess makes an access of c.
func newAccess(c *config.Config) (*access, error) {
	a := &access{on: c.Transfers(), keys: keyring{}, allow: c.Transfer.Allow, secondaries: c.Secondaries}
	if a.on && c.Transfer.Catalog != "" {
		var err error
		a.catalog = dns.CanonicalName(c.Transfer.Catalog)
		if a.origin, err = packName(a.catalog); err != nil {
			return nil, err
		}
	}
	for _, k := range c.Keys {
		made, err := newKey(k)
		if err != nil {
			return nil, err
		}
		a.keys[dns.CanonicalName(k.Name)] = made
	}
	return a, nil
}

// may reports whether who asks from addr, with key k where that is not nil, may
// have the zone, and who that is: a secondary by name, where there is no doubt,
// or else the address.
//
//	asked with             may have
//	the key of a secondary the zones of every secondary with that key
//	any key, or none       every zone, from an address in transfer.allow
//	no key                 the zones of the secondary at that address, where it has none
func (a *access) may(k *key, addr netip.Addr, origin string) (who string, ok bool) {
	if !a.on {
		return "", false
	}
	addr = addr.Unmap().WithZone("")
	var here, all []string
	for i := range a.secondaries {
		s := &a.secondaries[i]
		same := s.Address.Addr().Unmap() == addr
		switch {
		case k != nil && dns.CanonicalName(s.Key) != k.text, k == nil && (s.Key != "" || !same), !takes(s, origin):
			continue
		case same:
			here = append(here, s.Name)
		}
		all = append(all, s.Name)
	}
	switch {
	case len(here) == 1:
		return here[0], true
	case len(all) == 1:
		return all[0], true
	case len(all) > 1:
		return addr.String(), true
	}
	return addr.String(), slices.ContainsFunc(a.allow, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// takes reports whether secondary s takes a zone.
func takes(s *config.Secondary, origin string) bool {
	return len(s.Zones) == 0 || slices.Contains(s.Zones, origin)
}
