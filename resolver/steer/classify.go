package steer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// Places reports whether the answers of s depend on where its clients are.
func Places(s config.Service, policies map[string]*config.Policy, pools map[string]*config.Pool) bool {
	return len(lenses(s, policies, pools)) > 0
}

// Classify returns the class key of a place for s: places with equal keys get
// equal decisions, whatever the table says. The key is that a filter looks at
// nothing of a place but
//
//	fence     whether it lies in Clients
//	prefer    which of the lists is for it
//	nearest   the order of the candidates by their distance
//
// of the chain of s and of those nested in it. The function may be called from
// several goroutines.
func Classify(s config.Service, policies map[string]*config.Policy, pools map[string]*config.Pool) func(Place) string {
	looks := lenses(s, policies, pools)
	return func(p Place) string {
		if len(looks) == 0 {
			return ""
		}
		key := make([]byte, 0, 32)
		for _, look := range looks {
			key = append(look(p, key), ';')
		}
		return string(key)
	}
}

// Sight names all that decides how s tells clients apart: within one
// configuration, services of equal sight have equal class keys for every
// place, whatever else their pools are. It is that a fence and a prefer look at
// nothing of the candidates, and nearest at nothing but where they are.
func Sight(s config.Service, policies map[string]*config.Policy, pools map[string]*config.Pool) string {
	var b strings.Builder
	sight(&b, s.Policy, s.Pools, policies, pools, nil)
	return b.String()
}

// sight writes what of Sight is about policy and those nested in it, in the
// order of [lenses].
func sight(b *strings.Builder, policy string, own []config.Choice, policies map[string]*config.Policy, pools map[string]*config.Pool, above []string) {
	for i, f := range Chain(policy, own, policies, nil) {
		switch f.Kind {
		case config.Fence, config.Prefer:
			fmt.Fprintf(b, "%s#%d;", policy, i)
		case config.ByDistance:
			for _, c := range own {
				fmt.Fprintf(b, "%v,", points(c, policies, pools))
			}
			b.WriteByte(';')
		}
	}
	for _, c := range own {
		if p := policies[c.Policy]; c.Policy != "" && p != nil && !slices.Contains(above, c.Policy) {
			sight(b, c.Policy, p.Pools, policies, pools, append(above, c.Policy))
		}
	}
}

// Networks returns the networks that the rules of s name: within each of them
// and of their gaps, rules about networks hold for all clients alike. They are
// sorted and without repetition.
func Networks(s config.Service, policies map[string]*config.Policy) []netip.Prefix {
	var nets []netip.Prefix
	add := func(ws []config.Where) {
		for _, w := range ws {
			if w.Kind == config.Network {
				nets = append(nets, w.Network)
			}
		}
	}
	walkFilters(s.Policy, s.Pools, policies, nil, func(f config.Filter, _ []config.Choice) {
		switch f.Kind {
		case config.Fence:
			add(f.Fence.Clients)
		case config.Prefer:
			if counts(f.Prefer, config.Network) {
				for _, l := range f.Prefer.Lists {
					add(l.Places)
				}
			}
		}
	})
	slices.SortFunc(nets, comparePrefixes)
	return slices.Compact(nets)
}

// A lens appends to key what one filter sees of a place.
type lens func(p Place, key []byte) []byte

// lenses returns those of all filters of s that look at the place.
func lenses(s config.Service, policies map[string]*config.Policy, pools map[string]*config.Pool) []lens {
	var looks []lens
	walkFilters(s.Policy, s.Pools, policies, nil, func(f config.Filter, own []config.Choice) {
		switch {
		case f.Kind == config.Fence && len(f.Fence.Clients) > 0:
			looks = append(looks, fenceLens(f.Fence))
		case f.Kind == config.Prefer && len(f.Prefer.Lists) > 0:
			looks = append(looks, preferLens(f.Prefer))
		case f.Kind == config.ByDistance:
			if look := nearestLens(own, policies, pools); look != nil {
				looks = append(looks, look)
			}
		}
	})
	return looks
}
