package resolver

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/internal/dnstest"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// TestReference holds Answer to the reference below, on all questions of the
// corpus and on 5,000 drawn ones, over both transports.
func TestReference(t *testing.T) {
	a, w := workerForTest(t, settingsForTest())
	set := a.view.Load().snapshot.Set()
	snapshot := set.Snapshot(2, steeredForTest(set), []uint32{4294967290})
	a.Swap(snapshot)
	questions := questionsOf(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		questions = append(questions, drawQuestion(r))
	}
	compared, serials := 0, 0
	buf := make([]byte, 0, maxTCP)
	for _, line := range questions {
		query := dnstest.Ask(t, strings.TrimPrefix(line, "tcp "))
		for _, tr := range []Transport{UDP, TCP} {
			reply := w.Answer(buf, query, client, moment, tr)
			held, difference := againstReference(snapshot, query, reply, tr)
			if difference != "" {
				t.Errorf("%s over %v: %s", line, tr, difference)
			}
			if held {
				compared++
			}
			if m := new(dns.Msg); held && m.Unpack(reply) == nil {
				for _, rr := range append(m.Answer, m.Ns...) {
					if soa, ok := rr.(*dns.SOA); ok && soa.Serial == 4294967290 {
						serials++
					}
				}
			}
		}
	}
	if serials < 2000 {
		t.Errorf("only %d serials were compared", serials)
	}
	if compared < 9000 {
		t.Errorf("only %d replies were compared", compared)
	}
}

// drawQuestion makes up a sound question.
func drawQuestion(r *rand.Rand) string {
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	return strings.Join([]string{
		one("www", "WWW", "svc", "share", "addr", "big", "none", "a.b.wild", "wild", "x.renamed", "ns1", "x.www") +
			one(".example.test.", ".Example.TEST.", ".example.test.", ".nowhere.test."),
		one("A", "AAAA", "TXT", "NS", "SOA", "MX", "CNAME", "HTTPS", "ANY", "DS"),
		one("", "+rd", "+cd", "+ad"),
		one("", "+edns", "+do", "+bufsize=512", "+bufsize=4096"),
		one("", "", "+nsid"), one("", "", "+cookie"),
		one("", "", "+subnet=198.51.100.0/24", "+subnet=2001:db8::/32"), one("", "", "+keepalive"),
	}, " ")
}

// againstReference compares a reply with the slow way, and says whether there
// is one: a plain query of class IN with nothing wrong in it.
func againstReference(s *zone.Snapshot, query, reply []byte, tr Transport) (held bool, difference string) {
	q := new(dns.Msg)
	if q.Unpack(query) != nil || !isPlain(q, query) {
		return false, ""
	}
	got := new(dns.Msg)
	if err := got.Unpack(reply); err != nil {
		return true, err.Error()
	}
	limit := minUDP
	if o := q.IsEdns0(); o != nil {
		limit = min(max(limit, int(o.UDPSize())), 1232)
	}
	want, err := slowly(s, q, tr)
	if err != nil {
		return true, err.Error()
	}
	if tr == UDP && got.Truncated {
		if whole, _ := want.Pack(); len(whole) <= limit {
			return true, fmt.Sprintf("truncated, though %d octets fit %d", len(whole), limit)
		}
		want.Truncated, want.Answer, want.Ns, want.Extra = true, nil, nil, onlyOPT(want.Extra)
	}
	if g, w := plainText(got), plainText(want); g != w {
		return true, "got\n" + g + "\nwant\n" + w
	}
	return true, ""
}

// isPlain reports whether the reference can answer q. An OPT record that
// miekg/dns packs otherwise than it came is malformed in a way it lets pass.
func isPlain(q *dns.Msg, query []byte) bool {
	if len(q.Question) != 1 || q.Response || q.Opcode != dns.OpcodeQuery || endOf(query) != len(query) ||
		len(q.Answer)+len(q.Ns) > 0 || len(q.Extra) != len(onlyOPT(q.Extra)) || len(q.Extra) > 1 {
		return false
	}
	end, ok := skipName(query, headerLen)
	if !ok || compressed(query) || q.Question[0].Qclass != dns.ClassINET {
		return false
	}
	switch t := q.Question[0].Qtype; {
	case t == 0, t == dns.TypeOPT, t == typeNXNAME, t >= dns.TypeTKEY && t < dns.TypeANY:
		return false
	}
	o := q.IsEdns0()
	if o == nil {
		return len(q.Extra) == 0
	}
	seen := map[uint16]bool{}
	for _, option := range o.Option {
		if seen[option.Option()] || !isSound(option) {
			return false
		}
		seen[option.Option()] = true
	}
	again := make([]byte, len(query)+512)
	n, err := dns.PackRR(o, again, 0, nil, false)
	return o.Hdr.Name == "." && o.Version() == 0 && err == nil && bytes.Equal(query[end+4:], again[:n])
}

