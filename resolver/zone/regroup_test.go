package zone

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-dns/shunt/config"
)

// TestRegroup marks services in every way, "a=x": a zone that is regrouped is as
// one that is read so, also for the next reading, and the one before stays as it
// was.
func TestRegroup(t *testing.T) {
	text := "$TTL 60\n@ SOA ns hm 7 2 3 4 5\n@ NS ns\nns A 192.0.2.53\nmail MX 1 ns\nd.c TXT x\n"
	names := []string{"example.test.", "a.example.test.", "b.example.test.", "*.c.example.test.", "d.c.example.test."}
	w := twin{config: config.Zone{Name: "example.test.", File: "main"}}
	for _, name := range names {
		w.config.Services = append(w.config.Services, config.Service{Name: name, Pools: []config.Choice{{Pool: "a"}}})
	}
	if wrong := w.differ(text, names); wrong != "" {
		t.Fatal(wrong)
	}
	for _, marks := range []string{"a=x", "a=x b=x", "a=x b=y", "example.test.=x", "*.c=x", "", "d.c=x a=x", "a=1 b=2 *.c=3 d.c=4 example.test.=5"} {
		before, was := w.zone, nodesOf(w.zone)
		next := w.config
		next.Services = slices.Clone(next.Services)
		for i := range next.Services {
			s := &next.Services[i]
			s.Apart = ""
			for _, m := range strings.Fields(marks) {
				if at, mark, _ := strings.Cut(m, "="); s.Name == at || s.Name == at+".example.test." {
					s.Apart = mark
				}
			}
		}
		w.zone, w.config = w.zone.Regroup(next), next
		read, ps := Parse(next, "ns.test.", w.files(text))
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		if wrong := different(w.zone, read, names); wrong != "" {
			t.Fatalf("%q: %s", marks, wrong)
		}
		if diff := cmp.Diff(was, nodesOf(before)); diff != "" {
			t.Fatalf("%q changed the zone of before:\n%s", marks, diff)
		}
		if gone := goneOf(before, w.zone); !strings.HasPrefix(gone, "[] ") {
			t.Errorf("%q: gone: %s", marks, gone)
		}
		text += "late" + strings.Repeat("x", len(text)%7) + " TXT y\n"
		if wrong := w.differ(text, names); wrong != "" {
			t.Fatalf("%q, then a reload: %s", marks, wrong)
		}
	}
}
