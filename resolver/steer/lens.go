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
	x := indexOf(f)
	return func(p Place, key []byte) []byte {
		return strconv.AppendInt(key, int64(x.find(p)), 36)
	}
}

// An index finds the list for a place as listFor does, without going through
// all of them: maps may name thousands of places.
type index struct {
	coded map[config.Where]int // by a Where that has what its kind needs and no more
	nets  map[netip.Prefix]int
	bits  []int // lengths of nets, the longest first
}

func indexOf(f config.PreferFilter) *index {
	x := &index{coded: map[config.Where]int{}, nets: map[netip.Prefix]int{}}
	for i, l := range f.Lists {
		for _, w := range l.Places {
			if !counts(f, w.Kind) {
				continue
			}
			if w.Kind == config.Network {
				if _, twice := x.nets[w.Network]; !twice {
					x.nets[w.Network] = i
				}
				if !slices.Contains(x.bits, w.Network.Bits()) {
					x.bits = append(x.bits, w.Network.Bits())
				}
			} else if _, twice := x.coded[w]; !twice {
				x.coded[w] = i
			}
		}
	}
	slices.SortFunc(x.bits, func(a, b int) int { return b - a })
	return x
}

// find returns what listFor returns.
func (x *index) find(p Place) int {
	if addr := p.Addr.Unmap(); addr.IsValid() {
		for _, bits := range x.bits {
			if net, err := addr.Prefix(bits); err == nil {
				if i, ok := x.nets[net]; ok {
					return i
				}
			}
		}
	}
	union := ""
	if config.InUnion(p.country()) {
		union = "EU"
	}
	for _, w := range [...]config.Where{
		{Kind: config.ASN, ASN: p.ASN},
		{Kind: config.Subdivision, Code: p.Subdivision},
		{Kind: config.Country, Code: p.country()},
		{Kind: config.Union, Code: union},
		{Kind: config.Continent, Code: p.continent()},
		{Kind: config.Anywhere},
	} {
		if w.Kind != config.Anywhere && w.ASN == 0 && w.Code == "" {
			continue
		}
		if i, ok := x.coded[w]; ok {
			return i
		}
	}
	return -1
}

// counts reports whether f looks at places of kind k.
func counts(f config.PreferFilter, k config.WhereKind) bool {
	return len(f.By) == 0 || slices.Contains(f.By, k)
}

// listFor returns the index in f.Lists of the list for p, by the most specific
// place that it lies in; -1: the default.
func listFor(f config.PreferFilter, p Place) int {
	best, rank := -1, -1
	for i := range f.Lists {
		places := f.Lists[i].Places
		for j := range places {
			w := &places[j]
			r := int(w.Kind) << 8
			if w.Kind == config.Network {
				r += w.Network.Bits()
			}
			if r > rank && counts(f, w.Kind) && p.in(w) {
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
