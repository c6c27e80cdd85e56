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
	"github.com/shunt-dns/shunt/providers/plan"
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

// Read asks for each name, or transfers the zone where there are many; but the
// names one by one where it may not be transferred.
func (z *rfc2136) Read(ctx context.Context, zone string, names []string) ([]libdns.Record, error) {
	zone = zoneName(zone)
	sets, err := z.several(ctx, zone, names)
	if err != nil {
		return nil, err
	}
	var out []libdns.Record
	for _, s := range sets {
		out = append(out, Records(zone, s.RRset)...)
	}
	return out, nil
}

// several returns what stands at names, and perhaps elsewhere; all of the zone
// for nil.
func (z *rfc2136) several(ctx context.Context, zone string, names []string) (all found, err error) {
	if names == nil || len(names) > fewNames {
		all, err = z.read(ctx, zone, "")
		if err == nil || names == nil || !errors.Is(err, ErrDenied) {
			return all, err
		}
		all = nil
	}
	for _, name := range names {
		sets, err := z.read(ctx, zone, strings.ToLower(name))
		if err != nil {
			return nil, err
		}
		all = append(all, sets...)
	}
	return all, nil
}

// Apply makes changes by one update, if every Before is what is there. A look
// compares what prerequisites do not, which is TTLs, and finds what servers
// leave out in silence (RFC 2136 §3.4.2.2): a CNAME beside other records.
func (z *rfc2136) Apply(ctx context.Context, zone string, changes []plan.Change) error {
	zone = zoneName(zone)
	edits, err := z.edits(changes)
	if err != nil || len(edits) == 0 {
		return err
	}
	end, err := z.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	var names []string
	for _, e := range edits {
		if !slices.Contains(names, e.name()) {
			names = append(names, e.name())
		}
	}
	now, err := z.several(ctx, zone, names)
	if err != nil {
		return err
	}
	for i, e := range edits {
		is := now.find(e.name(), e.kind())
		if (is == nil) != (e.was == nil) || is != nil && !same(is.RRset, e.was.RRset) {
			return fmt.Errorf("%s: %w", e, ErrStale)
		}
		edits[i].was = is
	}
	if why := crowded(now, edits); why != "" {
		return errors.New(why)
	}
	return z.commit(ctx, zone, edits)
}

// crowded says at which name a CNAME would stand beside other records once
// edits are made to now; "" for none.
func crowded(now found, edits []edit) string {
	after := map[string][]string{} // types by name
	for _, s := range now {
		if !slices.ContainsFunc(edits, func(e edit) bool { return e.name() == s.Name && e.kind() == s.Type }) {
			after[s.Name] = append(after[s.Name], s.Type)
		}
	}
	for _, e := range edits {
		if e.to != nil {
			after[e.name()] = append(after[e.name()], e.kind())
		}
	}
	for _, e := range edits {
		if types := after[e.name()]; len(types) > 1 && slices.Contains(types, "CNAME") {
			return fmt.Sprintf("%s would have a CNAME beside %s (RFC 1034 §3.6.2)", e.name(), strings.Join(slices.DeleteFunc(types, func(t string) bool { return t == "CNAME" }), " and "))
		}
	}
	return ""
}

// read transfers the zone, or asks for one name.
func (z *rfc2136) read(ctx context.Context, zone, name string) ([]held, error) {
	if name != "" {
		return z.query(ctx, zone, name)
	}
	m := new(dns.Msg)
	m.SetAxfr(zone)
	var all []dns.RR
	err := z.talk(ctx, func(c net.Conn) error {
		if err := z.sign(ctx, m); err != nil {
			return err
		}
		t := &dns.Transfer{Conn: &dns.Conn{Conn: c, TsigSecret: z.secrets()}, TsigSecret: z.secrets(), ReadTimeout: time.Minute}
		envelopes, err := t.In(m, "")
		if err != nil {
			return err
		}
		for e := range envelopes {
			if all = append(all, e.RR...); e.Error != nil && err == nil {
				err = e.Error
			}
		}
		return err
	})
	if err != nil {
		return nil, z.meaning(ctx, zone, err)
	}
	return heldOf(all), nil
}

// meaning returns what an error of the DNS library means. It does not tell a
// zone that the server does not have from a key that it does not know, so the
// server is asked who it is for the zone.
func (z *rfc2136) meaning(ctx context.Context, zone string, err error) error {
	var said *dns.Error
	if !errors.As(err, &said) || ctx.Err() != nil {
		return err
	}
	m := new(dns.Msg)
	m.SetQuestion(zone, dns.TypeSOA)
	m.RecursionDesired = false
	c := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	reply, _, failed := c.ExchangeContext(ctx, m, z.server)
	switch {
	case failed != nil:
		return err
	case !reply.Authoritative:
		return fmt.Errorf("%s: %w (%w)", zone, ErrNoZone, err)
	}
	return fmt.Errorf("%s: %w (%w)", zone, ErrDenied, err)
}

