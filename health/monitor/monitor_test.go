package monitor

import (
	"testing"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// A hard failure is decided at most a second after the first failed probe,
// however it fails.
func TestDecidesWithinASecond(t *testing.T) {
	for _, c := range []struct {
		word string
		hung time.Duration // until the first probe has failed
	}{
		{"refused", 0}, {"500", 0}, {"404", 0}, {"hang", 3 * time.Second},
	} {
		t.Run(c.word, func(t *testing.T) {
			w := newWorld(t)
			w.run(conf(addressPool("a", "192.0.2.1"), addressPool("b", "192.0.2.2")), nil, func(r *Runner) {
				w.want(r, "a=up b=up")
				pass(20 * time.Second)
				w.say("192.0.2.1", c.word)
				w.failing("192.0.2.1")
				pass(c.hung)
				if took := w.until(r, "a", health.Down, 10*time.Second); took > health.DecideWithin {
					w.t.Errorf("decided after %v", took)
				}
				w.want(r, "b=up")
			})
		})
	}
}

// An endpoint that answers in half its timeout is healthy, and stays so when
// one of its probes is lost.
func TestSlowIsNotDown(t *testing.T) {
	w := newWorld(t)
	w.say("192.0.2.1", "ok 1.5s")
	w.run(conf(addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
		w.until(r, "a", health.Up, 2*time.Second)
		for range 20 {
			pass(30 * time.Second)
			w.say("192.0.2.1", "refused")
			w.failing("192.0.2.1")
			w.say("192.0.2.1", "ok 1.5s")
		}
		if w.want(r, "a=up"); w.lines("pool is down") > 0 {
			w.t.Error("a slow endpoint fell")
		}
	})
}
