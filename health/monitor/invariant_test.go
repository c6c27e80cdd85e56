package monitor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// A CDN that is good and bad for five minutes in turn, for six hours
// [incidents: cf-11-18].
func TestInvariantFallFastRiseSlow(t *testing.T) {
	w := newWorld(t)
	w.run(conf(addressPool("a", "192.0.2.1"), addressPool("b", "192.0.2.2")), nil, func(r *Runner) {
		for range 36 {
			pass(5 * time.Minute)
			w.say("192.0.2.1", "500")
			pass(5 * time.Minute)
			w.say("192.0.2.1", "ok")
		}
		if n := w.lines("pool=a", "pool is"); n != 2 {
			w.t.Errorf("%d transitions in six hours, want up at the start and down once", n)
		}
		if n := w.lines("pool=b", "pool is"); n != 1 {
			w.t.Errorf("the healthy pool has %d transitions", n)
		}
		pass(2 * time.Hour)
		w.want(r, "a=up b=up")
	})
}

// Nothing that this node sees counts while it cannot see anything, and what
// it believed before stays [incidents: facebook, cf1111].
func TestInvariantBlindFreezes(t *testing.T) {
	w := newWorld(t)
	w.resolve("a.example.", "192.0.2.1")
	w.run(conf(namedPool("a", "a.example."), addressPool("b", "192.0.2.2"), addressPool("c", "192.0.2.3")), nil, func(r *Runner) {
		pass(20 * time.Second)
		w.say("192.0.2.3", "500")
		w.until(r, "c", health.Down, 10*time.Second)
		pass(20 * time.Second)

		w.sever(true)
		w.say("192.0.2.1", "hang")
		w.say("192.0.2.2", "refused")
		w.say("192.0.2.3", "ok")
		w.resolve("a.example.")
		n := w.count("192.0.2.2")
		pass(30 * time.Minute)
		w.want(r, "a=up b=up c=down")
		if got := w.count("192.0.2.2") - n; got < 300 || got > 400 {
			w.t.Errorf("%d probes in half an hour of blindness, want about 360", got)
		}
		if r.Table().Blind == "" || r.Table().Pools["b"].Held == "" {
			w.t.Error("the table does not say that this node is blind")
		}
		if w.lines("blind") != 1 || w.lines("pool=b") != 1 {
			w.t.Errorf("logged:\n%s", w.log.String())
		}

		w.sever(false)
		w.say("192.0.2.1", "ok")
		w.resolve("a.example.", "192.0.2.1")
		pass(6 * time.Second)
		if r.Table().Blind != "" {
			w.t.Error("still blind")
		}
		w.until(r, "b", health.Down, 10*time.Second) // it does fail
		pass(time.Minute)
		w.want(r, "a=up b=down c=up")
	})
}

// When sight returns, probes that began while this node was blind are still
// out, and fail after it sees again. They do not count either.
func TestInvariantBlindLeftovers(t *testing.T) {
	for offset := range 20 {
		w := newWorld(t)
		w.run(conf(addressPool("a", "192.0.2.1"), addressPool("b", "192.0.2.2")), nil, func(r *Runner) {
			pass(20 * time.Second)
			w.sever(true)
			w.say("192.0.2.1", "hang")
			w.say("192.0.2.2", "hang")
			pass(30*time.Second + time.Duration(offset)*300*time.Millisecond)
			w.sever(false)
			w.say("192.0.2.1", "ok")
			w.say("192.0.2.2", "ok")
			for range 40 {
				pass(500 * time.Millisecond)
				w.want(r, "a=up b=up")
			}
			if r.Table().Blind != "" || r.Table().Pools["a"].Held != "" {
				w.t.Error("still blind")
			}
		})
	}
}

// A node that starts blind has no opinion.
func TestInvariantBlindAtStart(t *testing.T) {
	w := newWorld(t)
	w.sever(true)
	w.say("192.0.2.1", "hang")
	w.run(conf(addressPool("a", "192.0.2.1")), nil, func(r *Runner) {
		pass(time.Minute)
		w.want(r, "a=unknown")
		select {
		case <-r.Ready():
		default:
			w.t.Error("not ready after a minute")
		}
	})
}

