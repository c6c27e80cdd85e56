package monitor

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/health"
)

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
		n, m := w.count("192.0.2.2"), w.count("192.0.2.3")
		for range 20 {
			pass(5 * time.Second)
			if got := addrs(r, "a"); got != "192.0.2.2 192.0.2.3" {
				w.t.Fatalf("endpoints %s", got)
			}
		}
		if n, m = w.count("192.0.2.2")-n, w.count("192.0.2.3")-m; n < 15 || m < 15 {
			w.t.Errorf("%d and %d probes in 20 intervals", n, m)
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
