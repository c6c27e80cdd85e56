package providers_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
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

// TestMixedRead: a read of which one page is older than the other shows records
// of ours without the mark that says so. Nobody is told that they are of others.
func TestMixedRead(t *testing.T) {
	for _, c := range []struct {
		what  string
		reads int  // that are mixed
		held  bool // an hour after: for good
	}{
		{"a read or two", 2, false},
		{"for good", 1000, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{able: atomicAbilities()}
			s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
			defer s.stop()
			s.answers("www CNAME cdn.example.net.")
			after(5 * time.Second)
			s.is("one", providers.InStep)
			f.set(func(f *fake) {
				old := slices.Clone(f.sets)
				f.mix = func(now []plan.RRset) []plan.RRset { // marks of before, records of now
					return slices.Concat(only(old, "TXT"), slices.DeleteFunc(slices.Clone(now), func(x plan.RRset) bool { return x.Type == "TXT" }))
				}
				f.stale = c.reads
				f.fail = func(call string) error { return nil }
			})
			f.set(func(f *fake) { f.after = 1 }) // the first read is right
			s.answers("www A 192.0.2.3")
			after(20 * time.Second)
			s.has("one", "A 192.0.2.3")
			if !c.held {
				s.is("one", providers.InStep)
				return
			}
			after(time.Minute)
			if a := s.alarms(); !strings.Contains(a, "provider-held") {
				t.Errorf("%s: alarms: %s", c.what, a)
			}
		})
	}
}

func only(sets []plan.RRset, typ string) []plan.RRset {
	return slices.DeleteFunc(slices.Clone(sets), func(x plan.RRset) bool { return x.Type != typ })
}

// TestLateTTL: a provider that shows for a while the TTL that somebody else had
// given a record raises no TTL.
func TestLateTTL(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		s := newStage(t, conf("www api", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1; api A 192.0.2.5")
		after(5 * time.Second)
		f.set(func(f *fake) {
			for i := range f.sets {
				if f.sets[i].Type == "A" && strings.HasPrefix(f.sets[i].Name, "www") {
					f.sets[i].TTL = 86400
				}
			}
			f.shows, f.stale, f.after = slices.Clone(f.sets), 1, 1
		})
		after(12 * time.Minute)
		s.is("one", providers.InStep)
		s.answers("www A 192.0.2.2; api A 192.0.2.6")
		after(5 * time.Second)
		f.set(func(f *fake) {
			for _, x := range f.sets {
				if x.Type == "A" && x.TTL != 30 {
					t.Errorf("%s has the TTL %d", x.Name, x.TTL)
				}
			}
		})
	})
}

// TestFloorOutlivesRestart: the lowest TTL of a provider is no drift after a
// restart.
func TestFloorOutlivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{floor: 300}
		cfg := conf("www", "one")
		cfg.Providers[0].Drift = config.ReportDrift
		s := newStage(t, cfg, map[string]*fake{"one": f})
		s.answers("www A 192.0.2.1")
		after(20 * time.Second)
		s.is("one", providers.InStep)
		s.stop()
		s.start()
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(time.Minute)
		s.is("one", providers.InStep)
	})
}

// TestSwapFails: where a module takes one change at a time and does not take
// what was to come, what went is put back.
func TestSwapFails(t *testing.T) {
	for _, answer := range []string{"www A 192.0.2.3", "www A 192.0.2.3; www AAAA 2001:db8::3"} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
			defer s.stop()
			s.answers("www CNAME cdn.example.net.")
			after(5 * time.Second)
			deleted := false
			f.set(func(f *fake) {
				f.fail = func(call string) error {
					switch {
					case call == "delete":
						deleted = true
					case call == "set" && deleted:
						deleted = false
						return errors.New("422: it is not taken")
					}
					return nil
				}
			})
			s.answers(answer)
			after(300 * time.Millisecond)
			s.has("one", "CNAME cdn.example.net.")
			f.set(func(f *fake) { f.fail = nil })
			after(time.Minute)
			if got := f.of("www.example.com."); strings.Contains(got, "CNAME") || got == "" {
				t.Errorf("in the end there is %q", got)
			}
		})
	}
}

