package resolver

import (
	"io"
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// settingsForTest is config.DNS with its documented defaults, a fixed cookie
// secret, and no rate limit.
func settingsForTest() config.DNS {
	return config.DNS{
		NSID:    "ns1.example.test",
		UDPSize: 1232,
		Cookies: true,
		Secret:  []byte("0123456789abcdef"),
		TCP: config.TCP{
			Connections: 1000, PerClient: 50, Idle: 10 * time.Second, MessageSize: 4096,
		},
		RateLimit: config.RateLimit{Slip: 2, IPv4Prefix: 24, IPv6Prefix: 56},
	}
}

// snapshotForTest serves testdata/example.test.zone and three services:
//
//	svc    failover   the CNAME of pool alpha
//	share  weighted   addresses of beta, one to three with gamma's
//	addr   failover   addresses of beta
func snapshotForTest(t testing.TB) *zone.Snapshot {
	t.Helper()
	ttl := 30 * time.Second
	z, problems := zone.Parse(config.Zone{
		Name: "example.test.",
		File: "example.test.zone",
		Max:  1000,
		Services: []config.Service{
			{Name: "svc.example.test.", Policy: config.Failover, Pools: []config.Choice{{Pool: "alpha", Weight: 1}}, TTL: ttl},
			{Name: "share.example.test.", Policy: config.Weighted, Pools: []config.Choice{{Pool: "beta", Weight: 1}, {Pool: "gamma", Weight: 3}}, TTL: ttl},
			{Name: "addr.example.test.", Policy: config.Failover, Pools: []config.Choice{{Pool: "beta", Weight: 1}}, TTL: ttl},
		},
	}, "ns1.example.test.", os.DirFS("testdata"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set := zone.NewSet([]*zone.Zone{z})
	return set.Snapshot(1, steeredForTest(set), nil)
}

// steeredForTest packs what each group of set answers.
func steeredForTest(set *zone.Set) []*zone.Steered {
	variants := map[string]zone.Variant{
		"alpha": {Pool: "alpha", Target: "alpha.cdn.example.", TTL: 30},
		"beta":  {Pool: "beta", Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.1")}, TTL: 30},
		"gamma": {Pool: "gamma", Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.2")}, TTL: 30},
	}
	var steered []*zone.Steered
	for _, s := range set.Groups() {
		var vs []zone.Variant
		for _, c := range s.Pools {
			v := variants[c.Pool]
			v.Weight = uint32(c.Weight)
			vs = append(vs, v)
		}
		if s.Policy != config.Weighted {
			vs = vs[:1]
		}
		steered = append(steered, zone.Pack(vs))
	}
	return steered
}

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// workerForTest returns an answerer with the snapshot above, and its worker.
func workerForTest(t testing.TB, c config.DNS) (*Answerer, *Worker) {
	t.Helper()
	a := NewAnswerer(c, 1, quiet())
	a.Swap(snapshotForTest(t))
	return a, a.Worker()
}

// client and moment are where and when tests ask.
var (
	client = netip.MustParseAddrPort("192.0.2.200:5353")
	moment = time.Unix(1700000000, 0)
)

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
