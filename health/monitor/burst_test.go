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

// Probes of an endpoint that hangs time out side by side: it falls at most
// (fall − 1) × recheck, and the wait before the first hedge, after the timeout
// of the first. One that hangs a little and then answers has not failed.
func TestHedge(t *testing.T) {
	w := newWorld(t)
	w.run(conf(addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
		pass(20 * time.Second)
		w.say("192.0.2.1", "hang")
		w.failing("192.0.2.1")
		if took := w.until(r, "a", health.Down, 10*time.Second); took > 3200*time.Millisecond {
			w.t.Errorf("decided %v after the probe that began to hang, want 3.2 s", took)
		}
	})
	w = newWorld(t)
	w.run(conf(addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
		pass(20 * time.Second)
		n := w.count("192.0.2.1")
		w.say("192.0.2.1", "ok 2.9s")
		w.failing("192.0.2.1")
		pass(3500 * time.Millisecond)
		if got := w.count("192.0.2.1") - n; got != 3 {
			w.t.Errorf("%d probes of one that became slow, want 3", got)
		}
		n = w.count("192.0.2.1")
		pass(time.Minute)
		if got := w.count("192.0.2.1") - n; got > 14 {
			w.t.Errorf("%d probes in a minute of one that is slow as ever, want about 12", got)
		}
		w.want(r, "a=up")
	})
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

// The decision needs a control round that began after the first failure. One
// that is under way at that moment is followed by another at once.
func TestDecidesWithinASecondOfFarControls(t *testing.T) {
	for offset := range 50 {
		w := newWorld(t)
		w.far = 400 * time.Millisecond
		w.run(conf(addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
			pass(20*time.Second + time.Duration(offset)*100*time.Millisecond)
			w.say("192.0.2.1", "refused")
			w.failing("192.0.2.1")
			if took := w.until(r, "a", health.Down, 10*time.Second); took > health.DecideWithin {
				w.t.Errorf("offset %d: decided after %v", offset, took)
			}
		})
	}
}

// Where the timeout is longer than the interval, probes of an endpoint that
// hangs do not pile up.
func TestTimeoutLongerThanInterval(t *testing.T) {
	cfg := conf(addressPool("a", "192.0.2.1"))
	cfg.Monitors[0].Interval = time.Second
	w := newWorld(t)
	w.run(cfg, nil, func(r *Runner) {
		pass(20 * time.Second)
		w.say("192.0.2.1", "hang")
		w.until(r, "a", health.Down, 20*time.Second)
		n := w.count("192.0.2.1")
		pass(30 * time.Second)
		if got := w.count("192.0.2.1") - n; got < 9 || got > 11 {
			w.t.Errorf("%d probes of 3 s in 30 s, want 10", got)
		}
	})
}

// One lost packet moves nothing, and is looked into at once.
func TestLostPacket(t *testing.T) {
	w := newWorld(t)
	w.run(conf(addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
		pass(20 * time.Second)
		w.say("192.0.2.1", "refused")
		w.failing("192.0.2.1")
		w.say("192.0.2.1", "ok")
		p := r.Table().Pools["a"]
		if p.ChangeIn != 200*time.Millisecond || p.Reason != "connection refused" {
			w.t.Errorf("in doubt: changes in %v, because %q", p.ChangeIn, p.Reason)
		}
		n := w.count("192.0.2.1")
		pass(110 * time.Millisecond)
		if got := w.count("192.0.2.1") - n; got != 1 {
			w.t.Errorf("%d probes in the burst, want the one that ended it", got)
		}
		pass(time.Second)
		if p := r.Table().Pools["a"]; p.State != health.Up || p.ChangeIn != 0 {
			w.t.Errorf("%s, changes in %v", p.State, p.ChangeIn)
		}
	})
}

// A burst does not pile up probes against an endpoint that hangs.
func TestBurstIsBounded(t *testing.T) {
	w := newWorld(t)
	w.run(conf(addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
		pass(20 * time.Second)
		w.say("192.0.2.1", "hang")
		n := w.count("192.0.2.1")
		w.until(r, "a", health.Down, 20*time.Second)
		if got := w.count("192.0.2.1") - n; got != 3 {
			w.t.Errorf("%d probes until it fell, want 3", got)
		}
		n = w.count("192.0.2.1")
		pass(time.Minute)
		if got := w.count("192.0.2.1") - n; got < 10 || got > 14 {
			w.t.Errorf("%d probes in a minute while down, want about 12", got)
		}
	})
}

// Half of the probes fail, so that three in a row are rare: the window finds
// it, and the pool falls within a minute.
func TestHalfFailing(t *testing.T) {
	w := newWorld(t)
	w.run(conf(addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
		pass(20 * time.Second)
		took := time.Now()
		for i := 0; r.Table().Pools["a"].State == health.Up; i++ {
			w.say("192.0.2.1", []string{"500", "ok"}[i%2])
			w.failing("192.0.2.1")
			if time.Since(took) > time.Minute {
				w.t.Fatal("does not fall")
			}
		}
	})
}

// Unknown is not down, and a packet that is lost at the very start costs less
// than a second.
func TestFirstRound(t *testing.T) {
	w := newWorld(t)
	w.say("192.0.2.1", "refused")
	w.say("192.0.2.2", "hang")
	w.run(conf(addressPool("a", "192.0.2.1"), addressPool("b", "192.0.2.2")), nil, func(r *Runner) {
		w.want(r, "a=down b=unknown")
		w.say("192.0.2.1", "ok")
		pass(900 * time.Millisecond)
		w.want(r, "a=up b=unknown")
		start := time.Now()
		<-r.Ready()
		if took := time.Since(start); took > 2700*time.Millisecond {
			w.t.Errorf("ready after %v more", took)
		}
		w.want(r, "a=up b=down")
	})
}
