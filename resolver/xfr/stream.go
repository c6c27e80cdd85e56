package xfr

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/resolver"
)

// idle is how long a connection that was taken may be without a request. A
// secondary asks several questions on one.
const idle = 10 * time.Second

// Streams reports whether msg is a request whose answer is a stream: AXFR, or
// IXFR, over a connection, while transfers are on.
func (p *Primary) Streams(msg []byte, tr resolver.Transport) bool {
	if tr == resolver.UDP || tr == resolver.HTTPS || !p.state.Load().access.on {
		return false
	}
	if len(msg) < headerLen || msg[2]&0xf8 != 0 || msg[4] != 0 || msg[5] != 1 {
		return false
	}
	end, ok := skipName(msg, headerLen)
	if !ok || end+4 > len(msg) || msg[end+2] != 0 || msg[end+3] != dns.ClassINET {
		return false
	}
	typ := binary.BigEndian.Uint16(msg[end:])
	return typ == dns.TypeAXFR || typ == dns.TypeIXFR
}

// A session is one connection that was taken.
type session struct {
	p     *Primary
	conn  net.Conn
	from  netip.AddrPort
	tr    resolver.Transport
	plain func(dst, msg []byte, from netip.AddrPort) []byte
	read  []byte // octets that were read and not yet used
	out   []byte // memory for replies
}

// Take answers the requests on conn from now on, in their order, until the
// other side closes it, or asks nothing for ten seconds. Read are the octets,
// with their lengths, that were read already; plain answers what is no
// transfer. It returns at once.
func (p *Primary) Take(conn net.Conn, read []byte, tr resolver.Transport, plain func(dst, msg []byte, from netip.AddrPort) []byte) {
	if !p.admit(conn) {
		conn.Close()
		return
	}
	s := &session{p: p, conn: conn, tr: tr, plain: plain, read: append([]byte(nil), read...), from: addrPort(conn.RemoteAddr())}
	go func() {
		defer func() {
			if v := recover(); v != nil {
				p.deps.Log.Error("panic in a transfer", "from", s.from, "panic", v, "stack", string(debug.Stack()))
			}
			p.mu.Lock()
			delete(p.listened, conn)
			p.mu.Unlock()
			conn.Close()
		}()
		s.serve()
	}()
}

// admit takes conn in, and reports whether it did. Where there are too many, one
// that nothing was granted to yet makes room: strangers shut out no secondary.
func (p *Primary) admit(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if len(p.listened) >= takenMax {
		stranger, ok := p.stranger()
		if !ok {
			return false
		}
		delete(p.listened, stranger)
		go stranger.Close() // TLS takes leave, which may take its time
	}
	p.listened[conn] = false
	return true
}

// stranger returns a connection that nothing was granted to. The caller holds
// mu.
func (p *Primary) stranger() (net.Conn, bool) {
	for c, granted := range p.listened {
		if !granted {
			return c, true
		}
	}
	return nil, false
}

// grant notes that who asks on conn may have a zone.
func (p *Primary) grant(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.listened[conn]; there {
		p.listened[conn] = true
	}
}

// addrPort returns a as an address and port.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		at := t.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	return netip.AddrPort{}
}

// serve answers request after request.
func (s *session) serve() {
	for {
		msg, err := s.next()
		if err != nil {
			return
		}
		if err := s.answer(msg); err != nil {
			return
		}
	}
}

// next returns the next message.
func (s *session) next() ([]byte, error) {
	s.conn.SetReadDeadline(time.Now().Add(idle))
	in := io.MultiReader(readerOf(&s.read), s.conn)
	var n [2]byte
	if _, err := io.ReadFull(in, n[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(n[:]))
	_, err := io.ReadFull(in, msg)
	return msg, err
}

// readerOf reads what is left of *b.
func readerOf(b *[]byte) io.Reader { return (*rest)(b) }

// A rest is octets that are read once.
type rest []byte

func (r *rest) Read(p []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.EOF
	}
	n := copy(p, *r)
	*r = (*r)[n:]
	return n, nil
}

// send sends one message.
func (s *session) send(msg []byte) error {
	if len(msg) == 0 {
		return errors.New("no reply")
	}
	out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(msg)), uint16(len(msg)))
	s.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := s.conn.Write(append(out, msg...))
	return err
}

// answer answers one message. The error ends the connection.
func (s *session) answer(msg []byte) error {
	now := s.p.deps.Now()
	if s.out == nil {
		s.out = make([]byte, 0, dns.MaxMsgSize)
	}
	plain := func(dst, msg []byte) []byte { return s.plain(dst, msg, s.from) }
	if !s.p.Streams(msg, s.tr) {
		reply, ok := s.p.Reply(s.out, msg, s.from, now, s.tr, plain)
		if !ok {
			reply = plain(s.out, msg)
		}
		return s.send(reply)
	}
	r, refusal, ok := s.p.state.Load().access.read(s.out, msg, s.from, now)
	switch {
	case !ok:
		return s.send(plain(s.out, msg))
	case refusal != nil:
		s.p.told.warn(now, "signature "+s.from.Addr().String(), "a signature is no good", "from", s.from.Addr(), "zone", r.m.Question[0].Name)
		return s.send(refusal)
	}
	return s.transfer(r)
}

