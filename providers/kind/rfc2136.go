package kind

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// rfc2136 is the primary server of zones, by dynamic update (RFC 2136) under a
// TSIG key (RFC 8945). An update is made whole or not at all, and only if each
// RRset is as it is expected to be (§2.4). Zones are read by AXFR; single
// names, and zones that the server does not transfer, by questions.
type rfc2136 struct {
	account
	server    string // address and port
	key       string // fully qualified; "": nothing is signed
	algorithm string
	secret    string // base64
}

// newRFC2136 opens a primary server. Port 53 may be left out.
func newRFC2136(a config.Account) (Provider, error) {
	z := &rfc2136{server: a.Endpoint, algorithm: dns.Fqdn(a.Values["algorithm"]), secret: a.Secrets["secret"].Reveal()}
	if z.server == "" {
		return nil, errors.New("endpoint is missing: write address and port of the primary server")
	}
	if _, _, err := net.SplitHostPort(z.server); err != nil {
		z.server = net.JoinHostPort(strings.Trim(z.server, "[]"), "53")
	}
	if key := a.Values["key"]; key != "" {
		z.key = dns.CanonicalName(key)
	}
	if (z.key == "") != (z.secret == "") {
		return nil, errors.New("key and secret belong together: write both, or neither")
	}
	if z.key != "" && !slices.Contains([]string{dns.HmacSHA256, dns.HmacSHA384, dns.HmacSHA512}, z.algorithm) {
		return nil, fmt.Errorf("the algorithm %s is not known: write hmac-sha256, hmac-sha384 or hmac-sha512", dotless(z.algorithm))
	}
	z.account = newAccount(z)
	z.blind = true
	return z, nil
}

// Abilities are those that every server has which speaks the protocol.
func (z *rfc2136) Abilities() Abilities {
	return Abilities{
		Atomic:  true,
		Expects: true,
		Batch:   250, // of up to a few hundred octets each: a message has 65,535
		Types:   []string{"CAA", "HTTPS", "MX", "NS", "PTR", "SRV", "SSHFP", "SVCB", "TLSA"},
	}
}

// fewQuestions are so many that a transfer is cheaper.
const fewQuestions = 100

// Read asks for each name, or transfers the zone where there are many; but the
// names one by one where it may not be transferred.
func (z *rfc2136) Read(ctx context.Context, zone string, names []string) ([]libdns.Record, error) {
	if names == nil || len(names) > fewQuestions {
		all, err := z.account.Read(ctx, zone, nil)
		if err == nil || names == nil || !errors.Is(err, ErrDenied) && !errors.Is(err, ErrNoZone) {
			return all, err
		}
	}
	zone = zoneName(zone)
	var out []libdns.Record
	for _, name := range names {
		sets, err := z.read(ctx, zone, strings.ToLower(name))
		if err != nil {
			return nil, err
		}
		for _, s := range sets {
			out = append(out, Records(zone, s.RRset)...)
		}
	}
	return out, nil
}

// read transfers the zone, or asks for one name over TCP.
func (z *rfc2136) read(ctx context.Context, zone, name string) ([]held, error) {
	if name != "" {
		return z.query(ctx, zone, name)
	}
	m := new(dns.Msg)
	m.SetAxfr(zone)
	var all []dns.RR
	err := z.talk(ctx, m, func(c *dns.Conn) error {
		t := &dns.Transfer{Conn: c, TsigSecret: z.secrets(), ReadTimeout: time.Minute}
		envelopes, err := t.In(m, "")
		if err != nil {
			return err
		}
		for e := range envelopes {
			if all = append(all, e.RR...); e.Error != nil && err == nil {
				err = e.Error
			}
		}
		return refusedTransfer(err)
	})
	if err != nil {
		return nil, err
	}
	return heldOf(all), nil
}

// refusedTransfer returns err, or what a transfer that was not answered with
// records means.
func refusedTransfer(err error) error {
	var said *dns.Error
	if err == nil || !errors.As(err, &said) {
		return err
	}
	switch {
	case strings.Contains(err.Error(), "rcode: 5"), strings.Contains(err.Error(), "bad authentication"), strings.Contains(err.Error(), "bad signature"):
		return fmt.Errorf("%w: the zone may not be transferred (%w)", ErrDenied, err)
	case strings.Contains(err.Error(), "rcode: 9"):
		return fmt.Errorf("%w, or the key is not known there (%w)", ErrNoZone, err)
	}
	return err
}

// query asks for all records of a name, by type where the server does not tell
// all at once (RFC 8482).
func (z *rfc2136) query(ctx context.Context, zone, name string) ([]held, error) {
	all, whole, err := z.ask(ctx, zone, name, dns.TypeANY)
	if err != nil || whole {
		return heldOf(all), err
	}
	all = nil
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeTXT, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeMX, dns.TypeNS, dns.TypeSRV, dns.TypeCAA} {
		some, _, err := z.ask(ctx, zone, name, qtype)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return heldOf(all), nil
}

// ask asks one question, and returns the records of name; whole reports that
// an answer to ANY is all that there is.
func (z *rfc2136) ask(ctx context.Context, zone, name string, qtype uint16) (records []dns.RR, whole bool, err error) {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.RecursionDesired = false
	reply, err := z.exchange(ctx, m)
	if err != nil {
		return nil, false, err
	}
	switch {
	case reply.Rcode == dns.RcodeNameError:
		return nil, true, nil
	case reply.Rcode == dns.RcodeRefused || reply.Rcode == dns.RcodeNotAuth || !reply.Authoritative:
		return nil, false, fmt.Errorf("%s: %w (%s)", zone, ErrNoZone, dns.RcodeToString[reply.Rcode])
	case reply.Rcode != dns.RcodeSuccess:
		return nil, false, fmt.Errorf("the question for %s is answered %s", name, dns.RcodeToString[reply.Rcode])
	}
	whole = true
	for _, rr := range reply.Answer {
		t := rr.Header().Rrtype
		if !strings.EqualFold(rr.Header().Name, name) || qtype != dns.TypeANY && t != qtype {
			continue
		}
		whole = whole && t != dns.TypeHINFO
		records = append(records, rr)
	}
	return records, whole, nil
}

