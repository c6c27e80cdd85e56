package controller

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// BenchmarkNumber is what a flip costs in serials, over 100,000 zones with a
// service each: of all of these, and of one zone's.
func BenchmarkNumber(b *testing.B) {
	const n = 100_000
	cfg := &config.Config{Secondaries: []config.Secondary{{}}}
	zones, pools := make([]*zone.Zone, n), []string{"a", "b"}
	for i := range zones {
		name := fmt.Sprintf("z%d.test.", i)
		z, ps := zone.Parse(config.Zone{Name: name, NS: []string{"ns.test."}, Max: 10, Services: []config.Service{
			{Name: name, Policy: config.Failover, Pools: []config.Choice{{Pool: pools[min(i, 1)]}}, TTL: time.Minute, Flatten: true}}}, "ns.test.", nil)
		if len(ps) > 0 {
			b.Fatal(ps)
		}
		zones[i] = z
	}
	c := &Controller{loaded: &Loaded{Config: cfg, Set: zone.NewSet(zones)}, serials: map[string]numbered{}}
	c.deps.Now = time.Now
	c.keep.write = func(*State) error { return nil }
	for _, z := range zones {
		c.serials[z.Name()] = numbered{Serial: 1}
	}
	one, two := packed("192.0.2.1"), packed("192.0.2.2")
	for what, flip := range map[string][2][]*zone.Steered{"all": {{one, one}, {one, two}}, "one": {{one, one}, {two, one}}} {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if len(c.number(flip[i&1])) != n {
					b.Fatal("zones are missing")
				}
			}
		})
	}
}

func packed(addr string) *zone.Steered {
	return zone.Pack([]zone.Variant{{Pool: "a", Weight: 1, Addrs: []netip.Addr{netip.MustParseAddr(addr)}}})
}
