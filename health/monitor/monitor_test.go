package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/config"
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
		if n := w.lines("pool=a", "pool is"); n < 3 || n > 17 {
			w.t.Errorf("%d transitions in six hours, want a few", n)
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
		pass(30 * time.Minute)
		w.want(r, "a=up b=up c=down")
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
		{"the origin is well", "502", "ok", "ok", "cdn=down two=up origin=up"},
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
				pass(time.Minute)
				w.want(r, c.want)
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
			pass(10 * time.Second)
			w.want(r, "a=down b=up")
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

// A host name that does not resolve brings its pool down, for that reason,
// though its addresses answer still [incidents: akamai, aws].
func TestLookupFailure(t *testing.T) {
	w := newWorld(t)
	w.resolve("a.example.", "192.0.2.1", "192.0.2.2")
	w.run(conf(namedPool("a", "a.example."), addressPool("b", "192.0.2.9")), nil, func(r *Runner) {
		<-r.Ready()
		w.want(r, "a=up b=up")
		if ttl := r.Table().Pools["a"].AddrTTL; ttl != 30*time.Second {
			w.t.Errorf("addresses live for %v", ttl)
		}
		pass(20 * time.Second)
		w.resolve("a.example.")
		w.until(r, "a", health.Down, 7*time.Second)
		p := r.Table().Pools["a"]
		if p.Class != health.ProviderDNS || len(p.Endpoints) != 2 || p.Endpoints[0].State != health.Up {
			w.t.Errorf("%+v", p)
		}
		n := w.count("192.0.2.1")
		pass(time.Minute)
		if w.count("192.0.2.1") == n {
			w.t.Error("the last good addresses are not probed any longer")
		}
		w.want(r, "a=down b=up")
		w.resolve("a.example.", "192.0.2.1", "192.0.2.2")
		pass(6 * time.Minute)
		w.want(r, "a=up b=up")
	})
}

// A name that never resolved is down, not unknown for ever.
func TestLookupFailsAtStart(t *testing.T) {
	w := newWorld(t)
	w.run(conf(namedPool("a", "a.example.")), nil, func(r *Runner) {
		<-r.Ready()
		w.want(r, "a=down")
		w.resolve("a.example.", "192.0.2.1")
		pass(30 * time.Second)
		w.want(r, "a=up")
	})
}

// Addresses come and go with the look-ups; one look-up without an address
// does not end it, and a new one does not move the pool before it is known.
func TestAddressChange(t *testing.T) {
	w := newWorld(t)
	w.resolve("a.example.", "192.0.2.1", "192.0.2.2")
	pool := namedPool("a", "a.example.")
	pool.UpIf = 0
	w.run(conf(pool), nil, func(r *Runner) {
		pass(20 * time.Second)
		w.want(r, "a=up")
		w.say("192.0.2.3", "ok 2s")
		w.resolve("a.example.", "192.0.2.2", "192.0.2.3")
		for range 60 {
			pass(100 * time.Millisecond)
			w.want(r, "a=up")
		}
		pass(6 * time.Second)
		if got := addrs(r, "a"); got != "192.0.2.2 192.0.2.3" {
			w.t.Errorf("endpoints %s", got)
		}
		n := w.count("192.0.2.1")
		pass(time.Minute)
		if w.count("192.0.2.1") != n {
			w.t.Error("an address that is gone is probed still")
		}
		// A CDN that answers with a part of its addresses, another one each time.
		w.rotate()
		for range 20 {
			pass(5 * time.Second)
			if got := addrs(r, "a"); got != "192.0.2.2 192.0.2.3" {
				w.t.Fatalf("endpoints %s", got)
			}
		}
	})
}

// addrs returns the addresses of a pool.
func addrs(r *Runner, pool string) string {
	var s []string
	for _, e := range r.Table().Pools[pool].Endpoints {
		s = append(s, e.Addr.String())
	}
	return strings.Join(s, " ")
}

// A host name in our own zones is followed there, and only from where it
// leaves them through the resolvers.
func TestLocalNames(t *testing.T) {
	w := newWorld(t)
	w.resolve("cdn.example.", "192.0.2.1")
	d := w.deps()
	d.Local = func(name string) (string, []netip.Addr, bool) {
		switch name {
		case "alias.test.":
			return "more.test.", nil, true
		case "more.test.":
			return "cdn.example.", nil, true
		case "here.test.":
			return "", []netip.Addr{netip.MustParseAddr("192.0.2.7")}, true
		case "loop.test.":
			return "loop.test.", nil, true
		}
		return "", nil, strings.HasSuffix(name, ".test.")
	}
	for _, c := range []struct{ name, want, err string }{
		{"alias.test.", "192.0.2.1", ""},
		{"here.test.", "192.0.2.7", ""},
		{"cdn.example.", "192.0.2.1", ""},
		{"nothing.test.", "", "no addresses there"},
		{"loop.test.", "", "aliases of our own zones"},
		{"gone.example.", "", "SERVFAIL"},
	} {
		found, err := d.resolver(nil, namedPool("a", c.name))(t.Context())
		got := ""
		if len(found.Addrs) > 0 {
			got = found.Addrs[0].String()
		}
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
	}
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
		pass(time.Minute)
		w.want(r, "b=up")
	})
	for i := range saved {
		saved[i].At = saved[i].At.Add(-time.Hour)
	}
	w.say("192.0.2.2", "hang")
	w.run(cfg, saved, func(r *Runner) {
		w.want(r, "a=unknown b=unknown c=unknown") // too old to count
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

// A reload keeps the verdicts of what it leaves alone.
func TestReload(t *testing.T) {
	w := newWorld(t)
	w.resolve("n.example.", "192.0.2.5")
	cfg := conf(addressPool("a", "192.0.2.1", "192.0.2.2"), addressPool("gone", "192.0.2.3"), namedPool("n", "n.example."))
	w.run(cfg, nil, func(r *Runner) {
		pass(20 * time.Second)
		w.say("192.0.2.1", "500")
		pass(20 * time.Second)
		since := r.Table().Pools["a"].Endpoints[0].Since
		n := w.count("192.0.2.1")

		next := conf(addressPool("a", "192.0.2.1", "192.0.2.4"), addressPool("b", "192.0.2.6"), namedPool("n", "n.example."))
		next.Monitors[0].Fall = 2 // counts from now on, and asks nothing else
		next.Monitors[0].HTTP.Body = config.Match{Text: "shunt-ok"}
		next.Monitors[0].HTTP.Body = config.Match{}
		drain(r)
		if err := r.Reload(next); err != nil {
			w.t.Fatal(err)
		}
		if got := len(r.Changed()); got != 1 {
			w.t.Error("no signal")
		}
		// At once, before any probe.
		if e := r.Table().Pools["a"].Endpoints[0]; e.State != health.Down || !e.Since.Equal(since) {
			w.t.Errorf("the verdict did not survive: %+v", e)
		}
		w.want(r, "a=up b=unknown n=up")
		if w.count("192.0.2.1") != n {
			w.t.Error("probed anew")
		}
		pass(20 * time.Second)
		w.want(r, "a=up b=up n=up")
		if got := addrs(r, "a"); got != "192.0.2.1 192.0.2.4" {
			w.t.Errorf("endpoints %s", got)
		}
		if r.Table().Pools["gone"] != nil {
			w.t.Error("a pool that is gone is in the table")
		}
		before := w.count("192.0.2.3") + w.count("192.0.2.2")
		pass(time.Minute)
		if w.count("192.0.2.3")+w.count("192.0.2.2") != before {
			w.t.Error("endpoints that are gone are probed still")
		}

		// Another question under the old name: the old answer says nothing.
		other := conf(addressPool("a", "192.0.2.1", "192.0.2.4"))
		other.Monitors[0].HTTP.Path = "/other"
		if err := r.Reload(other); err != nil {
			w.t.Fatal(err)
		}
		if e := r.Table().Pools["a"].Endpoints[0]; e.State != health.Unknown {
			w.t.Errorf("the verdict survived another question: %+v", e)
		}

		bad := conf(addressPool("z", "192.0.2.8"))
		bad.Monitors[0].HTTP.RootCAs = "missing.pem"
		if err := r.Reload(bad); err == nil || !strings.Contains(err.Error(), "monitor web: missing.pem") {
			w.t.Errorf("a monitor that cannot be made: %v", err)
		}
		if r.Table().Pools["z"] != nil || r.Table().Pools["a"] == nil {
			w.t.Error("a refused configuration changed something")
		}
	})
}

// drain takes the signal of Changed where there is one.
func drain(r *Runner) {
	select {
	case <-r.Changed():
	default:
	}
}

func TestSameMonitor(t *testing.T) {
	with := func(f func(*config.Monitor)) config.Monitor {
		m := web()
		m.HTTP.Body = config.Match{Text: "ok.*", Regexp: regexp.MustCompile("ok.*")}
		f(&m)
		return m
	}
	base := with(func(*config.Monitor) {})
	for _, c := range []struct {
		name string
		m    config.Monitor
		same bool
	}{
		{"the same, parsed again", with(func(*config.Monitor) {}), true},
		{"another schedule", with(func(m *config.Monitor) { m.Interval, m.Timeout, m.Recheck = 1, 2, 3 }), true},
		{"other thresholds", with(func(m *config.Monitor) { m.Fall, m.Rise, m.Window, m.HoldDown = 9, 9, 9, 9 }), true},
		{"another path", with(func(m *config.Monitor) { m.HTTP.Path = "/x" }), false},
		{"another expression", with(func(m *config.Monitor) { m.HTTP.Body.Regexp = regexp.MustCompile("no") }), false},
		{"a substring", with(func(m *config.Monitor) { m.HTTP.Body.Regexp = nil }), false},
		{"another kind", with(func(m *config.Monitor) { m.Kind = config.HTTP }), false},
	} {
		if got := sameMonitor(base, c.m); got != c.same {
			t.Errorf("%s: same is %v", c.name, got)
		}
	}
}

// A pool without monitors is up, and its host name is looked up all the same.
func TestUnmonitored(t *testing.T) {
	w := newWorld(t)
	w.resolve("n.example.", "192.0.2.5")
	named, plain := namedPool("n", "n.example."), addressPool("a", "192.0.2.1")
	named.Monitors, plain.Monitors = nil, nil
	w.run(conf(named, plain), nil, func(r *Runner) {
		<-r.Ready()
		w.want(r, "n=up a=up")
		if addrs(r, "n") != "192.0.2.5" {
			w.t.Error("the host name was not looked up")
		}
		w.resolve("n.example.")
		pass(10 * time.Minute)
		w.want(r, "n=up a=up")
		if addrs(r, "n") != "192.0.2.5" {
			w.t.Error("the last good addresses are lost")
		}
		if p := r.Table().Pools["n"]; p.ChangeIn != 0 {
			w.t.Errorf("changes in %v, though it never does", p.ChangeIn)
		}
	})
}

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
