package providers_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// both runs a scene with a provider that takes all at once and compares, and
// with one that has the four libdns calls and nothing else.
func both(t *testing.T, scene func(t *testing.T, f *fake)) {
	t.Helper()
	t.Run("atomic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { scene(t, &fake{able: atomicAbilities()}) })
	})
	t.Run("plain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { scene(t, &fake{}) })
	})
}

// after lets d go by.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestPush: what is answered is pushed at once, verified, and pushed again when
// it changes; what others have stays.
func TestPush(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		f.put(t, "foreign.example.com.", "A", "192.0.2.200")
		s := newStage(t, conf("www api", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1; api A 192.0.2.5")
		after(5 * time.Second)
		s.has("one", "A 192.0.2.1")
		s.is("one", providers.InStep)
		if st := s.state("one"); st.Verified != 1 || st.Pushed != 1 || st.Names != 2 || st.Waiting != 0 || s.alarms() != "" {
			t.Errorf("%+v, alarms %s", st, s.alarms())
		}
		for _, c := range []struct{ answer, want string }{
			{"www A 192.0.2.2", "A 192.0.2.2"},
			{"www CNAME cdn.example.net.", "CNAME cdn.example.net."},
			{"www A 192.0.2.3; www AAAA 2001:db8::3", "A 192.0.2.3; AAAA 2001:db8::3"},
			{"www A 192.0.2.3", "A 192.0.2.3"},
			{"", "A 192.0.2.3"}, // nothing to answer with: as it was
		} {
			s.answers(c.answer + "; api A 192.0.2.5")
			after(5 * time.Second)
			s.has("one", c.want)
			s.is("one", providers.InStep)
		}
		if got := f.of("foreign.example.com."); got != "A 192.0.2.200" {
			t.Errorf("records of others: %q", got)
		}
	})
}

// TestIndependent: a provider that hangs, and one that panics, delay no other;
// once they come back they are brought in step with what is answered then.
func TestIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		fakes := map[string]*fake{
			"hangs":  {able: atomicAbilities(), fail: func(string) error { <-release; return nil }},
			"panics": {fail: func(string) error { panic("module") }},
			"works":  {able: atomicAbilities()},
		}
		s := newStage(t, conf("www", "hangs", "panics", "works"), fakes)
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(time.Second)
		s.has("works", "A 192.0.2.1")
		s.is("works", providers.InStep)
		s.answers("www A 192.0.2.2")
		after(time.Second)
		s.has("works", "A 192.0.2.2")
		after(5 * time.Minute)
		s.is("hangs", providers.Failing)
		s.is("panics", providers.Failing)
		if a := s.alarms(); a != "provider-failing provider-failing" {
			t.Errorf("alarms: %s", a)
		}
		close(release)
		fakes["hangs"].set(func(f *fake) { f.fail = nil })
		fakes["panics"].set(func(f *fake) { f.fail = nil })
		after(10 * time.Minute)
		for name := range fakes {
			s.has(name, "A 192.0.2.2")
			s.is(name, providers.InStep)
		}
		if a := s.alarms(); a != "" {
			t.Errorf("alarms: %s", a)
		}
	})
}

// TestBackOff: failures are tried again at doubling distances, and Retry-After
// is kept to; what is new meanwhile is what is pushed in the end.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities(), fail: func(string) error { return errors.New("500") }}
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(time.Hour)
		if n := f.count("get"); n < 12 || n > 25 {
			t.Errorf("%d calls in an hour of failures", n)
		}
		f.set(func(f *fake) {
			f.calls, f.fail = nil, func(string) error { return kind.Later{After: 20 * time.Minute, Why: "429"} }
		})
		after(6 * time.Minute)
		before := f.count("get")
		for i := range 10 {
			s.answers(fmt.Sprintf("www A 192.0.2.%d", 10+i))
			after(time.Minute)
		}
		if n := f.count("get"); n != before || n != 1 {
			t.Errorf("%d calls, and %d after that although it wants none for 20 minutes", before, n-before)
		}
		f.set(func(f *fake) { f.fail = nil })
		after(15 * time.Minute)
		s.has("one", "A 192.0.2.19")
		if f.writes != 1 {
			t.Errorf("%d writes: answers of before were pushed too", f.writes)
		}
	})
}

