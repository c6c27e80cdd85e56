package health

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func TestNextProbe(t *testing.T) {
	th := Thresholds{Rise: 5, Fall: 3}
	for _, c := range []struct {
		history string
		out     int
		jitter  float64
		want    time.Duration
	}{
		{"", 0, 0, 5000 * ms},
		{".", 0, 0, 5000 * ms},
		{".", 0, 1, 5500 * ms},
		{".", 0, -1, 4500 * ms},
		{".", 0, 7, 5500 * ms}, // no random number moves it further
		{".x", 0, 1, 100 * ms}, // a burst has no jitter
		{".x", 1, 0, 100 * ms}, // and overlaps
		{".x", 2, 0, 5000 * ms},
		{".xx", 0, 0, 100 * ms},
		{".xx", 1, 0, 5000 * ms},
		{".xx.", 0, 0, 5000 * ms},
		{".xxx", 0, 0, 5000 * ms},
		{".xxx.", 0, 0, 5000 * ms}, // rise is slow
		{"x", 0, 0, 100 * ms},      // down by the first result: confirm it
		{"xx", 0, 0, 100 * ms},
		{"xxx", 0, 0, 5000 * ms},
		{"x.", 0, 0, 100 * ms}, // or lift it
		{"x....", 0, 0, 100 * ms},
		{"x.....", 0, 0, 5000 * ms},
		{"x.x.x.x.", 0, 0, 5000 * ms}, // not for ever
	} {
		_, v := walk(th, Verdict{}, start, c.history, time.Second)
		if got := th.NextProbe(v, c.out, 5*time.Second, 100*ms, c.jitter); got != c.want {
			t.Errorf("%q, %d out, jitter %v: next in %v, want %v", c.history, c.out, c.jitter, got, c.want)
		}
	}
	_, v := walk(th, Verdict{}, start, ".x", time.Second)
	if got := th.NextProbe(v, 0, 5*time.Second, 0, 0); got != 5*time.Second {
		t.Errorf("without recheck: next in %v", got)
	}
}

func TestBurstTimeout(t *testing.T) {
	for _, c := range []struct {
		fall                            int
		timeout, recheck, latency, want time.Duration
	}{
		{3, 3000 * ms, 100 * ms, 20 * ms, 700 * ms},
		{1, 3000 * ms, 100 * ms, 20 * ms, 900 * ms},
		{3, 500 * ms, 100 * ms, 20 * ms, 500 * ms},     // never longer than the timeout
		{20, 3000 * ms, 100 * ms, 20 * ms, 250 * ms},   // no room: the least
		{3, 3000 * ms, 100 * ms, 600 * ms, 1200 * ms},  // slow and healthy
		{3, 3000 * ms, 100 * ms, 2000 * ms, 3000 * ms}, // up to the timeout
	} {
		got := Thresholds{Fall: c.fall}.BurstTimeout(c.timeout, c.recheck, c.latency)
		if got != c.want {
			t.Errorf("fall %d, timeout %v, recheck %v, latency %v: %v, want %v", c.fall, c.timeout, c.recheck, c.latency, got, c.want)
		}
	}
}

func TestChangeIn(t *testing.T) {
	plain := Thresholds{Rise: 5, Fall: 3}
	window := Thresholds{Rise: 5, Fall: 3, Window: 10, WindowFall: 0.5}
	held := Thresholds{Rise: 2, Fall: 2, HoldDown: 5 * time.Minute, HoldDownMax: time.Hour}
	for _, c := range []struct {
		name    string
		th      Thresholds
		history string // a result a second
		recheck time.Duration
		want    time.Duration
	}{
		{"nothing seen", plain, "", 100 * ms, 100 * ms},
		{"nothing seen, no bursts", plain, "", 0, 5 * time.Second},
		{"up and nothing in doubt", plain, "...", 100 * ms, 0},
		{"one failure", plain, ".x", 100 * ms, 200 * ms},
		{"two failures", plain, ".xx", 100 * ms, 100 * ms},
		{"one failure, no bursts", plain, ".x", 0, 10 * time.Second},
		{"recovered", plain, ".xx.", 100 * ms, 0},
		{"the window is nearer than the run", window, ".x.x.x.x", 100 * ms, 100 * ms},
		{"the window is half full", window, ".x.x.x.", 100 * ms, 5100 * ms},
		{"the window is less than half full", window, ".x.x.", 100 * ms, 0},
		{"down, nothing for it", plain, ".xxx", 100 * ms, 25 * time.Second},
		{"down, rising", plain, ".xxx..", 100 * ms, 15 * time.Second},
		{"down by the first result", plain, "x.", 100 * ms, 400 * ms},
		{"down and held", held, ".xx", 100 * ms, 299 * time.Second}, // asked a second later
		{"down and held, enough successes", held, ".xx.......", 100 * ms, 292 * time.Second},
	} {
		_, v := walk(c.th, Verdict{}, start, c.history, time.Second)
		now := start.Add(time.Duration(len(c.history)) * time.Second)
		if got := c.th.ChangeIn(v, now, 5*time.Second, c.recheck); got != c.want {
			t.Errorf("%s: %q changes in %v, want %v", c.name, c.history, got, c.want)
		}
	}
}
