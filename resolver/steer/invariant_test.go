package steer

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// leaves returns the pools that a service can come to.
func leaves(in *Input) []string {
	var out []string
	for _, c := range in.Service.Pools {
		walkPools(c, in.Policies, nil, func(p string) {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		})
	}
	return out
}

func share(d Decision, pool string) int {
	for _, p := range d.Picks {
		if p.Pool == pool {
			return p.Weight
		}
	}
	return 0
}

func effective(in *Input, pool string) (health.State, bool) {
	return in.Table.Pools[pool].Effective(noon)
}

// Invariant 1 of the outages: a name that had targets never gets none. What
// answers is exactly all of the answers, and each pool once.
func TestInvariantNeverEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := anything
		k.fences = rapid.Bool().Draw(t, "may have fences")
		s, text := anyStage(t, k)
		d := Decide(s.in)
		able := slices.ContainsFunc(leaves(&s.in), func(p string) bool { return s.in.Bare(p) == "" })
		if len(d.Picks) == 0 && able && d.FenceDown == "" && !k.fences {
			t.Fatalf("%s: no pick", text)
		}
		sum, seen := 0, map[string]bool{}
		for _, p := range d.Picks {
			if p.Weight < 1 || seen[p.Pool] || s.in.Bare(p.Pool) != "" {
				t.Fatalf("%s: %+v", text, d.Picks)
			}
			sum, seen[p.Pool] = sum+p.Weight, true
		}
		if len(d.Picks) > 0 && sum != Million {
			t.Fatalf("%s: the shares are %d in all", text, sum)
		}
		if d.TTL < s.in.Service.TTLMin || d.TTL > s.in.Service.TTL || d.FailOpen && d.TTL != s.in.Service.TTLMin {
			t.Fatalf("%s: TTL %v", text, d.TTL)
		}
		if (d.Draw != Fixed) != (len(d.Picks) > 1 && !d.Union) {
			t.Fatalf("%s: draw %s of %+v", text, d.Draw, d.Picks)
		}
	})
}

// Invariant 2: all down means fail open, and only then; nothing that is down
// answers beside what is not.
func TestInvariantFailOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, text := anyStage(t, anything)
		d := Decide(s.in)
		for _, p := range d.Picks {
			if state, _ := effective(&s.in, p.Pool); (state == health.Down) != d.FailOpen {
				t.Fatalf("%s: %s is %s, fail open %v (%s)", text, p.Pool, state, d.FailOpen, d.Why)
			}
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		s, text := anyStage(t, kind{nested: true, union: true})
		d := Decide(s.in)
		alive := slices.ContainsFunc(leaves(&s.in), func(p string) bool {
			state, _ := effective(&s.in, p)
			return state != health.Down && s.in.Bare(p) == ""
		})
		if len(d.Picks) > 0 && d.FailOpen == alive {
			t.Fatalf("%s: fail open %v, something lives: %v", text, d.FailOpen, alive)
		}
	})
}

// Equal inputs make equal decisions.
func TestDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, text := anyStage(t, anything)
		s.in.Explain = true
		if a, b := Decide(s.in), Decide(s.in); !reflect.DeepEqual(a, b) {
			t.Fatalf("%s:\n%+v\n%+v", text, a, b)
		}
	})
}

