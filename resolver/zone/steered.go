package zone

import (
	"math/bits"
	"net/netip"

	"github.com/miekg/dns"
)

// A Steered is what one steering group answers now, packed once and shared by
// every name of the group. It is immutable.
type Steered struct {
	variants []Variant
	packed   []packed
	columns  []column // nil: the first variant answers
}

// A packed is one variant as the arena would hold it.
type packed struct {
	cname   []byte // one record, when the variant has a Target
	a, aaaa rrset
	ttl     uint32
}

// A column of an alias table (Vose 1991): below the threshold it is its own
// variant, else the other one. A draw costs one multiplication and one
// comparison, however many variants there are.
type column struct {
	below uint32
	own   int32
	other int32
}

// Pack packs the variants of one group. A variant without anything to answer
// with is left out of the draw; a group that has no other answers SERVFAIL.
// Where every weight is 0, the draw is uniform. Addresses that are given
// twice count once, and those beyond what one message can carry are left out.
func Pack(vs []Variant) *Steered {
	s := &Steered{variants: vs}
	var usable []int32
	for i, v := range vs {
		p := pack(v)
		s.packed = append(s.packed, p)
		if p.cname != nil || p.a.count+p.aaaa.count > 0 {
			usable = append(usable, int32(i))
		}
	}
	switch {
	case len(usable) == 0:
		s.packed = nil
	case len(usable) == 1:
		s.columns = []column{{own: usable[0], other: usable[0]}}
	default:
		s.columns = aliasTable(vs, usable)
	}
	return s
}

// Variants returns what s was packed from, as Info.Variant counts them.
func (s *Steered) Variants() []Variant { return s.variants }

// draw returns the variant for one query, -1 when there is none. Nil draws
// none.
func (s *Steered) draw(random uint64) int32 {
	if s == nil || len(s.columns) == 0 {
		return -1
	}
	if len(s.columns) == 1 {
		return s.columns[0].own
	}
	hi, _ := bits.Mul64(random&^0xFFFFFFFF, uint64(len(s.columns)))
	c := &s.columns[hi]
	if uint32(random) < c.below {
		return c.own
	}
	return c.other
}

func pack(v Variant) packed {
	p := packed{ttl: v.TTL}
	if v.Target != "" {
		if target, wrong := appendName(nil, []byte(v.Target), []byte{0}); wrong == "" {
			p.cname = appendRR(nil, dns.TypeCNAME, v.TTL, target)
		}
		return p
	}
	p.a.typ, p.aaaa.typ = dns.TypeA, dns.TypeAAAA
	given := make(map[netip.Addr]bool, len(v.Addrs))
	for _, addr := range v.Addrs {
		addr = addr.Unmap().WithZone("")
		set := &p.aaaa
		if addr.Is4() {
			set = &p.a
		}
		if !addr.IsValid() || given[addr] || len(set.body)+rrHead+addr.BitLen()/8 > maxBody {
			continue
		}
		given[addr] = true
		set.body = appendRR(set.body, set.typ, v.TTL, addr.AsSlice())
		set.count++
	}
	return p
}

// aliasTable divides the draws among the usable variants in exact whole
// numbers: each of n columns holds the sum of all weights, filled by one
// variant and topped up by another.
func aliasTable(vs []Variant, usable []int32) []column {
	n, total := uint64(len(usable)), uint64(0)
	for _, i := range usable {
		total += uint64(vs[i].Weight)
	}
	share := make([]uint64, n) // weight × n, so that the mean is the total
	cols := make([]column, n)
	for c, i := range usable {
		share[c] = uint64(vs[i].Weight) * n
		if total == 0 {
			share[c] = 1
		}
		cols[c] = column{own: i, other: i}
	}
	total = max(total, 1)
	var small, large []int
	for c := range share {
		if share[c] < total {
			small = append(small, c)
		} else {
			large = append(large, c)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		lo, hi := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		q, _ := bits.Div64(share[lo], 0, total) // share/total of 2^64
		cols[lo].below = uint32(q >> 32)
		cols[lo].other = cols[hi].own
		share[hi] -= total - share[lo]
		if share[hi] < total {
			large = large[:len(large)-1]
			small = append(small, hi)
		}
	}
	return cols
}
