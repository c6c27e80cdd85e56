package steer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// scene reads pools as "a+ b- c?": up, down, unknown. Behind the state may
// stand /d (drained), /u (forced up), /x (forced down), =N (weight), !
// (nothing to answer with) and ~N (could change in N seconds).
func scene(text string, p string) (config.Service, *health.Table, func(string) string) {
	s := config.Service{Policy: p, TTL: 30 * time.Second, TTLMin: 10 * time.Second}
	t := &health.Table{At: noon, Pools: map[string]*health.Pool{}}
	bare := map[string]string{}
	for _, word := range strings.Fields(text) {
		name := word[:1]
		pool := &health.Pool{Name: name, State: map[byte]health.State{'+': health.Up, '-': health.Down, '?': health.Unknown}[word[1]]}
		if pool.State == health.Down {
			pool.Reason = "HTTP 500"
		}
		choice := config.Choice{Pool: name, Weight: 1}
		rest := word[2:]
		if i := strings.IndexByte(rest, '~'); i >= 0 {
			n, _ := strconv.Atoi(rest[i+1:])
			pool.ChangeIn, rest = time.Duration(n)*time.Second, rest[:i]
		}
		if i := strings.IndexByte(rest, '='); i >= 0 {
			choice.Weight, _ = strconv.Atoi(rest[i+1:])
			rest = rest[:i]
		}
		if strings.Contains(rest, "!") {
			bare[name] = "has no addresses"
			rest = strings.ReplaceAll(rest, "!", "")
		}
		if rest != "" {
			force := map[string]health.Force{"/d": health.ForceDrain, "/u": health.ForceUp, "/x": health.ForceDown}[rest]
			pool.Override = &health.Override{Pool: name, Force: force, Author: "kim", Reason: "test", Expires: noon.Add(time.Hour)}
		}
		t.Pools[name] = pool
		s.Pools = append(s.Pools, choice)
	}
	return s, t, func(p string) string { return bare[p] }
}

func TestDecide(t *testing.T) {
	tests := []struct {
		what   string
		policy string
		good   string
		pools  string
		want   string // picks with weights where drawn; "open:" before them when failing open
	}{
		{"the first that is up", config.Failover, "", "a+ b+ c+", "a"},
		{"a pool that is down is passed over", config.Failover, "", "a- b+ c+", "b"},
		{"unknown is not down", config.Failover, "", "a? b- c-", "a"},
		{"up is better than unknown", config.Failover, "", "a? b+", "b"},
		{"a drained pool gives way", config.Failover, "", "a+/d b+", "b"},
		{"a drained pool that is up beats one that is down", config.Failover, "", "a+/d b-", "a"},
		{"forced down", config.Failover, "", "a+/x b+", "b"},
		{"forced up", config.Failover, "", "a-/u b+", "a"},
		{"nothing up: the last good order", config.Failover, "b", "a- b- c-", "open: b"},
		{"nothing up and nothing known: the order of the service", config.Failover, "", "a- b-", "open: a"},
		{"nothing up: forced down comes last", config.Failover, "a", "a-/x b-", "open: b"},
		{"nothing up: drained comes after the others", config.Failover, "a", "a-/d b-", "open: b"},
		{"all forced down still answers", config.Failover, "", "a+/x b+/x", "open: a"},
		{"a pool without addresses is passed over", config.Failover, "", "a+! b+", "b"},
		{"even when the other is down", config.Failover, "", "a+! b-", "open: b"},
		{"no valid data at all", config.Failover, "", "a+! b-!", ""},

		{"weights", config.Weighted, "", "a+=95 b+=5", "a=950000 b=50000"},
		{"weight 0 waits", config.Weighted, "", "a+=0 b+=255", "b=1000000"},
		{"weight 0 answers when nothing else is up", config.Weighted, "", "a+=0 b-=255", "a=1000000"},
		{"several of weight 0 share equally", config.Weighted, "", "a+=0 b+=0 c-=3", "a=500000 b=500000"},
		{"fail open keeps the weights of the last good order", config.Weighted, "a b", "a-=95 b-=5 c-=1", "open: a=950000 b=50000"},

		{"all that are up", config.All, "", "a+ b- c+", "a c"},
		{"all fails open", config.All, "a", "a- b-", "open: a"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			s, table, bare := scene(tt.pools, tt.policy)
			d := Decide(Input{Service: s, Table: table, Good: strings.Fields(tt.good), Now: noon, Bare: bare})
			if got := write(d, tt.policy); got != tt.want {
				t.Errorf("%s of %q after %q: got %q, want %q (%s)", tt.policy, tt.pools, tt.good, got, tt.want, d.Why)
			}
		})
	}
}

func write(d Decision, p string) string {
	var out []string
	if d.FailOpen {
		out = append(out, "open:")
	}
	for _, pick := range d.Picks {
		if p == config.Weighted {
			out = append(out, fmt.Sprintf("%s=%d", pick.Pool, pick.Weight))
		} else {
			out = append(out, pick.Pool)
		}
	}
	return strings.Join(out, " ")
}

func TestTTLRule(t *testing.T) {
	tests := []struct {
		what, pools string
		want        int
	}{
		{"nothing in doubt: the service's own", "a+ b+", 30},
		{"the answering pool is in doubt", "a+~12 b+", 12},
		{"never below the floor", "a+~1 b+", 10},
		{"a better pool is about to return", "a-~20 b+", 20},
		{"a worse pool does not matter", "a+ b-~12", 30},
		{"failing open", "a- b-", 10},
		{"a forced state does not wait for probes", "a+/u~12 b+", 30},
	}
	for _, tt := range tests {
		s, table, bare := scene(tt.pools, config.Failover)
		if d := Decide(Input{Service: s, Table: table, Now: noon, Bare: bare}); d.TTL != time.Duration(tt.want)*time.Second {
			t.Errorf("%s: TTL of %q is %v, want %ds", tt.what, tt.pools, d.TTL, tt.want)
		}
	}
}

