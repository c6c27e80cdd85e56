package health

import (
	"strings"
	"testing"
	"time"
	"unsafe"
)

// start is when every history begins.
var start = time.Date(2026, 11, 18, 11, 20, 0, 0, time.UTC)

// walk returns the verdicts after each result of history, a result every
// step: . a success, x a failure, i a failure of ours.
func walk(t Thresholds, v Verdict, at time.Time, history string, step time.Duration) (string, Verdict) {
	var states strings.Builder
	for _, c := range history {
		r := Result{At: at, OK: c == '.'}
		switch c {
		case 'x':
			r.Class, r.Reason = Edge5xx, "status 500"
		case 'i':
			r.Class, r.Reason = Internal, "too many open files"
		}
		v = t.Next(v, r)
		states.WriteByte("?UD"[v.State])
		at = at.Add(step)
	}
	return states.String(), v
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		name          string
		rise, fall    int
		history, want string
	}{
		{"falls at the threshold", 2, 3, "..xxx", "UUUUD"},
		{"a lost packet moves nothing", 2, 3, ".x.x.x.", "UUUUUUU"},
		{"rises at the threshold", 2, 3, "x.x..", "DDDDU"},
		{"the first result settles it, up", 5, 3, ".", "U"},
		{"the first result settles it, down", 5, 3, "x", "D"},
		{"one of each suffices", 1, 1, ".x.x", "UDUD"},
		{"nothing configured is one of each", 0, 0, ".x.x", "UDUD"},
		{"our own failures say nothing", 2, 3, "i.ixixix", "?UUUUUUD"},
		{"our own failures break no run", 2, 3, ".xixx", "UUUUD"},
		{"a failure while down starts anew", 3, 1, ".x..x...", "UDDDDDDU"},
	} {
		got, _ := walk(Thresholds{Rise: c.rise, Fall: c.fall}, Verdict{}, start, c.history, time.Second)
		if got != c.want {
			t.Errorf("%s: rise %d fall %d: %s → %s, want %s", c.name, c.rise, c.fall, c.history, got, c.want)
		}
	}
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		name          string
		window        int
		share         float64
		history, want string
	}{
		{"half of ten fail, never three in a row", 10, 0.5, ".x.x.x.x.x", "UUUUUUUUUD"},
		{"off", 0, 0.5, ".x.x.x.x.x.x", "UUUUUUUUUUUU"},
		{"old failures leave the window", 4, 0.5, ".x...x...x..", "UUUUUUUUUUUU"},
		{"0.3 of ten are three", 10, 0.3, ".x.x.x", "UUUUUD"},
		{"a third of ten, rounded up, are four", 10, 0.34, ".x.x.x.x", "UUUUUUUD"},
		{"no share is one failure", 10, 0, "..x", "UUD"},
		{"all sixty-four", 64, 1, "." + strings.Repeat("xx.", 20), strings.Repeat("U", 61)},
		{"more than sixty-four is sixty-four", 100, 0.5, strings.Repeat(".x", 32), strings.Repeat("U", 63) + "D"},
		{"the window is empty after a rise", 8, 0.25, ".x.x..x.x", "UUUDDUUUD"},
	} {
		th := Thresholds{Rise: 2, Fall: 3, Window: c.window, WindowFall: c.share}
		if got, _ := walk(th, Verdict{}, start, c.history, time.Second); got != c.want {
			t.Errorf("%s: %s → %s, want %s", c.name, c.history, got, c.want)
		}
	}
}

// Half of the probes fail: three in a row take 14 probes on average, and the
// window must not wait for them.
func TestWindowFindsHalfFailures(t *testing.T) {
	th := Thresholds{Rise: 5, Fall: 3, Window: 10, WindowFall: 0.5}
	got, _ := walk(th, Verdict{}, start, "..xx..xx..xx", time.Second)
	if i := strings.IndexByte(got, 'D'); i < 0 || i > 11 {
		t.Errorf("fell at probe %d: %s", i, got)
	}
}

