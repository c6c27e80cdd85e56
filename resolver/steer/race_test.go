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
)

// laps reads "a10 b20": latencies in milliseconds.
func laps(text string) []Lap {
	var out []Lap
	for _, w := range strings.Fields(text) {
		n, _ := strconv.Atoi(w[1:])
		out = append(out, Lap{w[:1], time.Duration(n) * time.Millisecond})
	}
	return out
}

// A history is what is seen every ten seconds, separated by commas; below it
// the order after each.
func TestHeat(t *testing.T) {
	for _, c := range []struct{ what, margin, history, want string }{
		{"the first time by latency", "20% 60s", "a30 b10 c20", "bca"},
		{"a wobble within the margin moves nothing", "20% 20s", "a10 b11,a12 b10,a12 b10,a12 b10,a12 b10", "ab ab ab ab ab"},
		{"a better one waits its time", "20% 20s", "a10 b11,a20 b10,a20 b10,a20 b10", "ab ab ab ba"},
		{"one that is better for a moment only does not", "20% 20s", "a10 b11,a20 b10,a10 b11,a20 b10,a20 b10,a20 b10", "ab ab ab ab ab ba"},
		{"without a time at once", "20% 0s", "a10 b11,a20 b10", "ab ba"},
		{"without margin and time: sorted", "0% 0s", "a10 b11,a12 b11,a10 b11", "ab ba ab"},
		{"one that is gone is followed at once", "20% 60s", "a10 b11 c12,b11 c12", "abc bc"},
		{"and starts behind the others", "20% 20s", "a10 b20,b20,a10 b20,a10 b20,a10 b20", "ab b ba ba ab"},
		{"each duel has its own time", "20% 20s", "a10 b11 c12,a20 b11 c12,a20 b11 c8,a20 b11 c8,a20 b11 c8", "abc abc abc bca cba"},
		{"far behind it passes all at once", "20% 10s", "a100 b85 c75,a100 b85 c75", "cba cba"},
		{"it passes who does not beat the leader", "20% 10s", "a70 b72 c74,a100 b85 c75,a100 b85 c75", "abc abc cab"},
		{"who is faster still comes along", "20% 20s", "a100 b110 c120,a100 b110 c75,a100 b60 c75,a100 b60 c75", "abc abc abc bca"},
		{"the wobble of the second and third moves nothing either", "20% 60s", "a10 b20 c21,a10 b21 c20,a10 b20 c21", "abc abc abc"},
		{"nobody is there", "20% 60s", "", ""},
	} {
		f := filterOf("fastest " + c.margin).Fastest
		var heat Heat
		var got []string
		for i, moment := range strings.Split(c.history, ",") {
			heat = heat.Next(f, laps(moment), noon.Add(time.Duration(i)*10*time.Second))
			got = append(got, strings.Join(heat.Order, ""))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %q gives %q, want %q", c.what, c.history, text, c.want)
		}
	}
}

// The order has every candidate once, nobody in it has been beaten by a later
// one for long enough, and what holds still settles for good.
func TestHeatProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := config.FastestFilter{Margin: rapid.SampledFrom([]float64{0, 0.2, 0.5}).Draw(t, "margin"), For: rapid.SampledFrom([]time.Duration{0, 10 * time.Second, time.Minute}).Draw(t, "for")}
		var heat Heat
		now := noon
		see := func(label string) []Lap {
			var seen []Lap
			for i := range 5 {
				if l := rapid.IntRange(0, 30).Draw(t, label); l > 5 {
					seen = append(seen, Lap{string(rune('a' + i)), time.Duration(l)})
				}
			}
			return seen
		}
		check := func(seen []Lap) {
			if len(heat.Order) != len(seen) {
				t.Fatalf("%v of %v", heat.Order, seen)
			}
			for _, l := range seen {
				if !slices.Contains(heat.Order, l.Pool) {
					t.Fatalf("%v lacks %s", heat.Order, l.Pool)
				}
			}
			for _, d := range heat.Duels {
				if now.Sub(d.Since) >= f.For && f.For > 0 {
					t.Fatalf("%v, though %+v is won at %v", heat.Order, d, now)
				}
			}
		}
		for range rapid.IntRange(1, 20).Draw(t, "moments") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
			seen := see("latency")
			heat = heat.Next(f, seen, now)
			check(seen)
		}
		still := see("at last")
		for range 10 {
			now = now.Add(time.Minute)
			heat = heat.Next(f, still, now)
		}
		order := fmt.Sprint(heat.Order)
		if heat = heat.Next(f, still, now.Add(time.Minute)); fmt.Sprint(heat.Order) != order || len(heat.Duels) > 0 {
			t.Fatalf("%v goes on from %s to %+v", still, order, heat)
		}
	})
}

// The memory passes from decision to decision, for each chain its own; while
// failing open the order before stays.
func TestFastestRemembers(t *testing.T) {
	s := stageOf("{eu} c+#30 | a+#10 b+#11", "p").with("p: * healthy, fastest 20% 60s, first 1", "eu: a b * healthy, fastest 20% 60s, first 1")
	latency := func(pool string, ms int) { s.in.Table.Pools[pool].Latency = time.Duration(ms) * time.Millisecond }
	decide := func(seconds int) string {
		s.in.Now = noon.Add(time.Duration(seconds) * time.Second)
		d := Decide(s.in)
		s.in.Race = d.Race
		return write(d)
	}
	var got []string
	got = append(got, decide(0))
	latency("a", 20)
	got = append(got, decide(10), decide(60), decide(70))
	latency("c", 1)
	got = append(got, decide(80), decide(140))
	latency("b", 0)
	for _, p := range s.in.Table.Pools {
		p.State, p.Latency = 2, 0
	}
	got = append(got, decide(150))
	if text := strings.Join(got, ", "); text != "a, a, a, b, b, c, open: c" {
		t.Error(text)
	}
	if len(s.in.Race.Heats) != 2 {
		t.Errorf("%+v", s.in.Race)
	}
}
