package steer

import (
	"net/netip"

	"github.com/shunt-dns/shunt/config"
)

// A Place is where a client is, as far as it is known. What is not known is
// left empty; the zero Place is a client of whom nothing is known.
type Place struct {
	Continent   string // two letters
	Country     string // ISO 3166-1, two letters
	Subdivision string // ISO 3166-2, as US-CA
	ASN         uint32
	At          config.Point
	Addr        netip.Addr // the client's, or one that stands for all of its class
}