func TestWhy(t *testing.T) {
	tests := []struct {
		policy      string
		pools, want string
	}{
		{config.Failover, "a- b+ c+", "b answers; a is down (HTTP 500)"},
		{config.Failover, "a+/d b+", "b answers; a drains (override drain by kim: test)"},
		{config.Weighted, "a+=95 b+=5", "a 95%, b 5% share the answers"},
		{config.All, "a+ b+", "a, b answer together"},
		{config.Failover, "a- b-", "nothing is up, so the order of the service answers: a"},
		{config.Failover, "a+!", "no pool has anything to answer with: has no addresses"},
	}
	for _, tt := range tests {
		s, table, bare := scene(tt.pools, tt.policy)
		if d := Decide(Input{Service: s, Table: table, Now: noon, Bare: bare}); !strings.HasPrefix(d.Why, tt.want) {
			t.Errorf("%q: %q, want %q", tt.pools, d.Why, tt.want)
		}
	}
}

// TestSteps: each filter says what it kept and dropped, failing open too.
func TestSteps(t *testing.T) {
	for _, c := range []struct{ pools, good, want string }{
		{"a- b+ c+", "", "able[a b c] healthy[b c] a:is down (HTTP 500) first: 1[b] c:is not needed"},
		{"a- b- c-", "b", "able[a b c] healthy[b](nothing is up: fail open) a:is down (HTTP 500) c:is down (HTTP 500) first: 1[b]"},
		{"a-/x b-", "", "able[a b] healthy[b](nothing is up: fail open) a:is down (override down by kim: test) first: 1[b]"},
	} {
		s, table, bare := scene(c.pools, config.Failover)
		var got []string
		for _, step := range Decide(Input{Service: s, Table: table, Good: strings.Fields(c.good), Now: noon, Bare: bare}).Steps {
			text := step.Filter + fmt.Sprint(step.Kept)
			if step.Note != "" {
				text += "(" + step.Note + ")"
			}
			for _, d := range step.Dropped {
				text += " " + d.Pool + ":" + d.Why
			}
			got = append(got, text)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%q after %q:\n got %s\nwant %s", c.pools, c.good, text, c.want)
		}
	}
}

// anyScene draws pools in the notation of scene.
func anyScene(t *rapid.T) string {
	var words []string
	for i := range rapid.IntRange(1, 6).Draw(t, "pools") {
		w := string(rune('a' + i))
		w += rapid.SampledFrom([]string{"+", "-", "?"}).Draw(t, "state")
		w += rapid.SampledFrom([]string{"", "", "", "/d", "/u", "/x"}).Draw(t, "override")
		w += rapid.SampledFrom([]string{"", "", "=0", "=5", "=1000000"}).Draw(t, "weight")
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// Invariant 1 of the outages: a name that had targets never gets none.
func TestInvariantNeverEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyScene(t)
		p := rapid.SampledFrom([]string{config.Failover, config.Weighted, config.All}).Draw(t, "policy")
		s, table, bare := scene(text, p)
		d := Decide(Input{Service: s, Table: table, Good: rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "z"})).Draw(t, "good"), Now: noon, Bare: bare})
		if len(d.Picks) == 0 {
			t.Fatalf("%s of %q has no pick", p, text)
		}
		if d.TTL < s.TTLMin || d.TTL > s.TTL {
			t.Fatalf("TTL %v outside %v–%v", d.TTL, s.TTLMin, s.TTL)
		}
		for _, pick := range d.Picks {
			if pick.Weight < 1 {
				t.Fatalf("%s of %q: weight %d", p, text, pick.Weight)
			}
		}
	})
}

// Invariant 2: all down means fail open, and only then.
func TestInvariantFailOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, table, bare := scene(anyScene(t), config.Weighted)
		d := Decide(Input{Service: s, Table: table, Now: noon, Bare: bare})
		down := func(p string) bool {
			state, _ := table.Pools[p].Effective(noon)
			return state == health.Down
		}
		allDown := !slices.ContainsFunc(s.Pools, func(c config.Choice) bool { return !down(c.Pool) })
		if d.FailOpen != allDown {
			t.Fatalf("fail open %v, all down %v", d.FailOpen, allDown)
		}
		if !allDown && slices.ContainsFunc(d.Pools(), down) {
			t.Fatalf("a pool that is down answers beside one that is not: %s", d.Why)
		}
	})
}

// Invariant 18: an operator's word outranks probes.
func TestInvariantOverrideOutranksProbes(t *testing.T) {
	s, table, bare := scene("a-/u b+", config.Failover)
	if d := Decide(Input{Service: s, Table: table, Now: noon, Bare: bare}); d.Pools()[0] != "a" {
		t.Errorf("forced up: %s", d.Why)
	}
	if d := Decide(Input{Service: s, Table: table, Now: noon.Add(2 * time.Hour), Bare: bare}); d.Pools()[0] != "b" {
		t.Errorf("after its end the override still holds: %s", d.Why)
	}
}

func BenchmarkDecide(b *testing.B) {
	s, table, bare := scene("a- b+ c+", config.Failover)
	b.ReportAllocs()
	for b.Loop() {
		Decide(Input{Service: s, Table: table, Now: noon, Bare: bare})
	}
}
