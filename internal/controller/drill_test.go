package controller

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/drill"
)

const drillConfig = `
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:5399"], control: shunt.sock}
pools:
  - {name: a, addresses: [192.0.2.1]}
  - {name: b, addresses: [192.0.2.2]}
  - {name: c, addresses: [192.0.2.3]}
zones:
  - name: example.test
    services:
      - {name: www, pools: [a, b, c], moves: 0}
      - {name: api, pools: [b, c], ramp: {steps: [1%, 100%], every: 1m}}
`

// plan reads "a 30m", "a,b 30m 25%": pools, how long, and a share.
func plan(text string, abortIf ...string) drill.Plan {
	words := strings.Fields(text)
	lasts, err := time.ParseDuration(words[1])
	if err != nil {
		panic(err)
	}
	p := drill.Plan{Pools: strings.Split(words[0], ","), Share: 1, Reason: "test", Author: "kim", AbortIf: abortIf, Began: time.Now(), Ends: time.Now().Add(lasts)}
	if len(words) > 2 {
		var n float64
		fmt.Sscanf(words[2], "%f%%", &n)
		p.Share = n / 100
	}
	return p
}

// drill begins a drill that must begin.
func (b *bench) drill(text string, abortIf ...string) string {
	b.Helper()
	r, err := b.DrillStart(context.Background(), plan(text, abortIf...), false, false)
	if err != nil {
		b.Fatalf("drill %s: %v", text, err)
	}
	return r.Plan.ID
}

// wantDrill checks how the drill id stands, and why.
func (b *bench) wantDrill(id string, o drill.Outcome, why string) *drill.Report {
	b.Helper()
	r, err := b.Drill(id)
	if err != nil || r == nil {
		b.Fatalf("drill %s: %v, %v", id, r, err)
	}
	if r.Outcome != o || !strings.Contains(r.Why, why) {
		b.Errorf("drill %s is %s (%s), want %s (%s)", id, r.Outcome, r.Why, o, why)
	}
	return r
}

// drillBench runs f on a bench with drillConfig, in a bubble.
func drillBench(t *testing.T, f func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, dir, "shunt.yaml", drillConfig)
		f(t, start(t, dir, "a+ b+ c+", counting))
	})
}

// counting lets each pool count as many answers a second as its share has
// percent.
func counting(c *Controller) {
	var mu sync.Mutex
	counts, last := map[pairKey]uint64{}, time.Now()
	c.deps.Answers = func(want func(string) bool) []Count {
		mu.Lock()
		defer mu.Unlock()
		seconds := time.Since(last).Seconds()
		last = time.Now()
		var out []Count
		v := c.view.Load()
		if v == nil {
			return nil
		}
		for _, g := range v.groups {
			for _, p := range g.main().Picks {
				counts[pairKey{g.service.Name, p.Pool}] += uint64(float64(p.Weight) / 10_000 * seconds)
			}
		}
		for key, n := range counts {
			if want(key.service) {
				out = append(out, Count{key.service, key.pool, n})
			}
		}
		return out
	}
}

// A drill ends by itself, and the report has what was measured.
func TestDrillRunsItsTime(t *testing.T) {
	drillBench(t, func(t *testing.T, b *bench) {
		passes(3 * time.Minute)
		id := b.drill("a 30m")
		b.wantShares("in the drill", "b 100%", "b 100%")
		passes(29*time.Minute + 58*time.Second)
		b.wantShares("at its end", "b 100%", "b 100%")
		b.wantDrill(id, drill.Running, "")
		if s := b.Status(); len(s.Drills) != 1 || s.Drills[0].Left > 3 || s.Pools[0].Drill != id || s.Alarms[0].Code != "drill-running" {
			t.Errorf("status: %+v, %v", s.Drills, s.Alarms)
		}
		passes(3 * time.Second)
		b.wantShares("after it", "a 100%", "b 100%")
		passes(time.Minute)
		r := b.wantDrill(id, drill.Succeeded, "its time is over")
		if r.FirstSteered == nil || *r.FirstSteered > 2 || r.Tail.TTL != 30 {
			t.Errorf("first steered %v, tail %+v", r.FirstSteered, r.Tail)
		}
		for i, want := range []float64{0, 100} {
			if got := r.Came[i]; got.After < want-1 || got.After > want+1 {
				t.Errorf("came %+v, want %v%%", got, want)
			}
		}
		if v := r.Survivors[0]; v.Pool != "b" || v.During.Seconds < 1790 || v.After.Seconds < 29 || v.Before.Seconds == 0 {
			t.Errorf("survivor %+v", v)
		}
		if len(r.Series.At) == 0 || len(r.Series.At) > 1200 {
			t.Errorf("%d points", len(r.Series.At))
		}
		passes(time.Second)
		second := b.drill("a 10s")
		passes(2 * time.Minute)
		if r := b.wantDrill(second, drill.Succeeded, ""); r.Previous == nil || r.Previous.ID != id {
			t.Errorf("previous: %+v", r.Previous)
		}
	})
}

