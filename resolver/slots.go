package resolver

import (
	"sync/atomic"

	"github.com/shunt-dns/shunt/config"
)

// What is counted apart: pairs of service and pool, of which each worker has a
// counter of 8 octets, in pages that are made as they are needed. The first
// slot is for all pairs that come when the last page is full.
const (
	pageSlots = 1 << 12              // 32 KiB
	maxPages  = 1 << 7               // 4 MiB a worker
	maxSlots  = maxPages * pageSlots // 524,288 pairs
	otherPair = "other"              // service and pool of the first slot
)

// A page is a worker's counters of some slots in a row.
type page [pageSlots]atomic.Uint64

// A pair is a service, by the name of one of its group, and a pool.
type pair struct{ service, pool string }

// slots hand out one counter to each pair. A pair keeps its counter from
// snapshot to snapshot, so that what it has counted goes on through reloads,
// as long as there is a service of its name.
//
//	the service                 the pair's counter
//	stays, whatever its pools   stays
//	goes                        rests until the next reload: a batch under way may still count there
//	stays away                  is free, and another pair may get it; what it had
//	                            counted stays in the total of its pool
//	comes back meanwhile        is the old one, if it rests; else begins anew
type slots struct {
	byPair  map[pair]uint32
	pairs   []pair // by slot; the zero value is free
	resting []uint32
	free    []uint32
	before  map[uint32]uint64 // what a slot had counted when it became free
	gone    map[string]uint64 // by pool: what is in before
	sum     func(slot uint32) uint64
}

// newSlots returns slots whose counters sum adds up over all workers.
func newSlots(sum func(slot uint32) uint64) slots {
	other := pair{otherPair, otherPair}
	return slots{
		byPair: map[pair]uint32{other: 0}, pairs: []pair{other},
		before: map[uint32]uint64{}, gone: map[string]uint64{}, sum: sum,
	}
}

// of returns the slot of one pair.
func (s *slots) of(p pair) uint32 {
	if i, ok := s.byPair[p]; ok {
		return i
	}
	i := uint32(len(s.pairs))
	switch {
	case len(s.free) > 0:
		i = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
		s.pairs[i] = p
	case i == maxSlots:
		return 0
	default:
		s.pairs = append(s.pairs, p)
	}
	s.byPair[p] = i
	return i
}

// retire lets go of the pairs whose service none of groups is named after.
func (s *slots) retire(groups []config.Service) {
	named := make(map[string]bool, len(groups))
	for i := range groups {
		named[groups[i].Name] = true
	}
	for _, i := range s.resting {
		p := s.pairs[i]
		if named[p.service] {
			continue
		}
		counted := s.sum(i)
		s.gone[p.pool] += counted - s.before[i]
		s.before[i] = counted
		delete(s.byPair, p)
		s.pairs[i] = pair{}
		s.free = append(s.free, i)
	}
	s.resting = s.resting[:0]
	for i, p := range s.pairs {
		if i > 0 && p != (pair{}) && !named[p.service] {
			s.resting = append(s.resting, uint32(i))
		}
	}
}

// addTo adds what every pair and pool counted to st.
func (s *slots) addTo(st *Stats) {
	for pool, n := range s.gone {
		st.Pools[pool] += n
	}
	for i, p := range s.pairs {
		n := s.sum(uint32(i)) - s.before[uint32(i)]
		if n == 0 || p == (pair{}) {
			continue
		}
		st.Pools[p.pool] += n
		st.Steered = append(st.Steered, SteeredCount{Service: p.service, Pool: p.pool, Answers: n})
	}
}

// counted returns what each pair of a wanted service counted.
func (s *slots) counted(want func(service string) bool) []SteeredCount {
	var out []SteeredCount
	for i, p := range s.pairs {
		if p == (pair{}) || !want(p.service) {
			continue
		}
		if n := s.sum(uint32(i)) - s.before[uint32(i)]; n > 0 {
			out = append(out, SteeredCount{Service: p.service, Pool: p.pool, Answers: n})
		}
	}
	return out
}

// needed returns how many pages hold all slots.
func (s *slots) needed() int { return (len(s.pairs) + pageSlots - 1) / pageSlots }

// A book is a worker's pages. Whoever holds the answerer's lock adds to them;
// the worker counts in those that are there.
type book [maxPages]atomic.Pointer[page]

// open makes the first n pages, as far as they are missing.
func (b *book) open(n int) {
	for i := range n {
		if b[i].Load() == nil {
			b[i].Store(new(page))
		}
	}
}

// at returns the counter of a slot whose page is open.
func (b *book) at(slot uint32) *atomic.Uint64 {
	return &b[slot/pageSlots%maxPages].Load()[slot%pageSlots]
}
