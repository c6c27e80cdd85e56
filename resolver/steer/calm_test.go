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

// A play is a service over time: what a node would keep from turn to turn.
type play struct {
	service config.Service
	pools   map[string]*config.Pool
	calm    Calm
	was     [][]string
	falls   map[string]health.Fall
	states  map[string]*health.Pool
	table   *health.Table // of the turn before
	wake    time.Time
	moves   int // in which another set of pools answered
}

func newPlay(ramp *config.Ramp, moves int, names string) *play {
	p := &play{pools: map[string]*config.Pool{}, states: map[string]*health.Pool{}}
	p.service = config.Service{Name: "www.", Policy: config.Failover, TTL: 30 * time.Second, TTLMin: 15 * time.Second, Ramp: ramp, Moves: moves}
	for _, n := range strings.Fields(names) {
		p.service.Pools = append(p.service.Pools, config.Choice{Pool: n, Weight: 1})
		p.pools[n] = &config.Pool{Name: n, MaxShare: 1}
	}
	return p
}

// set reads "a+ b-/d": states as in scene. A pool that is not named stays.
func (p *play) set(text string, now time.Time) {
	_, t, _ := scene(text, config.Failover)
	for name, is := range t.Pools {
		if was := p.states[name]; was != nil && was.State == is.State {
			is.Since = was.Since
		} else {
			is.Since = now
		}
		if is.Override != nil {
			is.Override.Expires = now.Add(time.Hour)
		}
		p.states[name] = is
	}
}

// decide takes one turn and returns the shares, as "a 10%, b 90%".
func (p *play) decide(now time.Time, change func(*Turn)) (string, Decision) {
	t := &health.Table{At: now, Pools: maps.Clone(p.states)}
	p.falls = NextFalls(p.pools, p.falls, p.table, t, now)
	p.table = t
	waits, back := Waits(p.pools, p.falls, t, now)
	turn := Turn{Input: Input{Service: p.service, Pools: p.pools, Table: t, Waits: waits, Now: now},
		Pooled: Members(p.service, nil), Places: []Place{{}}, Was: p.was, Back: back}
	if change != nil {
		change(&turn)
	}
	ds, calm, wake := p.calm.Next(turn)
	p.calm, p.wake = calm, wake
	if p.was != nil && !slices.Equal(p.was[0], ds[0].Pools()) {
		p.moves++
	}
	p.was = [][]string{ds[0].Pools()}
	return sharesText(ds[0].Picks), ds[0]
}

