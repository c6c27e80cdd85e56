package steer

import (
	"net/netip"

	"github.com/shunt-dns/shunt/config"
)

// A Place is where a client is, as far as it is known. The zero Place is
// unknown.
type Place struct {
	Continent   string // two letters; "" where only Country tells
	Country     string // ISO 3166-1, two letters, upper case
	Subdivision string // ISO 3166-2, as US-CA
	ASN         uint32 // 0: unknown
	At          config.Point
	Addr        netip.Addr // for rules about networks: the client's, or any of its class
}

// In reports whether p lies in w.
//
//	kind of w     p lies in it when
//	Anywhere      always
//	Continent     its continent has the code, or that of its country where the continent is not known
//	Union         its country is one of the 27 members
//	Country       its country has the code, or that of its subdivision where the country is not known
//	Subdivision   its subdivision has the code
//	ASN           it is that of the client's network
//	Network       it contains the client's address; an IPv4-mapped one counts as IPv4
func (p Place) In(w config.Where) bool { return p.in(&w) }

func (p *Place) in(w *config.Where) bool {
	switch w.Kind {
	case config.Anywhere:
		return true
	case config.Continent:
		return p.continent() == w.Code && w.Code != ""
	case config.Union:
		return config.InUnion(p.country())
	case config.Country:
		return p.country() == w.Code && w.Code != ""
	case config.Subdivision:
		return p.Subdivision == w.Code && w.Code != ""
	case config.ASN:
		return p.ASN == w.ASN && w.ASN != 0
	case config.Network:
		return w.Network.IsValid() && w.Network.Contains(p.Addr.Unmap())
	}
	return false
}

// country returns the country of p, derived from its subdivision where only
// that is known.
func (p *Place) country() string {
	if p.Country == "" && len(p.Subdivision) > 2 {
		return p.Subdivision[:2]
	}
	return p.Country
}

// continent returns the continent of p, derived from its country where only
// that is known.
func (p *Place) continent() string {
	if p.Continent == "" {
		return config.ContinentOf(p.country())
	}
	return p.Continent
}
