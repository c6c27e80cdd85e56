package zone

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// bindings are pools with HTTPS records of every kind.
var bindings = map[string]*config.Pool{
	"plain": {Name: "plain", CNAME: "plain.cdn.test."},
	"full": {Name: "full", CNAME: "full.cdn.test.", HTTPS: config.Binding{
		On: true, ALPN: []string{"h3", "h2"}, Port: 8443, ECH: []byte{1, 2, 3}, Hints: true}},
	"alias": {Name: "alias", CNAME: "alias.cdn.test.", HTTPS: config.Binding{On: true, ALPN: []string{"h2"}, Alias: true}},
	"bare":  {Name: "bare", Addresses: addrs("192.0.2.9"), HTTPS: config.Binding{On: true}},
	"six":   {Name: "six", Addresses: addrs("2001:db8::9"), HTTPS: config.Binding{On: true, Hints: true, Alias: true}},
}

func addrs(texts ...string) (out []netip.Addr) {
	for _, t := range texts {
		out = append(out, netip.MustParseAddr(t))
	}
	return out
}

// bound answers as pools do, at the apex, at www, and at cdn, where host names
// are answered as CNAME.
func bound(t testing.TB, union bool, pools ...string) *Snapshot {
	t.Helper()
	table := &health.Table{Pools: map[string]*health.Pool{}}
	for name, p := range bindings {
		if table.Pools[name] = endpoints("192.0.2.1+ 192.0.2.2+ 2001:db8::1+"); p.CNAME == "" {
			table.Pools[name] = &health.Pool{Name: name}
		}
	}
	d := steer.Decision{TTL: 30 * time.Second, Union: union}
	for _, p := range pools {
		d.Picks = append(d.Picks, steer.Pick{Pool: p, Weight: steer.Million / len(pools)})
	}
	var services []config.Service
	for i, name := range []string{"example.test.", "www.example.test.", "cdn.example.test."} {
		s := config.Service{Name: name, Policy: []string{"x", "y", "z"}[i], TTL: 30 * time.Second, Flatten: i < 2, Pools: []config.Choice{{Pool: pools[0]}}}
		services = append(services, s)
	}
	set := NewSet([]*Zone{parse(t, "example.test.", smallZone, services...)})
	steered := make([]*Steered, len(set.Groups()))
	for i, s := range set.Groups() {
		steered[i] = PackPlaces(nil, []int32{0}, []Answers{AnswersOf(d, s, bindings, table)})
	}
	return set.Snapshot(1, steered, nil)
}

// short returns the answer, then the authority's types, then the additional
// section, each record in short.
func short(t testing.TB, s *Snapshot, name string, qtype uint16) string {
	t.Helper()
	m, _, err := s.Records(name, qtype, netip.MustParseAddr("192.0.2.200"), 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, rr := range m.Answer {
		out = append(out, strings.Join(strings.Fields(rr.String())[1:], " "))
	}
	for _, rr := range m.Ns {
		out = append(out, dns.TypeToString[rr.Header().Rrtype])
	}
	for _, rr := range m.Extra {
		out = append(out, "+"+strings.Join(strings.Fields(rr.String())[3:], " "))
	}
	return strings.Join(out, ", ")
}

// TestHTTPS: what a pool says of itself, and where (RFC 9460).
func TestHTTPS(t *testing.T) {
	const addresses = `, +A 192.0.2.1, +A 192.0.2.2, +AAAA 2001:db8::1`
	for _, c := range []struct{ pool, name, qtype, want string }{
		{"plain", "www", "HTTPS", "SOA"},
		{"full", "www", "HTTPS", `30 IN HTTPS 1 . alpn="h3,h2" port="8443" ipv4hint="192.0.2.1,192.0.2.2" ech="AQID" ipv6hint="2001:db8::1"` + addresses},
		{"full", "", "HTTPS", `30 IN HTTPS 1 . alpn="h3,h2" port="8443" ipv4hint="192.0.2.1,192.0.2.2" ech="AQID" ipv6hint="2001:db8::1"` + addresses},
		{"full", "cdn", "HTTPS", "30 IN CNAME full.cdn.test."}, // the CDN's own are behind it
		{"full", "www", "SVCB", "SOA"},
		{"full", "www", "TXT", "SOA"},
		{"full", "www", "ANY", "30 IN A 192.0.2.1, 30 IN A 192.0.2.2"},
		{"alias", "", "HTTPS", "30 IN HTTPS 0 alias.cdn.test."},
		{"alias", "www", "HTTPS", `30 IN HTTPS 1 . alpn="h2"` + addresses},
		{"alias", "", "A", "30 IN A 192.0.2.1, 30 IN A 192.0.2.2"},
		{"bare", "www", "HTTPS", "30 IN HTTPS 1 ., +A 192.0.2.9"},
		{"six", "", "HTTPS", `30 IN HTTPS 1 . ipv6hint="2001:db8::9", +AAAA 2001:db8::9`}, // no host name to be an alias of
		{"six", "www", "A", "SOA"},
	} {
		name := strings.TrimPrefix(c.name+".example.test.", ".")
		if got := short(t, bound(t, false, c.pool), name, dns.StringToType[c.qtype]); got != c.want {
			t.Errorf("%s at %s %s:\n%s\nwant\n%s", c.pool, name, c.qtype, got, c.want)
		}
	}
}

// TestHTTPSTogether: a record speaks for all addresses of its owner, so pools
// that answer together have one only where they say the same.
func TestHTTPSTogether(t *testing.T) {
	for _, c := range []struct{ pools, want string }{
		{"full bare", "SOA"},
		{"plain full", "SOA"},
		{"alias alias", `30 IN HTTPS 1 . alpn="h2", +A 192.0.2.1, +A 192.0.2.2, +AAAA 2001:db8::1`},
	} {
		if got := short(t, bound(t, true, strings.Fields(c.pools)...), "example.test.", dns.TypeHTTPS); got != c.want {
			t.Errorf("%s: %s, want %s", c.pools, got, c.want)
		}
	}
}

// TestManyHints: hints are a few of the addresses, and a record that leaves no
// room for addresses beside it stands alone.
func TestManyHints(t *testing.T) {
	v := Variant{Pool: "p", TTL: 30, HTTPS: config.Binding{On: true, Hints: true}}
	for i := range 100 {
		v.Addrs = append(v.Addrs, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	snap := NewSet([]*Zone{serviceZone(t, "www.example.test.")}).Snapshot(1, []*Steered{Pack([]Variant{v})}, nil)
	wire, _ := wireName("www.example.test.")
	msg, _ := snap.Append(queryMessage(wire, dns.TypeHTTPS), Question{Name: wire, Type: dns.TypeHTTPS}, 512)
	m := new(dns.Msg)
	if err := m.Unpack(msg); err != nil {
		t.Fatal(err)
	}
	if len(m.Answer) != 1 || len(m.Extra) != 0 || m.Truncated {
		t.Fatalf("%v", m)
	}
	hint := m.Answer[0].(*dns.HTTPS).Value[0].(*dns.SVCBIPv4Hint)
	if len(hint.Hint) != maxHints || hint.Hint[0].String() != "192.0.2.0" {
		t.Errorf("%v", hint.Hint)
	}
}
