package zone

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// The parameters that HTTPS records carry (RFC 9460 §14.3.2, RFC 9848).
const (
	paramALPN     = 1
	paramPort     = 3
	paramIPv4Hint = 4
	paramECH      = 5
	paramIPv6Hint = 6
)

// maxHints bounds the addresses of each family in one HTTPS record: hints save
// a round trip, and any few of them do.
const maxHints = 8

// bind packs the HTTPS records of v, whose addresses p has. Who answers a CNAME
// has none: the pool's own are found behind it.
//
//	v.HTTPS              anywhere                      at the apex
//	off                  none                          none
//	on                   1 . and its parameters        the same
//	on, Alias, a host    1 . and its parameters        0 and the host (RFC 9460 §2.4.2)
func (p *packed) bind(v Variant) {
	if !v.HTTPS.On || p.empty() {
		return
	}
	p.https = rrset{dns.TypeHTTPS, 1, appendRR(nil, dns.TypeHTTPS, v.TTL, p.params(v))}
	if target, wrong := appendName([]byte{0, 0}, []byte(v.Host), []byte{0}); v.HTTPS.Alias && v.Host != "" && wrong == "" {
		p.alias = rrset{dns.TypeHTTPS, 1, appendRR(nil, dns.TypeHTTPS, v.TTL, target)}
	}
}

// params returns the data of an HTTPS record in ServiceMode: the priority 1,
// the owner as target, and parameters in the order of their keys
// (RFC 9460 §2.2).
func (p *packed) params(v Variant) []byte {
	data := []byte{0, 1, 0}
	b := &v.HTTPS
	var ids []byte
	for _, id := range b.ALPN {
		ids = append(append(ids, byte(len(id))), id...)
	}
	data = appendParam(data, paramALPN, ids)
	if b.Port != 0 {
		data = appendParam(data, paramPort, binary.BigEndian.AppendUint16(nil, b.Port))
	}
	if b.Hints {
		data = appendParam(data, paramIPv4Hint, hints(p.a))
	}
	data = appendParam(data, paramECH, b.ECH)
	if b.Hints {
		data = appendParam(data, paramIPv6Hint, hints(p.aaaa))
	}
	return data
}

// appendParam appends one parameter, unless it is empty.
func appendParam(data []byte, key uint16, value []byte) []byte {
	if len(value) == 0 {
		return data
	}
	data = binary.BigEndian.AppendUint16(data, key)
	data = binary.BigEndian.AppendUint16(data, uint16(len(value)))
	return append(data, value...)
}

// hints returns the addresses of a set.
func hints(set rrset) (out []byte) {
	body := set.body
	for range min(set.count, maxHints) {
		size := rdLen(body)
		out = append(out, body[rrHead:rrHead+size]...)
		body = body[rrHead+size:]
	}
	return out
}
