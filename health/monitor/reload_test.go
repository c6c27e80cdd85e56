package monitor

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

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
		// At once, whatever has been probed since.
		if e := r.Table().Pools["a"].Endpoints[0]; e.State != health.Down || !e.Since.Equal(since) {
			w.t.Errorf("the verdict did not survive: %+v", e)
		}
		w.want(r, "a=up n=up") // b may have been probed by now
		if w.count("192.0.2.1") != n {
			w.t.Error("probed anew")
		}
		before := w.count("192.0.2.3") + w.count("192.0.2.2")
		pass(20 * time.Second)
		w.want(r, "a=up b=up n=up")
		if got := addrs(r, "a"); got != "192.0.2.1 192.0.2.4" {
			w.t.Errorf("endpoints %s", got)
		}
		if r.Table().Pools["gone"] != nil {
			w.t.Error("a pool that is gone is in the table")
		}
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