// A history is a turn a minute. Words are states; !hand makes the turn by
// hand, !still switches automation off for it. Below stands who answers.
func TestCalm(t *testing.T) {
	ramp := &config.Ramp{Steps: []float64{0.01, 0.1, 1}, Every: 2 * time.Minute, On: config.RampFailback}
	over := &config.Ramp{Steps: ramp.Steps, Every: ramp.Every, On: config.RampFailover}
	both := &config.Ramp{Steps: ramp.Steps, Every: ramp.Every, On: config.RampBoth}
	for _, c := range []struct {
		name  string
		ramp  *config.Ramp
		moves int
		pools string
		turns [][2]string
	}{
		{"back at once without a ramp", nil, 0, "a b", [][2]string{
			{"a+ b+", "a 100%"}, {"a-", "b 100%"}, {"a+", "a 100%"}}},
		{"back along the ramp", ramp, 6, "a b", [][2]string{
			{"a+ b+", "a 100%"}, {"a-", "b 100%"}, {"a+", "a 1%, b 99%"}, {"", "a 1%, b 99%"}, {"", "a 10%, b 90%"}, {"", "a 10%, b 90%"}, {"", "a 100%"}}},
		{"the other one falls meanwhile: no pool is held back that is needed", ramp, 6, "a b", [][2]string{
			{"a+ b+", "a 100%"}, {"a-", "b 100%"}, {"a+", "a 1%, b 99%"}, {"b-", "a 100%"}, {"b+", "a 99%, b 1%"}}},
		{"a second fall on the ramp", ramp, 6, "a b", [][2]string{
			{"a+ b+", "a 100%"}, {"a-", "b 100%"}, {"a+", "a 1%, b 99%"}, {"a-", "b 100%"}, {"a+", "a 1%, b 99%"}}},
		{"a drained pool comes back along the ramp too", ramp, 6, "a b", [][2]string{
			{"a+/d b+", "b 100%"}, {"a+ !hand", "a 1%, b 99%"}}},
		{"a pool forced up has it all", ramp, 6, "a b", [][2]string{
			{"a- b+", "b 100%"}, {"a+", "a 1%, b 99%"}, {"a+/u !hand", "a 100%"}, {"a+ !hand", "a 100%"}}},
		{"a freeze holds the step", ramp, 6, "a b", [][2]string{
			{"a- b+", "b 100%"}, {"a+", "a 1%, b 99%"}, {"!still", "a 1%, b 99%"}, {"!still", "a 1%, b 99%"}, {"!still", "a 1%, b 99%"}, {"", "a 10%, b 90%"}}},
		{"a takeover with nobody to hold the rest is whole", over, 6, "a b c", [][2]string{
			{"a+ b+ c+", "a 100%"}, {"a-", "b 100%"}}},
		{"one whose state was unknown holds nothing", over, 6, "a b", [][2]string{
			{"a? b?", "a 100%"}, {"b+", "b 100%"}}},
		{"a takeover that another one can hold the rest of climbs", over, 6, "a b", [][2]string{
			{"a? b+", "b 100%"}, {"a+", "a 1%, b 99%"}, {"", "a 1%, b 99%"}, {"", "a 10%, b 90%"}, {"", "a 10%, b 90%"}, {"", "a 100%"}}},
		{"and not where a person did it", over, 6, "a b", [][2]string{
			{"a? b+", "b 100%"}, {"a+ !hand", "a 100%"}}},
		{"on failover, a return is whole", over, 6, "a b", [][2]string{
			{"a- b?", "b 100%"}, {"b+", "b 100%"}, {"a+", "a 100%"}}},
		{"on both, a return climbs, and so does a takeover", both, 6, "a b", [][2]string{
			{"a? b+", "b 100%"}, {"a+", "a 1%, b 99%"}, {"a-", "b 100%"}, {"a+", "a 1%, b 99%"}}},
		{"a spent budget keeps a return away, and a fall not", nil, 2, "a b", [][2]string{
			{"a+ b+", "a 100%"}, {"a-", "b 100%"}, {"a+", "a 100%"}, {"a-", "b 100%"}, {"a+", "b 100%"}, {"b-", "a 100%"}, {"b+", "a 100%"}}},
		{"spent, and a third is steadier", nil, 2, "a b c", [][2]string{
			{"a+ b+ c+", "a 100%"}, {"a-", "b 100%"}, {"a+", "a 100%"}, {"a-", "b 100%"}, {"a+", "b 100%"}, {"b-", "c 100%"}, {"", "c 100%"}}},
		{"by hand it moves all the same, and counts as nothing", nil, 1, "a b", [][2]string{
			{"a+ b+", "a 100%"}, {"a+/d !hand", "b 100%"}, {"a+ !hand", "a 100%"}, {"a-", "b 100%"}, {"a+", "b 100%"}, {"b+/d !hand", "a 100%"}}},
		{"without a budget it follows", nil, 0, "a b", [][2]string{
			{"a+ b+", "a 100%"}, {"a-", "b 100%"}, {"a+", "a 100%"}, {"a-", "b 100%"}, {"a+", "a 100%"}}},
	} {
		p := newPlay(c.ramp, c.moves, c.pools)
		for i, turn := range c.turns {
			now := noon.Add(time.Duration(i) * time.Minute)
			var states []string
			by := func(*Turn) {}
			for w := range strings.FieldsSeq(turn[0]) {
				switch w {
				case "!hand":
					by = func(t *Turn) { t.ByHand = true }
				case "!still":
					by = func(t *Turn) { t.Still = true }
				default:
					states = append(states, w)
				}
			}
			p.set(strings.Join(states, " "), now)
			if got, d := p.decide(now, by); got != turn[1] {
				t.Errorf("%s: turn %d, %q: %s, want %s (%s)", c.name, i, turn[0], got, turn[1], d.Why)
			}
		}
	}
}

// An hour after the move that spent it, a budget lets the pool come that it
// kept away, and wakes for that.
func TestBudgetWakes(t *testing.T) {
	p := newPlay(nil, 2, "a b")
	for i, s := range []string{"a+ b+", "a-", "a+", "a-", "a+"} {
		p.set(s, noon.Add(time.Duration(i)*time.Minute))
		p.decide(noon.Add(time.Duration(i)*time.Minute), nil)
	}
	free := noon.Add(2*time.Minute + time.Hour) // the second last move: then one of two is left
	if want := free.Add(-p.service.TTL); !p.wake.Equal(want) {
		t.Fatalf("wakes at %v, want a TTL before %v", p.wake, free)
	}
	if got, d := p.decide(p.wake, nil); got != "b 100%" || d.TTL != p.service.TTLMin || !p.wake.Equal(free) {
		t.Errorf("a TTL before: %s for %v, wakes at %v", got, d.TTL, p.wake)
	}
	if got, _ := p.decide(free, nil); got != "a 100%" {
		t.Errorf("an hour later: %s", got)
	}
	if !p.calm.Blocked(p.service, free).IsZero() {
		t.Error("still held back")
	}
}