// Invariant 18: an operator's word outranks probes and everything automatic.
func TestInvariantOverrideOutranksProbes(t *testing.T) {
	at := func(hours int, pools string) string {
		in := stageOf(pools, config.Failover).in
		in.Now = noon.Add(time.Duration(hours) * time.Hour)
		return write(Decide(in))
	}
	if got := at(0, "a-/u b+"); got != "a" {
		t.Errorf("forced up: %s", got)
	}
	if got := at(2, "a-/u b+"); got != "b" {
		t.Errorf("after its end the override still holds: %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		s, text := anyStage(t, kind{nested: true, union: true})
		d := Decide(s.in)
		better := func(than func(state health.State, drains bool) bool) string {
			for _, p := range leaves(&s.in) {
				if state, drains := effective(&s.in, p); s.in.Bare(p) == "" && than(state, drains) {
					return p
				}
			}
			return ""
		}
		for _, p := range d.Picks {
			o := s.in.Table.Pools[p.Pool].Override
			if o == nil {
				continue
			}
			if x := better(func(s health.State, _ bool) bool { return s != health.Down }); o.Force == health.ForceDown && x != "" {
				t.Fatalf("%s: %s is forced down and answers, %s does not: %s", text, p.Pool, x, d.Why)
			}
			if x := better(func(s health.State, drains bool) bool { return s != health.Down && !drains }); o.Force == health.ForceDrain && x != "" {
				t.Fatalf("%s: %s drains and answers, %s does not: %s", text, p.Pool, x, d.Why)
			}
		}
	})
	rapid.Check(t, func(t *rapid.T) { // forced up, the first in order has everything
		s, text := anyStage(t, kind{})
		s.with("p: * healthy, first 1")
		first := s.in.Service.Pools[0]
		if first.LastResort || s.in.Bare(first.Pool) != "" {
			return
		}
		s.in.Table.Pools[first.Pool].Override = &health.Override{Force: health.ForceUp, Expires: noon.Add(1)}
		if d := Decide(s.in); share(d, first.Pool) != Million {
			t.Fatalf("%s: %s", text, d.Why)
		}
	})
}

// A pool that goes down never adds traffic to another one that is down, but
// where nothing else is left.
func TestMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, text := anyStage(t, anything)
		before := Decide(s.in)
		pools := leaves(&s.in)
		x := rapid.SampledFrom(pools).Draw(t, "goes down")
		p := s.in.Table.Pools[x]
		if p.Override != nil {
			return
		}
		p.State = health.Down
		after := Decide(s.in)
		for _, y := range pools {
			state, _ := effective(&s.in, y)
			if y != x && state == health.Down && share(after, y) > share(before, y) && !after.FailOpen {
				t.Fatalf("%s: %s falls and %s gets %d after %d", text, x, y, share(after, y), share(before, y))
			}
		}
		if share(after, x) > 0 && !after.FailOpen {
			t.Fatalf("%s: %s falls and answers: %s", text, x, after.Why)
		}
	})
}

// A pool gets more than its max_share, or than its ramp lets it have, only
// when no other one that is up has room.
func TestCapacity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, text := anyStage(t, kind{nested: true})
		if hidden(&s.in) {
			return
		}
		d := Decide(s.in)
		capped := slices.ContainsFunc(s.in.Policies["p"].Chain, func(f config.Filter) bool { return f.Kind == config.Capacity })
		most := func(p string, ramp bool) int {
			n := Million
			if capped {
				n = parts(s.in.Pools[p].MaxShare)
			}
			if c, ok := s.in.Caps[p]; ok && ramp && !forcedUp(s.in.Table.Pools[p], noon) {
				n = min(n, parts(c))
			}
			return n
		}
		for _, ramp := range []bool{false, true} {
			for _, p := range d.Picks {
				if p.Weight <= most(p.Pool, ramp) || d.FailOpen {
					continue
				}
				for _, y := range leaves(&s.in) {
					state, drains := effective(&s.in, y)
					up := state == health.Up && !drains && s.in.Bare(y) == "" && (s.in.Waits[y] == "" || forcedUp(s.in.Table.Pools[y], noon))
					if up && share(d, y) < most(y, ramp) {
						t.Fatalf("%s: %s has %d, more than %d, and %s has %d, less than %d: %s", text, p.Pool, p.Weight, most(p.Pool, ramp), y, share(d, y), most(y, ramp), stepsText(d))
					}
				}
			}
		}
	})
}

// hidden reports whether a policy may keep its pools back from those around
// it: with a capacity of its own, or one that is unknown before others that are up.
func hidden(in *Input) bool {
	for name, p := range in.Policies {
		if name != "p" && slices.ContainsFunc(p.Chain, func(f config.Filter) bool {
			return f.Kind == config.Capacity || f.Healthy.KeepUnknown || f.Healthy.MinUp > 1
		}) {
			return true
		}
	}
	return false
}

