package config

import "time"

// Presets returns the policies that there are without being defined, each a
// chain like any other.
//
//	failover   healthy, first: 1
//	weighted   healthy, weighted
//	nearest    healthy, nearest, first: 1
//	fastest    healthy, fastest, first: 1
//	all        healthy, all
//
// Where a pool of a service has a max_share, package steer ends the chain with
// capacity instead, but that of all.
func Presets() []Policy {
	up := Filter{Kind: Healthy, Healthy: HealthyFilter{MinUp: 1}}
	one := Filter{Kind: First, First: 1}
	fast := Filter{Kind: ByLatency, Fastest: FastestFilter{Margin: defaultMargin, For: defaultFor}}
	return []Policy{
		{Name: Failover, Chain: []Filter{up, one}},
		{Name: Weighted, Chain: []Filter{up, {Kind: ByWeight}}},
		{Name: Nearest, Chain: []Filter{up, {Kind: ByDistance}, one}},
		{Name: Fastest, Chain: []Filter{up, fast, one}},
		{Name: All, Chain: []Filter{up, {Kind: Everyone}}},
	}
}

// What filters and ramps have unless they say otherwise.
const (
	defaultMargin = 0.2
	defaultFor    = time.Minute
	defaultManual = 6 * time.Hour
	defaultEvery  = 3 * time.Minute
	defaultMoves  = 6
)

// isPreset reports whether name is that of a preset.
func isPreset(name string) bool {
	switch name {
	case Failover, Weighted, Nearest, Fastest, All:
		return true
	}
	return false
}
