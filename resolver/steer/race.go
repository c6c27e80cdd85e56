package steer

import "time"

// A Race is what the filter fastest remembers, so that its order does not
// follow each wobble of a latency. It is a value; the zero Race is that of a
// first decision.
type Race struct {
	Heats []Heat `json:"heats,omitempty"` // one for each such filter of the chain and of those nested in it
}

// A Heat is the race of one filter.
type Heat struct {
	Of    string   `json:"of"`              // the filter, by its policy and its place in the chain
	Order []string `json:"order,omitempty"` // its candidates, the leader first
	Duels []Duel   `json:"duels,omitempty"`
}

// A Duel is under way while a candidate is faster than one before it, by the
// margin at least.
type Duel struct {
	Pool  string    `json:"pool"`
	Over  string    `json:"over"`
	Since time.Time `json:"since"`
}
