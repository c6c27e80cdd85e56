package steer

import (
	"slices"

	"github.com/shunt-dns/shunt/config"
)

// walkFilters calls f with every filter behind policy and with the candidates
// of its chain, those of nested policies after. Above are the policies that led
// here, so that a cycle ends.
func walkFilters(policy string, own []config.Choice, policies map[string]*config.Policy, above []string, f func(config.Filter, []config.Choice)) {
	for _, filter := range Chain(policy, own, policies, nil) {
		f(filter, own)
	}
	for _, c := range own {
		if p := policies[c.Policy]; c.Policy != "" && p != nil && !slices.Contains(above, c.Policy) {
			walkFilters(c.Policy, p.Pools, policies, append(above, c.Policy), f)
		}
	}
}

// walkPools calls f with every pool behind c.
func walkPools(c config.Choice, policies map[string]*config.Policy, above []string, f func(pool string)) {
	p := policies[c.Policy]
	if c.Policy == "" {
		f(c.Pool)
		return
	}
	if p == nil || slices.Contains(above, c.Policy) {
		return
	}
	for _, inner := range p.Pools {
		walkPools(inner, policies, append(above, c.Policy), f)
	}
}
