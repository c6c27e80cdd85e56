package steer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// drills reads "a b/25": a is drilled away, and a quarter of b.
func drills(text string) map[string]Drill {
	out := map[string]Drill{}
	for _, w := range strings.Fields(text) {
		d := Drill{Name: "test", Share: 1}
		pool, share, part := strings.Cut(w, "/")
		if part {
			var n float64
			fmt.Sscan(share, &n)
			d.Share = n / 100
		}
		out[pool] = d
	}
	return out
}

// What a drill does to a decision, and what outranks it.
func TestDrills(t *testing.T) {
	for _, tt := range []struct{ what, scene, policy, drills, want string }{
		{"the first one is taken away", "a+ b+", "failover", "a", "b 100%"},
		{"one that does not answer", "a+ b+", "failover", "b", "a 100%"},
		{"the last one up goes on", "a+ b-", "failover", "a", "a 100%"},
		{"unknown is better than drilled", "a+ b?", "failover", "a", "b 100%"},
		{"a last resort is better than drilled", "a+ b+*", "failover", "a", "b 100%"},
		{"drilled is better than waiting", "a+ b+&", "failover", "a", "a 100%"},
		{"drilled is better than drained", "a+ b+/d", "failover", "a", "a 100%"},
		{"forced up outranks it", "a+/u b+", "failover", "a", "a 100%"},
		{"down is down", "a- b+", "failover", "a", "b 100%"},
		{"nothing is up", "a- b-", "failover", "a", "a 100%"},
		{"both", "a+ b+ c+", "failover", "a b", "c 100%"},
		{"a share of all", "a+ b+", "failover", "a/25", "a 75%, b 25%"},
		{"a share of its share", "a+ b+", "weighted", "a/50", "a 25%, b 75%"},
		{"a share of weights", "a+=3 b+=1", "weighted", "a/20", "a 60%, b 40%"},
		{"a share, and nobody else has room", "a+ b-", "failover", "a/25", "a 100%"},
		{"a share of one forced up", "a+/u b+", "failover", "a/25", "a 100%"},
		{"a share of one that has nothing", "a+ b+", "failover", "b/25", "a 100%"},
		{"of a union, whole", "a+ b+ c+", "all", "a", "b 50%, c 50%"},
		{"of a union, no share", "a+ b+", "all", "a/25", "a 50%, b 50%"},
		{"shares of the others follow", "a+ b+=3 c+=1", "weighted", "a", "b 75%, c 25%"},
	} {
		s := stageOf(tt.scene, tt.policy)
		s.in.Drills = drills(tt.drills)
		d := Decide(s.in)
		if got := sharesText(d.Picks); got != tt.want {
			t.Errorf("%s: %q under %s, drills %q: %s, want %s", tt.what, tt.scene, tt.policy, tt.drills, got, tt.want)
		}
	}
}

// A drill of some clients is of those only, and an explanation names it.
func TestDrillClients(t *testing.T) {
	s := stageOf("a+ b+", "failover")
	s.in.Drills = map[string]Drill{"a": {Name: "x", Share: 1, Clients: []config.Where{{Kind: config.Country, Code: "DE"}}}}
	s.in.Explain = true
	if d := Decide(s.in); d.Picks[0].Pool != "a" {
		t.Errorf("clients of nowhere get %v", d.Picks)
	}
	s.in.Place = Place{Country: "DE"}
	d := Decide(s.in)
	if d.Picks[0].Pool != "b" || !strings.Contains(d.Why, "a is kept away by the drill x") || !slices.Contains(d.WouldChange, "the end of the drill x") {
		t.Errorf("clients of DE: %v, %s, %v", d.Picks, d.Why, d.WouldChange)
	}
	s.in.Drills = drills("a/25")
	if d = Decide(s.in); !slices.ContainsFunc(d.Steps, func(s Step) bool { return strings.Contains(s.Note, "the drill test leaves a 75%") }) {
		t.Errorf("no step tells of the drill: %v", d.Steps)
	}
}

// A pool that was drilled away whole comes back along its ramp, as one that was
// drained.
func TestDrillIsGone(t *testing.T) {
	s := stageOf("a+ b+", "failover")
	s.in.Drills = drills("a b/25")
	turn := Turn{Input: s.in}
	if turn.stand("a") != Gone || turn.stand("b") != Here {
		t.Errorf("a stands %v, b %v", turn.stand("a"), turn.stand("b"))
	}
}

// Whatever is drilled: answers never become empty, never fail open where they
// did not, and no pool that is down answers where one was up.
func TestPropertyDrillsTakeNobodyDown(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 22))
	for range 20_000 {
		var scene, drill []string
		for _, p := range []string{"a", "b", "c", "d"} {
			scene = append(scene, p+[]string{"+", "+", "+", "-", "?"}[rng.IntN(5)]+[]string{"", "", "", "&", "/d", "/u", "=3", "*"}[rng.IntN(8)])
			if rng.IntN(2) == 0 {
				drill = append(drill, p+[]string{"", "/10", "/99"}[rng.IntN(3)])
			}
		}
		policy := []string{"failover", "weighted", "all"}[rng.IntN(3)]
		s := stageOf(strings.Join(scene, " "), policy)
		was := Decide(s.in)
		s.in.Drills = drills(strings.Join(drill, " "))
		is := Decide(s.in)
		sum := 0
		for _, p := range is.Picks {
			sum += p.Weight
			state, _ := s.in.Table.Pools[p.Pool].Effective(s.in.Now)
			if !was.FailOpen && state == health.Down {
				t.Fatalf("%v under %s, drills %v: %s answers, which is down", scene, policy, drill, p.Pool)
			}
		}
		if sum != Million || is.FailOpen && !was.FailOpen {
			t.Fatalf("%v under %s, drills %v: %v (%s), before %v", scene, policy, drill, is.Picks, is.Why, was.Picks)
		}
	}
}
