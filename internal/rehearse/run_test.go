package rehearse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
)

func builtIn(t testing.TB) *config.Config {
	t.Helper()
	cfg, err := config.Parse(BuiltIn(), "/built-in/shunt.yaml", config.Overrides{Hostname: "ns1.example.net"})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func rehearsed(t testing.TB, s *Scenario, seed uint64) *Report {
	t.Helper()
	p := Plan{Scenario: s, Config: builtIn(t), Seed: seed, Caches: 200, Clock: time.Now}
	trace, err := Run(p)
	if err != nil {
		t.Fatal(err)
	}
	return NewReport(p, trace)
}

// Every scenario of the library is sound, and has an id, a story and an end.
// That all of them pass is for test/script, which runs the real program.
func TestLibrary(t *testing.T) {
	all, err := Library()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range all {
		if seen[s.ID] || s.Story == "" || len(s.Expect) == 0 || s.Length() <= 0 {
			t.Errorf("%s: twice %v, story %q, %d expectations, %v long", s.ID, seen[s.ID], s.Story, len(s.Expect), s.Length())
		}
		seen[s.ID] = true
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	s, ok, err := Shipped("cloudflare-2025-12-05")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	write := func(seed uint64) string {
		r := rehearsed(t, s, seed)
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := r.HTML(&b); err != nil {
			t.Fatal(err)
		}
		return string(text) + b.String()
	}
	first := write(7)
	if write(7) != first {
		t.Error("the same seed gave another report")
	}
	if write(8) == first {
		t.Error("another seed gave the same report")
	}
}

// outage is a scenario in which cdn-a answers 500 for a while.
func outage(minutes int, ratio float64) *Scenario {
	s, err := Parse("x.yaml", fmt.Appendf(nil, `id: x
title: X
real: {start: 2025-11-18T11:00:00Z, end: 2025-11-18T11:10:00Z}
phases:
  - {at: 1m, for: %dm, target: cdn-a, plane: edge-http, fault: {kind: http_status, status: 500}, ratio: %v}
never: [N0]
`, minutes, ratio))
	if err != nil {
		panic(err)
	}
	return s
}

// A longer outage never has fewer error minutes, and shunt never more than a
// site with one path.
func TestLongerIsNotBetter(t *testing.T) {
	brief := func(s *Scenario, seed uint64) *Report {
		p := Plan{Scenario: s, Config: builtIn(t), Seed: seed, Caches: 100, Tail: 10 * time.Minute}
		trace, err := Run(p)
		if err != nil {
			t.Fatal(err)
		}
		return NewReport(p, trace)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		short, seed := 1+chance.IntN(30), chance.Uint64()
		long := short + 1 + chance.IntN(30)
		a, b := brief(outage(short, 1), seed), brief(outage(long, 1), seed)
		if a.Errors.Shunt > b.Errors.Shunt+1e-6 {
			t.Errorf("seed %d: %d minutes of outage: %v error minutes; %d minutes: %v", seed, short, a.Errors.Shunt, long, b.Errors.Shunt)
		}
		if b.Errors.Shunt > b.Errors.Alone+1e-6 {
			t.Errorf("seed %d: %v error minutes with shunt, %v without", seed, b.Errors.Shunt, b.Errors.Alone)
		}
		if !a.OK || !b.OK {
			t.Errorf("seed %d: verdicts: %v %v", seed, a.Verdicts, b.Verdicts)
		}
	}
}

// What cannot be rehearsed with a configuration is said in words.
func TestPlanErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Plan)
		want string
	}{
		{"no such pool", func(p *Plan) { p.Roles = map[string]string{"cdn-a": "moon"} }, `there is no pool "moon" for cdn-a`},
		{"no such target", func(p *Plan) { p.Roles = map[string]string{"moon": "cdn-a"} }, `"moon" is not a target`},
		{"no such service", func(p *Plan) { p.Service = "moon.example.com." }, `there is no service "moon.example.com."`},
		{"no zone", func(p *Plan) { p.Service = "www." }, `there is no service "www." (write the whole name, as www.example.com)`},
		{"too few pools", func(p *Plan) {
			c := *p.Config
			c.Pools = c.Pools[2:]
			c.Zones = nil
			p.Config = &c
		}, "no pool is left to stand for cdn-b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _, err := Shipped("fastly-2021-06-08")
			if err != nil {
				t.Fatal(err)
			}
			p := Plan{Scenario: s, Config: builtIn(t)}
			c.edit(&p)
			if _, err := Run(p); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// Against tells better from worse.
func TestAgainst(t *testing.T) {
	good, bad := rehearsed(t, outage(10, 1), 1), rehearsed(t, outage(40, 1), 1)
	bad.Errors.Shunt *= 2
	changes, err := bad.Against(good)
	if err != nil || len(changes) == 0 || !changes[0].Worse {
		t.Errorf("worse: %v %v", changes, err)
	}
	changes, err = good.Against(bad)
	if err != nil || len(changes) == 0 || changes[0].Worse {
		t.Errorf("better: %v %v", changes, err)
	}
	if changes, err = good.Against(good); err != nil || len(changes) != 0 {
		t.Errorf("same: %v %v", changes, err)
	}
	other := *good
	other.Scenario = "y"
	if _, err = good.Against(&other); err == nil {
		t.Error("reports of two scenarios were compared")
	}
}

func BenchmarkSixHours(b *testing.B) {
	s, _, err := Shipped("cloudflare-2025-11-18")
	if err != nil {
		b.Fatal(err)
	}
	cfg := builtIn(b)
	for b.Loop() {
		p := Plan{Scenario: s, Config: cfg, Seed: 1}
		trace, err := Run(p)
		if err != nil {
			b.Fatal(err)
		}
		NewReport(p, trace)
	}
}