// The TTL shrinks to the least within a TTL before a step, and the wakes are
// those at which something changes.
func TestRampWakes(t *testing.T) {
	p := newPlay(&config.Ramp{Steps: []float64{0.01, 1}, Every: 3 * time.Minute, On: config.RampFailback}, 6, "a b")
	p.set("a- b+", noon)
	p.decide(noon, nil)
	p.set("a+", noon)
	var got []string
	now := noon
	for range 3 {
		shares, d := p.decide(now, nil)
		got = append(got, fmt.Sprintf("%v: %s for %v", now.Sub(noon), shares, d.TTL))
		now = p.wake
	}
	want := []string{"0s: a 1%, b 99% for 30s", "2m30s: a 1%, b 99% for 15s", "3m0s: a 100% for 30s"}
	if !slices.Equal(got, want) || !now.IsZero() {
		t.Errorf("%q, then %v; want %q, then never", got, now, want)
	}
}

// Model: a CDN that is good and bad in turn for six hours, with periods around
// that of incidents cf-2025-11-18, moves the answers three times at most; and
// without any hold-down the budget still bounds what can be avoided.
func TestInvariantFlapperMovesLittle(t *testing.T) {
	usual := health.Thresholds{Rise: 5, Fall: 3, Window: 10, WindowFall: 0.5, HoldDown: 5 * time.Minute, HoldDownMax: time.Hour}
	hasty := usual
	hasty.HoldDown = 0
	ramp := &config.Ramp{Steps: []float64{0.01, 0.1, 0.5, 1}, Every: 3 * time.Minute, On: config.RampFailback}
	for _, c := range []struct {
		name   string
		th     health.Thresholds
		ramp   *config.Ramp
		moves  int
		period time.Duration
		most   int
	}{
		{"five minutes each", usual, nil, 6, 10 * time.Minute, 3},
		{"five minutes in all", usual, nil, 6, 5 * time.Minute, 3},
		{"one minute", usual, nil, 6, time.Minute, 3},
		{"with a ramp", usual, ramp, 6, 10 * time.Minute, 3},
		{"without hold-down", hasty, nil, 6, 4 * time.Minute, 6*6 + 7},
		{"without either", hasty, nil, 0, 4 * time.Minute, 1000},
	} {
		p := newPlay(c.ramp, c.moves, "a b")
		var v health.Verdict
		p.set("a+ b+", noon)
		p.decide(noon, nil)
		for at := time.Duration(0); at < 6*time.Hour; at += 5 * time.Second {
			now := noon.Add(at)
			bad := at%c.period >= c.period/2
			was := v.State
			v = c.th.Next(v, health.Result{At: now, OK: !bad, Class: health.Edge5xx})
			if v.State != was {
				p.set(map[health.State]string{health.Up: "a+", health.Down: "a-"}[v.State], now)
			}
			if v.State != was || !p.wake.IsZero() && !now.Before(p.wake) {
				if shares, d := p.decide(now, nil); v.State == health.Down && strings.HasPrefix(shares, "a") {
					t.Fatalf("%s: at %v the pool that is down answers: %s", c.name, at, d.Why)
				}
			}
		}
		if p.moves > c.most || c.most == 1000 && p.moves < 100 {
			t.Errorf("%s: answers moved %d times in six hours, want %d at most", c.name, p.moves, c.most)
		}
	}
}

// A pool that a reload removed waits for no budget.
func TestCalmForgetsWhatIsGone(t *testing.T) {
	p := newPlay(nil, 1, "a b")
	p.set("a+ b+", noon)
	p.calm.Moves = Budget{noon}
	p.calm.Unsteady = map[string]bool{"b": true, "removed": true}
	p.decide(noon, nil)
	if want := map[string]bool{"b": true}; !maps.Equal(p.calm.Unsteady, want) {
		t.Errorf("held back: %v, want %v", p.calm.Unsteady, want)
	}
}
