package place

import (
	"math/bits"
	"net/netip"

	"github.com/shunt-dns/shunt/resolver/steer"
)

// A Map tells the class of every address: clients of one class get the same
// answers, whatever the state of the pools. It is immutable.
type Map struct {
	four    table4
	six     table6
	classes []steer.Place
}

// Compile asks classify once for each distinct place that a knows, and for
// each of networks that it may tell apart by Place.Addr, and merges neighbours
// of equal class. An error tells of a database that can no longer be read.
//
// Classify must say the same of the same place. What it is told as Addr is one
// address of those it speaks for; the zero Place stands for all clients of
// whom nothing is known.
func (a *Atlas) Compile(classify func(steer.Place) string, networks []netip.Prefix) (*Map, error) {
	g, err := a.survey()
	if err != nil {
		return nil, err
	}
	m := &Map{}
	index := map[string]uint32{}
	class := func(p steer.Place) uint32 {
		key := classify(p)
		i, ok := index[key]
		if !ok {
			i = uint32(len(m.classes))
			index[key] = i
			m.classes = append(m.classes, p)
		}
		return i
	}
	class(steer.Place{})
	rules := nested(networks)
	known := map[[2]uint32]uint32{}
	var merged [2]plan
	for family := range rules {
		merged[family] = overlay(g.plans[family], rules[family], func(x, y uint32, at u128) uint32 {
			key := [2]uint32{x, y}
			i, ok := known[key]
			if !ok {
				p := g.places[x]
				p.Addr = at.addr(family)
				i = class(p)
				known[key] = i
			}
			return i
		})
	}
	m.four, m.six = newTable4(merged[v4]), newTable6(merged[v6])
	return m, nil
}

// Lookup returns the class of addr, as an index into Classes, and how many
// leading bits of addr it depends on: every address that shares them has this
// class, and none shares one fewer with all of whom that holds. An IPv4
// address written as an IPv6 one counts as what it is, and bits are its. An
// invalid address is of class 0. Lookup allocates nothing.
func (m *Map) Lookup(addr netip.Addr) (class int32, bits uint8) {
	addr = addr.Unmap()
	switch {
	case addr.Is4():
		return m.four.lookup(addr)
	case addr.Is6():
		return m.six.lookup(addr)
	}
	return 0, 0
}

// Classes returns a sample of each class. That of class 0 is the zero Place:
// clients of whom nothing is known, and all that are treated like them.
func (m *Map) Classes() []steer.Place { return m.classes }

// Networks returns how many ranges of addresses m tells apart.
func (m *Map) Networks() int { return len(m.four.cells) + len(m.six.his) }

// maxIndex bounds the bits of an address that an index is over.
const maxIndex = 18

// indexBits returns how many bits the index over n cells takes: no more than
// pays.
func indexBits(n int) int { return min(bits.Len(uint(n)), maxIndex) }

// A table4 is a plan of IPv4 addresses, packed. Index has for each value of
// the first bits the cell that its first address lies in, and one entry more.
type table4 struct {
	cells []cell4
	index []uint32
	shift int // of an address, to its entry
}

type cell4 struct {
	start uint32
	class int32
}

func newTable4(p plan) table4 {
	t := table4{cells: make([]cell4, len(p)), shift: 32 - indexBits(len(p))}
	for i, c := range p {
		t.cells[i] = cell4{uint32(c.start.lo), int32(c.what)}
	}
	entries := 1 << (32 - t.shift)
	t.index = make([]uint32, entries+1)
	at := 0
	for e := range entries {
		for at+1 < len(p) && p[at+1].start.lo <= uint64(e)<<t.shift {
			at++
		}
		t.index[e] = uint32(at)
	}
	t.index[entries] = uint32(len(p) - 1)
	return t
}

func (t *table4) lookup(addr netip.Addr) (int32, uint8) {
	as4 := addr.As4()
	a := uint32(as4[0])<<24 | uint32(as4[1])<<16 | uint32(as4[2])<<8 | uint32(as4[3])
	e := uint64(a) >> t.shift
	lo, hi := t.index[e], t.index[e+1] // the cell is one of these
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if t.cells[mid].start <= a {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	c := &t.cells[lo]
	same := 0 // bits that a shares with the nearer address outside
	if lo > 0 {
		same = bits.LeadingZeros32(a^(c.start-1)) + 1
	}
	if int(lo)+1 < len(t.cells) {
		same = max(same, bits.LeadingZeros32(a^t.cells[lo+1].start)+1)
	}
	return c.class, uint8(same)
}

// A table6 is a table4 for IPv6 addresses. The halves of the starts lie apart,
// since a search hardly ever needs the second ones.
type table6 struct {
	his, los []uint64
	classes  []int32
	index    []uint32
	shift    int // of the first half of an address, to its entry
}

func newTable6(p plan) table6 {
	t := table6{his: make([]uint64, len(p)), los: make([]uint64, len(p)), classes: make([]int32, len(p)), shift: 64 - indexBits(len(p))}
	for i, c := range p {
		t.his[i], t.los[i], t.classes[i] = c.start.hi, c.start.lo, int32(c.what)
	}
	entries := 1 << (64 - t.shift)
	t.index = make([]uint32, entries+1)
	at := 0
	for e := range entries {
		first := u128{uint64(e) << t.shift, 0}
		for at+1 < len(p) && !first.less(p[at+1].start) {
			at++
		}
		t.index[e] = uint32(at)
	}
	t.index[entries] = uint32(len(p) - 1)
	return t
}

func (t *table6) lookup(addr netip.Addr) (int32, uint8) {
	a, _ := numberOf(addr)
	e := a.hi >> t.shift
	lo, hi := t.index[e], t.index[e+1]
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if h := t.his[mid]; h < a.hi || h == a.hi && t.los[mid] <= a.lo {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	same := 0
	if lo > 0 {
		same = shared(a, t.start(lo).before()) + 1
	}
	if int(lo)+1 < len(t.his) {
		same = max(same, shared(a, t.start(lo+1))+1)
	}
	return t.classes[lo], uint8(same)
}

// start returns where cell i starts.
func (t *table6) start(i uint32) u128 { return u128{t.his[i], t.los[i]} }

// before returns a-1.
func (a u128) before() u128 {
	lo, borrow := bits.Sub64(a.lo, 1, 0)
	return u128{a.hi - borrow, lo}
}

// shared returns how many leading bits a and b, which differ, share.
func shared(a, b u128) int {
	if a.hi != b.hi {
		return bits.LeadingZeros64(a.hi ^ b.hi)
	}
	return 64 + bits.LeadingZeros64(a.lo^b.lo)
}
