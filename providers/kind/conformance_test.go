package kind_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/kindtest"
	"github.com/shunt-dns/shunt/internal/vendortest"
	"github.com/shunt-dns/shunt/providers/plan"
)

// TestConformance plays the scenes of kindtest against every kind that has a
// double.
func TestConformance(t *testing.T) {
	for _, p := range doubles() {
		t.Run(p.kind, func(t *testing.T) {
			t.Parallel()
			kindtest.Run(t, func(t *testing.T) kindtest.Stage { return stage(t, p) })
		})
	}
}

// stage returns a fresh double with an empty zone, among others of like names.
func stage(t *testing.T, p played) kindtest.Stage {
	d, opened := play(t, p)
	d.Load("notexample.test.", "www.notexample.test. 300 A 198.51.100.1")
	d.Load("sub.example.test.", "www.sub.example.test. 300 A 198.51.100.2")
	others := func() []string { return slices.Concat(d.Zone("notexample.test."), d.Zone("sub.example.test.")) }
	before := others()
	t.Cleanup(func() {
		if after := others(); !slices.Equal(before, after) {
			t.Errorf("other zones were changed to %q", after)
		}
	})
	return kindtest.Stage{
		Provider: opened,
		Zone:     "example.test.",
		Unknown:  "ample.test.", // which others end in
		Lacks:    p.lacks,
		Others: func(t *testing.T, sets []plan.RRset) {
			for _, s := range sets {
				for _, data := range s.Data {
					if s.Type == "TXT" && p.bare {
						data, _ = plan.TXT(data)
					}
					d.Load("example.test.", fmt.Sprintf("%s %d %s %s", s.Name, s.TTL, s.Type, data))
				}
			}
		},
		API: func(t *testing.T, trouble string) { d.Fail(troubles(t, trouble)...) },
		Served: func(t *testing.T, zone string, _ []string) {
			d.Edit(func(s *vendortest.State) {
				if s.Zone(zone).Pending {
					t.Error("what was changed is not published")
				}
			})
		},
	}
}

// troubles returns the faults that the scenes' word for a trouble means.
func troubles(t *testing.T, word string) []vendortest.Fault {
	switch word {
	case "well":
		return nil
	case "throttles":
		return []vendortest.Fault{{Do: vendortest.Throttle, After: 7 * time.Second}}
	case "denies":
		return []vendortest.Fault{{Do: vendortest.Deny}}
	case "breaks":
		return []vendortest.Fault{{Do: vendortest.Break, On: vendortest.Write}}
	case "hangs":
		return []vendortest.Fault{{Do: vendortest.Hang}}
	case "loses":
		return []vendortest.Fault{{Do: vendortest.Lose, On: vendortest.Write}}
	case "ignores":
		return []vendortest.Fault{{Do: vendortest.Ignore, On: vendortest.Write}}
	}
	t.Fatalf("an API cannot be %s", strings.ToLower(word))
	return nil
}
