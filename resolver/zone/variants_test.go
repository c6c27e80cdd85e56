package zone

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// endpoints reads "192.0.2.1+ 192.0.2.2- 2001:db8::1?".
func endpoints(text string) *health.Pool {
	p := &health.Pool{Name: "p"}
	for _, w := range strings.Fields(text) {
		state := map[byte]health.State{'+': health.Up, '-': health.Down, '?': health.Unknown}[w[len(w)-1]]
		p.Endpoints = append(p.Endpoints, health.Endpoint{Addr: netip.MustParseAddr(w[:len(w)-1]), State: state})
	}
	return p
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ what, endpoints, want string }{
		{"those that are up", "192.0.2.1+ 192.0.2.2- 192.0.2.3+", "192.0.2.1 192.0.2.3"},
		{"unknown when none is up", "192.0.2.1? 192.0.2.2-", "192.0.2.1"},
		{"up before unknown", "192.0.2.1? 192.0.2.2+", "192.0.2.2"},
		{"all when all are down", "192.0.2.1- 2001:db8::1-", "192.0.2.1 2001:db8::1"},
		{"a node without IPv6 cannot judge IPv6", "192.0.2.1+ 2001:db8::1?", "192.0.2.1 2001:db8::1"},
		{"IPv6 that is down is left out", "192.0.2.1+ 2001:db8::1-", "192.0.2.1"},
		{"IPv6 unknown, IPv4 down", "192.0.2.1- 2001:db8::1?", "2001:db8::1"},
	} {
		if got := strings.Trim(fmt.Sprint(Addresses(&config.Pool{}, endpoints(c.endpoints))), "[]"); got != c.want {
			t.Errorf("%s: %q gives %q, want %q", c.what, c.endpoints, got, c.want)
		}
	}
	if got := Addresses(&config.Pool{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}}, nil); len(got) != 1 {
		t.Errorf("before anything is known: %v", got)
	}
}

func TestVariants(t *testing.T) {
	pools := map[string]*config.Pool{
		"cdn": {Name: "cdn", CNAME: "cdn.example."},
		"org": {Name: "org", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}},
	}
	cdn := endpoints("192.0.2.1+")
	cdn.AddrTTL = 20 * time.Second
	table := &health.Table{Pools: map[string]*health.Pool{"cdn": cdn, "org": endpoints("192.0.2.9+")}}
	d := steer.Decision{TTL: 30 * time.Second, Picks: []steer.Pick{{Pool: "cdn", Weight: 95}, {Pool: "org", Weight: 5}}}
	for _, c := range []struct {
		what           string
		flatten, union bool
		want           string
	}{
		{"a host name is answered as CNAME", false, false, "cdn*95 cdn.example. [] 30, org*5  [192.0.2.9] 30"},
		{"flattened, its addresses live no longer than it says", true, false, "cdn*95  [192.0.2.1] 20, org*5  [192.0.2.9] 30"},
		{"all together, with the lowest TTL", true, true, "cdn*1  [192.0.2.1 192.0.2.9] 20"},
	} {
		d.Union = c.union
		var got []string
		for _, v := range Variants(d, config.Service{Flatten: c.flatten}, pools, table) {
			got = append(got, fmt.Sprintf("%s*%d %s %v %d", v.Pool, v.Weight, v.Target, v.Addrs, v.TTL))
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s: %q, want %q", c.what, s, c.want)
		}
	}
}

func TestBare(t *testing.T) {
	cdn := &config.Pool{Name: "cdn", CNAME: "cdn.example."}
	for _, c := range []struct {
		what    string
		p       *config.Pool
		flatten bool
		state   *health.Pool
		want    string
	}{
		{"a CNAME needs no address", cdn, false, nil, ""},
		{"flattened, before the first look-up", cdn, true, nil, "has no addresses (cdn.example. has not resolved yet)"},
		{"flattened, and it never resolved", cdn, true, &health.Pool{Reason: "SERVFAIL"}, "has no addresses (SERVFAIL)"},
		{"flattened and resolved", cdn, true, endpoints("192.0.2.1-"), ""},
		{"addresses", &config.Pool{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}}, true, nil, ""},
	} {
		if got := Bare(c.p, c.flatten, c.state); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