// What ends a drill before its time, as what, and who answers then. A drill is
// handed over at once, and whole.
func TestDrillEndsEarly(t *testing.T) {
	for _, tt := range []struct {
		what  string
		plan  string
		abort string
		do    func(b *bench)
		then  drill.Outcome
		why   string
		www   string
	}{
		{"a person", "a 1h", "", func(b *bench) { must(b, stopped(b)) }, drill.Interrupted, "stopped by kim", "a 100%"},
		{"a survivor falls", "a 1h", "", func(b *bench) { b.say("a+ b- c+") }, drill.Failed, "survivor down: b is down (HTTP 500)", "a 100%"},
		{"another survivor falls", "a 1h", "", func(b *bench) { b.say("a+ b+ c-") }, drill.Failed, "survivor down: c is down", "a 100%"},
		{"what is drilled falls", "a 1h", "", func(b *bench) { b.say("a- b+ c+") }, drill.Interrupted, "a fell in earnest", "b 100%"},
		{"all fall", "a 1h", "", func(b *bench) { b.say("a- b- c-") }, drill.Failed, "survivor down", "a 100%"},
		{"a freeze", "a 1h", "", func(b *bench) { freezes(b) }, drill.Interrupted, "automation was switched off by kim (test)", "a 100%"},
		{"an override of a survivor", "a 1h", "", func(b *bench) { overrides(b, "c", health.ForceDrain) }, drill.Interrupted, "c was overridden (test)", "a 100%"},
		{"an override of what is drilled", "a 1h", "", func(b *bench) { overrides(b, "a", health.ForceUp) }, drill.Interrupted, "a was overridden", "a 100%"},
		{"a reload without the pool", "a 1h", "", func(b *bench) { reloads(b, strings.Replace(drillConfig, "pools: [a, b, c]", "pools: [b, c]", 1)) }, drill.Interrupted, "loaded anew", "b 100%"},
		{"a reload of something else", "a 1h", "", func(b *bench) { reloads(b, drillConfig+"      - {name: new, pools: [c]}\n") }, drill.Running, "", "b 100%"},
		{"few answers", "a 1h 50%", "answers from b < 60%", func(b *bench) { passes(15 * time.Second) }, drill.Failed, "answers from b < 60%: b gave", "a 100%"},
		{"enough answers", "a 1h 50%", "answers from b < 30%", func(b *bench) { passes(15 * time.Second) }, drill.Running, "", "a 50%, b 50%"},
		{"nothing happens", "a 1h", "", func(b *bench) { passes(59 * time.Minute) }, drill.Running, "", "b 100%"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			drillBench(t, func(t *testing.T, b *bench) {
				var abort []string
				if tt.abort != "" {
					abort = append(abort, tt.abort)
				}
				id := b.drill(tt.plan, abort...)
				passes(time.Second)
				tt.do(b)
				passes(10 * time.Millisecond)
				b.wantDrill(id, tt.then, tt.why)
				if got := b.shares("www.example.test."); got != tt.www {
					t.Errorf("www: %s, want %s", got, tt.www)
				}
				failed := slices.ContainsFunc(b.Status().Alarms, func(a Alarm) bool { return a.Code == "drill-failed" })
				if failed != (tt.then == drill.Failed) {
					t.Errorf("alarms: %v", b.Status().Alarms)
				}
			})
		})
	}
}

