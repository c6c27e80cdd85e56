package monitor

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A pool that is mended stays down for its hold-down; the table says until
// when, and how far it has risen.
func TestHoldDownIsTold(t *testing.T) {
	w := newWorld(t)
	w.run(conf(addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
		pass(20 * time.Second)
		if p := r.Table().Pools["a"]; !p.HoldUntil.IsZero() || p.Rising != 0 {
			w.t.Errorf("up, and held until %v with %d successes", p.HoldUntil, p.Rising)
		}
		w.say("192.0.2.1", "500")
		w.until(r, "a", health.Down, 7*time.Second)
		fell := r.Table().Pools["a"]
		if !fell.HoldUntil.Equal(fell.Since.Add(5*time.Minute)) || fell.Rising != 0 {
			w.t.Errorf("held until %v with %d successes, fell at %v", fell.HoldUntil, fell.Rising, fell.Since)
		}
		w.say("192.0.2.1", "ok")
		pass(time.Minute)
		p := r.Table().Pools["a"]
		e := p.Endpoints[0]
		if !p.HoldUntil.Equal(fell.HoldUntil) || p.Rising < 11 || p.Rising > 13 {
			w.t.Errorf("held until %v with %d successes, want %v and about 12", p.HoldUntil, p.Rising, fell.HoldUntil)
		}
		if e.State != health.Down || !e.HoldUntil.Equal(p.HoldUntil) || e.Rising != p.Rising {
			w.t.Errorf("the endpoint is %s, held until %v with %d successes", e.State, e.HoldUntil, e.Rising)
		}
		pass(5 * time.Minute)
		w.want(r, "a=up")
		if p := r.Table().Pools["a"]; !p.HoldUntil.IsZero() || p.Rising != 0 || !p.Endpoints[0].HoldUntil.IsZero() {
			w.t.Errorf("up again, and held until %v with %d successes", p.HoldUntil, p.Rising)
		}
	})
}

// A pool falls by the endpoint that failed now, not by one that is held down
// since an older failure; and its rise is not explained by a failure.
func TestLogBlamesWhatHappened(t *testing.T) {
	w := newWorld(t)
	w.run(conf(addressPool("a", "192.0.2.1", "192.0.2.2")), nil, func(r *Runner) {
		pass(20 * time.Second)
		w.say("192.0.2.1", "refused")
		pass(10 * time.Second)
		w.say("192.0.2.1", "ok")
		pass(time.Minute)
		w.want(r, "a=up")
		w.say("192.0.2.2", "500")
		w.until(r, "a", health.Down, 7*time.Second)
		if p := r.Table().Pools["a"]; p.Class != health.Edge5xx || p.Reason != "0 of 2 endpoints up: 192.0.2.2: status 500" {
			w.t.Errorf("down for %q: %s", p.Class, p.Reason)
		}
		if w.lines(`msg="pool is down"`, `why="edge-5xx: 0 of 2 endpoints up: 192.0.2.2: status 500"`) != 1 {
			w.t.Errorf("logged:\n%s", w.log.String())
		}
		w.until(r, "a", health.Up, 5*time.Minute)
		if w.lines(`msg="pool is up"`, "was=down", `up="1 of 2 endpoints"`) != 1 || w.lines("is up", "why=") != 0 {
			w.t.Errorf("logged:\n%s", w.log.String())
		}
	})
}

// The reason for blindness is put into sentences that say blind themselves.
func TestBlindReason(t *testing.T) {
	addrs := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.99:53"), netip.MustParseAddrPort("192.0.2.98:53")}
	for n, want := range []string{1: "the control target does not answer: cut", 2: "none of 2 control targets answers: cut"} {
		c := controls{addrs: addrs[:n]}
		c.end(round{began: time.Now(), err: errors.New("cut")}, time.Now())
		if c.blind != want {
			t.Errorf("%d targets: %q, want %q", n, c.blind, want)
		}
	}
}

// A certificate that has ended already is not said to end soon.
func TestCertEnded(t *testing.T) {
	for _, c := range []struct {
		left time.Duration
		says string
	}{
		{time.Second, "certificate ends soon"},
		{0, "certificate has ended"},
		{-24 * time.Hour, "certificate has ended"},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := conf(addressPool("a", "192.0.2.1"))
			cfg.Monitors[0].HTTP.CertWarn = time.Hour
			w := newWorld(t)
			d := w.deps()
			end := time.Now().Add(c.left)
			d.Probe = func(config.Monitor) (Probe, error) {
				return func(context.Context, netip.Addr) health.Result {
					return health.Result{OK: true, At: time.Now(), CertEnd: end}
				}, nil
			}
			r, err := New(cfg, d, nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { _ = r.Run(ctx) })
			<-r.Ready()
			cancel()
			wg.Wait()
			if w.lines("certificate") != 1 || w.lines(c.says, "end="+end.Format("2006-01-02T15:04:05")) != 1 {
				t.Errorf("%v left, logged:\n%s", c.left, w.log.String())
			}
		})
	}
}
