package steer

import (
	"slices"

	"github.com/shunt-dns/shunt/config"
)

// Chain returns the filters of the policy named policy for a service, or
// another policy, whose candidates are own. A preset gets a step of its own
// where a pool among own has a max_share below 1:
//
//	failover   healthy, capacity
//	weighted   healthy, weighted, capacity
//	nearest    healthy, nearest, capacity
//	fastest    healthy, fastest, capacity
//	all        healthy, all: every pool is in every answer, and there is nothing to share out
//
// First goes, since it would leave no pool for the overflow; without overflow
// the first one in order has everything all the same. A name that neither
// policies nor the presets know is taken for failover.
func Chain(policy string, own []config.Choice, policies map[string]*config.Policy, pools map[string]*config.Pool) []config.Filter {
	preset := false
	var chain []config.Filter
	for _, p := range config.Presets() {
		if p.Name == policy || !preset && policy == "" {
			preset, chain = true, p.Chain
		}
	}
	if p := policies[policy]; p != nil && !preset {
		return p.Chain
	}
	if chain == nil {
		chain = config.Presets()[0].Chain
	}
	if policy == config.All || !limited(own, policies, pools, nil) {
		return chain
	}
	chain = slices.DeleteFunc(slices.Clone(chain), func(f config.Filter) bool { return f.Kind == config.First })
	return append(chain, config.Filter{Kind: config.Capacity})
}

// limited reports whether one of the pools among own has a max_share. Above
// are the policies that led here, so that a cycle ends.
func limited(own []config.Choice, policies map[string]*config.Policy, pools map[string]*config.Pool, above []string) bool {
	return slices.ContainsFunc(own, func(c config.Choice) bool {
		if p := policies[c.Policy]; c.Policy != "" && p != nil && !slices.Contains(above, c.Policy) {
			return limited(p.Pools, policies, pools, append(above, c.Policy))
		}
		p := pools[c.Pool]
		return p != nil && p.MaxShare > 0 && p.MaxShare < 1
	})
}
