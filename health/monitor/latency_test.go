package monitor

import (
	"testing"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// The latency of a pool is smoothed, the mean over its endpoints that are up,
// and not known of one that is down. A bad minute moves it, one slow probe
// hardly does.
func TestLatency(t *testing.T) {
	w := newWorld(t)
	w.say("192.0.2.1", "ok 20ms")
	w.say("192.0.2.2", "ok 40ms")
	near := func(r *Runner, what string, want, off time.Duration) {
		t.Helper()
		if got := r.Table().Pools["a"].Latency; (got - want).Abs() > off {
			t.Errorf("%s: %v, want %v ± %v", what, got, want, off)
		}
	}
	w.run(conf(addressPool("a", "192.0.2.1", "192.0.2.2")), nil, func(r *Runner) {
		pass(30 * time.Second)
		near(r, "at first", 30*time.Millisecond, time.Millisecond)
		w.say("192.0.2.1", "ok 90ms")
		w.failing("192.0.2.1")
		w.say("192.0.2.1", "ok 20ms")
		pass(2 * time.Second)
		near(r, "after one slow probe", 34*time.Millisecond, 2*time.Millisecond)
		w.say("192.0.2.1", "ok 220ms")
		w.say("192.0.2.2", "ok 240ms")
		pass(health.LatencyHalfLife)
		near(r, "a half-life later", 130*time.Millisecond, 15*time.Millisecond)
		pass(5 * health.LatencyHalfLife)
		near(r, "long after", 230*time.Millisecond, 8*time.Millisecond)
		w.say("192.0.2.1", "refused")
		pass(time.Minute)
		near(r, "with one endpoint down", 240*time.Millisecond, 8*time.Millisecond)
		w.say("192.0.2.2", "refused")
		w.until(r, "a", health.Down, 10*time.Second)
		if got := r.Table().Pools["a"].Latency; got != 0 {
			t.Errorf("a pool that is down has a latency of %v", got)
		}
	})
}
