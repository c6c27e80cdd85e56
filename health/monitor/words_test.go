package monitor

import (
	"testing"
	"time"

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
