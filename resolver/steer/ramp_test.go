package steer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// steps is the ramp of most tests: three steps of three minutes, then all.
var steps = &config.Ramp{Steps: []float64{0.01, 0.1, 0.5, 1}, Every: 3 * time.Minute, On: config.RampFailback}

// Histories are a stand every minute: U here, D gone, ? in doubt, F forced up.
// Below each stands the share in percent, or - for a pool that is away.
func TestNextClimb(t *testing.T) {
	failover := &config.Ramp{Steps: steps.Steps, Every: steps.Every, On: config.RampFailover}
	both := &config.Ramp{Steps: steps.Steps, Every: steps.Every, On: config.RampBoth}
	for _, c := range []struct {
		name          string
		ramp          *config.Ramp
		history, want string
	}{
		{"one that never left has all", steps, "UUU", "100 100 100"},
		{"one that comes back climbs", steps, "UDUUUUUUUUUUU", "100 - 1 1 1 10 10 10 50 50 50 100 100"},
		{"a fall on the way begins anew", steps, "DUUUUDUUUU", "- 1 1 1 10 - 1 1 1 10"},
		{"doubt holds the step", steps, "DUU????UUUU", "- 1 1 1 1 1 1 10 10 10 50"},
		{"doubt is no fall", steps, "U?U", "100 100 100"},
		{"nor a return", steps, "D?D?U", "- - - - 1"},
		{"a person's word has all at once", steps, "DUFUU", "- 1 100 100 100"},
		{"also of one that is away", steps, "DFU", "- 100 100"},
		{"no ramp", nil, "UDU", "100 100 100"},
		{"a ramp of one step", &config.Ramp{Steps: []float64{1}, Every: time.Minute}, "UDU", "100 - 100"},
		{"on failover only", failover, "UDU", "100 - 100"},
		{"on both", both, "UDU", "100 - 1"},
	} {
		var climb Climb
		var got []string
		for i, h := range c.history {
			s := map[rune]Stand{'U': Here, 'D': Gone, '?': Doubt, 'F': Forced}[h]
			climb = NextClimb(c.ramp, climb, s, noon.Add(time.Duration(i)*time.Minute))
			word := fmt.Sprint(100 * climb.Cap(c.ramp))
			if climb.Phase == Away {
				word = "-"
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s → %s, want %s", c.name, c.history, strings.Join(got, " "), c.want)
		}
	}
}

// A takeover begins where a return does, and a reload that shortens the ramp
// leaves no pool behind.
func TestStartClimb(t *testing.T) {
	c := StartClimb(steps, noon)
	if c.Cap(steps) != 0.01 || !c.Due(steps).Equal(noon.Add(3*time.Minute)) {
		t.Errorf("begins at %v until %v", c.Cap(steps), c.Due(steps))
	}
	c = Climb{Phase: Climbing, Step: 2, Since: noon}
	short := &config.Ramp{Steps: []float64{0.5, 1}, Every: time.Minute}
	if c.Cap(short) != 1 || NextClimb(short, c, Here, noon.Add(time.Minute)) != (Climb{}) {
		t.Errorf("after the reload: %v, %+v", c.Cap(short), NextClimb(short, c, Here, noon.Add(time.Minute)))
	}
	if d := (Climb{}).Due(steps); !d.IsZero() {
		t.Errorf("one that has arrived is due at %v", d)
	}
}

func TestMoves(t *testing.T) {
	for _, c := range []struct {
		name, was, is, gone string
		want                string
	}{
		{"nothing", "a b", "b a", "", "stays"},
		{"nothing, and one is down that answers on", "a", "a", "a", "stays"},
		{"a fall", "a", "b", "a", "needed b"},
		{"a return", "b", "a", "", "avoidable a"},
		{"a return beside it, on a ramp", "b", "a b", "", "avoidable a"},
		{"the end of the ramp", "a b", "a", "", "stays"},
		{"one of several falls", "a b", "b", "a", "needed"},
		{"one falls and another comes", "a b", "b c", "a", "needed c"},
		{"from failing open", "a b", "c", "a b", "needed c"},
	} {
		m := Moves(strings.Fields(c.was), strings.Fields(c.is), func(p string) bool { return slices.Contains(strings.Fields(c.gone), p) })
		got := "stays"
		if m.Moved {
			got = strings.TrimSpace(map[bool]string{true: "avoidable ", false: "needed "}[m.Avoidable] + strings.Join(m.Came, " "))
		}
		if got != c.want {
			t.Errorf("%s: %q → %q, gone %q: %s, want %s", c.name, c.was, c.is, c.gone, got, c.want)
		}
	}
}

// Moves every ten minutes: the sixth spends the hour, and each that grows old
// frees one.
func TestBudget(t *testing.T) {
	var b Budget
	for i := range 6 {
		now := noon.Add(time.Duration(i) * 10 * time.Minute)
		if _, spent := b.Spent(6, now); spent {
			t.Fatalf("spent before move %d", i+1)
		}
		b = b.Note(now)
	}
	now := noon.Add(55 * time.Minute)
	until, spent := b.Spent(6, now)
	if !spent || !until.Equal(noon.Add(time.Hour)) {
		t.Errorf("after six moves spent %v until %v", spent, until)
	}
	if _, spent := b.Spent(0, now); spent {
		t.Error("no limit is spent")
	}
	if _, spent := b.Spent(6, until); spent || b.Used(until) != 5 {
		t.Errorf("an hour after the first move: spent %v, %d used", spent, b.Used(until))
	}
	b = b.Note(now) // needed, beyond the limit
	if until, spent := b.Spent(6, now); !spent || !until.Equal(noon.Add(70*time.Minute)) {
		t.Errorf("after a seventh: spent %v until %v", spent, until)
	}
	if b = b.Note(noon.Add(3 * time.Hour)); len(b) != 1 {
		t.Errorf("old moves stay: %v", b)
	}
}
