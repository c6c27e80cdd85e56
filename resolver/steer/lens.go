package steer

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	"github.com/shunt-dns/shunt/config"
)

// fenceLens sees on which side of a fence a place is.
func fenceLens(f config.FenceFilter) lens {
	return func(p Place, key []byte) []byte {
		if within(p, f.Clients) {
			return append(key, 'i')
		}
		return append(key, 'o')
	}
}

// within reports whether p lies in one of ws; no ws are everywhere.
func within(p Place, ws []config.Where) bool {
	return len(ws) == 0 || slices.ContainsFunc(ws, p.In)
}

// preferLens sees which list a place has.
func preferLens(f config.PreferFilter) lens {
	return func(p Place, key []byte) []byte {
		return strconv.AppendInt(key, int64(listFor(f, p)), 36)
	}
}

// counts reports whether f looks at places of kind k.
func counts(f config.PreferFilter, k config.WhereKind) bool {
	return len(f.By) == 0 || slices.Contains(f.By, k)
}

// listFor returns the index in f.Lists of the list for p, by the most specific
// place that it lies in; -1: the default.
func listFor(f config.PreferFilter, p Place) int {
	best, rank := -1, -1
	for i, l := range f.Lists {
		for _, w := range l.Places {
			r := int(w.Kind) << 8
			if w.Kind == config.Network {
				r += w.Network.Bits()
			}
			if r > rank && counts(f, w.Kind) && p.In(w) {
				best, rank = i, r
			}
		}
	}
	return best
}

// comparePrefixes orders networks by address, the wider one first.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}
