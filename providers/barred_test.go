package providers_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// TestBarred: one name of many that the credentials may not change is named and
// seldom tried; all others are pushed, failovers too. Once it may be changed it
// is. Credentials that may not even read are denied.
func TestBarred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{able: atomicAbilities()}
		denied := func(c plan.Change) error {
			if s := c.Set(); strings.HasPrefix(s.Name, "b.") || strings.HasPrefix(s.Name, "_shunt-b.") {
				return fmt.Errorf("example.com.: %w: the update is refused", kind.ErrDenied)
			}
			return nil
		}
		f.refuse = denied
		s := newStage(t, conf("a b c d www", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("a A 192.0.2.1; b A 192.0.2.1; c A 192.0.2.1; d A 192.0.2.1; www A 192.0.2.1")
		after(time.Minute)
		s.is("one", providers.Held)
		got := s.state("one")
		if len(got.Held) != 1 || got.Held[0].Name != "b.example.com." || !strings.Contains(got.Why, "b.example.com: our credentials may not change it") || s.alarms() != "provider-held" {
			t.Errorf("%+v; alarms %s", got, s.alarms())
		}
		for _, name := range []string{"a", "c", "d", "www"} {
			if f.of(name+".example.com.") != "A 192.0.2.1" {
				t.Errorf("%s was not pushed", name)
			}
		}

		f.set(func(f *fake) { f.calls = nil })
		after(5 * time.Minute)
		if n := f.count("set") + f.count("apply"); n > 0 {
			t.Errorf("%d requests that are refused within five minutes", n)
		}
		s.answers("a A 192.0.2.2; b A 192.0.2.2; c A 192.0.2.2; d A 192.0.2.2; www A 192.0.2.2")
		after(2 * time.Second)
		for _, name := range []string{"a", "c", "d", "www"} {
			if f.of(name+".example.com.") != "A 192.0.2.2" {
				t.Errorf("the failover of %s was not pushed", name)
			}
		}

		f.set(func(f *fake) { f.refuse = nil })
		after(15 * time.Minute)
		s.is("one", providers.InStep)
		if f.of("b.example.com.") != "A 192.0.2.2" || s.alarms() != "" {
			t.Errorf("what may be changed again was not; alarms %s", s.alarms())
		}

		f.set(func(f *fake) {
			f.fail = func(string) error { return errors.Join(errors.New("401"), kind.ErrDenied) }
		})
		s.answers("a A 192.0.2.3; b A 192.0.2.3; c A 192.0.2.3; d A 192.0.2.3; www A 192.0.2.3")
		after(time.Minute)
		s.is("one", providers.Denied)
	})
}
