package monitor

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// hinting runs a Runner over pools a and b, probed each 30 s, while f looks at
// it and gives hints of addresses.
func hinting(t *testing.T, f func(w *world, r *Runner, hint func(addr string))) {
	w := newWorld(t)
	cfg := conf(addressPool("a", "192.0.2.1"), addressPool("b", "192.0.2.2"))
	cfg.Monitors[0].Interval = 30 * time.Second
	d := w.deps()
	var give func([]Hint)
	d.Hints = func(ctx context.Context, tell func([]Hint)) { give = tell; <-ctx.Done() }
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		r, err := New(cfg, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		pass(10 * time.Minute)
		w.want(r, "a=up b=up")
		f(w, r, func(addr string) {
			give([]Hint{{Monitor: "web", Addr: netip.MustParseAddr(addr)}})
			synctest.Wait()
		})
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A hint starts the burst at once, whatever the interval.
func TestHintStartsTheBurst(t *testing.T) {
	hinting(t, func(w *world, r *Runner, hint func(string)) {
		w.say("192.0.2.1", "refused")
		hint("192.0.2.1")
		if took := w.until(r, "a", health.Down, time.Minute); took > 200*time.Millisecond {
			w.t.Errorf("decided after %v", took)
		}
		w.want(r, "b=up")
	})
}

// A hint is no result: an endpoint that is well stays up, and is probed for
// hints at most once an interval.
func TestHintIsNoVote(t *testing.T) {
	hinting(t, func(w *world, r *Runner, hint func(string)) {
		n := w.count("192.0.2.1")
		for range 6000 {
			hint("192.0.2.1")
			hint("192.0.2.99")
			pass(100 * time.Millisecond)
		}
		if got := w.count("192.0.2.1") - n; got < 20 || got > 42 {
			w.t.Errorf("%d probes in ten minutes, want 20 and at most as many for hints", got)
		}
		if w.want(r, "a=up b=up"); w.lines("down") > 0 {
			w.t.Error("a hint moved a verdict")
		}
		w.say("192.0.2.1", "refused")
		w.until(r, "a", health.Down, 2*time.Minute)
		n = w.count("192.0.2.1")
		for range 600 {
			hint("192.0.2.1")
			pass(100 * time.Millisecond)
		}
		if got := w.count("192.0.2.1") - n; got > 3 {
			w.t.Errorf("%d probes in a minute of one that is down, want 2", got)
		}
	})
}

// Whether a connection is watched does not change what a result means: the
// verdict survives a reload that changes it.
func TestWatchIsNoOtherQuestion(t *testing.T) {
	a, b := web(), web()
	b.Watch, b.HTTP.Resume = true, time.Minute
	if !sameMonitor(a, b) {
		t.Error("another question")
	}
	if b.HTTP = (config.HTTPCheck{Path: "/other"}); sameMonitor(a, b) {
		t.Error("the same question")
	}
}