// TestOldAnswerAtStart: a node that starts again with what it answered before
// it stopped overwrites nothing that another node wrote meanwhile, until it has
// had time to see for itself.
func TestOldAnswerAtStart(t *testing.T) {
	for _, remembers := range []bool{true, false} {
		t.Run(fmt.Sprint("remembers ", remembers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{able: atomicAbilities()}
				fakes := map[string]*fake{"one": f}
				one := newStage(t, conf("www", "one"), fakes)
				one.answers("www A 192.0.2.1")
				after(5 * time.Second)
				one.stop()
				other := conf("www", "one")
				other.Node.Name = "ns2"
				two := newStage(t, other, fakes)
				two.answers("www A 192.0.2.1")
				after(5 * time.Second)
				two.answers("www A 192.0.2.2") // it failed over
				after(5 * time.Second)
				two.has("one", "A 192.0.2.2")
				defer two.stop()

				if !remembers {
					one.dir = t.TempDir()
				}
				one.start()
				defer one.stop()
				one.answers("www A 192.0.2.1") // as it was when it stopped
				after(30 * time.Second)
				one.has("one", "A 192.0.2.2")
				one.answers("www A 192.0.2.3") // a decision of its own
				after(5 * time.Second)
				one.has("one", "A 192.0.2.3")
				one.is("one", providers.InStep)
			})
		})
	}
}

// TestOldAnswerLater: what a node goes on answering once it has seen for itself
// counts as decided then.
func TestOldAnswerLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities()}
		fakes := map[string]*fake{"one": f}
		one := newStage(t, conf("www", "one"), fakes)
		one.answers("www A 192.0.2.1")
		after(5 * time.Second)
		one.stop()
		other := conf("www", "one")
		other.Node.Name = "ns2"
		two := newStage(t, other, fakes)
		two.answers("www A 192.0.2.2")
		after(2 * time.Minute)
		two.has("one", "A 192.0.2.2")
		two.stop()
		one.start()
		defer one.stop()
		one.answers("www A 192.0.2.1")
		after(5 * time.Second)
		one.has("one", "A 192.0.2.2")
		one.is("one", providers.Held)
		after(2 * time.Minute)
		one.has("one", "A 192.0.2.1")
		one.is("one", providers.InStep)
	})
}

// TestRefusedOverHTTP: what an API refuses comes out of net/http as an error of
// the network; it is one record's fault all the same, and keeps no other from
// being changed.
func TestRefusedOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities()}
		f.refuse = func(c plan.Change) error {
			if c.Set().Name == "www.example.com." {
				return &url.Error{Op: "Post", URL: "https://api.example", Err: fmt.Errorf("HTTP 422: %w", kind.ErrRefused)}
			}
			return nil
		}
		s := newStage(t, conf("www api", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1; api A 192.0.2.5")
		after(5 * time.Second)
		if got := f.of("api.example.com."); got != "A 192.0.2.5" {
			t.Errorf("api has %q", got)
		}
		s.has("one", "")
		s.is("one", providers.Failing)
	})
}

// TestVerifyYields: servers that do not answer keep no change of the answer
// waiting, however many names there are to ask them for.
func TestVerifyYields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities()}
		var names, first, then []string
		for i := range 500 {
			names = append(names, fmt.Sprintf("n%d", i))
			first = append(first, fmt.Sprintf("n%d A 192.0.2.1", i))
			then = append(then, fmt.Sprintf("n%d A 192.0.2.2", i))
		}
		s := &stage{t: t, fakes: map[string]*fake{"one": f}, dir: t.TempDir(), cfg: conf(strings.Join(names, " "), "one")}
		s.ask = func(string, string, uint16, bool) (*dns.Msg, error) {
			time.Sleep(2 * time.Second)
			return nil, context.DeadlineExceeded
		}
		s.start()
		defer s.stop()
		s.answers(strings.Join(first, "; "))
		after(10 * time.Second)
		s.answers(strings.Join(then, "; "))
		after(5 * time.Second)
		if got := f.of("n7.example.com."); got != "A 192.0.2.2" {
			t.Errorf("five seconds after a flip there is %q", got)
		}
	})
}

// TestVerifyByAuthority: an answer out of a cache shows nothing.
func TestVerifyByAuthority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities()}
		s := &stage{t: t, fakes: map[string]*fake{"one": f}, dir: t.TempDir(), cfg: conf("www", "one")}
		s.ask = func(_, name string, qtype uint16, _ bool) (*dns.Msg, error) {
			m := f.answer(name, qtype)
			m.Authoritative = false
			return m, nil
		}
		s.start()
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(3 * time.Minute)
		s.is("one", providers.Unverified)
		if why := s.state("one").Why; !strings.Contains(why, "not authoritative") {
			t.Errorf("it says %q", why)
		}
	})
}

