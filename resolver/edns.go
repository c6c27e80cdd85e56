package resolver

import (
	"encoding/binary"
	"net/netip"
)

// The EDNS options we know.
const (
	optNSID      = 3  // RFC 5001
	optSubnet    = 8  // RFC 7871
	optCookie    = 10 // RFC 7873
	optKeepalive = 11 // RFC 7828
	optPadding   = 12 // RFC 7830
	optEDE       = 15 // RFC 8914
)

// The extended errors we give (RFC 8914 §4). Zero, which is Other Error there,
// means none here.
const (
	edeNone             = 0
	edeNotReady         = 14
	edeProhibited       = 18
	edeNotAuthoritative = 20
	edeNotSupported     = 21
	edeInvalidQueryType = 30 // RFC 9824
)

const (
	optFixed        = 11  // octets of an OPT record without options
	padBlock        = 468 // octets of which a padded reply is a multiple (RFC 8467 §4.1)
	flagDO          = 1 << 15
	clientCookieLen = 8
	cookieLen       = clientCookieLen + serverCookieLen
)

// An edns is the OPT record of a query (RFC 6891 §6.1) and what its options
// ask for.
type edns struct {
	present   bool
	alone     bool // the message holds no other record
	size      uint16
	version   uint8
	do        bool
	nsid      bool
	keepalive bool
	padding   bool

	cookie bool   // a COOKIE option is there
	client []byte // its client part, 8 octets
	server []byte // its server part, 0 or 8–32 octets

	subnet subnet
}

// A subnet is an EDNS Client Subnet option (RFC 7871 §6).
type subnet struct {
	present bool
	raw     []byte // FAMILY to ADDRESS, as received
	source  uint8  // SOURCE PREFIX-LENGTH
	addr    netip.Addr
}

// begin takes the fixed part of an OPT record.
func (e *edns) begin(r record) {
	e.present = true
	e.size = r.class
	e.version = uint8(r.ttl >> 16)
	e.do = r.ttl&flagDO != 0
}

// forget drops all options, so that the reply to malformed ones has none.
func (e *edns) forget() {
	*e = edns{present: e.present, size: e.size, version: e.version, do: e.do}
}

// parse reads the options. It is false where they overrun or where one that
// we know is malformed; options we do not know are ignored (RFC 6891 §6.1.2).
func (e *edns) parse(options []byte) bool {
	for len(options) > 0 {
		if len(options) < 4 {
			return false
		}
		code := binary.BigEndian.Uint16(options)
		end := 4 + int(binary.BigEndian.Uint16(options[2:]))
		if end > len(options) || !e.parseOption(code, options[4:end:end]) {
			return false
		}
		options = options[end:]
	}
	return true
}

// parseOption reads one option; of a repeated one the first counts.
func (e *edns) parseOption(code uint16, data []byte) bool {
	switch code {
	case optNSID:
		e.nsid = true
	case optKeepalive:
		e.keepalive = true
		return len(data) == 0 || len(data) == 2
	case optPadding:
		e.padding = true
	case optCookie:
		n := len(data)
		if n != clientCookieLen && (n < 16 || n > 40) { // RFC 7873 §5.2.2
			return false
		}
		if !e.cookie {
			e.cookie = true
			e.client, e.server = data[:clientCookieLen], data[clientCookieLen:]
		}
	case optSubnet:
		if e.subnet.present {
			var again subnet
			return again.parse(data)
		}
		return e.subnet.parse(data)
	}
	return true
}

// parse reads a Client Subnet option (RFC 7871 §6, §7.1.2, §11.1):
//
//	FAMILY  SOURCE  SCOPE  ADDRESS
//	0       0       0      empty                  "do not use my address", as dig +subnet=0 sends it
//	1       0–32    0      ⌈SOURCE/8⌉ octets, the bits beyond SOURCE zero
//	2       0–128   0      likewise
//	other                                         malformed
func (s *subnet) parse(data []byte) bool {
	if len(data) < 4 || data[3] != 0 {
		return false
	}
	family, source, addr := binary.BigEndian.Uint16(data), data[2], data[4:]
	var bits uint8
	switch family {
	case 0:
	case 1:
		bits = 32
	case 2:
		bits = 128
	default:
		return false
	}
	if source > bits || len(addr) != (int(source)+7)/8 {
		return false
	}
	if spare := source % 8; spare != 0 && addr[len(addr)-1]<<spare != 0 {
		return false
	}
	s.present, s.raw, s.source = true, data, source
	switch family {
	case 1:
		var a [4]byte
		copy(a[:], addr)
		s.addr = netip.AddrFrom4(a)
	case 2:
		var a [16]byte
		copy(a[:], addr)
		s.addr = netip.AddrFrom16(a)
	}
	return true
}

