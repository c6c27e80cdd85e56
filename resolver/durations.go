package resolver

import (
	"sync/atomic"
	"time"
)

// sampleBatches is how many batches there are to one whose time is taken: so
// the clock and the counters together cost no more than 1 % of an answer.
const sampleBatches = 64

// durationBounds are the upper bounds of the buckets of [Durations], each
// included, from the lowest on. What took longer is in one more bucket.
var durationBounds = [...]time.Duration{
	2 * time.Microsecond, 5 * time.Microsecond, 10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
}

// Durations say how long queries over one transport took, from when they were
// read: over UDP until the kernel had their replies, over others until these
// were made. They are of a sample, one batch in 64, in which every query counts.
type Durations struct {
	Bounds []time.Duration // of the buckets: upper, included, rising
	Counts []uint64        // of the buckets, one more than Bounds: the last is of what took longer
	Sum    time.Duration   // of all that were counted
}

// A stopwatch is one worker's durations of one transport, which others read
// while the worker writes.
type stopwatch struct {
	counts [len(durationBounds) + 1]atomic.Uint64
	sum    atomic.Uint64 // nanoseconds
}

// timed, after end, takes note that the batch is done. It is small enough to
// be compiled into its callers.
func (w *Worker) timed() {
	if w.n.batches++; w.n.batches%sampleBatches == 0 {
		w.clock()
	}
}

// clock counts the batch that is done.
func (w *Worker) clock() { w.n.watches[w.x.tr].take(time.Since(w.x.now), w.n.batch) }

// take counts n queries that took d each.
func (s *stopwatch) take(d time.Duration, n uint32) {
	i := 0
	for i < len(durationBounds) && d > durationBounds[i] {
		i++
	}
	s.counts[i].Add(uint64(n))
	s.sum.Add(uint64(max(d, 0)) * uint64(n))
}

// Durations returns how long queries over tr took, over all workers.
func (a *Answerer) Durations(tr Transport) Durations {
	d := Durations{Bounds: durationBounds[:], Counts: make([]uint64, len(durationBounds)+1)}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.workers {
		s := &w.n.watches[tr]
		for i := range s.counts {
			d.Counts[i] += s.counts[i].Load()
		}
		d.Sum += time.Duration(s.sum.Load())
	}
	return d
}

// Durations is [Answerer.Durations].
func (s *Server) Durations(tr Transport) Durations { return s.answerer.Durations(tr) }