// TestDenied: refused credentials are an alarm at once, and not tried often.
func TestDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{fail: func(string) error { return fmt.Errorf("403: %w", kind.ErrDenied) }}
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(30 * time.Minute)
		s.is("one", providers.Denied)
		if n := f.count("get"); s.alarms() != "provider-denied" || n > 10 {
			t.Errorf("alarms %q after %d calls", s.alarms(), n)
		}
	})
}

// TestUnreadable: what cannot be read is not taken for empty: nothing is
// written.
func TestUnreadable(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		f.fail = func(call string) error {
			if call == "get" {
				return errors.New("connection reset")
			}
			return nil
		}
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(time.Hour)
		if n := f.count("set") + f.count("delete") + f.count("apply"); n != 0 {
			t.Errorf("%d writes", n)
		}
	})
}

// TestForgetful: a provider that takes a change and does not make it is written
// to again; one that shows it late is waited for.
func TestForgetful(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		f.lost = 2
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		s.has("one", "A 192.0.2.1")
		s.is("one", providers.InStep)

		f.set(func(f *fake) { f.stale, f.shows, f.writes, f.calls = 3, f.sets, 0, nil })
		s.answers("www A 192.0.2.2")
		after(time.Minute)
		s.has("one", "A 192.0.2.2")
		if n := f.count("set"); f.writes > 1 || n > 2 {
			t.Errorf("%d requests and %d sets, although it only showed them late", f.writes, n)
		}
	})
}

// TestRaised: a provider that raises TTLs in silence is in step with what it
// made of them.
func TestRaised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{floor: 120}
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		s.is("one", providers.InStep)
		before := f.count("set")
		after(2 * time.Hour)
		if n := f.count("set") - before; n != 0 {
			t.Errorf("%d more writes", n)
		}
	})
}

// TestVerify: an API's word is not enough; what its servers do not serve is an
// alarm after a while, and a new answer does not wait for that.
func TestVerify(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		f.served = []plan.RRset{{Name: "www.example.com.", Type: "A", TTL: 30, Data: []string{"192.0.2.99"}}}
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(30 * time.Second)
		s.is("one", providers.Pending)
		s.answers("www A 192.0.2.2")
		after(2 * time.Second)
		s.has("one", "A 192.0.2.2")
		after(3 * time.Minute)
		s.is("one", providers.Unverified)
		if s.alarms() != "provider-unverified" || !strings.Contains(s.state("one").Why, "serves www.example.com. A as 192.0.2.99") {
			t.Errorf("alarms %q: %s", s.alarms(), s.state("one").Why)
		}
		f.set(func(f *fake) { f.served = nil })
		after(20 * time.Minute)
		s.is("one", providers.InStep)
		if st := s.state("one"); st.Verified != 2 || s.alarms() != "" {
			t.Errorf("%+v %s", st, s.alarms())
		}
	})
}

// TestDrift: what others change of ours is written again, or shown, when it is
// time to look.
func TestDrift(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		cfg := conf("www", "one")
		s := newStage(t, cfg, map[string]*fake{"one": f})
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		f.put(t, "www.example.com.", "A", "192.0.2.66")
		after(12 * time.Minute)
		s.has("one", "A 192.0.2.1")
		s.stop()

		s.cfg = conf("www", "one")
		s.cfg.Providers[0].Drift = config.ReportDrift
		s.start()
		defer func() { s.stop() }()
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		s.is("one", providers.InStep)
		f.put(t, "www.example.com.", "A", "192.0.2.66")
		after(12 * time.Minute)
		s.has("one", "A 192.0.2.66")
		s.is("one", providers.Drifted)
		if s.alarms() != "provider-drift" {
			t.Errorf("alarms: %s", s.alarms())
		}
		if what := s.keeper.Conditions()[0].What; what != "somebody else changed www.example.com. at one" {
			t.Errorf("the alarm says %q", what)
		}
		s.answers("www A 192.0.2.2") // a new decision is no repair
		after(time.Minute)
		s.has("one", "A 192.0.2.2")
		f.put(t, "www.example.com.", "A", "192.0.2.66")
		if err := s.keeper.Push(t.Context(), "one", false); err != nil { // and a person's word is one
			t.Error(err)
		}
		s.has("one", "A 192.0.2.2")
		s.is("one", providers.InStep)
	})
}

