package drill

import (
	"maps"
	"slices"
)

// points is how many points a series holds at most.
const points = 1200

// A Series is who answered how much over time. It holds a bounded number of
// points: when they are too many, two become one.
type Series struct {
	Every   int        `json:"every_seconds"` // that a point stands for
	At      []int      `json:"at"`            // seconds after the beginning, of each point's end
	Pools   []string   `json:"pools"`
	Answers [][]uint64 `json:"answers"` // by pool, of each point

	open int // seconds in the last point
}

// add takes in one second that ends at at, in seconds after the beginning.
func (s *Series) add(at int, answers map[string]uint64) {
	if s.Every == 0 {
		s.Every = 1
	}
	for _, pool := range slices.Sorted(maps.Keys(answers)) {
		s.line(pool)
	}
	if s.open > 0 && s.open < s.Every {
		s.open++
	} else {
		if len(s.At) == points {
			s.halve()
		}
		s.open = 1
		s.At = append(s.At, at)
		for i := range s.Answers {
			s.Answers[i] = append(s.Answers[i], 0)
		}
	}
	last := len(s.At) - 1
	s.At[last] = at
	for i, p := range s.Pools {
		s.Answers[i][last] += answers[p]
	}
}

// line makes room for pool.
func (s *Series) line(pool string) {
	for _, p := range s.Pools {
		if p == pool {
			return
		}
	}
	s.Pools = append(s.Pools, pool)
	s.Answers = append(s.Answers, make([]uint64, len(s.At)))
}

// halve makes one point of each two.
func (s *Series) halve() {
	n := len(s.At) / 2
	for j := range n {
		s.At[j] = s.At[2*j+1]
		for i := range s.Answers {
			s.Answers[i][j] = s.Answers[i][2*j] + s.Answers[i][2*j+1]
		}
	}
	s.At = s.At[:n]
	for i := range s.Answers {
		s.Answers[i] = s.Answers[i][:n]
	}
	s.Every *= 2
}

// between sums the answers of the points that end after from and not after
// to, by pool.
func (s *Series) between(from, to int) (by map[string]uint64, all uint64) {
	by = map[string]uint64{}
	for j, at := range s.At {
		if at <= from || at > to {
			continue
		}
		for i, p := range s.Pools {
			by[p] += s.Answers[i][j]
			all += s.Answers[i][j]
		}
	}
	return by, all
}

// Clone returns a copy of s that shares nothing with it.
func (s *Series) Clone() Series {
	out := *s
	out.At, out.Pools = slices.Clone(s.At), slices.Clone(s.Pools)
	out.Answers = make([][]uint64, len(s.Answers))
	for i, a := range s.Answers {
		out.Answers[i] = slices.Clone(a)
	}
	return out
}
