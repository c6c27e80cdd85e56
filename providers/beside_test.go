package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/providers/plan"
)

// TestBeside: an AAAA of others beside the A that we push is in the way of
// nothing, stays, and is told of until it has gone.
func TestBeside(t *testing.T) {
	both(t, func(t *testing.T, f *fake) {
		aaaa, err := plan.New("www.example.com.", "AAAA", 300, []string{"2001:db8::9"})
		if err != nil {
			t.Fatal(err)
		}
		f.sets = append(f.sets, aaaa)
		s := newStage(t, conf("www api", "one"), map[string]*fake{"one": f})
		defer s.stop()
		s.answers("www A 192.0.2.1; api A 192.0.2.1")
		after(time.Minute)
		s.is("one", providers.InStep)
		s.has("one", "A 192.0.2.1; AAAA 2001:db8::9")
		if got := s.state("one"); len(got.Beside) != 1 || got.Beside[0].Name != "www.example.com." || !strings.Contains(got.Why, "www.example.com: AAAA records of others stand beside ours") {
			t.Errorf("%+v", got)
		}
		f.set(func(f *fake) { f.sets = slices.DeleteFunc(f.sets, func(s plan.RRset) bool { return s.Type == "AAAA" }) })
		after(15 * time.Minute)
		if got := s.state("one"); len(got.Beside) != 0 || got.Why != "" {
			t.Errorf("it has gone: %+v", got)
		}
	})
}
