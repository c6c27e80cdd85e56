package steer

import (
	"slices"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/config"
)

func TestBreaks(t *testing.T) {
	atLeast := config.Rule{Name: "two", AtLeast: 2, Pools: []string{"a", "b", "c"}}
	gate := config.Rule{Name: "spare", Gate: []string{"c", "d"}, Pools: []string{"a", "b"}}
	for _, c := range []struct {
		name, takes, up string // up after the change
		want            string
	}{
		{"enough stay", "a", "b c d", ""},
		{"too few stay", "a", "b d", "two spare"},
		{"the gate is open", "b", "a c d", ""},
		{"one of the gate is not up", "b", "a c", "spare"},
		{"a pool that no rule has", "e", "", ""},
		{"several at once", "a b", "c d", "two"},
		{"a pool of the gate itself", "c", "a b", ""},
		{"what was broken before is broken by this too", "a", "", "two spare"},
	} {
		in := func(list string) func(string) bool {
			return func(p string) bool { return slices.Contains(strings.Fields(list), p) }
		}
		var got []string
		for _, line := range Breaks([]config.Rule{atLeast, gate}, in(c.takes), in(c.up)) {
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "rule "), ":")
			got = append(got, name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: takes %q, up %q: breaks %q, want %q", c.name, c.takes, c.up, got, c.want)
		}
	}
	got := Breaks([]config.Rule{atLeast, gate}, func(p string) bool { return p == "a" }, func(p string) bool { return p == "b" })
	want := []string{"rule two: of a, b, c at least 2 must be up, and 1 would be", "rule spare: a may be taken away only while c, d are up"}
	if !slices.Equal(got, want) {
		t.Errorf("says %q, want %q", got, want)
	}
}
