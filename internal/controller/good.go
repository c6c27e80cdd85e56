package controller

import (
	"slices"
	"time"
)

// soak is how long an order must have held before it is what failing open
// falls back on. When a bad deploy takes every path down, they fall within
// seconds of each other; what is left over for a moment is no good order, only
// the one whose probe came last.
const soak = time.Minute

// A memory holds the last good orders of services: which pools answered, and
// in what order, when the site was last well.
type memory struct {
	good  map[string][]string // by goodKey
	young map[string]order    // what holds now and has not soaked
}

// An order is what answers since a moment.
type order struct {
	pools []string
	since time.Time
}

// newMemory returns a memory of what was good before.
func newMemory(good map[string][]string) memory {
	if good == nil {
		good = map[string][]string{}
	}
	return memory{good, map[string]order{}}
}

// last returns the last good order under key as of now; nil: there was none.
func (m memory) last(key string, now time.Time) []string {
	if y, ok := m.young[key]; ok && now.Sub(y.since) >= soak {
		m.good[key] = y.pools
		delete(m.young, key)
	}
	return m.good[key]
}

// note takes note of the order that holds from now on. The first one of all
// counts at once; while failing open it is the good one itself.
func (m memory) note(key string, pools []string, now time.Time) {
	y, ok := m.young[key]
	switch {
	case m.good[key] == nil:
		m.good[key] = pools
	case slices.Equal(m.good[key], pools):
		delete(m.young, key)
	case !ok || !slices.Equal(y.pools, pools):
		m.young[key] = order{pools, now}
	}
}