func must(b *bench, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func stopped(b *bench) error { _, err := b.DrillStop(context.Background(), "", "kim"); return err }

func freezes(b *bench) {
	f, err := health.NewFreeze("test", "kim", time.Now(), time.Hour)
	must(b, err)
	must(b, b.Freeze(context.Background(), f))
}

func overrides(b *bench, pool string, force health.Force) {
	o, err := health.NewOverride(pool, force, "test", "kim", time.Now(), time.Hour)
	must(b, err)
	must(b, b.Override(context.Background(), o, true))
}

func reloads(b *bench, text string) {
	b.write(text)
	must(b, b.Reload(context.Background(), true))
}

// A restart in the middle changes nothing, nor does a step of the wall clock
// over it prolong a drill; one whose time is over by then is not begun again.
func TestDrillSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, dir, "shunt.yaml", drillConfig)
		b := start(t, dir, "a+ b+ c+", counting)
		id := b.drill("a 10m 50%")
		passes(4 * time.Minute)
		b.stop()
		b = start(t, dir, "a+ b+ c+", counting)
		b.wantShares("after a restart", "a 50%, b 50%", "b 100%")
		passes(5*time.Minute + 58*time.Second)
		b.wantDrill(id, drill.Running, "")
		passes(3 * time.Second)
		b.wantShares("at its end", "a 100%", "b 100%")
		r := b.wantDrill(id, drill.Succeeded, "")
		if !slices.ContainsFunc(r.Events, func(e drill.Event) bool { return strings.Contains(e.What, "started anew") }) {
			t.Errorf("timeline: %v", r.Events)
		}
		if lasted := r.Ended.Sub(r.Plan.Began).Round(time.Second); lasted != 10*time.Minute {
			t.Errorf("it lasted %v", lasted)
		}
		passes(time.Second)
		id = b.drill("a 10m")
		passes(time.Minute)
		b.stop()
		time.Sleep(time.Hour)
		b = start(t, dir, "a+ b+ c+", counting)
		b.wantShares("an hour later", "a 100%", "b 100%")
		b.wantDrill(id, drill.Interrupted, "when this node did not run")
	})
}

// Invariant 22, and the ramp: a drill of b leaves api to c; stopped, b comes
// back along its ramp; ended by a real fall, at once.
func TestDrillAndRamps(t *testing.T) {
	drillBench(t, func(t *testing.T, b *bench) {
		b.drill("b 5m")
		b.wantShares("in the drill", "a 100%", "c 100%")
		passes(5*time.Minute + time.Second)
		b.wantShares("after it", "a 100%", "b 1%, c 99%")
		passes(2 * time.Minute)
		b.drill("b 5m")
		passes(time.Minute)
		b.say("a- b+ c+")
		b.wantShares("a has fallen", "b 100%", "b 100%")
	})
}

