package providers_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/providers/plan"
)

// TestPublishStep: what is at the provider and not served, because somebody
// died before it was published, is published halfway through the time that its
// servers may take.
func TestPublishStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities(), served: []plan.RRset{}}
		f.able.Publish = true
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(50 * time.Second)
		if f.count("publish") != 0 {
			t.Error("it is published again before there was time to serve it")
		}
		after(time.Minute)
		s.is("one", providers.InStep)
		if n := f.count("publish"); n != 1 {
			t.Errorf("it is published %d times", n)
		}
	})
}

// TestFloorOfZone: a zone's own lowest TTL counts, and not that of zones of
// which nothing is known; it is asked for once.
func TestFloorOfZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities()}
		f.able.Publish, f.able.MinTTL = true, time.Hour
		s := newStage(t, conf("www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(5 * time.Second)
		s.answers("www A 192.0.2.2")
		after(5 * time.Second)
		s.is("one", providers.InStep)
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, set := range f.sets {
			if set.Type == "A" && set.TTL != 60 {
				t.Errorf("the TTL is %d", set.TTL)
			}
		}
		floors := 0
		for _, call := range f.calls {
			if call == "floor" {
				floors++
			}
		}
		if floors != 1 || len(f.sets) == 0 {
			t.Errorf("the lowest TTL was asked for %d times: %v", floors, f.calls)
		}
	})
}