// heldOf returns records as all adapters read RRsets: without SOA, and without
// what a server that signs adds.
func heldOf(records []dns.RR) []held {
	var singles []single
	for _, rr := range records {
		switch t := rr.Header().Rrtype; t {
		case dns.TypeSOA, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeDNSKEY, dns.TypeCDS, dns.TypeCDNSKEY, 65534:
		default:
			data := strings.TrimPrefix(rr.String(), rr.Header().String())
			if u, ok := rr.(*dns.RFC3597); ok {
				data = fmt.Sprintf("\\# %d %s", len(u.Rdata)/2, u.Rdata)
			}
			singles = append(singles, single{name: dns.CanonicalName(rr.Header().Name), typ: dns.Type(t).String(), ttl: rr.Header().Ttl, data: data})
		}
	}
	return collect(singles)
}

// write is one update. Each RRset that it names is a prerequisite: as it was, or
// not there.
func (z *rfc2136) write(ctx context.Context, zone string, edits []edit) error {
	m := new(dns.Msg)
	m.SetUpdate(zone)
	for _, e := range edits {
		if e.was == nil {
			m.RRsetNotUsed([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: e.name(), Rrtype: typeOf(e.kind())}}})
			continue
		}
		was, err := rrs(e.was.Name, e.was.Type, e.was.TTL, e.was.Data)
		if err != nil {
			return err
		}
		m.Used(was)
	}
	for _, e := range edits {
		if e.was != nil {
			m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: e.name(), Rrtype: typeOf(e.kind())}}})
		}
		if e.to == nil {
			continue
		}
		to, err := rrs(e.to.Name, e.to.Type, e.to.TTL, e.to.Data)
		if err != nil {
			return err
		}
		m.Insert(to)
	}
	reply, err := z.exchange(ctx, m)
	if err != nil {
		return err
	}
	return updated(zone, reply)
}

// updated says what the answer to an update means (RFC 2136 §2.2, §3).
//
//	code               means
//	YXRRSET, NXRRSET   a prerequisite does not hold: ErrStale
//	REFUSED            the key may not: ErrDenied
//	NOTAUTH, NOTZONE   not the zone's server, or it does not know the key
func updated(zone string, reply *dns.Msg) error {
	switch reply.Rcode {
	case dns.RcodeSuccess:
		return nil
	case dns.RcodeYXRrset, dns.RcodeNXRrset, dns.RcodeYXDomain, dns.RcodeNameError:
		return fmt.Errorf("%s: %w", zone, ErrStale)
	case dns.RcodeRefused:
		return fmt.Errorf("%s: %w: the update is refused", zone, ErrDenied)
	case dns.RcodeNotAuth, dns.RcodeNotZone:
		return fmt.Errorf("%s: %w (%s)", zone, ErrNoZone, dns.RcodeToString[reply.Rcode])
	}
	return fmt.Errorf("%s: the update is answered %s", zone, dns.RcodeToString[reply.Rcode])
}

// rrs returns RDATA as records.
func rrs(name, typ string, ttl uint32, data []string) ([]dns.RR, error) {
	out := make([]dns.RR, 0, len(data))
	for _, d := range data {
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", name, ttl, typ, d))
		if err != nil {
			return nil, err
		}
		out = append(out, rr)
	}
	return out, nil
}

func typeOf(mnemonic string) uint16 {
	t, _ := Type(mnemonic)
	return t
}

// exchange sends m over TCP, signed where there is a key, and returns the
// reply. A reply that says that our signature is not accepted is ErrDenied.
func (z *rfc2136) exchange(ctx context.Context, m *dns.Msg) (reply *dns.Msg, err error) {
	err = z.talk(ctx, m, func(c *dns.Conn) error {
		client := dns.Client{Net: "tcp", TsigSecret: z.secrets(), Timeout: 30 * time.Second}
		reply, _, err = client.ExchangeWithConnContext(ctx, m, c)
		if reply != nil && reply.Rcode == dns.RcodeNotAuth {
			if sig := reply.IsTsig(); sig != nil && sig.Error != dns.RcodeSuccess {
				return fmt.Errorf("%w: the TSIG key %s is answered %s", ErrDenied, z.key, dns.RcodeToString[int(sig.Error)])
			}
		}
		return err
	})
	return reply, err
}

// talk connects, signs m when it is its turn, and calls f. The connection ends
// with ctx.
func (z *rfc2136) talk(ctx context.Context, m *dns.Msg, f func(*dns.Conn) error) error {
	if err := Pace(ctx); err != nil {
		return err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", z.server)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if z.key != "" {
		m.SetTsig(z.key, z.algorithm, 300, time.Now().Unix())
	}
	c := &dns.Conn{Conn: conn, TsigSecret: z.secrets()}
	if err := f(c); err != nil {
		return errors.Join(err, ctx.Err())
	}
	return nil
}

// secrets is the key as the DNS library wants it.
func (z *rfc2136) secrets() map[string]string {
	if z.key == "" {
		return nil
	}
	return map[string]string{z.key: z.secret}
}
