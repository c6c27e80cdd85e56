package resolver

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
	"github.com/shunt-dns/shunt/resolver/place"
	"github.com/shunt-dns/shunt/resolver/steer"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// placesForTest serves two services to clients of 64.0.0.0/3 and 2001:db8::/33,
// who are at home, and of everywhere else:
//
//	geo    192.0.2.1 at home, 192.0.2.2 elsewhere
//	draw   192.0.2.1 or 192.0.2.2, whichever the client's network draws
func placesForTest(t testing.TB) *zone.Snapshot {
	t.Helper()
	var services []config.Service
	for _, name := range []string{"geo", "draw"} {
		services = append(services, config.Service{Name: name + ".example.test.", Policy: name, TTL: 30 * time.Second, Pools: []config.Choice{{Pool: "one"}, {Pool: "two"}}})
	}
	z, problems := zone.Parse(config.Zone{Name: "example.test.", NS: []string{"ns1.example.test."}, Services: services}, "ns1.example.test.", nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	atlas, err := place.Open(config.Places{Networks: []config.Located{
		{Network: netip.MustParsePrefix("64.0.0.0/3"), Country: "DE"}, {Network: netip.MustParsePrefix("2001:db8::/33"), Country: "DE"}}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := atlas.Compile(func(p steer.Place) string { return p.Country }, nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := func(name string, last byte) zone.Variant {
		return zone.Variant{Pool: name, Weight: 1, TTL: 30, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, last})}}
	}
	one, two := pool("one", 1), pool("two", 2)
	return zone.NewSet([]*zone.Zone{z}).Snapshot(1, []*zone.Steered{
		zone.PackPlaces(m, []int32{0, 1}, []zone.Answers{{Variants: []zone.Variant{two}}, {Variants: []zone.Variant{one}}}),
		zone.PackPlaces(m, []int32{0, 0}, []zone.Answers{{Variants: []zone.Variant{one, two}, Draw: steer.Stay}})}, nil)
}

// TestSubnet: whose address an answer is for, and what is said of it. A reply
// is the last octet of the answer's address, "?" where it is drawn, and the
// Client Subnet option, as family/source/scope.
func TestSubnet(t *testing.T) {
	a := NewAnswerer(settingsForTest(), 1, quiet())
	a.Swap(placesForTest(t))
	w := a.Worker()
	for _, c := range []struct{ what, from, ask, want string }{
		{"no option: the resolver is the client", "64.1.2.3", "geo", "1"},
		{"no option, elsewhere", "192.0.2.53", "geo", "2"},
		{"no option, IPv6", "2001:db8::53", "geo", "1"},
		{"no option, IPv4 from an IPv6 socket", "::ffff:64.1.2.3", "geo", "1"},
		{"the client's network", "192.0.2.53", "geo +subnet=64.1.2.0/24", "1 1/24/3"},
		{"a network elsewhere", "64.1.2.3", "geo +subnet=203.0.113.0/24", "2 1/24/1"},
		{"IPv6", "192.0.2.53", "geo +subnet=2001:db8::/48", "1 2/48/33"},
		{"IPv6 elsewhere", "192.0.2.53", "geo +subnet=2a00::/48", "2 2/48/5"},
		{"no bit of the client: the resolver (RFC 7871 §7.1.2)", "64.1.2.3", "geo +subnet=0.0.0.0/0", "1 1/0/0"},
		{"no bit of the client, IPv6", "64.1.2.3", "geo +subnet=::/0", "1 2/0/0"},
		{"no bit of the client, elsewhere", "192.0.2.53", "geo +subnet=0.0.0.0/0", "2 1/0/0"},
		{"fewer bits than it depends on", "192.0.2.53", "geo +subnet=64.0.0.0/2", "1 1/2/3"},
		{"fewer bits than it depends on, IPv6", "192.0.2.53", "geo +subnet=2001:db8::/32", "1 2/32/33"},
		{"IPv4 within IPv6", "192.0.2.53", "geo +subnet=::ffff:64.1.2.0/120", "1 2/120/99"},
		{"a private network", "192.0.2.53", "geo +subnet=10.0.0.0/8", "2 1/8/2"},
		{"a name that is not there", "192.0.2.53", "none +subnet=64.1.2.0/24", "- 1/24/0"},
		{"not steered", "192.0.2.53", "example.test. NS +subnet=64.1.2.0/24", "- 1/24/0"},
		{"drawn", "192.0.2.53", "draw +subnet=64.1.2.0/24", "? 1/24/24"},
		{"drawn for a whole network", "192.0.2.53", "draw +subnet=64.1.2.3/32", "? 1/32/24"},
		{"drawn, IPv6", "192.0.2.53", "draw +subnet=2001:db8::/56", "? 2/56/56"},
		{"drawn for less than a network", "192.0.2.53", "draw +subnet=64.1.0.0/16", "? 1/16/24"},
	} {
		line := strings.Replace(c.ask, " ", ".example.test. A ", 1)
		if !strings.Contains(c.ask, " ") {
			line = c.ask + ".example.test. A +edns"
		}
		if strings.Contains(c.ask, "NS") {
			line = c.ask
		}
		reply := w.Answer(make([]byte, 0, 512), dnstest.Ask(t, line), netip.AddrPortFrom(netip.MustParseAddr(c.from), 53), moment, UDP)
		if got := subnetLine(t, reply, strings.HasPrefix(c.ask, "draw")); got != c.want {
			t.Errorf("%s: %s from %s: %s, want %s", c.what, c.ask, c.from, got, c.want)
		}
	}
}

// subnetLine returns a reply in the words of TestSubnet.
func subnetLine(t *testing.T, reply []byte, drawn bool) string {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		t.Fatal(err)
	}
	words := []string{"-"}
	if len(m.Answer) > 0 && drawn {
		words[0] = "?"
	} else if len(m.Answer) > 0 {
		if a, ok := m.Answer[0].(*dns.A); ok {
			words[0] = fmt.Sprint(a.A[len(a.A)-1])
		}
	}
	if o := m.IsEdns0(); o != nil {
		for _, option := range o.Option {
			if s, ok := option.(*dns.EDNS0_SUBNET); ok {
				words = append(words, fmt.Sprintf("%d/%d/%d", s.Family, s.SourceNetmask, s.SourceScope))
			}
		}
	}
	return strings.Join(words, " ")
}

