package resolver

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// The server cookie of RFC 9018 §4: version, three reserved octets, a
// timestamp in seconds, and SipHash-2-4 over the client cookie, those and the
// client's address.
const (
	serverCookieLen = 16
	cookieVersion   = 1
	cookieLife      = 3600 // seconds after which a cookie is refused
	cookieAhead     = 300  // seconds that another server's clock may be ahead
	cookieRenew     = 1800 // seconds after which a client gets a new one
)

// A cookieKey is the secret of a server, or of all servers behind one anycast
// address.
type cookieKey struct{ k0, k1 uint64 }

// newCookieKey takes a secret of 16 octets.
func newCookieKey(secret [16]byte) cookieKey {
	return cookieKey{binary.LittleEndian.Uint64(secret[:]), binary.LittleEndian.Uint64(secret[8:])}
}

// make returns the server cookie for a client at second now.
func (k cookieKey) make(client []byte, from netip.Addr, now uint32) (c [serverCookieLen]byte) {
	c[0] = cookieVersion
	binary.BigEndian.PutUint32(c[4:], now)
	binary.LittleEndian.PutUint64(c[8:], k.hash(client, c[:8], from))
	return c
}

// valid reports whether server is a cookie that k made for this client, and
// how many seconds ago; clocks of servers that share a secret may differ.
func (k cookieKey) valid(client, server []byte, from netip.Addr, now uint32) (age int32, ok bool) {
	if len(server) != serverCookieLen || server[0] != cookieVersion {
		return 0, false
	}
	age = int32(now - binary.BigEndian.Uint32(server[4:])) // serial arithmetic, RFC 1982
	if age > cookieLife || age < -cookieAhead {
		return age, false
	}
	return age, binary.LittleEndian.Uint64(server[8:]) == k.hash(client, server[:8], from)
}

// hash returns SipHash-2-4 of the client cookie, the head of the server
// cookie and the client's address.
func (k cookieKey) hash(client, head []byte, from netip.Addr) uint64 {
	s := sip{k.k0 ^ 0x736f6d6570736575, k.k1 ^ 0x646f72616e646f6d, k.k0 ^ 0x6c7967656e657261, k.k1 ^ 0x7465646279746573}
	s.word(binary.LittleEndian.Uint64(client))
	s.word(binary.LittleEndian.Uint64(head))
	if from.Is4() || from.Is4In6() {
		a := from.As4()
		return s.end(20<<56 | uint64(binary.LittleEndian.Uint32(a[:])))
	}
	a := from.As16()
	s.word(binary.LittleEndian.Uint64(a[:]))
	s.word(binary.LittleEndian.Uint64(a[8:]))
	return s.end(32 << 56)
}

// A sip is the state of SipHash-2-4 (Aumasson and Bernstein, 2012).
type sip struct{ v0, v1, v2, v3 uint64 }

func (s *sip) word(m uint64) {
	s.v3 ^= m
	s.round()
	s.round()
	s.v0 ^= m
}

// end takes the last word, whose top octet is the length of the input.
func (s *sip) end(m uint64) uint64 {
	s.word(m)
	s.v2 ^= 0xff
	for range 4 {
		s.round()
	}
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

func (s *sip) round() {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
}
