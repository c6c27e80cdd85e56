package resolver

import (
	"slices"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// TestDurationsAreSampled: one batch in 64 is timed, and each of its queries
// counts, in the bucket of its transport.
func TestDurationsAreSampled(t *testing.T) {
	a, w := workerForTest(t, settingsForTest())
	query := dnstest.Ask(t, "www.example.test. A")
	buf := make([]byte, 0, 512)
	for range 10 * sampleBatches {
		w.Answer(buf, query, client, time.Now(), UDP)
	}
	for range 2 * sampleBatches {
		w.Answer(buf, query, client, time.Now().Add(-time.Hour), TCP)
	}
	udp, tcp := a.Durations(UDP), a.Durations(TCP)
	if n := total(udp); n != 10 {
		t.Errorf("%d queries over UDP were counted, want 10 of %d", n, 10*sampleBatches)
	}
	if n := tcp.Counts[len(tcp.Bounds)]; n != 2 || total(tcp) != 2 {
		t.Errorf("over TCP %d of %d took longer than all buckets, want 2 of 2", n, total(tcp))
	}
	if udp.Sum <= 0 || udp.Sum > time.Second || tcp.Sum < 2*time.Hour {
		t.Errorf("they took %v and %v in all", udp.Sum, tcp.Sum)
	}
	if !slices.IsSorted(udp.Bounds) || len(udp.Counts) != len(udp.Bounds)+1 {
		t.Errorf("buckets %v for %d counts", udp.Bounds, len(udp.Counts))
	}
}

// TestDurationsOfBatches: a batch counts with all its queries.
func TestDurationsOfBatches(t *testing.T) {
	a, w := workerForTest(t, settingsForTest())
	query := dnstest.Ask(t, "www.example.test. A")
	buf := make([]byte, 0, 512)
	for range sampleBatches {
		w.begin(time.Now(), UDP)
		for range 5 {
			w.answer(buf, query, client)
		}
		w.end()
		w.timed()
	}
	if n := total(a.Durations(UDP)); n != 5 {
		t.Errorf("%d queries were counted, want the 5 of one batch", n)
	}
}

// TestDurationBuckets: bounds are included.
func TestDurationBuckets(t *testing.T) {
	for _, c := range []struct {
		took time.Duration
		want int
	}{
		{0, 0}, {2 * time.Microsecond, 0}, {2*time.Microsecond + 1, 1}, {100 * time.Millisecond, len(durationBounds) - 1}, {time.Minute, len(durationBounds)}, {-time.Second, 0},
	} {
		var s stopwatch
		s.take(c.took, 3)
		if n := s.counts[c.want].Load(); n != 3 {
			t.Errorf("%v: bucket %d has %d, want 3", c.took, c.want, n)
		}
		if c.took > 0 && s.sum.Load() != 3*uint64(c.took) {
			t.Errorf("%v: the sum is %d", c.took, s.sum.Load())
		}
	}
}

func total(d Durations) (n uint64) {
	for _, c := range d.Counts {
		n += c
	}
	return n
}
