package health

import (
	"fmt"
	"testing"
	"time"
)

// Samples are milliseconds at their seconds, "0:20 30:40"; below them the
// smoothed latency after each.
func TestSmooth(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples [][2]int // second, ms
		want    string
	}{
		{"the first one counts", [][2]int{{0, 20}}, "[20]"},
		{"half way after the half-life", [][2]int{{0, 20}, {30, 40}}, "[20 30]"},
		{"a quarter is left after two", [][2]int{{0, 20}, {60, 40}}, "[20 35]"},
		{"however often probes come", [][2]int{{0, 20}, {15, 40}, {30, 40}}, "[20 26 30]"},
		{"one spike of ten seconds in five fades", [][2]int{{0, 20}, {5, 100}, {10, 20}, {15, 20}, {40, 20}}, "[20 29 28 27 24]"},
		{"two at once", [][2]int{{0, 20}, {0, 80}}, "[20 20]"},
		{"the clock goes back", [][2]int{{10, 20}, {5, 80}}, "[20 20]"},
		{"a long silence forgets", [][2]int{{0, 20}, {3600, 80}}, "[20 80]"},
	} {
		var got []int
		var was time.Duration
		for i, s := range c.samples {
			since := time.Duration(0)
			if i > 0 {
				since = time.Duration(s[0]-c.samples[i-1][0]) * time.Second
			}
			was = Smooth(was, time.Duration(s[1])*ms, since)
			got = append(got, int(was.Round(ms)/ms))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

func TestMeanLatency(t *testing.T) {
	for _, c := range []struct {
		ls   []time.Duration
		want time.Duration
	}{
		{nil, 0},
		{[]time.Duration{0, 0}, 0},
		{[]time.Duration{20 * ms, 0, 40 * ms}, 30 * ms},
	} {
		if got := MeanLatency(c.ls); got != c.want {
			t.Errorf("%v: %v, want %v", c.ls, got, c.want)
		}
	}
}
