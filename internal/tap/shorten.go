package tap

import (
	"encoding/binary"
	"net/netip"
)

// The networks that clients are shortened to.
const (
	bits4 = 24
	bits6 = 56
)

// shorten returns the network of a client as an address, and no port.
func shorten(client netip.AddrPort) netip.AddrPort {
	bits := bits6
	if client.Addr().Is4() {
		bits = bits4
	}
	p, err := client.Addr().WithZone("").Prefix(bits)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(p.Addr(), 0)
}

// The options of EDNS that tell of a client.
const (
	optionSubnet = 8  // RFC 7871
	optionCookie = 10 // RFC 7873
	typeOPT      = 41
)

// mask blanks, in a message, what tells more of a client than its network: the
// last bits of EDNS Client Subnet, and cookies, which are made of its address.
// Lengths stay. A message that cannot be read to its end is left as far as it
// could be.
func mask(msg []byte) {
	if len(msg) < 12 {
		return
	}
	at, ok := 12, true
	for range binary.BigEndian.Uint16(msg[4:]) {
		if at, ok = skipName(msg, at); !ok {
			return
		}
		at += 4
	}
	records := int(binary.BigEndian.Uint16(msg[6:])) + int(binary.BigEndian.Uint16(msg[8:])) + int(binary.BigEndian.Uint16(msg[10:]))
	for range records {
		if at, ok = skipName(msg, at); !ok || at+10 > len(msg) {
			return
		}
		data := at + 10
		end := data + int(binary.BigEndian.Uint16(msg[at+8:]))
		if end > len(msg) {
			return
		}
		if binary.BigEndian.Uint16(msg[at:]) == typeOPT {
			maskOptions(msg[data:end])
		}
		at = end
	}
}

// maskOptions blanks within the RDATA of an OPT record (RFC 6891 §6.1.2).
func maskOptions(data []byte) {
	for len(data) >= 4 {
		code, n := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		if 4+n > len(data) {
			return
		}
		value := data[4 : 4+n]
		switch {
		case code == optionCookie:
			clear(value)
		case code == optionSubnet && n > 4: // family 2, source 1, scope 1, address
			keep := bits6 / 8
			if binary.BigEndian.Uint16(value) == 1 {
				keep = bits4 / 8
			}
			clear(value[min(4+keep, n):])
		}
		data = data[4+n:]
	}
}

// skipName returns the offset behind the name at msg[at:].
func skipName(msg []byte, at int) (int, bool) {
	for at < len(msg) {
		switch l := int(msg[at]); {
		case l == 0:
			return at + 1, true
		case l >= 0xc0:
			return at + 2, true
		default:
			at += 1 + l
		}
	}
	return 0, false
}
