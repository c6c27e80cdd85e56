package health

import (
	"testing"
	"time"
)

func TestHedge(t *testing.T) {
	for _, c := range []struct {
		history string
		fall    int
		out     int
		recheck time.Duration
		latency time.Duration
		want    time.Duration // 0: none
	}{
		{".", 3, 1, 100 * ms, 20 * ms, 100 * ms},
		{".", 3, 1, 100 * ms, 80 * ms, 160 * ms}, // far away
		{".", 3, 2, 100 * ms, 80 * ms, 100 * ms},
		{".", 3, 3, 100 * ms, 80 * ms, 0}, // enough to decide
		{".", 1, 1, 100 * ms, 80 * ms, 0}, // one decides
		{".", 3, 1, 100 * ms, 1500 * ms, 0},
		{".", 3, 1, 0, 20 * ms, 0},         // no bursts
		{".", 3, 1, 100 * ms, 0, 0},        // nothing is usual yet
		{"", 3, 1, 100 * ms, 20 * ms, 0},   // unknown
		{".x", 3, 1, 100 * ms, 20 * ms, 0}, // a burst already
		{".xxx", 3, 1, 100 * ms, 20 * ms, 0},
	} {
		th := Thresholds{Rise: 5, Fall: c.fall}
		_, v := walk(th, Verdict{}, start, c.history, time.Second)
		got, ok := th.Hedge(v, c.out, c.recheck, c.latency, 3*time.Second)
		if ok != (c.want > 0) || ok && got != c.want {
			t.Errorf("%q, %d out, recheck %v, latency %v: %v %v, want %v", c.history, c.out, c.recheck, c.latency, got, ok, c.want)
		}
	}
}