// While the origin fails the same check, a CDN's 5xx move nothing; its other
// failures do, and its 5xx once the origin is well [incidents: crowdstrike].
func TestInvariantOriginSuppression(t *testing.T) {
	cdn := addressPool("cdn", "192.0.2.1")
	cdn.Origin = "origin"
	two := addressPool("two", "192.0.2.2")
	two.Origin = "origin"
	for _, c := range []struct {
		name, cdn, two, origin, want string
	}{
		{"all get 502", "502", "502", "500", "cdn=up two=up origin=down"},
		{"the origin hangs", "502", "500", "hang", "cdn=up two=up origin=down"},
		{"the origin fails our check, another CDN is well", "502", "ok", "500", "cdn=down two=up origin=down"},
		{"the origin is well", "502", "ok", "ok", "cdn=down two=up origin=up"},
		{"of the origin nothing can be learnt", "502", "ok", "no route", "cdn=down two=up origin=up"},
		{"another failure", "refused", "502", "500", "cdn=down two=up origin=down"},
		{"a status that is not the origin's", "404", "ok", "500", "cdn=down two=up origin=down"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.run(conf(cdn, two, addressPool("origin", "192.0.2.9")), nil, func(r *Runner) {
				pass(20 * time.Second)
				w.say("192.0.2.1", c.cdn)
				w.say("192.0.2.2", c.two)
				w.say("192.0.2.9", c.origin)
				n := w.count("192.0.2.1")
				pass(time.Minute)
				w.want(r, c.want)
				if got := w.count("192.0.2.1") - n; got > 18 {
					w.t.Errorf("%d probes in a minute, want about 14", got)
				}
				held := r.Table().Pools["cdn"].Held != ""
				if held != (c.cdn != "ok" && r.Table().Pools["cdn"].State == health.Up) {
					w.t.Errorf("held: %q", r.Table().Pools["cdn"].Held)
				}
				// The origin recovers, a CDN does not.
				w.say("192.0.2.9", "ok")
				w.say("192.0.2.1", "500")
				w.say("192.0.2.2", "ok")
				pass(11 * time.Minute)
				w.want(r, "cdn=down two=up origin=up")
				if held := r.Table().Pools["cdn"].Held; held != "" {
					w.t.Errorf("still held: %q", held)
				}
			})
		})
	}
}

// An origin fails and recovers in every order with its CDNs, which keep its
// 5xx for some seconds after it is well again: nothing moves.
func TestOriginRecoversBeforeItsCDNs(t *testing.T) {
	cdn, two := addressPool("cdn", "192.0.2.1"), addressPool("two", "192.0.2.2")
	cdn.Origin, two.Origin = "origin", "origin"
	for _, first := range []string{"the origin", "the CDNs", "both"} {
		for range 5 { // the order in which they are probed is drawn
			w := newWorld(t)
			w.run(conf(cdn, two, addressPool("origin", "192.0.2.9")), nil, func(r *Runner) {
				turn := func(edge, origin string, gap time.Duration) {
					if first != "the CDNs" {
						w.say("192.0.2.9", origin)
					}
					if first == "the origin" {
						pass(gap)
					}
					w.say("192.0.2.1", edge)
					w.say("192.0.2.2", edge)
					if first == "the CDNs" {
						pass(gap)
						w.say("192.0.2.9", origin)
					}
				}
				pass(20 * time.Second)
				turn("502", "500", 50*time.Millisecond)
				pass(time.Minute)
				w.want(r, "cdn=up two=up origin=down")
				turn("ok", "ok", 15*time.Second)
				pass(10 * time.Second)
				w.want(r, "cdn=up two=up origin=down") // held down
				w.say("192.0.2.1", "502")              // its own failure, with a well origin
				pass(30 * time.Second)
				w.want(r, "cdn=down two=up")
			})
		}
	}
}

// A challenge brings an endpoint down only while the same check gets through
// elsewhere: else it is the prober that is blocked [incidents: cf-11-18].
func TestChallenge(t *testing.T) {
	t.Run("on one path", func(t *testing.T) {
		w := newWorld(t)
		w.run(conf(addressPool("a", "192.0.2.1"), addressPool("b", "192.0.2.2")), nil, func(r *Runner) {
			pass(20 * time.Second)
			w.say("192.0.2.1", "challenge")
			w.failing("192.0.2.1")
			if took := w.until(r, "a", health.Down, 10*time.Second); took > health.DecideWithin {
				w.t.Errorf("decided after %v", took)
			}
			w.want(r, "b=up")
			if p := r.Table().Pools["a"]; p.Class != health.Challenge {
				w.t.Errorf("class %q", p.Class)
			}
		})
	})
	t.Run("on every path", func(t *testing.T) {
		for range 10 { // the order in which they are probed is drawn
			w := newWorld(t)
			w.run(conf(addressPool("a", "192.0.2.1"), addressPool("b", "192.0.2.2")), nil, func(r *Runner) {
				pass(20 * time.Second)
				w.say("192.0.2.1", "challenge")
				w.say("192.0.2.2", "challenge")
				pass(10 * time.Minute)
				w.want(r, "a=up b=up")
				if r.Table().Pools["a"].Held == "" || w.lines("void") != 2 {
					w.t.Errorf("not alarmed:\n%s", w.log.String())
				}
				w.say("192.0.2.2", "ok")
				pass(12 * time.Second) // an interval each, and the jitter of both
				w.want(r, "a=down b=up")
			})
		}
	})
	t.Run("the origin behind them is no witness", func(t *testing.T) {
		a, b, origin := addressPool("a", "192.0.2.1"), addressPool("b", "192.0.2.2"), addressPool("origin", "192.0.2.9")
		a.Origin, b.Origin = "origin", "origin"
		w := newWorld(t)
		w.run(conf(a, b, origin), nil, func(r *Runner) {
			pass(20 * time.Second)
			w.say("192.0.2.1", "challenge")
			w.say("192.0.2.2", "challenge")
			pass(10 * time.Minute)
			w.want(r, "a=up b=up origin=up")
			w.say("192.0.2.2", "ok")
			pass(12 * time.Second)
			w.want(r, "a=down b=up origin=up")
		})
	})
	t.Run("the only one with its monitor", func(t *testing.T) {
		cfg := conf(addressPool("a", "192.0.2.1"), addressPool("b", "192.0.2.2"))
		other := web()
		other.Name = "other"
		cfg.Monitors = append(cfg.Monitors, other)
		cfg.Pools[1].Monitors = []string{"other"}
		w := newWorld(t)
		w.run(cfg, nil, func(r *Runner) {
			pass(20 * time.Second)
			w.say("192.0.2.1", "challenge")
			pass(10 * time.Second)
			w.want(r, "a=down b=up")
		})
	})
}

