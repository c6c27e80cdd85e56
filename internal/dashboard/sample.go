package dashboard

import (
	"slices"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/resolver"
)

// What is measured for people to look at.
const (
	window     = 10              // seconds over which answers are counted
	latencies  = 120             // latencies kept of each pool
	latencyGap = 5 * time.Second // between two of them: ten minutes in all
)

// A sampler keeps what the node counts, as far back as the pages show it.
type sampler struct {
	mu      sync.Mutex
	counts  []reading // one a second, the oldest first; window+1 at most
	latency map[string][]float32
	next    time.Time // when latencies are looked at again
}

// A reading is what had been counted at a moment.
type reading struct {
	at      time.Time
	queries uint64
	steered map[key]uint64
}

type key struct{ service, pool string }

// add takes in the counters as they are at now.
func (s *sampler) add(now time.Time, q resolver.Stats) {
	c := reading{at: now, queries: q.UDP + q.TCP + q.TLS + q.HTTPS, steered: make(map[key]uint64, len(q.Steered))}
	for _, n := range q.Steered {
		c.steered[key{n.Service, n.Pool}] = n.Answers
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.counts) > window {
		s.counts = slices.Delete(s.counts, 0, len(s.counts)-window)
	}
	s.counts = append(s.counts, c)
}

// watch takes in the latencies of pools, if it is time for that. Pools that
// are gone are forgotten.
func (s *sampler) watch(now time.Time, pools []controller.PoolStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.next) {
		return
	}
	s.next = now.Add(latencyGap)
	next := make(map[string][]float32, len(pools))
	for i := range pools {
		p := &pools[i]
		kept := s.latency[p.Name]
		if len(kept) >= latencies {
			kept = slices.Delete(kept, 0, len(kept)-latencies+1)
		}
		next[p.Name] = append(kept, float32(latency(p)))
	}
	s.latency = next
}

// latency returns the mean latency of the endpoints of p that are up, in
// milliseconds; 0 where none is known.
func latency(p *controller.PoolStatus) float64 {
	sum, n := 0.0, 0
	for _, e := range p.Endpoints {
		if e.State == up && e.Latency > 0 {
			sum, n = sum+e.Latency, n+1
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// trend returns the latest latencies of pool, the oldest first; 0 is unknown.
func (s *sampler) trend(pool string) []float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.latency[pool])
}

// A rate is what was measured of answers within the latest seconds.
type rate struct {
	Seconds float64                       // measured over; 0: nothing was yet
	Queries float64                       // a second, of every kind
	Steered map[string]map[string]float64 // answers a second, by service and pool; none that are 0
}

// rates returns what was measured in the latest window.
func (s *sampler) rates() rate {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := rate{Steered: map[string]map[string]float64{}}
	if len(s.counts) < 2 {
		return r
	}
	first, last := s.counts[0], s.counts[len(s.counts)-1]
	r.Seconds = last.at.Sub(first.at).Seconds()
	if r.Seconds <= 0 {
		return rate{Steered: r.Steered}
	}
	r.Queries = float64(last.queries-min(first.queries, last.queries)) / r.Seconds
	for k, n := range last.steered {
		if was := first.steered[k]; n > was {
			if r.Steered[k.service] == nil {
				r.Steered[k.service] = map[string]float64{}
			}
			r.Steered[k.service][k.pool] = float64(n-was) / r.Seconds
		}
	}
	return r
}
