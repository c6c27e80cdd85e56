package monitor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/shunt-dns/shunt/config"
)

const (
	maxAliases = 8  // steps that a host name may take through our own zones
	maxAddrs   = 64 // addresses of one host name that are probed
)

// resolver returns the look-up of the host name of pool: through our own
// zones first, as far as they lead, and then through the configured
// resolvers.
func (d Deps) resolver(servers []netip.AddrPort, pool config.Pool) func(context.Context) (Addresses, error) {
	return func(ctx context.Context) (Addresses, error) {
		name := pool.CNAME
		for range maxAliases {
			target, addrs, ok := d.Local(name)
			switch {
			case !ok:
				found, err := d.Lookup(ctx, servers, name)
				found.Addrs = tidy(found.Addrs)
				return found, err
			case len(addrs) > 0:
				return Addresses{Addrs: tidy(addrs), TTL: mostLookup}, nil
			case target == "":
				return Addresses{}, fmt.Errorf("%s lies in our own zones and has no addresses there", name)
			}
			name = target
		}
		return Addresses{}, fmt.Errorf("%s goes through more than %d aliases of our own zones", pool.CNAME, maxAliases)
	}
}

// tidy returns addrs unmapped, sorted, each once, and not too many.
func tidy(addrs []netip.Addr) []netip.Addr {
	addrs = tidyAll(addrs)
	return addrs[:min(len(addrs), maxAddrs)]
}

// tidyAll returns addrs unmapped, sorted and each once.
func tidyAll(addrs []netip.Addr) []netip.Addr {
	tidied := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		if a.IsValid() {
			tidied = append(tidied, a.Unmap())
		}
	}
	slices.SortFunc(tidied, netip.Addr.Compare)
	return slices.Compact(tidied)
}