// TestRestart: what was on its way when the process ended goes on; what was in
// step is not written again; what others changed meanwhile is drift.
func TestRestart(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		s.stop()
		f.set(func(f *fake) { f.calls = nil })
		s.start()
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		if n := f.count("set") + f.count("apply"); n != 0 {
			t.Errorf("%d writes after a restart in step", n)
		}
		f.set(func(f *fake) { f.fail = func(string) error { return errors.New("down") } })
		s.answers("www A 192.0.2.2")
		after(time.Minute)
		s.stop()
		f.set(func(f *fake) { f.fail = nil })
		s.start()
		defer s.stop()
		s.answers("www A 192.0.2.2")
		after(time.Minute)
		s.has("one", "A 192.0.2.2")
		s.is("one", providers.InStep)
	})
}

// TestInterrupted: wherever a change is interrupted, and whether or not what was
// pushed is remembered, whoever goes on ends it.
func TestInterrupted(t *testing.T) {
	for _, c := range []struct{ was, is, want string }{
		{"www A 192.0.2.1; www AAAA 2001:db8::1", "www A 192.0.2.1", "A 192.0.2.1"},
		{"www A 192.0.2.1; www AAAA 2001:db8::1", "www CNAME cdn.example.net.", "CNAME cdn.example.net."},
		{"www CNAME cdn.example.net.", "www A 192.0.2.1; www AAAA 2001:db8::1", "A 192.0.2.1; AAAA 2001:db8::1"},
		{"www A 192.0.2.1", "www AAAA 2001:db8::1", "AAAA 2001:db8::1"},
	} {
		for writes := range 5 {
			for _, forget := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					f := &fake{}
					s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
					s.answers(c.was)
					after(time.Minute)
					left := writes
					f.set(func(f *fake) {
						f.fail = func(call string) error {
							if call != "get" {
								if left--; left < 0 {
									return errors.New("interrupted")
								}
							}
							return nil
						}
					})
					s.answers(c.is)
					after(time.Second)
					s.stop()
					f.set(func(f *fake) { f.fail = nil })
					if forget {
						s.dir = t.TempDir()
					}
					s.start()
					defer s.stop()
					s.answers(c.is)
					after(time.Minute)
					if got := f.of("www.example.com."); got != c.want {
						t.Errorf("%s to %s, interrupted after %d writes, memory lost %v: %s", c.was, c.is, writes, forget, got)
					}
					s.is("one", providers.InStep)
				})
			}
		}
	}
}

// TestReload: providers come and go with the configuration, and one whose
// description stays is not begun anew.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fakes := map[string]*fake{"stays": {able: atomicAbilities()}, "goes": {}, "comes": {}}
		s := newStage(t, conf("www", "stays", "goes"), fakes)
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		fakes["stays"].set(func(f *fake) { f.calls = nil })
		if err := s.keeper.Reload(conf("www", "comes", "stays")); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		s.has("comes", "A 192.0.2.1")
		s.has("goes", "A 192.0.2.1")
		if n := fakes["stays"].count("get"); n > 0 {
			t.Errorf("the provider that stays was read %d times", n)
		}
		s.answers("www A 192.0.2.2")
		after(time.Minute)
		s.has("comes", "A 192.0.2.2")
		s.has("goes", "A 192.0.2.1")
		changed := conf("www", "comes", "stays")
		changed.Providers[1].Account.Secrets = map[string]config.Secret{"token": config.NewSecret("another")}
		if err := s.keeper.Reload(changed); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		if n := fakes["stays"].count("get"); n == 0 {
			t.Error("another secret changes nothing")
		}
		s.is("stays", providers.InStep)
	})
}

