package steer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// States are told a minute apart; behind each stand the pools that have
// fallen, and what those wait for that are up: p a person, t their time.
func TestFallsAndWaits(t *testing.T) {
	pools := map[string]*config.Pool{
		"a": {Name: "a", Failback: config.Failback{Mode: config.FailbackManual}},
		"b": {Name: "b", Failback: config.Failback{Mode: config.FailbackAfter, After: 2 * time.Minute}},
		"c": {Name: "c", Failback: config.Failback{Mode: config.FailbackAuto, After: time.Hour, Manual: 2 * time.Minute}},
	}
	states := map[string]*health.Pool{}
	var was *health.Table
	var falls map[string]health.Fall
	for i, turn := range [][3]string{
		{"a+ b+ c+", "", ""},
		{"a- b- c-", "a b c", ""},
		{"a+ b+ c+", "a b", "a:p b:t"},
		{"a+/u", "a b", "b:t"}, // forced up: no wait while that lasts
		{"a+ c-", "a c", "a:p"},
		{"", "a c", "a:p"},
		{"", "a c", "a:p"},
		{"c+", "a c", "a:p c:p"},
	} {
		now := noon.Add(time.Duration(i) * time.Minute)
		_, table, _ := scene(turn[0], config.Failover)
		for name, p := range table.Pools {
			p.Since = now
			if was := states[name]; was != nil && was.State == p.State {
				p.Since = was.Since
			}
			states[name] = p
		}
		before := maps.Clone(falls)
		table.Pools = maps.Clone(states)
		next := NextFalls(pools, falls, was, table, now)
		was = table
		if !maps.Equal(before, falls) {
			t.Fatalf("turn %d wrote to the falls it was given", i)
		}
		falls = next
		why, until := Waits(pools, falls, table, now)
		var waits []string
		for _, name := range slices.Sorted(maps.Keys(why)) {
			kind := "p"
			if !until[name].IsZero() {
				kind = "t"
			}
			waits = append(waits, fmt.Sprintf("%s:%s", name, kind))
		}
		if got := strings.Join(slices.Sorted(maps.Keys(falls)), " "); got != turn[1] || strings.Join(waits, " ") != turn[2] {
			t.Errorf("turn %d, %q: fallen %q, waits %q; want %q, %q", i, turn[0], got, waits, turn[1], turn[2])
		}
	}
	// A pool that is no longer configured is forgotten.
	delete(pools, "a")
	if falls = NextFalls(pools, falls, was, was, noon.Add(time.Hour)); falls["a"].Fallen() || !falls["c"].Fallen() {
		t.Errorf("after a is gone: %v", falls)
	}
}