// Cold start: what was saved counts until the first round has said more, and
// goes on from there: what is left of a hold-down holds [incidents: inv. 15].
func TestInvariantColdStart(t *testing.T) {
	cfg := conf(namedPool("a", "a.example."), addressPool("b", "192.0.2.2"), addressPool("c", "192.0.2.3"))
	var saved []health.Saved
	w := newWorld(t)
	w.resolve("a.example.", "192.0.2.1")
	w.run(cfg, nil, func(r *Runner) {
		pass(20 * time.Second)
		w.say("192.0.2.2", "500")
		pass(20 * time.Second)
		saved = r.Save()
	})
	for i := range saved {
		// A bubble begins when the last one did, not when it ended.
		shift := 40 * time.Second
		saved[i].At, saved[i].Since = saved[i].At.Add(-shift), saved[i].Since.Add(-shift)
	}
	w.say("192.0.2.1", "ok 2s")
	w.say("192.0.2.2", "ok")
	w.say("192.0.2.3", "ok 2s")
	synctest.Test(t, func(t *testing.T) {
		r, err := New(cfg, w.deps(), saved)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t}
		w.want(r, "a=up b=down c=up") // before anything was probed
		if got := addrs(r, "a"); got != "192.0.2.1" {
			t.Errorf("endpoints %s", got)
		}
		if got := len(r.Save()); got != len(saved) {
			t.Errorf("saved %d verdicts, then %d", len(saved), got)
		}
	})
	w.run(cfg, saved, func(r *Runner) {
		select {
		case <-r.Ready():
			w.t.Error("ready before the first round")
		default:
		}
		<-r.Ready()
		pass(4 * time.Minute)
		w.want(r, "a=up b=down c=up")
		pass(70 * time.Second) // it is quiet since the last failure before the restart
		w.want(r, "b=up")
	})
	t.Run("another question, another path", func(t *testing.T) {
		cfg := conf(namedPool("a", "moved.example."), addressPool("b", "192.0.2.2"), addressPool("c", "192.0.2.3"))
		cfg.Monitors[0].HTTP.Path = "/mended"
		r, err := New(cfg, w.deps(), saved)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t}
		w.want(r, "a=unknown b=unknown c=unknown")
		if got := addrs(r, "a"); got != "" {
			t.Errorf("endpoints of the old path: %s", got)
		}
	})
	for i := range saved {
		saved[i].At = saved[i].At.Add(-time.Hour)
	}
	w.say("192.0.2.2", "hang")
	w.run(cfg, saved, func(r *Runner) {
		w.want(r, "a=unknown b=unknown c=unknown") // too old to count
	})
}

// Invariant 17: dead resolvers take no pool down [cf1111]. What they said
// last stays, its addresses are probed as before, and the pool says why its
// look-ups do not count.
func TestInvariantDeadResolversTakeNothingDown(t *testing.T) {
	w := newWorld(t)
	w.resolve("a.example.", "192.0.2.1")
	w.run(conf(namedPool("a", "a.example."), addressPool("b", "192.0.2.9")), nil, func(r *Runner) {
		pass(20 * time.Second)
		w.deafen(true)
		pass(10 * time.Minute)
		w.want(r, "a=up b=up")
		if held := r.Table().Pools["a"].Held; !strings.Contains(held, "none of the resolvers") {
			t.Errorf("held: %q", held)
		}
		w.say("192.0.2.1", "500")
		w.until(r, "a", health.Down, 7*time.Second) // its probes count all the same
		w.say("192.0.2.1", "ok")
		w.deafen(false)
		pass(6 * time.Minute)
		w.want(r, "a=up b=up")
		if held := r.Table().Pools["a"].Held; held != "" {
			t.Errorf("still held: %q", held)
		}
	})
}
