package providers

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// BenchmarkRefresh: what a flip costs a provider before anything is asked of it,
// with 100,000 services of which one in a hundred moves, and all of them.
func BenchmarkRefresh(b *testing.B) {
	const services = 100_000
	var text strings.Builder
	text.WriteString("listen: {dns: [127.0.0.1:0]}\npools:\n  - {name: a, addresses: [192.0.2.1]}\n  - {name: b, addresses: [192.0.2.2]}\nzones:\n  - name: example.com\n    ns: [ns1.example.net]\n    services:\n")
	for i := range services {
		policy := "failover"
		if i%100 == 0 {
			policy = "weighted"
		}
		fmt.Fprintf(&text, "      - {name: n%d, pools: [a, b], policy: %s}\n", i, policy)
	}
	cfg, err := config.Parse([]byte(text.String()), "shunt.yaml", config.Overrides{Hostname: "ns1"})
	if err != nil {
		b.Fatal(err)
	}
	cfg.Providers = []config.Provider{{Name: "one", Kind: "fake", Owner: "shunt", Content: config.OnePool}}
	z, problems := zone.Parse(cfg.Zones[0], "ns1.example.net.", nil)
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	set := zone.NewSet([]*zone.Zone{z})
	pack := func(addr string) *zone.Steered {
		return zone.Pack([]zone.Variant{{Pool: "a", Addrs: []netip.Addr{netip.MustParseAddr(addr)}, TTL: 30, Weight: 1}})
	}
	generation := uint64(0)
	snapshot := func(first, second string) *zone.Snapshot {
		generation++
		return set.Snapshot(generation, []*zone.Steered{pack(first), pack(second)}, nil)
	}
	for _, c := range []struct {
		name string
		all  bool
	}{{"some", false}, {"all", true}} {
		b.Run(c.name, func(b *testing.B) {
			k, err := New(cfg, Deps{Log: slog.New(slog.DiscardHandler), Open: func(config.Provider) (kind.Provider, error) { return nil, nil }})
			if err != nil {
				b.Fatal(err)
			}
			w := k.workers[0]
			k.Publish(snapshot("192.0.2.1", "192.0.2.1"))
			w.refresh()
			if len(w.entries) != services {
				b.Fatal(len(w.entries))
			}
			for i := 0; b.Loop(); i++ {
				other := fmt.Sprintf("192.0.2.%d", 2+i%2)
				k.Publish(snapshot(other, map[bool]string{true: other, false: "192.0.2.1"}[c.all]))
				if !w.refresh() {
					b.Fatal("nothing is new")
				}
			}
		})
	}
}
