package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scene makes a configuration of a line: "pools p q | =eu q | www p eu | api p",
// where = begins a policy with pools of its own.
func scene(line string) *Config {
	c := &Config{Zones: []Zone{{Name: "example.com."}}}
	for part := range strings.SplitSeq(line, "|") {
		f := strings.Fields(part)
		if f[0] == "pools" {
			for _, p := range f[1:] {
				c.Pools = append(c.Pools, Pool{Name: p})
			}
			continue
		}
		s := Service{Name: f[0]}
		for _, p := range f[1:] {
			if slices.ContainsFunc(c.Policies, func(pol Policy) bool { return pol.Name == p }) {
				s.Pools = append(s.Pools, Choice{Policy: p})
				continue
			}
			s.Pools = append(s.Pools, Choice{Pool: p})
		}
		if name, ok := strings.CutPrefix(s.Name, "="); ok {
			c.Policies = append(c.Policies, Policy{Name: name, Pools: s.Pools})
			continue
		}
		c.Zones[0].Services = append(c.Zones[0].Services, s)
	}
	return c
}

// TestDestructiveChangeRefused is invariant 9 of the outages: what would take
// away more than a quarter of the names or pools, or every pool that a
// service has, is refused.
func TestDestructiveChangeRefused(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		static         Static
		want           string // "" goes through
	}{
		{"nothing changes", "pools p q | a p | b q", "pools p q | a p | b q", Static{}, ""},
		{"growth", "pools p | a p", "pools p q r | a p q | b r", Static{}, ""},
		{"the first configuration", "pools", "pools p | a p", Static{}, ""},
		{"a quarter of the names", "pools p | a p | b p | c p | d p", "pools p | a p | b p | c p", Static{}, ""},
		{"a third of the names", "pools p | a p | b p | c p", "pools p | a p | b p", Static{}, "it would remove 33.4 % of the names, more than 25 % (c)"},
		{"a third of the services, few of the names", "pools p | a p | b p | c p", "pools p | a p | b p", Static{Before: 97}, ""},
		{"static names", "pools p | a p", "pools p | a p", Static{Before: 3, Gone: []string{"m", "n"}}, "it would remove 50 % of the names, more than 25 % (m, n)"},
		{"a service takes over a static name", "pools p | a p", "pools p | a p | m p", Static{Before: 1, Gone: []string{"m"}}, ""},
		{"half of the pools", "pools p q | a p q", "pools p | a p", Static{}, "it would remove 50 % of the pools, more than 25 % (q)"},
		{"a quarter of the pools", "pools p q r s | a p q r s", "pools p q r | a p q r", Static{}, ""},
		{"one pool of two for another", "pools p q r | a p q", "pools p q r | a q r", Static{}, ""},
		{"every pool of a service", "pools p q | a p | b q", "pools p q | a q | b q", Static{}, "every pool that a has now would go (add the new ones beside the old first, then remove the old)"},
		{"a policy that keeps a pool", "pools p q r | =eu q r | a p eu", "pools p q r | =eu r | a eu", Static{}, ""},
		{"a policy in the place of its pools", "pools p q | a p q", "pools p q | =eu q p | a eu", Static{}, ""},
		{"other pools below the same policies", "pools p q r | =in p | =eu in | a eu", "pools p q r | =in q | =eu in r | a eu", Static{}, "every pool that a has now would go (add the new ones beside the old first, then remove the old)"},
		{"all at once", "pools p | a p | b p", "pools q | a q", Static{}, "it would remove 50 % of the names, more than 25 % (b); it would remove 100 % of the pools, more than 25 % (p); every pool that a has now would go (add the new ones beside the old first, then remove the old)"},
		{"an empty file", "pools p | a p", "pools", Static{}, "it would remove 100 % of the names, more than 25 % (a); it would remove 100 % of the pools, more than 25 % (p)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Removal(scene(c.old), scene(c.new), c.static).Refuse(0.25)); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
}

func TestRefusalIsShort(t *testing.T) {
	var line strings.Builder
	line.WriteString("pools p")
	for i := range 1000 {
		fmt.Fprintf(&line, " | n%03d p", i)
	}
	got := Removal(scene(line.String()), scene("pools p"), Static{}).Refuse(0.5)
	if want := "it would remove 100 % of the names, more than 50 % (n000, n001, n002, n003, n004 and 995 more)"; got != want {
		t.Errorf("got %s", got)
	}
}
