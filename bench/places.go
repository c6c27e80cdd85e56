//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// Half of the clients come from the networks that the servers know, the others
// from everywhere. The networks are /20s, spread evenly over all addresses, each in one of three countries; a country
// has its own order of the paths, and everyone else has the first one.
const (
	clients  = 1 << 24
	networks = 2000
	step     = 1 << 20 / networks // between networks, in /20s
)

var countries = [3]string{"US", "DE", "JP"}

// network returns the leading 24 bits of the address of client network n:
// neighbours in number are far from each other.
func network(n uint32) uint32 {
	n = n * 0x9e3779 % clients
	if n%2 == 0 {
		return n/32%networks*step<<4 | n/2%16
	}
	return n
}

// orderOf returns which of the three orders is for a client network.
func orderOf(network uint32) int {
	if at := network >> 4; at%step == 0 && at/step < networks {
		return int(at / step % 3)
	}
	return 0
}

// known calls f with each network that the servers know and its order.
func known(f func(p netip.Prefix, order int)) {
	for i := range uint32(networks) {
		at := i * step << 12
		f(netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}), 20), int(i%3))
	}
}

// turned returns the paths, as names of pools, in one of the three orders.
func turned(order int) string {
	return fmt.Sprintf("p%d, p%d, p%d", order, (order+1)%3, (order+2)%3)
}

// shuntNetworks returns the file that tells shunt the countries, and the
// policy that prefers paths by them.
func shuntNetworks() (file, policy string) {
	var b, lists strings.Builder
	known(func(p netip.Prefix, order int) {
		fmt.Fprintf(&b, "- {network: %s, country: %s}\n", p, countries[order])
	})
	for order, country := range countries {
		fmt.Fprintf(&lists, "          - {places: [%s], pools: [%s]}\n", country, turned(order))
	}
	return b.String(), fmt.Sprintf(`  - name: by-country
    chain:
      - healthy
      - prefer:
          lists:
%s          - default: [%s]
      - first: 1
`, lists.String(), turned(0))
}

// gdnsdNetworks returns the map that tells gdnsd the same.
func gdnsdNetworks() string {
	var b strings.Builder
	known(func(p netip.Prefix, order int) {
		fmt.Fprintf(&b, "    %s => [%s]\n", p, turned(order))
	})
	return b.String()
}