// compressed reports whether the question's name ends in a pointer.
func compressed(query []byte) bool {
	at := headerLen
	for query[at] != 0 && query[at] < 0xC0 {
		at += int(query[at]) + 1
	}
	return query[at] != 0
}

// isSound reports whether the reference echoes or ignores an option.
func isSound(option dns.EDNS0) bool {
	switch o := option.(type) {
	case *dns.EDNS0_NSID:
		return true
	case *dns.EDNS0_COOKIE:
		return len(o.Cookie) == 2*clientCookieLen
	case *dns.EDNS0_SUBNET:
		return o.Family != 0 && o.SourceScope == 0
	case *dns.EDNS0_TCP_KEEPALIVE:
		return o.Timeout == 0
	}
	return false
}

// slowly answers q with miekg/dns from the records of the snapshot. It takes
// them as their file has them, and gives SOAs the serial of the snapshot.
func slowly(s *zone.Snapshot, q *dns.Msg, tr Transport) (*dns.Msg, error) {
	from := slowClient(q)
	filed := s.Set().Snapshot(1, steeredForTest(s.Set()), nil)
	found, info, err := filed.Records(q.Question[0].Name, q.Question[0].Qtype, from, moment.Unix())
	if err != nil {
		return nil, err
	}
	for _, rr := range append(found.Answer, found.Ns...) {
		if soa, ok := rr.(*dns.SOA); ok {
			soa.Serial = s.Serial(0)
		}
	}
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionDesired, m.CheckingDisabled = q.RecursionDesired, false
	m.Compress = true
	m.Rcode, m.Authoritative = found.Rcode, found.Authoritative
	m.Answer, m.Ns, m.Extra = found.Answer, found.Ns, found.Extra
	if asked := q.IsEdns0(); asked != nil {
		m.Extra = append(m.Extra, slowOPT(asked, info, tr))
	}
	return m, nil
}

// slowClient is the address that q is answered for (RFC 7871 §7.1.2, §7.2.1).
func slowClient(q *dns.Msg) netip.Addr {
	if o := q.IsEdns0(); o != nil {
		for _, option := range o.Option {
			if s, ok := option.(*dns.EDNS0_SUBNET); ok && s.SourceNetmask > 0 {
				addr, _ := netip.AddrFromSlice(s.Address)
				return addr.Unmap()
			}
		}
	}
	return client.Addr()
}

// slowOPT is the OPT record of the reply, with the node's settings for tests.
func slowOPT(asked *dns.OPT, info zone.Info, tr Transport) *dns.OPT {
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(1232)
	if asked.Do() {
		opt.SetDo()
	}
	for _, option := range asked.Option {
		switch o := option.(type) {
		case *dns.EDNS0_NSID:
			opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: optNSID, Nsid: hex.EncodeToString([]byte("ns1.example.test"))})
		case *dns.EDNS0_COOKIE:
			opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: optCookie, Cookie: o.Cookie + strings.Repeat("0", 32)})
		case *dns.EDNS0_SUBNET:
			echo := *o
			if echo.SourceNetmask > 0 {
				echo.SourceScope = info.Scope
			}
			opt.Option = append(opt.Option, &echo)
		case *dns.EDNS0_TCP_KEEPALIVE:
			if tr == TCP {
				opt.Option = append(opt.Option, &dns.EDNS0_TCP_KEEPALIVE{Code: optKeepalive, Timeout: 100})
			}
		}
	}
	if info.Refused {
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: edeNotAuthoritative})
	}
	if info.Rcode == dns.RcodeServerFailure {
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: edeNotReady})
	}
	return opt
}

// onlyOPT returns the OPT records of a section.
func onlyOPT(rrs []dns.RR) (opts []dns.RR) {
	for _, rr := range rrs {
		if rr.Header().Rrtype == dns.TypeOPT {
			opts = append(opts, rr)
		}
	}
	return opts
}

// plainText prints m with its options in order of their codes and the secret
// part of its cookie blank.
func plainText(m *dns.Msg) string {
	if o := m.IsEdns0(); o != nil {
		slices.SortFunc(o.Option, func(a, b dns.EDNS0) int { return cmp.Compare(a.Option(), b.Option()) })
		for _, option := range o.Option {
			if c, ok := option.(*dns.EDNS0_COOKIE); ok && len(c.Cookie) == 2*cookieLen {
				c.Cookie = c.Cookie[:2*clientCookieLen] + strings.Repeat("0", 32)
			}
		}
	}
	return m.String()
}
