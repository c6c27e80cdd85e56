package xfr

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/resolver"
)

// A request is a message as its signature says it is: from whom, and whole.
type request struct {
	bare []byte     // without its TSIG record
	m    *dns.Msg   // of bare
	sig  *signature // nil: not signed
	from netip.AddrPort
}

// key returns the key that signed r; nil: none.
func (r *request) key() *key {
	if r.sig == nil {
		return nil
	}
	return r.sig.key
}

// read reads msg. Refusal is the reply where the signature is no good; it is in
// dst's memory where that suffices. Ok is false for what the server answers by
// itself: what cannot be read, and keys that are not ours.
func (a *access) read(dst, msg []byte, from netip.AddrPort, now time.Time) (r *request, refusal []byte, ok bool) {
	bare, t, err := split(msg)
	if err == errForm {
		return nil, nil, false
	}
	r = &request{bare: bare, m: new(dns.Msg), from: from}
	if t == nil {
		r.bare = msg
	}
	if r.m.Unpack(r.bare) != nil || len(r.m.Question) != 1 {
		return nil, nil, false
	}
	if t == nil {
		return r, nil, true
	}
	k := a.keys.find(t)
	if k == nil {
		return nil, nil, false
	}
	s, rcode, code := k.verify(bare, t, nil, now)
	if rcode == 0 {
		r.sig = &s
		return r, nil, true
	}
	reply, err := new(dns.Msg).SetRcode(r.m, rcode).PackBuffer(dst[:0:cap(dst)])
	if err != nil {
		return nil, nil, false
	}
	if code != 0 {
		reply = s.refuse(reply, code, now)
	}
	return r, reply, true
}

// seal signs a reply to r. A message that has no room for that within size
// octets goes out truncated (RFC 8945 §5.3).
func (r *request) seal(reply []byte, size int, now time.Time) []byte {
	if r.sig == nil || len(reply) < headerLen {
		return reply
	}
	if len(reply)+r.sig.key.room() > size {
		end, ok := skipName(reply, headerLen)
		if !ok || end+4 > len(reply) {
			return nil
		}
		reply = reply[:end+4]
		reply[2] |= 0x02 // TC
		reply[3] &= 0xf0 // NOERROR
		clear(reply[6:headerLen])
	}
	reply, _ = r.sig.key.sign(reply, r.sig.mac, false, now)
	return reply
}

// size returns how many octets a reply to r may have.
func (r *request) size(tr resolver.Transport) int {
	if tr != resolver.UDP {
		return dns.MaxMsgSize
	}
	if o := r.m.IsEdns0(); o != nil {
		return max(dns.MinMsgSize, min(int(o.UDPSize()), maxUDP))
	}
	return dns.MinMsgSize
}

// maxUDP is the largest reply over UDP that is sent here, in octets.
const maxUDP = 1232

// reply packs an answer to r with rcode, signed. Fill may add to it.
func (r *request) reply(dst []byte, rcode int, now time.Time, tr resolver.Transport, fill func(*dns.Msg)) []byte {
	m := new(dns.Msg).SetRcode(r.m, rcode)
	if fill != nil {
		fill(m)
	}
	if o := r.m.IsEdns0(); o != nil {
		m.SetEdns0(maxUDP, o.Do())
	}
	size := min(r.size(tr), cap(dst))
	if r.sig != nil {
		size -= r.sig.key.room()
	}
	m.Truncate(size)
	out, err := m.PackBuffer(dst[:0:cap(dst)])
	if err != nil {
		return nil
	}
	return r.seal(out, dns.MaxMsgSize, now)
}