// TestOldRead: a zone that was read long before it is written, because others
// took their time, is read again: what somebody put there meanwhile stays.
func TestOldRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		cfg := conf("www", "one")
		for _, sub := range []string{"s1", "s2"} {
			cfg.Zones = append(cfg.Zones, config.Zone{Name: sub + ".example.com.", Services: []config.Service{{Name: "a." + sub + ".example.com."}}})
		}
		gets := 0
		f.fail = func(call string) error {
			if call != "get" {
				return nil
			}
			if gets++; gets == 2 || gets == 3 {
				time.Sleep(20 * time.Second)
			}
			if gets == 3 {
				f.put(t, "www.example.com.", "A", "192.0.2.99")
			}
			return nil
		}
		s := newStage(t, cfg, map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1; a.s1 A 192.0.2.2; a.s2 A 192.0.2.3")
		after(5 * time.Minute)
		s.has("one", "A 192.0.2.99")
		if got := f.of("a.s1.example.com."); got != "A 192.0.2.2" {
			t.Errorf("the second zone has %q", got)
		}
		if got := f.of("a.s2.example.com."); got != "A 192.0.2.3" {
			t.Errorf("the third zone has %q", got)
		}
		s.is("one", providers.Held)
	})
}

// TestForceOverNewer: what another node wrote later stays, also for good where
// that node is gone, until a person says otherwise.
func TestForceOverNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities()}
		fakes := map[string]*fake{"one": f}
		one := newStage(t, conf("www", "one"), fakes)
		defer one.stop()
		one.answers("www A 192.0.2.1")
		after(5 * time.Second)
		other := conf("www", "one")
		other.Node.Name = "ns2"
		two := newStage(t, other, fakes)
		two.answers("www A 192.0.2.1")
		after(2 * time.Minute)
		two.answers("www A 192.0.2.2")
		after(5 * time.Second)
		two.stop()
		after(time.Hour)
		one.has("one", "A 192.0.2.2")
		one.is("one", providers.Held)
		if err := one.keeper.Push(t.Context(), "one", false); err != nil {
			t.Error(err)
		}
		one.has("one", "A 192.0.2.2")
		if err := one.keeper.Push(t.Context(), "one", true); err != nil {
			t.Error(err)
		}
		one.has("one", "A 192.0.2.1")
		one.is("one", providers.InStep)
	})
}

// TestServersOfOthers: of the servers that a zone is delegated to, those that
// are named as another provider's show nothing about this one.
func TestServersOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := &fake{able: atomicAbilities()}, &fake{able: atomicAbilities()}
		cfg := conf("www", "one", "two")
		cfg.Resolvers = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}
		cfg.Providers[0].Servers = nil
		cfg.Providers[1].Servers = []string{"192.0.2.2:53"}
		s := &stage{t: t, fakes: map[string]*fake{"one": one, "two": two}, dir: t.TempDir(), cfg: cfg}
		s.ask = func(server, name string, qtype uint16, _ bool) (*dns.Msg, error) {
			m := new(dns.Msg).SetQuestion(name, qtype)
			add := func(text string) {
				rr, err := dns.NewRR(text)
				if err != nil {
					panic(err)
				}
				m.Answer = append(m.Answer, rr)
			}
			switch {
			case server == "192.0.2.1:53":
				return one.answer(name, qtype), nil
			case server == "192.0.2.2:53": // it is down
				return nil, context.DeadlineExceeded
			case qtype == dns.TypeNS:
				add(name + " NS ns.one.example.")
				add(name + " NS ns.two.example.")
			case name == "ns.one.example." && qtype == dns.TypeA:
				add(name + " A 192.0.2.1")
			case name == "ns.two.example." && qtype == dns.TypeA:
				add(name + " A 192.0.2.2")
			}
			return m, nil
		}
		s.start()
		defer s.stop()
		s.answers("www A 192.0.2.7")
		after(5 * time.Minute)
		s.is("one", providers.InStep)
		s.is("two", providers.Unverified)
	})
}
