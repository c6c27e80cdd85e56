package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// Three thousand endpoints begin to hang at one moment. Those that answer are
// probed on their schedule from the first second on, one that fails then is
// decided as soon as ever, and those that hang fall in time.
func TestThousandsHangAtOnce(t *testing.T) {
	cfg := conf(addressPool("well", "192.0.2.1"), addressPool("fails", "192.0.2.2"))
	for i := range 300 {
		p := addressPool(fmt.Sprintf("p%d", i))
		for j := range 10 {
			p.Addresses = append(p.Addresses, netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}))
		}
		cfg.Pools = append(cfg.Pools, p)
	}
	cfg.Monitors[0].Interval = time.Second
	var hanging, failing atomic.Bool
	var well, under, most atomic.Int64
	d := newWorld(t).deps()
	d.Logger, d.Workers = slog.New(slog.DiscardHandler), 8_000
	d.Probe = func(config.Monitor) (Probe, error) {
		return func(ctx context.Context, a netip.Addr) health.Result {
			most.Store(max(most.Load(), under.Add(1)))
			defer under.Add(-1)
			r := health.Result{OK: true, Phases: health.Phases{Total: time.Millisecond}}
			switch {
			case a.As4()[0] == 10 && hanging.Load():
				<-ctx.Done()
				r = health.Result{Class: health.Slow}
			case a.As4()[3] == 2 && a.As4()[0] != 10 && failing.Load():
				r = health.Result{Class: health.Refused}
			case a.As4()[3] == 1 && a.As4()[0] != 10:
				well.Add(1)
			}
			return r
		}, nil
	}
	synctest.Test(t, func(t *testing.T) {
		r, err := New(cfg, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		defer wg.Wait()
		defer cancel()
		pass(10 * time.Second)
		if n := most.Load(); n > brisk {
			t.Errorf("%d probes at once though all answer", n)
		}
		hanging.Store(true)
		n, began := well.Load(), time.Now()
		for second := range 6 {
			pass(time.Second)
			if got := well.Load() - n; got < int64(second) || got > int64(second+3) {
				t.Errorf("%d probes in %d s of one that answers", got, second+1)
			}
			if second == 1 {
				failing.Store(true)
			}
			if second == 3 && r.Table().Pools["fails"].State != health.Down {
				t.Error("a failure is not decided while others hang")
			}
		}
		pass(2 * time.Second)
		for _, p := range r.Table().Pools {
			if want := map[bool]health.State{true: health.Up, false: health.Down}[p.Name == "well"]; p.State != want {
				t.Fatalf("pool %s is %s after %v", p.Name, p.State, time.Since(began))
			}
		}
		if n := most.Load(); n > 8_000 {
			t.Errorf("%d probes at once", n)
		}
	})
}