func TestHoldDown(t *testing.T) {
	th := Thresholds{Rise: 2, Fall: 2, HoldDown: 10 * time.Second, HoldDownMax: 60 * time.Second}
	// A result a second. Down at the third result, held for ten of them.
	got, v := walk(th, Verdict{}, start, ".xx..........", time.Second)
	if want := "UUDDDDDDDDDDU"; got != want {
		t.Errorf("held: %s, want %s", got, want)
	}
	// The rise waits for both: hold-down is over, successes are missing.
	got, _ = walk(th, Verdict{}, start, ".xx.........x..", time.Second)
	if want := "UUDDDDDDDDDDDDU"; got != want {
		t.Errorf("rise after hold-down: %s, want %s", got, want)
	}
	at := v.Since
	for _, want := range []time.Duration{20, 40, 60, 60} {
		at = at.Add(time.Second)
		_, v = walk(th, v, at, "xx", time.Second)
		if v.State != Down || v.Hold != want*time.Second {
			t.Fatalf("%s, held %v, want down for %v", v.State, v.Hold, want*time.Second)
		}
		at = v.HoldUntil
		_, v = walk(th, v, at, "..", time.Second)
		if v.State != Up {
			t.Fatal("does not rise when hold-down is over")
		}
	}
	// Up for HoldDownMax forgets the falls.
	_, v = walk(th, v, v.Since.Add(60*time.Second), "xx", time.Second)
	if v.Hold != 10*time.Second {
		t.Errorf("after long being up held %v, want the first hold-down", v.Hold)
	}
}

// step returns at as the wall clock would show it after being set by d, with
// the monotonic reading it had: the one thing that package time rightly does
// not let anyone build.
func step(t *testing.T, at time.Time, d time.Duration) time.Time {
	t.Helper()
	stepped := at
	wall := (*uint64)(unsafe.Pointer(&stepped)) // the first field of time.Time
	*wall += uint64(int64(d/time.Second) << 30) // seconds lie above 30 bits of nanoseconds
	if got := stepped.Round(0).Sub(at.Round(0)); got != d {
		t.Fatalf("the layout of time.Time has changed: stepped by %v, want %v", got, d)
	}
	if got := stepped.Sub(at); got != 0 {
		t.Fatalf("the monotonic reading moved by %v", got)
	}
	return stepped
}

// A wall clock that is set by an hour, in either direction, moves no verdict
// and no hold-down [incidents: leap, clock_step].
func TestInvariantMonotonicClock(t *testing.T) {
	th := Thresholds{Rise: 2, Fall: 2, HoldDown: time.Minute, HoldDownMax: time.Hour}
	for _, d := range []time.Duration{time.Hour, -time.Hour, time.Second, -time.Second} {
		t0 := time.Now()
		_, v := walk(th, Verdict{}, t0, ".xx", time.Second)
		held, v := walk(th, v, step(t, t0.Add(10*time.Second), d), "....", time.Second)
		if held != "DDDD" {
			t.Errorf("clock set by %v: hold-down ended: %s", d, held)
		}
		if in := th.ChangeIn(v, step(t, t0.Add(32*time.Second), d), time.Second, 0); in != 30*time.Second {
			t.Errorf("clock set by %v: changes in %v, want 30s", d, in)
		}
		risen, v := walk(th, v, step(t, t0.Add(62*time.Second), d), ".", time.Second)
		if risen != "U" {
			t.Errorf("clock set by %v: hold-down does not end", d)
		}
		// Up for a minute, not for an hour and a minute: the next hold doubles.
		_, v = walk(th, v, step(t, t0.Add(2*time.Minute), 2*d), "xx", time.Second)
		if v.Hold != 2*time.Minute {
			t.Errorf("clock set by %v: held for %v, want 2m", d, v.Hold)
		}
		s := v.Save(Target{Pool: "a"}, step(t, t0.Add(2*time.Minute+31*time.Second), 3*d))
		if s.HoldLeft != 90*time.Second || s.At.Sub(s.Since) != 30*time.Second {
			t.Errorf("clock set by %v: saved with %v of hold-down left and an age of %v", d, s.HoldLeft, s.At.Sub(s.Since))
		}
	}
}

func BenchmarkNext(b *testing.B) {
	th := Thresholds{Rise: 5, Fall: 3, Window: 10, WindowFall: 0.5, HoldDown: time.Minute, HoldDownMax: time.Hour}
	v, r := Verdict{}, Result{At: start, OK: true}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.OK = i%7 > 2
		r.At = r.At.Add(time.Second)
		v = th.Next(v, r)
	}
}
