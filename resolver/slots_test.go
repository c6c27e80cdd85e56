package resolver

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// namedServices returns a snapshot of services of these names, each answered
// from pool alpha by a group of its own, for they differ in their TTL.
func namedServices(t testing.TB, names ...string) *zone.Snapshot {
	t.Helper()
	var services []config.Service
	for i, name := range names {
		services = append(services, config.Service{
			Name: name + ".example.test.", Policy: config.Failover, TTL: time.Duration(i+1) * time.Second,
			Pools: []config.Choice{{Pool: "alpha", Weight: 1}},
		})
	}
	z, problems := zone.Parse(config.Zone{Name: "example.test.", File: "z", Max: 10, Services: services}, "ns1.example.test.",
		fstest.MapFS{"z": {Data: []byte("$TTL 60\n@ SOA ns hm 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n")}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set := zone.NewSet([]*zone.Zone{z})
	return set.Snapshot(1, steeredForTest(set), nil)
}

// TestCountsThroughReloads: a line is a reload with these services and one
// question for each that is named in capitals; behind it is what Stats has.
func TestCountsThroughReloads(t *testing.T) {
	a := NewAnswerer(settingsForTest(), 1, quiet())
	w := a.Worker()
	for _, c := range []struct{ services, counts string }{
		{"A B", "a=1 b=1, alpha 2"},
		{"A B", "a=2 b=2, alpha 4"},
		{"b A", "a=3 b=2, alpha 5"},        // another order
		{"b", "a=3 b=2, alpha 5"},          // a rests
		{"A b", "a=4 b=2, alpha 6"},        // and comes back
		{"B", "a=4 b=3, alpha 7"},          // rests again
		{"B", "b=4, alpha 8"},              // is gone, but for the pool's total
		{"b C", "b=4 c=1, alpha 9"},        // another takes its counter
		{"A b C", "a=1 b=4 c=2, alpha 11"}, // it begins anew
		{"C", "a=1 b=4 c=3, alpha 12"},
		{"C", "c=4, alpha 13"},
		{"A B C", "a=1 b=1 c=5, alpha 16"},
	} {
		names := strings.Fields(c.services)
		a.Swap(namedServices(t, strings.Fields(strings.ToLower(c.services))...))
		for _, n := range names {
			if n == strings.ToUpper(n) {
				w.Answer(make([]byte, 0, 512), dnstest.Ask(t, strings.ToLower(n)+".example.test. A"), client, moment, UDP)
			}
		}
		if got := countsOf(a.Stats()); got != c.counts {
			t.Errorf("%q: %s, want %s", c.services, got, c.counts)
		}
	}
	if n := len(a.slots.pairs); n != 4 {
		t.Errorf("%d slots for three services and the others", n)
	}
}

// countsOf writes what was counted as "service=answers …, pool total".
func countsOf(s Stats) string {
	var words []string
	for _, c := range s.Steered {
		words = append(words, fmt.Sprintf("%s=%d", strings.TrimSuffix(c.Service, ".example.test."), c.Answers))
	}
	return fmt.Sprintf("%s, alpha %d", strings.Join(words, " "), s.Pools["alpha"])
}

// TestSlotsAreBounded: pairs beyond the last page share the first counter, and
// a worker's memory is no more than its pages.
func TestSlotsAreBounded(t *testing.T) {
	s := newSlots(func(uint32) uint64 { return 0 })
	if got := s.of(pair{"first", "p"}); got != 1 {
		t.Errorf("the first pair has slot %d", got)
	}
	s.pairs = append(s.pairs, make([]pair, maxSlots-3)...) // all but one
	for _, c := range []struct {
		service string
		want    uint32
	}{{"last", maxSlots - 1}, {"too late", 0}, {"much too late", 0}, {"first", 1}, {"last", maxSlots - 1}} {
		if got := s.of(pair{c.service, "p"}); got != c.want {
			t.Errorf("%s has slot %d, want %d", c.service, got, c.want)
		}
	}
	if s.needed() != maxPages {
		t.Errorf("%d pages", s.needed())
	}
	var b book
	b.open(s.needed())
	b.at(maxSlots - 1).Add(5)
	if b.at(maxSlots-1).Load() != 5 || b.at(0).Load() != 0 {
		t.Error("the last counter is not its own")
	}
}

// TestCountsWhileReloading: nothing is lost and nothing races while services
// come and go under two workers and a reader.
func TestCountsWhileReloading(t *testing.T) {
	a := NewAnswerer(settingsForTest(), 1, quiet())
	sets := []*zone.Snapshot{namedServices(t, "a", "b"), namedServices(t, "b", "c"), namedServices(t, "c"), namedServices(t, "d", "a")}
	a.Swap(namedServices(t, "a", "b", "c", "d"))
	const each = 4000
	var asking, reading sync.WaitGroup
	for range 2 {
		w := a.Worker()
		asking.Go(func() {
			buf := make([]byte, 0, 512)
			for i := range each {
				w.Answer(buf, dnstest.Ask(t, string(rune('a'+i%4))+".example.test. A"), client, moment, UDP)
			}
		})
	}
	stop := make(chan struct{})
	reading.Go(func() {
		before := uint64(0)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			a.Swap(sets[i%len(sets)])
			now := a.Stats().Pools["alpha"]
			if now < before {
				t.Errorf("the pool's total fell from %d to %d", before, now)
			}
			before = now
		}
	})
	asking.Wait()
	close(stop)
	reading.Wait()
	s := a.Stats()
	// A counter rests for one reload before another pair may get it. Here two may come
	// while one answer is under way, and then what that counts is lost.
	const late = 8
	lost := s.Rcodes["NOERROR"] - s.Pools["alpha"]
	if s.UDP != 2*each || lost > late || s.Rcodes["NOERROR"]+s.Rcodes["NXDOMAIN"] != 2*each {
		t.Errorf("counts: %+v", s)
	}
}
