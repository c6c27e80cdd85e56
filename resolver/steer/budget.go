package steer

import (
	"slices"
	"time"
)

// budgetSpan is the time over which moves are counted.
const budgetSpan = time.Hour

// A Budget is the moments of a service's latest moves, the oldest first. It is
// a value: noting a move yields the next one.
type Budget []time.Time

// Note returns b with a move at now, and without those that count no longer.
func (b Budget) Note(now time.Time) Budget {
	next := make(Budget, 0, len(b)+1)
	for _, at := range b {
		if now.Sub(at) < budgetSpan {
			next = append(next, at)
		}
	}
	return append(next, now)
}

// Used returns how many moves of the last hour b has.
func (b Budget) Used(now time.Time) int {
	n := 0
	for _, at := range b {
		if now.Sub(at) < budgetSpan {
			n++
		}
	}
	return n
}

// Spent reports whether b has had limit moves in the last hour; a limit of 0
// is none. Until is the moment from which it has not.
func (b Budget) Spent(limit int, now time.Time) (until time.Time, spent bool) {
	if limit <= 0 || b.Used(now) < limit {
		return time.Time{}, false
	}
	return b[len(b)-limit].Add(budgetSpan), true
}

// A Move is how the pools that answer changed from one decision to the next.
type Move struct {
	Moved     bool
	Avoidable bool     // nothing that answered has gone: it could have stayed
	Came      []string // pools that answer now and did not
}

// Moves compares the pools that answered with those that do. Gone says of a
// pool whether it is no longer to be had.
//
//	came   left          moved   avoidable
//	none   none          no      -
//	none   none is gone  no      -: a ramp has ended, or nothing keeps a standby warm any more
//	none   one is gone   yes     no
//	some   none is gone  yes     yes
//	some   one is gone   yes     no
func Moves(was, is []string, gone func(pool string) bool) Move {
	var m Move
	for _, p := range is {
		if !slices.Contains(was, p) {
			m.Came = append(m.Came, p)
		}
	}
	fell := slices.ContainsFunc(was, func(p string) bool { return !slices.Contains(is, p) && gone(p) })
	m.Moved = fell || len(m.Came) > 0
	m.Avoidable = m.Moved && !fell
	return m
}
