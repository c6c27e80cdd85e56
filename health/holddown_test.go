package health

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// usual are the thresholds of a monitor that says nothing else.
var usual = Thresholds{Rise: 5, Fall: 3, Window: 10, WindowFall: 0.5, HoldDown: 5 * time.Minute, HoldDownMax: time.Hour}

// spell writes a history out: ".60 x3" is 60 successes and 3 failures.
func spell(history string) string {
	var b strings.Builder
	for word := range strings.FieldsSeq(history) {
		n, err := strconv.Atoi(word[1:])
		if err != nil {
			panic(history)
		}
		b.WriteString(strings.Repeat(word[:1], n))
	}
	return b.String()
}

// Results come every second; rise and fall are 2, hold-down 10 s to 60 s.
func TestQuietTime(t *testing.T) {
	th := Thresholds{Rise: 2, Fall: 2, Window: 10, WindowFall: 0.5, HoldDown: 10 * time.Second, HoldDownMax: time.Minute}
	for _, c := range []struct {
		name    string
		history string
		up      int // the result that makes it Up again; 0: none does
	}{
		{"held from the fall", ".1 x2 .30", 12},
		{"held from the last failure of the fall, not from its first", ".1 x5 .30", 15},
		{"for twice the time that it had failed", ".1 x10 .30", 26},
		{"for no longer than the most", ".1 x60 .70", 120},
		{"one failure alone renews nothing", ".1 x2 .8 x1 .20", 13},
		{"two do, for twice the time since the fall", ".1 x2 .6 x2 .30", 26},
		{"so do failures that fill the window", ".1 x2 .2 x1 .1 x1 .1 x1 .30", 23},
		{"good and bad in turn", ".1 x5 .8 x5 .8 x5 .8 x5 .8 x5 .8", 0},
		{"not when the bad spells are short", ".1 x2 .9 x2 .9 x2 .9 x2 .9 x2 .9", 0},
	} {
		got, _ := walk(th, Verdict{}, start, spell(c.history), time.Second)
		up := strings.Index(got, "DU") + 1
		if up != c.up {
			t.Errorf("%s: %s: up at %d, want %d", c.name, c.history, up, c.up)
		}
	}
}

// What is off stays off, and what nobody saw falling is not held.
func TestNoHoldDown(t *testing.T) {
	th := usual
	th.HoldDown = 0
	if got, _ := walk(th, Verdict{}, start, ".xxxxxxxx.....", 5*time.Second); !strings.HasSuffix(got, "U") {
		t.Errorf("without hold-down: %s", got)
	}
	if got, _ := walk(usual, Verdict{}, start, "xxxxxxxx.....", 5*time.Second); !strings.HasSuffix(got, "U") {
		t.Errorf("down by its first result: %s", got)
	}
}

// A hold-down that was prolonged survives a restart as it is.
func TestQuietTimeIsSaved(t *testing.T) {
	_, v := walk(usual, Verdict{}, start, "."+strings.Repeat("x", 240), 5*time.Second) // 20 minutes
	left := v.HoldUntil.Sub(v.Last)
	if left < 39*time.Minute || left > 40*time.Minute {
		t.Fatalf("held for %v, want twice the time since the fall", left)
	}
	now := v.Last.Add(time.Minute)
	if back := v.Save(Target{Pool: "a"}, now).Verdict(now); back.HoldUntil.Sub(now) != left-time.Minute {
		t.Errorf("after a restart held for %v, want %v", back.HoldUntil.Sub(now), left-time.Minute)
	}
}

// Fall fast, rise slow: a CDN that is good and bad in turn is left once and
// not returned to in between, whatever the share of bad time: of a period up
// to ten minutes three transitions in six hours, up to twenty minutes five.
func TestInvariantFallFastRiseSlow(t *testing.T) {
	half := spell(".60 x60") // five minutes each
	got, _ := walk(usual, Verdict{}, start, strings.Repeat(half, 36), 5*time.Second)
	if got != strings.Repeat("U", 62)+strings.Repeat("D", 36*120-62) {
		t.Errorf("a flapper of five minutes: down at result %d, up again at %d", strings.IndexByte(got, 'D'), strings.Index(got, "DU"))
	}
	for period := 30 * time.Second; period <= 20*time.Minute; period += 30 * time.Second {
		for _, share := range []int{10, 30, 50, 70, 90} {
			n := int(period / (5 * time.Second))
			bad := max(3, n*share/100)
			good := max(1, n-bad)
			history := "." + strings.Repeat(strings.Repeat("x", bad)+strings.Repeat(".", good), 6*3600/5/(bad+good))
			got, _ := walk(usual, Verdict{}, start, history, 5*time.Second)
			if turns := strings.Count(got, "UD") + strings.Count(got, "DU"); turns > 3 && (turns > 5 || period <= 10*time.Minute) {
				t.Errorf("period %v, %d%% bad: %d transitions in six hours", period, share, turns)
			}
		}
	}
}

// A phase is a time in which a share of all probes fails.
type phase struct {
	until  time.Duration
	failed float64
}

// replay plays phases to a verdict with a probe every 5 s and returns how long
// after the start it fell, and rose again; 0: it did not.
func replay(phases []phase, end time.Duration, random *rand.Rand) (fell, rose time.Duration) {
	var v Verdict
	for at := -time.Minute; at < end; at += 5 * time.Second {
		failed := 0.0
		for _, p := range phases {
			if at >= 0 && at < p.until {
				failed = p.failed
				break
			}
		}
		was := v.State
		v = usual.Next(v, Result{At: start.Add(at), OK: random.Float64() >= failed, Class: Edge5xx})
		if was == Up && v.State == Down && fell == 0 {
			fell = at
		}
		if was == Down && v.State == Up {
			return fell, at
		}
	}
	return fell, 0
}

// The two Cloudflare outages of late 2025, as a probe saw them
// [incidents: cf-2025-11-18, cf-2025-12-05]: never back between the flaps of
// the first, and back from the second half an hour after its start at the
// soonest, but back in the end.
func TestInvariantNoFailbackBetweenFlaps(t *testing.T) {
	november := []phase{}
	for i, c := range "x.xx.x.xxx.xxxx.xxxx" { // the first 100 minutes, five at a time
		failed := 0.0
		if c == 'x' {
			failed = 0.95
		}
		november = append(november, phase{time.Duration(i+1) * 5 * time.Minute, failed})
	}
	november = append(november, phase{190 * time.Minute, 0.95}, phase{346 * time.Minute, 0.05})
	december := []phase{{25 * time.Minute, 1}}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		fell, rose := replay(november, 12*time.Hour, random)
		if fell > 45*time.Second || rose < 190*time.Minute || rose > 8*time.Hour {
			t.Errorf("18 November, run %d: fell at %v, back at %v", seed, fell, rose)
		}
		fell, rose = replay(december, 6*time.Hour, random)
		if fell > 45*time.Second || rose < 30*time.Minute || rose > 90*time.Minute {
			t.Errorf("5 December, run %d: fell at %v, back at %v", seed, fell, rose)
		}
	}
}
