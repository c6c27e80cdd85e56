package tap

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/resolver"
)

// What goes into a ring comes out as it was, in order, or is counted as
// dropped; the two ends run at once.
func TestRing(t *testing.T) {
	const n = 60_000
	var r ring
	var wg sync.WaitGroup
	put := func(rng *rand.Rand, i int) resolver.Heard {
		h := resolver.Heard{
			Query: bytes.Repeat([]byte{byte(i)}, rng.IntN(400)), Reply: bytes.Repeat([]byte{byte(i + 1)}, rng.IntN(600)),
			Client: netip.MustParseAddrPort("192.0.2.1:53"), At: time.Unix(int64(i), 7), Transport: resolver.Transport(i % 4), Pool: "pool"[:i%5],
		}
		if i%3 == 0 {
			h.Client = netip.MustParseAddrPort("[2001:db8::1]:1024")
		}
		if i%1000 == 0 {
			h.Reply = make([]byte, 65535)
		}
		return h
	}
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range n {
			h := put(rng, i)
			r.put(&h, h.At.Add(time.Microsecond))
			if i%64 == 0 {
				time.Sleep(20 * time.Microsecond)
			}
		}
	})
	rng, at, got := rand.New(rand.NewPCG(1, 2)), 0, 0
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for over := false; ; {
		r.take(func(rec *record) {
			want := put(rng, at)
			for int64(at) != rec.at.Unix() { // dropped
				at++
				if at >= n {
					t.Fatalf("a record of %v came out, which did not go in", rec.at)
				}
				want = put(rng, at)
			}
			at++
			got++
			if !bytes.Equal(rec.query, want.Query) || !bytes.Equal(rec.reply, want.Reply) || rec.client != want.Client ||
				rec.transport != want.Transport || rec.pool != want.Pool || rec.done.Sub(rec.at) != time.Microsecond || rec.at.Nanosecond() != 7 {
				t.Fatalf("the record %d came out as %+v, went in as %+v", at-1, rec, want)
			}
		})
		if over {
			break
		}
		select {
		case <-done:
			over = true
		default:
		}
	}
	if got+int(r.dropped.Load()) != n || got < 1000 {
		t.Errorf("%d came out and %d were dropped, of %d", got, r.dropped.Load(), n)
	}
	t.Logf("%d of %d were dropped", r.dropped.Load(), n)
}

// A ring that nobody takes from drops what has no room, and goes on after.
func TestRingFull(t *testing.T) {
	var r ring
	h := resolver.Heard{Query: make([]byte, 100), Reply: make([]byte, 1000), Client: netip.MustParseAddrPort("192.0.2.1:53")}
	for range 10_000 {
		r.put(&h, time.Now())
	}
	first := r.take(func(*record) {})
	if first+int(r.dropped.Load()) != 10_000 || first < ringSize/2000 {
		t.Errorf("%d were kept and %d dropped, of 10000", first, r.dropped.Load())
	}
	r.put(&h, time.Now())
	if n := r.take(func(*record) {}); n != 1 {
		t.Errorf("%d came after the ring was empty", n)
	}
	if n := testing.AllocsPerRun(100, func() { r.put(&h, h.At); r.tail.Store(r.head.Load()) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkHear is what a query costs that is handed on, and one that is not.
func BenchmarkHear(b *testing.B) {
	for _, c := range []struct {
		name  string
		below uint64
	}{{"wanted", threshold(1)}, {"one in a hundred", threshold(0.01)}} {
		b.Run(c.name, func(b *testing.B) {
			var r ring
			e := &ear{parts: []part{{ring: &r, below: c.below}}}
			e.chance.Seed(1, 2)
			h := resolver.Heard{Query: make([]byte, 45), Reply: make([]byte, 80), Client: netip.MustParseAddrPort("192.0.2.1:53"), At: time.Now()}
			b.ReportAllocs()
			for b.Loop() {
				if e.Wants() {
					e.Hear(h)
					r.tail.Store(r.head.Load())
				}
			}
		})
	}
}
