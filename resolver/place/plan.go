package place

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"weak"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/shunt-dns/shunt/resolver/steer"
)

// A plan says something of every address of a family: what holds from one
// cell's start holds up to the next one's. The first cell starts at 0, and
// neighbours differ.
type plan []cell

type cell struct {
	start u128
	what  uint32 // 0: nothing
}

// put adds to a plan that is being made what holds from start on; a later
// word on the same start counts.
func (p plan) put(start u128, what uint32) plan {
	if n := len(p); n > 0 && p[n-1].start == start {
		p = p[:n-1]
	}
	if n := len(p); n > 0 && p[n-1].what == what {
		return p
	}
	return append(p, cell{start, what})
}

// overlay lays b over a. Join says what holds where both do, and is told an
// address where that is so.
func overlay(a, b plan, join func(a, b uint32, at u128) uint32) plan {
	out := make(plan, 0, len(a)+len(b))
	for i, j := 0, 0; ; {
		at := a[i].start
		if at.less(b[j].start) {
			at = b[j].start
		}
		out = out.put(at, join(a[i].what, b[j].what, at))
		moreA, moreB := i+1 < len(a), j+1 < len(b)
		switch {
		case !moreA && !moreB:
			return slices.Clip(out)
		case !moreB || moreA && a[i+1].start.less(b[j+1].start):
			i++
		case !moreA || b[j+1].start.less(a[i+1].start):
			j++
		default:
			i, j = i+1, j+1
		}
	}
}

// nested returns the plans of networks that may lie within each other: cell i
// holds the index of the longest one plus 1. Of equal ones the first counts.
func nested(networks []netip.Prefix) (plans [2]plan) {
	order := make([]int, len(networks))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		p, q := networks[x], networks[y]
		if c := p.Masked().Addr().Compare(q.Masked().Addr()); c != 0 {
			return c
		}
		return p.Bits() - q.Bits()
	})
	type open struct {
		last u128
		what uint32
	}
	var around [2][]open
	leave := func(family int, before *u128) {
		for n := len(around[family]); n > 0; n-- {
			top, outside := around[family][n-1], uint32(0)
			if before != nil && !top.last.less(*before) {
				return
			}
			if n > 1 {
				outside = around[family][n-2].what
			}
			if top.last != lastOf[family] {
				plans[family] = plans[family].put(top.last.next(), outside)
			}
			around[family] = around[family][:n-1]
		}
	}
	plans = [2]plan{{{}}, {{}}}
	var was netip.Prefix
	for _, i := range order {
		s, family := spanOf(networks[i])
		if networks[i].Masked() == was {
			continue
		}
		was = networks[i].Masked()
		leave(family, &s.first)
		plans[family] = plans[family].put(s.first, uint32(i+1))
		around[family] = append(around[family], open{s.last, uint32(i + 1)})
	}
	leave(v4, nil)
	leave(v6, nil)
	return plans
}

// embedded is where a database for both families keeps the IPv4 addresses;
// they are found as such only.
var embedded = netip.PrefixFrom(netip.IPv6Unspecified(), 96)

// plans returns what b says of every address. A cell holds the index of its
// place in places plus 1. Each record is decoded once, however many networks
// share it.
func (b *book) plans() (plans [2]plan, places []steer.Place, err error) {
	plans = [2]plan{{{}}, {{}}}
	known := map[uintptr]uint32{}
	same := map[steer.Place]uint32{{}: 0}
	left := b.db.Metadata.NodeCount + 1 // networks that a tree of so many nodes can have
	for r := range b.db.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if err = r.Err(); err != nil {
			return plans, nil, fmt.Errorf("it is damaged: %w", err)
		}
		if left--; left == math.MaxUint {
			return plans, nil, errors.New("it is damaged: its search tree has loops")
		}
		if !r.Found() {
			continue
		}
		what, ok := known[r.Offset()]
		if !ok {
			p, err := b.decode(r)
			if err != nil {
				return plans, nil, fmt.Errorf("it is damaged: %w", err)
			}
			if what, ok = same[p]; !ok {
				places = append(places, p)
				what = uint32(len(places))
				same[p] = what
			}
			known[r.Offset()] = what
		}
		if err = b.note(&plans, r.Prefix(), what); err != nil {
			return plans, nil, err
		}
	}
	if len(places) == 0 {
		err = fmt.Errorf("no network in it has a country, a continent, coordinates or an AS number (it is of type %q)", b.Type)
	}
	return plans, places, err
}

// note adds a network to plans.
func (b *book) note(plans *[2]plan, network netip.Prefix, what uint32) error {
	whole := network.Addr().Is6() && network.Bits() <= embedded.Bits() && network.Contains(embedded.Addr())
	if whole && b.version == 6 { // one word for all IPv4 addresses, and IPv6 ones beyond them
		plans[v4] = plans[v4].put(u128{}, what)
	}
	s, family := spanOf(network)
	if whole && s.first == (u128{}) {
		if s.first = (u128{0, 1 << 32}); s.last.less(s.first) {
			return nil
		}
	}
	p := &plans[family]
	if n := len(*p); s.first.less((*p)[n-1].start) {
		return fmt.Errorf("it is damaged: its networks are out of order at %s", network)
	}
	*p = p.put(s.first, what)
	if s.last != lastOf[family] {
		*p = p.put(s.last.next(), 0)
	}
	return nil
}

// A grid is what all databases and the operator's networks together say of
// every address: cells hold the index of their place.
type grid struct {
	plans  [2]plan
	places []steer.Place // [0] is the zero Place
}

// survey returns the grid of a. Maps are compiled many in a row, from the same
// grid, and then for a long time none: it is kept only as long as the garbage
// collector lets it be.
func (a *Atlas) survey() (*grid, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if g := a.grid.Value(); g != nil {
		return g, nil
	}
	g := a.ownGrid()
	for _, b := range a.books {
		err := unfaulted(func() error { return g.add(b) })
		if err != nil {
			return nil, fmt.Errorf("places database %s: %w", b.Path, err)
		}
	}
	a.grid = weak.Make(g)
	return g, nil
}

// ownGrid returns what the operator says.
func (a *Atlas) ownGrid() *grid {
	networks := make([]netip.Prefix, len(a.own))
	g := &grid{places: make([]steer.Place, 1, len(a.own)+1)}
	for i, l := range a.own {
		networks[i] = l.Network
		g.places = append(g.places, located(l))
	}
	g.plans = nested(networks)
	return g
}

// add lays b under what g knows.
func (g *grid) add(b *book) error {
	plans, said, err := b.plans()
	if err != nil {
		return err
	}
	joined := map[[2]uint32]uint32{}
	index := map[steer.Place]uint32{}
	var places []steer.Place
	place := func(p steer.Place) uint32 {
		i, ok := index[p]
		if !ok {
			i = uint32(len(places))
			index[p] = i
			places = append(places, p)
		}
		return i
	}
	place(steer.Place{})
	for family := range plans {
		g.plans[family] = overlay(g.plans[family], plans[family], func(x, y uint32, _ u128) uint32 {
			key := [2]uint32{x, y}
			i, ok := joined[key]
			if !ok {
				p := g.places[x]
				if y > 0 {
					p = lay(p, said[y-1])
				}
				i = place(p)
				joined[key] = i
			}
			return i
		})
	}
	g.places = places
	return nil
}
