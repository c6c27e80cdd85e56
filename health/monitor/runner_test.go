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

// Our own failures never count, not even a bug in a probe.
func TestInternal(t *testing.T) {
	for _, word := range []string{"internal", "panic"} {
		w := newWorld(t)
		w.run(conf(addressPool("a", "192.0.2.1"), addressPool("b", "192.0.2.2")), nil, func(r *Runner) {
			pass(20 * time.Second)
			w.say("192.0.2.1", word)
			pass(10 * time.Minute)
			w.want(r, "a=up b=up")
		})
	}
}

// A node without IPv6 can learn nothing of a pool's IPv6 addresses. They do
// not hold the pool up when those that it can probe are down, and a route that
// is lost later brings no pool down.
func TestNoRoute(t *testing.T) {
	for _, began := range []string{"no route", "ok"} {
		w := newWorld(t)
		w.resolve("a.example.", "192.0.2.1", "2001:db8::1")
		w.say("2001:db8::1", began)
		w.run(conf(namedPool("a", "a.example."), addressPool("b", "2001:db8::2")), nil, func(r *Runner) {
			pass(20 * time.Second)
			w.want(r, "a=up b=up")
			w.say("2001:db8::1", "no route")
			w.say("2001:db8::2", "no route")
			pass(time.Minute)
			w.want(r, "a=up b=up")
			w.say("192.0.2.1", "refused")
			w.until(r, "a", health.Down, 7*time.Second)
			w.say("192.0.2.1", "ok")
			pass(6 * time.Minute)
			w.want(r, "a=up b=up")
		})
	}
}

// A monitor that this host may not run, as a ping without the right to send
// one, leaves the word to the others, and a line in the log.
func TestUnableMonitor(t *testing.T) {
	cfg := conf(addressPool("a", "192.0.2.1"))
	ping := web()
	ping.Name = "ping"
	cfg.Monitors = append(cfg.Monitors, ping)
	cfg.Pools[0].Monitors = []string{"web", "ping"}
	w := newWorld(t)
	w.say("ping 192.0.2.1", "internal")
	w.run(cfg, nil, func(r *Runner) {
		pass(20 * time.Second)
		w.want(r, "a=up")
		w.say("192.0.2.1", "refused")
		w.until(r, "a", health.Down, 7*time.Second)
		w.say("192.0.2.1", "ok")
		pass(6 * time.Minute)
		w.want(r, "a=up")
		if n := w.lines("monitor=ping", "too many open files"); n != 1 {
			w.t.Errorf("%d lines:\n%s", n, w.log.String())
		}
	})
}

// Every monitor must agree.
func TestTwoMonitors(t *testing.T) {
	cfg := conf(addressPool("a", "192.0.2.1", "192.0.2.2"))
	deep := web()
	deep.Name = "deep"
	cfg.Monitors = append(cfg.Monitors, deep)
	cfg.Pools[0].Monitors = []string{"web", "deep"}
	w := newWorld(t)
	w.run(cfg, nil, func(r *Runner) {
		pass(20 * time.Second)
		w.say("deep 192.0.2.1", "500")
		pass(10 * time.Second)
		w.want(r, "a=up")
		if e := r.Table().Pools["a"].Endpoints[0]; e.State != health.Down || e.Reason != "status 500" {
			w.t.Errorf("%+v", e)
		}
		w.say("deep 192.0.2.2", "500")
		pass(10 * time.Second)
		w.want(r, "a=down")
	})
}

// The signal comes for what matters to answers, and not for each probe.
func TestChanged(t *testing.T) {
	w := newWorld(t)
	w.run(conf(addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
		<-r.Ready()
		pass(time.Second)
		drain(r)
		was := r.Table()
		pass(10 * time.Minute)
		if len(r.Changed()) != 0 {
			w.t.Error("a signal though nothing changed")
		}
		if now := r.Table(); now == was || now.Pools["a"].Since != was.Pools["a"].Since {
			w.t.Error("the table is not brought up to date")
		}
		w.say("192.0.2.1", "500")
		n := 0
		for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); pass(100 * time.Millisecond) {
			n += len(r.Changed())
			drain(r)
		}
		if n < 3 || n > 20 {
			w.t.Errorf("%d signals in five minutes of an outage", n)
		}
	})
}

func TestProbeNow(t *testing.T) {
	w := newWorld(t)
	w.resolve("n.example.", "192.0.2.5", "192.0.2.6")
	w.run(conf(namedPool("n", "n.example."), addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
		pass(20 * time.Second)
		w.say("192.0.2.6", "500")
		reports, err := r.ProbeNow(w.t.Context(), "n")
		if err != nil || len(reports) != 3 {
			w.t.Fatalf("%d reports, %v", len(reports), err)
		}
		if l := reports[0]; l.Target.Addr.IsValid() || !l.Result.OK || len(l.Addrs) != 2 || l.TTL != 30*time.Second {
			w.t.Errorf("look-up: %+v", l)
		}
		if e := reports[1]; !e.Result.OK || e.Result.Phases.Total == 0 || e.Target != (health.Target{Pool: "n", Monitor: "web", Addr: netip.MustParseAddr("192.0.2.5")}) {
			w.t.Errorf("first: %+v", e)
		}
		if e := reports[2]; e.Result.OK || e.Result.Status != 500 {
			w.t.Errorf("second: %+v", e)
		}
		if e := r.Table().Pools["n"].Endpoints[1]; e.State != health.Up || e.Reason != "" {
			w.t.Errorf("a verdict moved: %+v", e)
		}
		w.resolve("n.example.")
		if reports, err = r.ProbeNow(w.t.Context(), "n"); err != nil || len(reports) != 3 || reports[0].Result.Class != health.ProviderDNS {
			w.t.Errorf("without the name: %+v, %v", reports, err)
		}
		if reports, err = r.ProbeNow(w.t.Context(), "a"); err != nil || len(reports) != 1 {
			w.t.Errorf("addresses: %+v, %v", reports, err)
		}
		if _, err = r.ProbeNow(w.t.Context(), "zzz"); err == nil {
			w.t.Error("a pool that does not exist was probed")
		}
	})
}