// questions are the types that a name is asked for. What a server tells of ANY
// is not all that there is (RFC 8482).
var questions = [...]uint16{dns.TypeCNAME, dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeMX, dns.TypeNS, dns.TypeSRV, dns.TypeCAA, dns.TypePTR, dns.TypeTLSA, dns.TypeSSHFP}

// query asks for the records of a name, type by type. What a wildcard makes of
// the name is not there.
func (z *rfc2136) query(ctx context.Context, zone, name string) ([]held, error) {
	var all []dns.RR
	err := z.talk(ctx, func(c net.Conn) (err error) {
		if all, err = z.byType(ctx, c, zone, name); err != nil || len(all) == 0 {
			return err
		}
		there, err := z.exists(ctx, c, zone, name)
		if !there {
			all = nil
		}
		return err
	})
	if err != nil {
		return nil, z.meaning(ctx, zone, err)
	}
	return heldOf(all), nil
}

// byType returns what is answered for a name.
func (z *rfc2136) byType(ctx context.Context, c net.Conn, zone, name string) (all []dns.RR, err error) {
	for _, qtype := range questions {
		reply, err := z.question(ctx, c, name, qtype)
		switch {
		case err != nil:
			return nil, err
		case reply.Rcode == dns.RcodeNameError && reply.Authoritative:
			return all, nil
		case reply.Rcode == dns.RcodeRefused || reply.Rcode == dns.RcodeNotAuth || !reply.Authoritative:
			return nil, fmt.Errorf("%s: %w (%s)", zone, ErrNoZone, dns.RcodeToString[reply.Rcode])
		case reply.Rcode != dns.RcodeSuccess:
			return nil, fmt.Errorf("the question for %s is answered %s", name, dns.RcodeToString[reply.Rcode])
		}
		for _, rr := range reply.Answer {
			if rr.Header().Rrtype == qtype && strings.EqualFold(rr.Header().Name, name) {
				all = append(all, rr)
			}
		}
		if qtype == dns.TypeCNAME && len(all) > 0 { // it stands alone
			break
		}
	}
	return all, nil
}

// question asks one question.
func (z *rfc2136) question(ctx context.Context, c net.Conn, name string, qtype uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.RecursionDesired = false
	return z.exchange(ctx, c, m)
}

// exists reports whether a name for which something is answered is in the zone
// itself. Where a wildcard may be what is answered (RFC 1034 §4.3.3), an update
// that changes nothing asks: its prerequisite is the name, and no wildcard
// (RFC 2136 §2.4.4).
func (z *rfc2136) exists(ctx context.Context, c net.Conn, zone, name string) (bool, error) {
	for parent := name; parent != zone; {
		at, end := dns.NextLabel(parent, 0)
		if end {
			break
		}
		if parent = parent[at:]; "*."+parent == name {
			continue
		}
		reply, err := z.question(ctx, c, "*."+parent, dns.TypeA)
		if err != nil {
			return false, err
		}
		if reply.Rcode == dns.RcodeNameError {
			continue
		}
		m := new(dns.Msg)
		m.SetUpdate(zone)
		m.NameUsed([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: name}}})
		if reply, err = z.exchange(ctx, c, m); err != nil || reply.Rcode == dns.RcodeNameError {
			return false, err
		}
		return true, updated(zone, reply)
	}
	return true, nil
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
	err := z.talk(ctx, func(c net.Conn) error {
		reply, err := z.exchange(ctx, c, m)
		if err != nil {
			return err
		}
		return updated(zone, reply)
	})
	return z.meaning(ctx, zone, err)
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

// exchange sends m and returns the reply. Each has a dns.Conn of its own, which
// would sign it as a further message of the one before.
func (z *rfc2136) exchange(ctx context.Context, c net.Conn, m *dns.Msg) (*dns.Msg, error) {
	if err := z.sign(ctx, m); err != nil {
		return nil, err
	}
	client := dns.Client{Net: "tcp", TsigSecret: z.secrets(), Timeout: 30 * time.Second}
	reply, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: c, TsigSecret: z.secrets()})
	return reply, err
}

// sign waits for the turn of m, and signs it where there is a key.
func (z *rfc2136) sign(ctx context.Context, m *dns.Msg) error {
	err := Pace(ctx)
	if err == nil && z.key != "" {
		m.SetTsig(z.key, z.algorithm, 300, time.Now().Unix())
	}
	return err
}

// talk connects and calls f. The connection ends with ctx.
func (z *rfc2136) talk(ctx context.Context, f func(net.Conn) error) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", z.server)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := f(conn); err != nil {
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