// TestDamagedMemory: a file that cannot be read is no reason to stop, or to
// write what is there already.
func TestDamagedMemory(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		s.stop()
		files, err := filepath.Glob(filepath.Join(s.dir, "*"))
		if err != nil || len(files) != 1 || filepath.Base(files[0]) != "one.json" {
			t.Fatalf("%v in %s, %v", files, s.dir, err)
		}
		if err := os.WriteFile(files[0], []byte("{\"names\": {\"www.ex"), 0o600); err != nil {
			t.Fatal(err)
		}
		f.set(func(f *fake) { f.calls = nil })
		s.start()
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		s.is("one", providers.InStep)
		if n := f.count("set") + f.count("apply"); n > 0 {
			t.Errorf("%d writes", n)
		}
	})
}

// TestNothingToAnswer: what was on its way when the process ended, of a service
// that has nothing to answer with now, waits without effort.
func TestNothingToAnswer(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		f.fail = func(string) error { return errors.New("down") }
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		s.answers("www A 192.0.2.1")
		after(time.Second)
		s.stop()
		f.set(func(f *fake) { f.fail, f.calls = nil, nil })
		s.start()
		defer s.stop()
		s.answers("")
		after(365 * 24 * time.Hour) // in which a loop without end would not come to one
		if n := f.count("set") + f.count("apply"); n > 0 || s.state("one").Waiting > 0 {
			t.Errorf("%d writes, %+v", n, s.state("one"))
		}
		s.answers("www A 192.0.2.2")
		after(time.Minute)
		s.has("one", "A 192.0.2.2")
	})
}

// TestServers: without servers of its own in the configuration, a provider is
// verified by those that the zone's NS records name.
func TestServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		asked := map[string]bool{}
		cfg := conf("www", "one")
		cfg.Providers[0].Servers = nil
		cfg.Resolvers = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53"), netip.MustParseAddrPort("192.0.2.54:53")}
		s := &stage{t: t, fakes: map[string]*fake{"one": f}, dir: t.TempDir(), cfg: cfg}
		s.ask = func(server, name string, qtype uint16, recurse bool) (*dns.Msg, error) {
			asked[fmt.Sprint(server, " ", name, " ", dns.TypeToString[qtype], " ", recurse)] = true
			switch {
			case server == "192.0.2.53:53":
				return nil, errors.New("timeout")
			case server == "192.0.2.1:53":
				return f.answer(name, qtype), nil
			}
			m := new(dns.Msg)
			for question, rr := range map[string]string{"example.com. NS": "example.com. 60 IN NS ns1.example.net.", "ns1.example.net. A": "ns1.example.net. 60 IN A 192.0.2.1"} {
				if question == name+" "+dns.TypeToString[qtype] {
					record, err := dns.NewRR(rr)
					if err != nil {
						return nil, err
					}
					m.Answer = append(m.Answer, record)
				}
			}
			return m, nil
		}
		s.start()
		defer s.stop()
		s.answers("www A 192.0.2.9")
		after(time.Minute)
		s.is("one", providers.InStep)
		for _, want := range []string{"192.0.2.54:53 example.com. NS true", "192.0.2.54:53 ns1.example.net. A true", "192.0.2.1:53 www.example.com. A false"} {
			if !asked[want] {
				t.Errorf("not asked: %s; but %v", want, asked)
			}
		}
	})
}