// Practice runs begin by their schedule, in their zone; those that were missed
// are not made up, and those on blocked dates or outside windows are refused.
func TestPracticeRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time begins at 2000-01-01 00:00 UTC, a Saturday
		dir := t.TempDir()
		text := drillConfig + `
drills:
  - {name: early, pools: [a], for: 2m, schedule: "5 1 * * *", time_zone: Europe/Berlin}
  - {name: holiday, pools: [c], for: 2m, schedule: "10 0 * * *", blocked_dates: [1999-12-24..2000-01-01]}
  - {name: office, pools: [b], for: 2m, schedule: "15 0 * * *", windows: ["Mon-Fri 00:00-05:00"]}
`
		writeFile(t, dir, "shunt.yaml", text)
		b := start(t, dir, "a+ b+ c+", counting)
		passes(4*time.Minute + 58*time.Second)
		b.wantShares("before it", "a 100%", "b 100%")
		passes(4 * time.Second)
		b.wantShares("at 01:05 in Berlin", "b 100%", "b 100%")
		passes(2 * time.Minute)
		b.wantShares("after it", "a 100%", "b 100%")
		b.wantDrill("", drill.Succeeded, "")
		passes(10 * time.Minute)
		var outcomes []string
		for _, r := range b.Drills() {
			outcomes = append(outcomes, fmt.Sprint(r.Plan.Practice, " ", r.Outcome, " ", strings.Join(r.Refused, "; ")))
		}
		want := "office refused practice run office: from Sat 2000-01-01 00:15 UTC to Sat 2000-01-01 00:17 UTC is not within one of its windows (Mon,Tue,Wed,Thu,Fri 00:00-05:00)\n" +
			"holiday refused practice run holiday: it would run on a blocked date (1999-12-24..2000-01-01)\nearly succeeded "
		if got := strings.Join(outcomes, "\n"); got != want {
			t.Errorf("drills:\n%s\nwant\n%s", got, want)
		}
		b.stop()
		time.Sleep(24 * time.Hour)
		b = start(t, dir, "a+ b+ c+", counting)
		passes(time.Minute)
		if n := len(b.Drills()); n != 3 {
			t.Errorf("%d drills after a day without the node", n)
		}
	})
}

// Only the latest hundred reports are kept.
func TestReportsAreBounded(t *testing.T) {
	s := &drillStore{dir: t.TempDir()}
	for i := range maxReports + 20 {
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		must(s.write(fmt.Sprintf("2026%04d-a", i), []byte("{}")))
	}
	if ids := s.ids(); len(ids) != maxReports || ids[0] != "20260020-a" {
		t.Errorf("%d reports, the first %s", len(ids), ids[0])
	}
	for _, id := range []string{"../state", "", ".state-x", "nowhere"} {
		if r, err := s.read(id); r != nil || err != nil {
			t.Errorf("read(%q): %v, %v", id, r, err)
		}
	}
}

// Property: whatever happens, a drill that was not forced leaves each service
// safety.at_least pools that are up and not drilled when it begins, and when it
// is over, the answers are what they would be without it.
func TestPropertyDrillsAreSafeAndRestore(t *testing.T) {
	rng := rand.New(rand.NewPCG(22, 5))
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		text := strings.Replace(drillConfig, "pools:\n", "safety: {at_least: 2}\npools:\n", 1)
		text = strings.Replace(text, ", ramp: {steps: [1%, 100%], every: 1m}", ", moves: 0", 1)
		writeFile(t, dir, "shunt.yaml", text)
		b := start(t, dir, "a+ b+ c+", counting)
		began := 0
		for range 20 {
			for len(b.snapshots) > 0 {
				<-b.snapshots
			}
			states := ""
			for _, p := range []string{"a", "b", "c"} {
				states += p + []string{"+", "+", "+", "+", "-"}[rng.IntN(5)] + " "
			}
			b.say(states)
			drillOf := [][]string{{"a"}, {"b"}, {"c"}, {"a", "b"}, {"a", "c"}}[rng.IntN(5)]
			www := b.shares("www.example.test.")
			r, err := b.DrillStart(context.Background(), plan(strings.Join(drillOf, ",")+" 10s"), false, false)
			left := func(pools ...string) (n int) {
				for _, p := range pools {
					if strings.Contains(states, p+"+") && !slices.Contains(drillOf, p) {
						n++
					}
				}
				return n
			}
			if err != nil {
				if errors.As(err, new(Refused)) && len(r.Refused) == 0 {
					t.Fatal("a refusal without a reason")
				}
				continue
			}
			began++
			if left("a", "b", "c") < 2 {
				t.Fatalf("%s: a drill of %v began", states, drillOf)
			}
			if rng.IntN(2) == 0 {
				must(b, stopped(b))
			} else {
				passes(11 * time.Second)
			}
			if got := b.shares("www.example.test."); got != www {
				t.Fatalf("%s: after a drill of %v: %s, before it %s", states, drillOf, got, www)
			}
		}
		if began == 0 {
			t.Error("no drill began")
		}
	})
}