// TestOneDrawForAll: clients of one network draw alike however they say where
// they are, and whichever node they ask.
func TestOneDrawForAll(t *testing.T) {
	var replies [2][]string
	for node := range replies {
		a := NewAnswerer(settingsForTest(), 1, quiet())
		a.Swap(placesForTest(t))
		w := a.Worker()
		for i := range 200 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(i), 7, 9}), 4000)
			direct := w.Answer(make([]byte, 0, 512), dnstest.Ask(t, "draw.example.test. A"), from, moment, UDP)
			named := w.Answer(make([]byte, 0, 512), dnstest.Ask(t, fmt.Sprintf("draw.example.test. A +subnet=100.%d.7.0/24", i)), client, moment, TCP)
			mapped := w.Answer(make([]byte, 0, 512), dnstest.Ask(t, fmt.Sprintf("draw.example.test. A +subnet=::ffff:100.%d.7.0/120", i)), client, moment, UDP)
			for _, reply := range [][]byte{direct, named, mapped} {
				replies[node] = append(replies[node], strings.Fields(subnetLine(t, reply, false))[0])
			}
			if at := replies[node][3*i:]; at[0] != at[1] || at[0] != at[2] {
				t.Fatalf("network %d draws %v", i, at)
			}
		}
	}
	if fmt.Sprint(replies[0]) != fmt.Sprint(replies[1]) {
		t.Error("two nodes draw differently")
	}
}