// TestForeign: records of others hold a name until they are adopted, and keep
// no other name from being pushed.
func TestForeign(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		f.put(t, "www.example.com.", "A", "192.0.2.77")
		cfg := conf("www api", "one")
		s := newStage(t, cfg, map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1; api A 192.0.2.5")
		after(time.Minute)
		s.has("one", "A 192.0.2.77")
		s.is("one", providers.Held)
		if got := f.of("api.example.com."); got != "A 192.0.2.5" || s.alarms() != "provider-held" {
			t.Errorf("api has %q, alarms %q", got, s.alarms())
		}
		again := conf("www api", "one")
		again.Providers[0].Adopt = []string{"www.example.com."}
		if err := s.keeper.Reload(again); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		s.has("one", "A 192.0.2.1")
		s.is("one", providers.InStep)
	})
}

// TestGone: a service that is no longer configured goes at the provider, one
// that another provider has from now on stays, and too many at once are
// refused until a person says otherwise.
func TestGone(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		s := newStage(t, conf("www api old1 old2", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1; api A 192.0.2.2; old1 A 192.0.2.3; old2 A 192.0.2.4")
		after(time.Minute)
		reload := func(services string, change func(p *config.Provider)) {
			t.Helper()
			cfg := conf(services, "one")
			cfg.Providers[0].Deletes = 1
			change(&cfg.Providers[0])
			if err := s.keeper.Reload(cfg); err != nil {
				t.Fatal(err)
			}
			after(time.Minute)
		}
		reload("www api old1 old2", func(p *config.Provider) {
			p.Only = []string{"www.example.com.", "old1.example.com.", "old2.example.com."}
		})
		if got := f.of("api.example.com."); got != "A 192.0.2.2" {
			t.Errorf("api, which is another's now, has %q", got)
		}
		reload("www api", func(p *config.Provider) { p.Only = []string{"www.example.com."} })
		s.is("one", providers.Held)
		if f.of("old1.example.com.") == "" || f.of("old2.example.com.") == "" || s.alarms() != "provider-refused" {
			t.Errorf("two names are gone though one may, alarms %q", s.alarms())
		}
		previews, err := s.keeper.Plan(t.Context(), "one")
		if err != nil || !strings.Contains(previews[0].Refused, "2 names would be deleted, more than 1 (old1.example.com., old2.example.com.)") {
			t.Errorf("%+v, %v", previews, err)
		}
		if err := s.keeper.Push(t.Context(), "", false); err == nil {
			t.Error("it is not refused to a person without force")
		}
		if err := s.keeper.Push(t.Context(), "", true); err != nil {
			t.Error(err)
		}
		if f.of("old1.example.com.") != "" || f.of("old2.example.com.") != "" || s.alarms() != "" {
			t.Errorf("they are still there: %+v, alarms %q", f.sets, s.alarms())
		}
		if mark := f.of("_shunt-old1.example.com."); !strings.Contains(mark, "gone=1") {
			t.Errorf("the mark of a name that went is %q", mark)
		}
		after(27 * time.Hour)
		if mark := f.of("_shunt-old1.example.com."); mark != "" {
			t.Errorf("a day later it is %q", mark)
		}
		s.has("one", "A 192.0.2.1")
	})
}

// TestTwoNodes: nodes that share an owner do not fight: of two that see it
// otherwise, what was decided last stays, and when they agree both are in step.
func TestTwoNodes(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		a := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer a.stop()
		b := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer b.stop()
		a.answers("www A 192.0.2.1")
		b.answers("www A 192.0.2.1")
		after(time.Minute)
		a.is("one", providers.InStep)
		b.is("one", providers.InStep)
		a.answers("www A 192.0.2.2")
		after(time.Minute)
		b.answers("www A 192.0.2.3")
		after(time.Minute)
		a.has("one", "A 192.0.2.3")
		f.set(func(f *fake) { f.calls = nil })
		after(2 * time.Hour)
		a.has("one", "A 192.0.2.3")
		a.is("one", providers.Held)
		if n := f.count("set") + f.count("apply"); n > 0 {
			t.Errorf("%d writes while they disagree", n)
		}
		a.answers("www A 192.0.2.3")
		after(15 * time.Minute)
		a.is("one", providers.InStep)
		b.is("one", providers.InStep)
	})
}