// Reply answers what needs keys, and what is of the catalog, in dst's memory
// where that suffices; plain answers a message as the server would. Ok is false
// for what is left to the server:
//
//	message                         from who may have the zone    from others
//	with a key that is not ours     left: NOTAUTH, BADKEY         left
//	with a bad signature            NOTAUTH, and what is bad      the same
//	IXFR over UDP                   the current SOA               REFUSED
//	AXFR over UDP                   REFUSED: RFC 5936 §4.2        REFUSED
//	of the catalog zone             what that holds               REFUSED
//	anything else, signed           plain's answer, signed        the same
//	anything else                   left                          left
func (p *Primary) Reply(dst, msg []byte, from netip.AddrPort, now time.Time, tr resolver.Transport, plain func(dst, msg []byte) []byte) (reply []byte, ok bool) {
	s := p.state.Load()
	if !s.access.on && len(s.access.keys) == 0 {
		return nil, false
	}
	signed, ours := glance(msg, s.access.origin)
	if !signed && !ours {
		return nil, false
	}
	r, refusal, ok := s.access.read(dst, msg, from, now)
	switch {
	case !ok:
		return nil, false
	case refusal != nil:
		p.told.warn(now, "signature "+from.Addr().String(), "a signature is no good", "from", from.Addr(), "question", r.m.Question[0].Name)
		return refusal, true
	}
	q := r.m.Question[0]
	origin := canonical(q.Name)
	switch {
	case r.m.Opcode != dns.OpcodeQuery || q.Qclass != dns.ClassINET:
	case q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR:
		return p.datagram(dst, s, r, now, tr), true
	case s.access.catalog != "" && dns.IsSubDomain(s.access.catalog, origin):
		return p.ofCatalog(dst, s, r, now, tr), true
	}
	if r.sig == nil {
		return nil, false
	}
	room := min(cap(dst), r.size(tr)) - r.sig.key.room()
	if tr != resolver.UDP {
		room = cap(dst) - r.sig.key.room()
	}
	if room < dns.MinMsgSize/2 {
		return r.reply(dst, dns.RcodeServerFailure, now, tr, nil), true
	}
	reply = plain(dst[:0:max(room, min(cap(dst), dns.MinMsgSize))], r.bare)
	return r.seal(reply, min(cap(dst), max(r.size(tr), dns.MinMsgSize)), now), true
}

// glance says of a message whether it ends with a TSIG record, as far as can be
// told without reading it, and whether its question is for IXFR, AXFR or a name
// in the catalog.
func glance(msg, catalog []byte) (signed, ours bool) {
	if len(msg) < headerLen || msg[4] != 0 || msg[5] != 1 {
		return false, false
	}
	signed = msg[10] != 0 || msg[11] != 0
	end, ok := skipName(msg, headerLen)
	if !ok || end+4 > len(msg) {
		return signed, false
	}
	if typ := uint16(msg[end])<<8 | uint16(msg[end+1]); typ == dns.TypeAXFR || typ == dns.TypeIXFR {
		return signed, true
	}
	name := msg[headerLen:end]
	return signed, len(catalog) > 0 && len(name) >= len(catalog) && equalFold(name[len(name)-len(catalog):], catalog)
}

// equalFold reports whether name is lower, in whatever case (RFC 4343).
func equalFold(name, lower []byte) bool {
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// datagram answers IXFR in one message: with the current SOA, by which the
// client sees whether to come over TCP (RFC 1995 §2). AXFR has no such form.
func (p *Primary) datagram(dst []byte, s *state, r *request, now time.Time, tr resolver.Transport) []byte {
	q := r.m.Question[0]
	origin := canonical(q.Name)
	_, ok := s.access.may(r.key(), r.from.Addr(), origin)
	e := s.find(origin)
	switch {
	case !ok || q.Qtype == dns.TypeAXFR:
		p.refused(r, now)
		return r.reply(dst, dns.RcodeRefused, now, tr, nil)
	case e == nil:
		return r.reply(dst, dns.RcodeNotAuth, now, tr, nil)
	}
	return r.reply(dst, dns.RcodeSuccess, now, tr, func(m *dns.Msg) {
		m.Authoritative = true
		m.Answer = append(m.Answer, e.soa())
	})
}

// ofCatalog answers a question for the catalog zone.
func (p *Primary) ofCatalog(dst []byte, s *state, r *request, now time.Time, tr resolver.Transport) []byte {
	_, ok := s.access.may(r.key(), r.from.Addr(), s.access.catalog)
	switch {
	case !ok:
		p.refused(r, now)
		return r.reply(dst, dns.RcodeRefused, now, tr, nil)
	case s.catalog == nil:
		return r.reply(dst, dns.RcodeServerFailure, now, tr, nil)
	}
	return r.reply(dst, dns.RcodeSuccess, now, tr, func(m *dns.Msg) {
		s.catalog.catalog.answer(m, s.access.catalog, s.catalog.soa())
	})
}

// soa returns the SOA record of e.
func (e *edition) soa() dns.RR {
	rr, _, err := dns.UnpackRR(e.last().is, 0)
	if err != nil { // it was packed here
		return &dns.NULL{Hdr: dns.RR_Header{Name: e.origin, Rrtype: dns.TypeNULL, Class: dns.ClassINET}}
	}
	return rr
}

// refused tells the log of who was refused, once a minute each.
func (p *Primary) refused(r *request, now time.Time) {
	q := r.m.Question[0]
	key := "none"
	if k := r.key(); k != nil {
		key = k.text
	}
	p.told.warn(now, "refused "+r.from.Addr().String(), "transfer refused", "from", r.from.Addr(), "zone", q.Name, "type", dns.TypeToString[q.Qtype], "key", key)
}