// A certificate that ends soon is an alarm, not a failure.
func TestCertWarn(t *testing.T) {
	cfg := conf(addressPool("a", "192.0.2.1"))
	cfg.Monitors[0].HTTP.CertWarn = 14 * 24 * time.Hour
	w := newWorld(t)
	d := w.deps()
	d.Probe = func(config.Monitor) (Probe, error) {
		return func(context.Context, netip.Addr) health.Result {
			return health.Result{OK: true, CertEnd: time.Date(2000, 1, 14, 23, 0, 0, 0, time.UTC).Add(24 * time.Hour)}
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
		<-r.Ready()
		if r.Table().Pools["a"].Endpoints[0].CertWarn {
			t.Error("warned more than 14 days before the end")
		}
		pass(24 * time.Hour)
		if e := r.Table().Pools["a"].Endpoints[0]; !e.CertWarn || e.State != health.Up || e.CertEnd.IsZero() {
			t.Errorf("%+v", e)
		}
		if w.lines("certificate") != 1 {
			t.Errorf("logged:\n%s", w.log.String())
		}
		cancel()
		wg.Wait()
	})
}

// More endpoints hang than may be probed at once: the others wait their turn
// and nothing is lost.
func TestWorkersAreBounded(t *testing.T) {
	var pools []config.Pool
	for i := range 40 {
		pools = append(pools, addressPool(fmt.Sprintf("p%d", i), fmt.Sprintf("192.0.2.%d", i)))
	}
	w := newWorld(t)
	w.say("192.0.2.0", "hang")
	w.say("192.0.2.1", "hang")
	w.say("192.0.2.2", "hang")
	d := w.deps()
	d.Workers = 4
	synctest.Test(t, func(t *testing.T) {
		r, err := New(conf(pools...), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		pass(time.Minute)
		for name, p := range r.Table().Pools {
			want := health.Up
			if name == "p0" || name == "p1" || name == "p2" {
				want = health.Down
			}
			if p.State != want {
				t.Errorf("pool %s is %s", name, p.State)
			}
		}
		cancel()
		wg.Wait()
	})
}

// Ten times as many endpoints hang as may be probed at once. One that is up is
// probed on its schedule all the same, and its failure is decided in time.
func TestHangingEndpointsStarveNobody(t *testing.T) {
	pools := []config.Pool{addressPool("up", "192.0.2.1")}
	w := newWorld(t)
	for i := range 200 {
		addr := fmt.Sprintf("198.51.100.%d", i)
		pools = append(pools, addressPool(fmt.Sprintf("p%d", i), addr))
		w.say(addr, "hang")
	}
	d := w.deps()
	d.Workers = 20
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		r, err := New(conf(pools...), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		pass(5 * time.Minute)
		n := w.count("192.0.2.1")
		pass(time.Minute)
		if got := w.count("192.0.2.1") - n; got < 11 || got > 13 {
			t.Errorf("%d probes in a minute, want 12", got)
		}
		w.say("192.0.2.1", "500")
		w.failing("192.0.2.1")
		if took := w.until(r, "up", health.Down, 10*time.Second); took > health.DecideWithin {
			t.Errorf("decided after %v", took)
		}
		cancel()
		wg.Wait()
	})
	w.t = t
}

// Ten thousand endpoints: the first round is short, the next ones are spread,
// and an hour of it is cheap.
func TestTenThousandEndpoints(t *testing.T) {
	var pools []config.Pool
	for i := range 1000 {
		p := addressPool(fmt.Sprintf("p%d", i))
		for j := range 10 {
			p.Addresses = append(p.Addresses, netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}))
		}
		pools = append(pools, p)
	}
	var probes atomic.Int64
	d := newWorld(t).deps()
	d.Logger = slog.New(slog.DiscardHandler)
	d.Probe = func(config.Monitor) (Probe, error) {
		return func(context.Context, netip.Addr) health.Result {
			probes.Add(1)
			return health.Result{OK: true}
		}, nil
	}
	cfg := conf(pools...)
	synctest.Test(t, func(t *testing.T) {
		r, err := New(cfg, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		<-r.Ready()
		pass(20 * time.Second)
		least, most := int64(1<<62), int64(0)
		for range 10 {
			n := probes.Load()
			pass(time.Second)
			least, most = min(least, probes.Load()-n), max(most, probes.Load()-n)
		}
		if least < 1600 || most > 2400 {
			t.Errorf("between %d and %d probes a second, want about 2000", least, most)
		}
		cancel()
		wg.Wait()
	})
}