// TestSlowWriter is the race of 2025-10-20 with everything that writes: an
// enactor hangs with an old plan in its hands, is given up, another one applies
// newer ones and cleans up, and then the old request arrives after all.
func TestSlowWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities()}
		slow := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		slow.answers("www A 192.0.2.1")
		after(time.Minute)
		release := make(chan struct{})
		f.set(func(f *fake) {
			f.fail = func(call string) error {
				if call == "apply" {
					<-release
				}
				return nil
			}
		})
		slow.answers("www A 192.0.2.66")
		after(time.Second) // it hangs in the middle of its write
		f.set(func(f *fake) { f.fail = nil })
		other := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer other.stop()
		other.answers("www A 192.0.2.2")
		after(time.Second)
		other.has("one", "A 192.0.2.2")
		if err := other.keeper.Reload(conf("", "one")); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		other.has("one", "")
		close(release)
		after(time.Hour)
		other.has("one", "")
		slow.stop()
	})
}

// TestBadRecord: one name that the provider refuses, and one that is not ours to
// change, keep no other from being pushed.
func TestBadRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities()}
		f.refuse = func(c plan.Change) error {
			switch c.Set().Name {
			case "bad.example.com.":
				return errors.New("422 unprocessable")
			case "weighted.example.com.":
				return kind.Foreign{Name: c.Set().Name, Why: "a weighted set"}
			}
			return nil
		}
		s := newStage(t, conf("a b bad c weighted d www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("a A 192.0.2.1; b A 192.0.2.1; bad A 192.0.2.1; c A 192.0.2.1; weighted A 192.0.2.1; d A 192.0.2.1; www A 192.0.2.1")
		after(10 * time.Second)
		for _, name := range []string{"a", "b", "c", "d", "www"} {
			if f.of(name+".example.com.") != "A 192.0.2.1" {
				t.Errorf("%s was not pushed", name)
			}
		}
		s.is("one", providers.Failing)
		after(2 * time.Minute)
		if why := s.state("one").Why; s.alarms() != "provider-failing provider-held" || !strings.Contains(why, "422") {
			t.Errorf("alarms %q, because %s", s.alarms(), why)
		}
		f.set(func(f *fake) { f.refuse = nil })
		after(30 * time.Minute)
		s.is("one", providers.InStep)
	})
}

// TestBudget: what repairs drift leaves half of the account's rate to what
// moves answers.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		able := atomicAbilities()
		able.Rate = 4
		f := &fake{able: able}
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		for i := range 60 {
			s.answers(fmt.Sprintf("www A 192.0.2.%d", i))
			after(100 * time.Millisecond)
		}
		after(time.Minute)
		s.has("one", "A 192.0.2.59")
		if n := len(f.calls); n > 4*66+4 {
			t.Errorf("%d requests in 66 seconds, at 4 a second", n)
		}
	})
}

// TestBurst: where an account counts by the minute, a failover after a quiet
// time does not wait for the rate of a second, and drift leaves it that.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		able := atomicAbilities()
		able.Rate, able.Burst = 2, 20
		f := &fake{able: able}
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		for i := range 3 { // a read, a write and a look each
			s.answers(fmt.Sprintf("www A 192.0.2.%d", 2+i))
			after(10 * time.Millisecond)
			s.has("one", fmt.Sprintf("A 192.0.2.%d", 2+i))
			s.is("one", providers.InStep)
		}
	})
}

// TestStop: nothing is left when the keeper stops, and an order that waits is
// told.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := &fake{fail: func(string) error { <-release; return nil }}
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		s.answers("www A 192.0.2.1")
		after(time.Second)
		told := make(chan error, 1)
		go func() { told <- s.keeper.Push(context.Background(), "", false) }()
		after(time.Second)
		s.end()
		after(5 * time.Second)
		if err := <-told; err == nil {
			t.Error("the order was carried out")
		}
		<-s.ended
		close(release)
	})
}