// Where nothing caps, shares are those of the weights.
func TestSharesEqualWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(t, "pools")
		sum, weights := 0, make([]int, n)
		s := stageOf("", "p").with("p: * healthy, " + rapid.SampledFrom([]string{"weighted", "sticky"}).Draw(t, "split"))
		for i := range weights {
			weights[i] = rapid.IntRange(1, config.MaxWeight).Draw(t, "weight")
			sum += weights[i]
			name := string(rune('a' + i))
			s.in.Service.Pools = append(s.in.Service.Pools, config.Choice{Pool: name, Weight: weights[i]})
			s.in.Table.Pools[name] = &health.Pool{State: health.Up}
		}
		d := Decide(s.in)
		if len(d.Picks) != n {
			t.Fatalf("%v: %+v", weights, d.Picks)
		}
		for i, p := range d.Picks {
			if want := Million * float64(weights[i]) / float64(sum); math.Abs(float64(p.Weight)-want) > 1+float64(n)/2 {
				t.Fatalf("%v: %s has %d, want %v", weights, p.Pool, p.Weight, want)
			}
		}
	})
}

// Places of equal class keys have equal decisions, whatever the table says.
func TestClassify(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, text := anyStage(t, anything)
		classify := Classify(s.in.Service, s.in.Policies, s.in.Pools)
		here, there := s.in.Place, placeOf(anyPlace(t))
		if !Places(s.in.Service, s.in.Policies, s.in.Pools) && (classify(here) != "" || classify(there) != "") {
			t.Fatalf("%s: places do not matter, and have the keys %q and %q", text, classify(here), classify(there))
		}
		if classify(here) != classify(there) {
			return
		}
		a := Decide(s.in)
		s.in.Place = there
		if b := Decide(s.in); !reflect.DeepEqual(a, b) {
			t.Fatalf("%s: %+v and %+v have the key %q and\n%+v\n%+v", text, here, there, classify(here), a, b)
		}
	})
}

// A ramp that goes on takes nothing from the pool that climbs.
func TestRampsAreMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, text := anyStage(t, anything)
		x := rapid.SampledFrom(leaves(&s.in)).Draw(t, "climbs")
		low := rapid.Float64Range(0.001, 1).Draw(t, "low")
		s.in.Caps[x] = low
		before := share(Decide(s.in), x)
		s.in.Caps[x] = rapid.Float64Range(low, 1).Draw(t, "high")
		if after := share(Decide(s.in), x); after < before {
			t.Fatalf("%s: %s had %d at %v, and %d at %v", text, x, before, low, after, s.in.Caps[x])
		}
	})
}

// Behind a fence that does not open no client gets out.
func TestFenceHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, text := anyStage(t, anything)
		p := s.in.Policies["p"]
		at := rapid.IntRange(0, len(p.Chain)-1).Draw(t, "at")
		for i, f := range p.Chain {
			if f.Kind == config.First || f.Kind == config.Everyone {
				at = min(at, i)
			}
		}
		p.Chain = slices.Insert(p.Chain, at, filterOf("fence in eu"))
		d := Decide(s.in)
		for _, pick := range d.Picks {
			if !slices.Contains(s.in.Pools[pick.Pool].Jurisdictions, "eu") {
				t.Fatalf("%s, with a fence at %d: %s answers: %s", text, at, pick.Pool, stepsText(d))
			}
		}
		inside := slices.ContainsFunc(leaves(&s.in), func(p string) bool {
			return s.in.Bare(p) == "" && slices.Contains(s.in.Pools[p].Jurisdictions, "eu")
		})
		if len(d.Picks) == 0 && inside && strings.Count(text, "fence") == 0 {
			t.Fatalf("%s: nothing answers, though something inside could: %s", text, stepsText(d))
		}
	})
}