// client returns the address that steering goes by: the subnet's where the
// query names one, else the resolver's own (RFC 7871 §7.2.1). A client who
// wants its address to be kept back sends no bits of it, and gets what its
// resolver would (§7.1.2). IPv4 within IPv6 is what it is.
func (s *subnet) client(resolver netip.Addr) netip.Addr {
	if s.source == 0 {
		return resolver
	}
	return s.addr.Unmap()
}

// scope returns the SCOPE PREFIX-LENGTH of the reply, for an answer that
// depends on so many bits of client's address. Where no bits of it were sent,
// or none count, it is 0 (RFC 7871 §7.2.1). It may exceed SOURCE, which tells
// the resolver that more bits would get a better answer.
func (s *subnet) scope(bits uint8) uint8 {
	switch {
	case s.source == 0 || bits == 0:
		return 0
	case s.addr.Is4In6():
		return bits + 96
	}
	return bits
}

// room returns how many octets the reply's OPT record will take, without an
// extended error.
func (e *edns) room(set *settings, tr Transport) int {
	if !e.present {
		return 0
	}
	n := optFixed
	if e.nsid && len(set.nsid) > 0 {
		n += 4 + len(set.nsid)
	}
	if e.cookie && set.cookies {
		n += 4 + cookieLen
	}
	if e.subnet.present {
		n += 4 + len(e.subnet.raw)
	}
	if e.keepalive && tr.stream() {
		n += 4 + 2
	}
	return n
}

// A trailer is what the reply's OPT record says beside the query's options.
type trailer struct {
	rcode  uint16
	scope  uint8
	ede    uint16
	cookie *[serverCookieLen]byte // nil sends no COOKIE
}

// appendTo appends the reply's OPT record to msg and counts it in the header.
// Of the query's flags only DO comes back (RFC 6891 §6.1.4, RFC 3225 §3).
func (e *edns) appendTo(msg []byte, t trailer, set *settings, tr Transport) []byte {
	var do byte
	if e.do {
		do = flagDO >> 8
	}
	size := set.udpSize
	msg = append(msg, 0, 0, typeOPT, byte(size>>8), byte(size), byte(t.rcode>>4), 0, do, 0, 0, 0)
	options := len(msg)
	if e.nsid && len(set.nsid) > 0 {
		msg = appendOption(msg, optNSID, len(set.nsid))
		msg = append(msg, set.nsid...)
	}
	if t.cookie != nil {
		msg = appendOption(msg, optCookie, cookieLen)
		msg = append(msg, e.client...)
		msg = append(msg, t.cookie[:]...)
	}
	if e.subnet.present {
		msg = appendOption(msg, optSubnet, len(e.subnet.raw))
		msg = append(msg, e.subnet.raw...)
		msg[len(msg)-len(e.subnet.raw)+3] = e.subnet.scope(t.scope)
	}
	if e.keepalive && tr.stream() {
		msg = appendOption(msg, optKeepalive, 2)
		msg = append(msg, byte(set.keepalive>>8), byte(set.keepalive))
	}
	if t.ede != edeNone {
		msg = appendOption(msg, optEDE, 2)
		msg = append(msg, byte(t.ede>>8), byte(t.ede))
	}
	if e.padding && tr.encrypted() {
		msg = appendPadding(msg)
	}
	binary.BigEndian.PutUint16(msg[options-2:], uint16(len(msg)-options))
	countAdditional(msg)
	return msg
}

// appendPadding brings msg to a multiple of padBlock, so that its length says
// little of what it holds. A reply that is too long for that goes as it is.
func appendPadding(msg []byte) []byte {
	long := len(msg) + 4
	pad := (padBlock - long%padBlock) % padBlock
	if long+pad > min(cap(msg), maxTCP) {
		return msg
	}
	msg = appendOption(msg, optPadding, pad)
	clear(msg[len(msg) : len(msg)+pad])
	return msg[:len(msg)+pad]
}

func appendOption(msg []byte, code uint16, length int) []byte {
	return append(msg, byte(code>>8), byte(code), byte(length>>8), byte(length))
}

// countAdditional adds one to the count of additional records.
func countAdditional(msg []byte) {
	binary.BigEndian.PutUint16(msg[10:], binary.BigEndian.Uint16(msg[10:])+1)
}
