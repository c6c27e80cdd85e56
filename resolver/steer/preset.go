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
	p := policies[policy]
	if p != nil && !isPreset(policy) {
		return p.Chain
	}
	if p == nil {
		p = preset(policy)
	}
	if policy == config.All || !limited(own, policies, pools, nil) {
		return p.Chain
	}
	chain := slices.DeleteFunc(slices.Clone(p.Chain), func(f config.Filter) bool { return f.Kind == config.First })
	return append(chain, config.Filter{Kind: config.Capacity})
}

// isPreset reports whether name is that of a preset.
func isPreset(name string) bool {
	switch name {
	case config.Failover, config.Weighted, config.Nearest, config.Fastest, config.All:
		return true
	}
	return false
}

// preset returns the preset called name; failover where there is none.
func preset(name string) *config.Policy {
	all := config.Presets()
	for i := range all {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return &all[0]
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
