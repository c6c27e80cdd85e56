package zone

import (
	"fmt"
	"math"
	"net/netip"
	"testing"

	"github.com/shunt-dns/shunt/resolver/steer"
)

// clientAt returns a client of network i, of 2^24.
func clientAt(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 7})
}

// clientAt6 is clientAt for IPv6.
func clientAt6(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 16), byte(i >> 8), byte(i), 9, 1})
}

// TestDraw compares the share of each variant with its weight, over client
// networks side by side: weights, then the share that each must get.
func TestDraw(t *testing.T) {
	for _, c := range []struct {
		weights []uint32
		shares  []float64
	}{
		{[]uint32{1}, []float64{1}},
		{[]uint32{95, 5}, []float64{.95, .05}},
		{[]uint32{1, 0, 3}, []float64{.25, 0, .75}},
		{[]uint32{0, 0, 0, 0}, []float64{.25, .25, .25, .25}},
		{[]uint32{999900, 100}, []float64{.9999, .0001}},
		{[]uint32{1, 2, 3, 4, 5, 6, 7}, []float64{1 / 28., 2 / 28., 3 / 28., 4 / 28., 5 / 28., 6 / 28., 7 / 28.}},
	} {
		for _, draw := range []steer.Draw{steer.Again, steer.Stay} {
			for family, at := range map[string]func(int) netip.Addr{"IPv4": clientAt, "IPv6": clientAt6} {
				st := PackPlaces(nil, []int32{0}, []Answers{{Variants: weights(c.weights...), Draw: draw, Window: 300}})
				const draws = 1 << 16
				got := make([]int, len(c.weights))
				for i := range draws {
					got[st.choose(at(i), 12345, 1_700_000_000).variant]++
				}
				shared(t, fmt.Sprint(c.weights, draw, family), got, c.shares, draws)
			}
		}
	}
}

// shared fails where a count is more than five standard deviations from its
// share.
func shared(t *testing.T, what string, got []int, shares []float64, draws float64) {
	t.Helper()
	for i, share := range shares {
		slack := 5 * math.Sqrt(draws*share*(1-share))
		if math.Abs(float64(got[i])-share*draws) > slack {
			t.Errorf("%s: variant %d drawn %d times, want %.0f±%.0f", what, i, got[i], share*draws, slack)
		}
	}
}

// TestDrawOverTime: one client network, asked for a long time, comes to all
// variants by weight; with Stay always to the same.
func TestDrawOverTime(t *testing.T) {
	again := PackPlaces(nil, []int32{0}, []Answers{{Variants: weights(7, 3), Draw: steer.Again, Window: 300}})
	got := make([]int, 2)
	for i := range 1 << 16 {
		got[again.choose(clientAt(77), 1, 1_700_000_000+300*int64(i)).variant]++
	}
	shared(t, "one network", got, []float64{.7, .3}, 1<<16)
	st := PackPlaces(nil, []int32{0}, []Answers{{Variants: weights(7, 3), Draw: steer.Stay, Window: 300}})
	for n := range 100 {
		first := st.choose(clientAt(n), 1, 0)
		for now := range int64(1000) {
			if c := st.choose(clientAt(n), 1, now*100); c != first || c.left != maxTTL {
				t.Fatalf("network %d does not stay: %+v at %d", n, c, now*100)
			}
		}
	}
}

// TestDrawIndependent: what a network draws for one service says nothing of
// what it draws for another, nor of what it draws next, nor of what its
// neighbour draws.
func TestDrawIndependent(t *testing.T) {
	st := PackPlaces(nil, []int32{0}, []Answers{{Variants: weights(1, 1), Draw: steer.Again, Window: 300}})
	const draws, now = 1 << 16, 1_700_000_000
	one := func(i int, service uint32, now int64) int32 { return st.choose(clientAt(i), service, now).variant }
	for what, same := range map[string]func(i int) bool{
		"another service": func(i int) bool { return one(i, 1, now) == one(i, 2, now) },
		"the next window": func(i int) bool { return one(i, 1, now) == one(i, 1, now+300) },
		"the neighbour":   func(i int) bool { return one(2*i, 1, now) == one(2*i+1, 1, now) },
		"half the world":  func(i int) bool { return one(i, 1, now) == one(i|1<<23, 1, now) },
	} {
		got := make([]int, 2)
		for i := range draws {
			if same(i) {
				got[0]++
			}
		}
		shared(t, what, got, []float64{.5}, draws)
	}
}

// TestDrawMoves: a change of weights moves clients to pools whose share grew
// from pools whose share shrank, and nobody else.
func TestDrawMoves(t *testing.T) {
	for _, c := range []struct{ before, after []uint32 }{
		{[]uint32{99, 1, 0}, []uint32{90, 10, 0}},  // a ramp's step
		{[]uint32{90, 10, 0}, []uint32{50, 50, 0}}, // the next one
		{[]uint32{60, 30, 10}, []uint32{60, 30, 0}},
		{[]uint32{60, 30, 10}, []uint32{0, 30, 10}},
		{[]uint32{1, 1, 0}, []uint32{1, 1, 1}},
	} {
		const n = 1 << 15
		sum := func(ws []uint32) (s float64) {
			for _, w := range ws {
				s += float64(w)
			}
			return s
		}
		grew := func(i int32) bool {
			return float64(c.after[i])/sum(c.after) > float64(c.before[i])/sum(c.before)
		}
		least := 0.0
		for i := range c.before {
			least += math.Abs(float64(c.after[i])/sum(c.after)-float64(c.before[i])/sum(c.before)) / 2
		}
		for _, draw := range []steer.Draw{steer.Again, steer.Stay} {
			before := PackPlaces(nil, []int32{0}, []Answers{{Variants: weights(c.before...), Draw: draw, Window: 300}})
			after := PackPlaces(nil, []int32{0}, []Answers{{Variants: weights(c.after...), Draw: draw, Window: 300}})
			moved := []int{0}
			for i := range n {
				from, to := before.choose(clientAt(i), 9, 1e9).variant, after.choose(clientAt(i), 9, 1e9).variant
				if from == to {
					continue
				}
				moved[0]++
				if grew(from) || !grew(to) {
					t.Fatalf("%v to %v, %s: a network moved from %d to %d", c.before, c.after, draw, from, to)
				}
			}
			shared(t, fmt.Sprint(c, draw), moved, []float64{least}, n)
		}
	}
}

// TestWindow: no answer outlives the draw that it comes from; each network
// draws anew once in a window, at a moment of its own.
func TestWindow(t *testing.T) {
	st := PackPlaces(nil, []int32{0}, []Answers{{Variants: weights(1, 1, 1, 1, 1, 1, 1, 1), Draw: steer.Again, Window: 300}})
	ends := map[int64]int{}
	for n := range 200 {
		for now := int64(1e9); now < 1e9+600; now += 13 {
			c := st.choose(clientAt(n), 5, now)
			if c.left < 1 || c.left > 300 {
				t.Fatalf("%d seconds left", c.left)
			}
			end := now + int64(c.left)
			last := st.choose(clientAt(n), 5, end-1)
			if last.variant != c.variant || last.left != 1 {
				t.Fatalf("network %d drew %+v at %d, and %+v before its end", n, c, now, last)
			}
			if next := st.choose(clientAt(n), 5, end); next.left != 300 {
				t.Fatalf("network %d: the next window is %+v", n, next)
			}
			ends[end%300]++
		}
	}
	if len(ends) < 100 {
		t.Errorf("200 networks end their windows at %d of 300 moments", len(ends))
	}
}
