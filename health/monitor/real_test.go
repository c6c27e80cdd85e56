package monitor

import (
	"context"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/cdntest"
)

// Two edges on loopback, real probes, the real clock: one edge fails in each
// way that a CDN has failed, falls, and comes back.
func TestRealEdges(t *testing.T) {
	for name, c := range map[string]struct {
		fault cdntest.Fault
		class health.Class
	}{
		"status 500":        {cdntest.Status(500), health.Edge5xx},
		"hang":              {cdntest.Hang(), health.Slow},
		"refused":           {cdntest.Refuse(), health.Refused},
		"reset":             {cdntest.Reset(), health.Refused},
		"wrong certificate": {cdntest.WrongCert(), health.TLSFailure},
		"challenge":         {cdntest.Challenge(), health.Challenge},
		"wrong body":        {cdntest.WrongBody(), health.WrongBody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rig := newRig(t)
			rig.until("cdn", health.Up, 5*time.Second)
			rig.until("other", health.Up, 5*time.Second)
			if err := rig.edge.Set(c.fault); err != nil {
				t.Fatal(err)
			}
			// An interval until it is noticed, the timeout of the probe that
			// notices, a second to decide; the rest is for a busy machine.
			p := rig.until("cdn", health.Down, 5*time.Second)
			if p.Class != c.class {
				t.Errorf("class %q (%s), want %q", p.Class, p.Reason, c.class)
			}
			if p := rig.r.Table().Pools["other"]; p.State != health.Up {
				t.Errorf("the other edge is %s: %s", p.State, p.Reason)
			}
			if err := rig.edge.Set(cdntest.Healthy()); err != nil {
				t.Fatal(err)
			}
			rig.until("cdn", health.Up, 5*time.Second)
		})
	}
}

// A rig is a Runner over two edges; edge is that of pool cdn.
type rig struct {
	t    *testing.T
	r    *Runner
	edge *cdntest.Edge
}

// newRig starts a rig, which ends with the test.
func newRig(t *testing.T) *rig {
	ca, err := cdntest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := ca.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	here, there := netip.MustParseAddr("127.0.0.21"), netip.MustParseAddr("127.0.0.22")
	port, err := cdntest.FreePort(here, there)
	if err != nil {
		t.Fatal(err)
	}
	start := func(a netip.Addr) *cdntest.Edge {
		e, err := cdntest.Start(netip.AddrPortFrom(a, port), cdntest.Options{Host: "www.example.test", CA: ca})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return e
	}
	edge, other := start(here), start(there)
	cfg := conf(addressPool("cdn", here.String()), addressPool("other", there.String()))
	cfg.Vantage.Controls = []config.Control{{Address: other.Addr()}}
	m := &cfg.Monitors[0]
	m.Interval, m.Timeout, m.Recheck = 300*time.Millisecond, time.Second, 50*time.Millisecond
	m.Rise, m.HoldDown = 2, 0
	m.HTTP = config.HTTPCheck{
		Host: "www.example.test", Port: port, Path: "/healthz", Method: http.MethodGet,
		Status: []int{200}, Body: config.Match{Text: "shunt-ok"}, RootCAs: file,
	}
	r, err := New(cfg, Deps{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return &rig{t: t, r: r, edge: edge}
}

// until waits for pool to be state, and returns it.
func (g *rig) until(pool string, state health.State, limit time.Duration) *health.Pool {
	g.t.Helper()
	late := time.After(limit)
	for {
		p := g.r.Table().Pools[pool]
		if p.State == state {
			return p
		}
		select {
		case <-g.r.Changed():
		case <-late:
			g.t.Fatalf("pool %s is %s after %v: %s %s", pool, p.State, limit, p.Class, p.Reason)
		}
	}
}