// transfer answers AXFR or IXFR from one state. The first line that holds
// decides:
//
//	not for this client             REFUSED
//	not our zone                    NOTAUTH (RFC 5936 §2.2.1)
//	IXFR without an SOA             FORMERR (RFC 1995 §3)
//	no transfer ends in time        SERVFAIL
//	IXFR, the client is not behind  the SOA (RFC 1995 §4)
//	IXFR, the journal reaches back  what changed
//	else                            the whole zone
func (s *session) transfer(r *request) error {
	ctx, cancel := context.WithTimeout(context.Background(), lineWait)
	defer cancel()
	now, q := s.p.deps.Now(), r.m.Question[0]
	origin := canonical(q.Name)
	fail := func(rcode int) error { return s.send(r.reply(s.out, rcode, now, s.tr, nil)) }
	who, ok := s.p.state.Load().access.may(r.key(), s.from.Addr(), origin)
	if !ok {
		s.p.refused(r, now)
		return fail(dns.RcodeRefused)
	}
	s.p.grant(s.conn)
	serial, incremental := uint32(0), q.Qtype == dns.TypeIXFR
	if incremental {
		soa, ok := soaOf(r.m)
		if !ok {
			return fail(dns.RcodeFormatError)
		}
		serial = soa.Serial
	}
	free, ok := s.p.lines.take(ctx, who)
	if !ok {
		return fail(dns.RcodeServerFailure)
	}
	defer free()
	st := s.p.current(ctx)
	e := st.find(origin)
	switch {
	case st.snapshot == nil:
		return fail(dns.RcodeServerFailure)
	case e == nil:
		return fail(dns.RcodeNotAuth)
	}
	return s.stream(r, st, e, who, serial, incremental)
}

// soaOf returns the SOA that an IXFR request has of the client's zone.
func soaOf(m *dns.Msg) (*dns.SOA, bool) {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa, true
		}
	}
	return nil, false
}

// stream sends zone e of st to who: whole, or what changed since serial.
func (s *session) stream(r *request, st *state, e *edition, who string, serial uint32, incremental bool) error {
	question, ok := skipName(r.bare, headerLen)
	if !ok {
		return errForm
	}
	w := &writer{
		conn: s.conn, id: r.m.Id, question: r.bare[headerLen : question+4], edns: r.m.IsEdns0() != nil, now: s.p.deps.Now,
		key: r.key(),
	}
	w.origin = e.last().is[:ownerLen(e.last().is)]
	if r.sig != nil {
		w.mac = r.sig.mac
	}
	began, kind := time.Now(), AXFR
	var change *delta
	if incremental {
		change = e.difference(serial)
	}
	var err error
	switch {
	case incremental && !serialLater(e.serial(), serial):
		kind, err = SOA, w.record(e.last().is)
	case change != nil:
		kind, err = IXFR, sendChange(w, change)
	default:
		err = s.sendAll(w, st, e)
	}
	if err == nil {
		err = w.flush()
	}
	t := Transfer{Kind: kind, Zone: e.origin, Serial: e.serial(), Octets: w.sent, Messages: w.writes, At: began, Seconds: time.Since(began).Seconds()}
	if err != nil {
		err = fmt.Errorf("%s of %s broke off after %d octets: %w", kind, e.origin, w.sent, err)
		s.p.told.warn(s.p.deps.Now(), "broken "+who, "transfer broke off", "to", who, "from", s.from, "error", err)
	}
	s.p.transferred(who, t, err)
	return err
}

// sendChange sends one condensed difference (RFC 1995 §4).
func sendChange(w *writer, d *delta) error {
	for _, part := range [][]byte{d.is, d.was, d.deleted, d.is, d.added, d.is} {
		if err := w.records(part); err != nil {
			return err
		}
	}
	return nil
}

// sendAll sends zone e of st whole.
func (s *session) sendAll(w *writer, st *state, e *edition) error {
	if e.catalog != nil {
		return sendZone(w, e.last().is, func(yield func([]byte) bool) { yield(e.catalog.wire) })
	}
	return sendZone(w, e.last().is, st.snapshot.Wire(e.zone, st.content))
}

// sendZone sends a whole zone (RFC 5936 §2.2): the SOA, all else, the SOA.
func sendZone(w *writer, soa []byte, all iter.Seq[[]byte]) error {
	if err := w.record(soa); err != nil {
		return err
	}
	for some := range all {
		if err := w.records(some); err != nil {
			return err
		}
	}
	return w.record(soa)
}
