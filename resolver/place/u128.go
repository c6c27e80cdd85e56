package place

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
)

// A u128 is an address as a number; an IPv4 address has 32 bits of it.
type u128 struct{ hi, lo uint64 }

// The families, as arrays index them.
const (
	v4 = iota
	v6
)

var lastOf = [2]u128{{0, math.MaxUint32}, {math.MaxUint64, math.MaxUint64}}

// numberOf returns addr, which is no IPv4 address written as an IPv6 one, as a
// number, and its family.
func numberOf(addr netip.Addr) (u128, int) {
	if addr.Is4() {
		a := addr.As4()
		return u128{0, uint64(binary.BigEndian.Uint32(a[:]))}, v4
	}
	a := addr.As16()
	return u128{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])}, v6
}

// addr returns a as an address of a family.
func (a u128) addr(family int) netip.Addr {
	if family == v4 {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(a.lo))))
	}
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, a.hi), a.lo)))
}

func (a u128) less(b u128) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// next returns a+1.
func (a u128) next() u128 {
	lo, carry := bits.Add64(a.lo, 1, 0)
	return u128{a.hi + carry, lo}
}

// A span is a network as its first and last address.
type span struct{ first, last u128 }

// spanOf returns the addresses of p, and their family.
func spanOf(p netip.Prefix) (span, int) {
	first, family := numberOf(p.Masked().Addr())
	host := lastOf[family]
	for range p.Bits() { // at most 128 times
		host = u128{host.hi >> 1, host.hi<<63 | host.lo>>1}
	}
	if family == v4 {
		host = u128{0, math.MaxUint32 >> p.Bits()}
	}
	return span{first, u128{first.hi | host.hi, first.lo | host.lo}}, family
}
