package zone

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// TestFarNames: compression pointers reach 16,383 octets (RFC 1035 §4.1.4);
// the owners of glue beyond that are written out.
func TestFarNames(t *testing.T) {
	var b strings.Builder
	b.WriteString("$TTL 60\n@ SOA ns hm 1 2 3 4 60\n@ NS ns\n")
	const servers = 700
	for i := range servers {
		fmt.Fprintf(&b, "sub NS ns%d.servers.sub\nns%d.servers.sub A 10.0.%d.%d\n", i, i, i/256, i%256)
	}
	snap := NewSet([]*Zone{parse(t, "example.test.", b.String())}).Snapshot(1, nil, nil)
	m, _, err := snap.Records("www.sub.example.test.", dns.TypeA, netip.Addr{}, 0)
	if err != nil || m.Truncated || len(m.Ns) != servers || len(m.Extra) != servers {
		t.Fatalf("%v, %d servers, %d addresses", err, len(m.Ns), len(m.Extra))
	}
	for i, rr := range m.Extra {
		want := fmt.Sprintf("ns%d.servers.sub.example.test. 60 IN A 10.0.%d.%d", i, i/256, i%256)
		if got := strings.Join(strings.Fields(rr.String()), " "); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}

// TestManyZones: thousands of origins, nested and not, are told apart.
func TestManyZones(t *testing.T) {
	start := time.Now()
	var zones []*Zone
	for i := range 3000 {
		name := fmt.Sprintf("z%d.test.", i)
		if i%3 == 1 {
			name = fmt.Sprintf("kid.z%d.test.", i-1)
		}
		text := fmt.Sprintf("$TTL 60\n@ SOA ns hm %d 2 3 4 60\n@ NS ns\nwww A 192.0.2.1\n", i)
		z, ps := Parse(config.Zone{Name: name, File: "/z"}, "", fstest.MapFS{"z": {Data: []byte(text)}})
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		zones = append(zones, z)
	}
	snap := NewSet(zones).Snapshot(1, nil, nil)
	for i, z := range zones {
		for _, ask := range []string{"www." + z.Name(), z.Name(), "no.where." + z.Name()} {
			if _, info, err := snap.Records(ask, dns.TypeA, netip.Addr{}, 0); err != nil || info.Zone != int32(i) || z.Serial() != uint32(i) {
				t.Fatalf("%s: zone %d, want %d: %v", ask, info.Zone, i, err)
			}
		}
	}
	for _, ask := range []string{"test.", "z3000.test.", ".", "xz1.test."} {
		if _, info, _ := snap.Records(ask, dns.TypeA, netip.Addr{}, 0); !info.Refused || info.Zone != -1 {
			t.Errorf("%s: %+v", ask, info)
		}
	}
	t.Logf("%d zones in %v", len(zones), time.Since(start))
}
