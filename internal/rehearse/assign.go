package rehearse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// assign says which target each pool stands for. What p.Roles leaves open is
// guessed: a pool of the target's name; else org is a pool that others fetch
// from, and cdn-a, cdn-b … are those that are left, in the order of the file.
func assign(p Plan) (map[string]string, error) {
	byTarget := map[string]string{}
	has := func(pool string) bool {
		return slices.ContainsFunc(p.Config.Pools, func(c config.Pool) bool { return c.Name == pool })
	}
	for target, pool := range p.Roles {
		if roleOf(target) != rolePool {
			return nil, fmt.Errorf("%q is not a target that stands for a pool (write cdn-a, cdn-b, … or org)", target)
		}
		if !has(pool) {
			return nil, fmt.Errorf("there is no pool %q for %s", pool, target)
		}
		byTarget[target] = pool
	}
	taken := func(pool string) bool {
		for _, p := range byTarget {
			if p == pool {
				return true
			}
		}
		return false
	}
	for _, target := range wanted(p.Scenario) {
		if byTarget[target] == "" && has(target) && !taken(target) {
			byTarget[target] = target
		}
		if byTarget[target] == "" {
			byTarget[target] = guess(target, p.Config, taken)
		}
		if byTarget[target] == "" {
			return nil, fmt.Errorf("no pool is left to stand for %s (map one: %s=POOL)", target, target)
		}
	}
	roles := make(map[string]string, len(byTarget))
	for target, pool := range byTarget {
		roles[pool] = target
	}
	return roles, nil
}

// wanted lists the targets of s that stand for pools, in alphabetical order.
func wanted(s *Scenario) []string {
	var out []string
	for _, ph := range s.Phases {
		if roleOf(ph.Target) == rolePool {
			out = append(out, ph.Target)
		}
	}
	for _, e := range s.Expect {
		if target := shareMetric(e.Metric); target != "" {
			out = append(out, target)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// guess returns a pool that may stand for target, "" when none is left.
func guess(target string, cfg *config.Config, taken func(string) bool) string {
	origin := func(pool string) bool {
		return slices.ContainsFunc(cfg.Pools, func(c config.Pool) bool { return c.Origin == pool })
	}
	isOrg := target == "org"
	for _, pass := range []bool{true, false} { // who is fetched from first; then any pool of addresses
		for _, c := range cfg.Pools {
			fits := !origin(c.Name)
			if isOrg {
				fits = origin(c.Name) || !pass && len(c.Addresses) > 0
			}
			if fits && !taken(c.Name) {
				return c.Name
			}
		}
	}
	return ""
}

// pick returns the service to watch: the one that p names; else one that holds
// a pool to its max_share, and has room beside it, where the scenario is about load; else the first whose
// preferred pool is the one that is struck first; else the first that has it.
func pick(p Plan, roles map[string]string) (config.Service, error) {
	var all []config.Service
	for _, z := range p.Config.Zones {
		all = append(all, z.Services...)
	}
	if p.Service != "" {
		for _, s := range all {
			if s.Name == p.Service {
				return s, nil
			}
		}
		return config.Service{}, fmt.Errorf("there is no service %q%s", p.Service, whole(p.Service, all))
	}
	if len(all) == 0 {
		return config.Service{}, fmt.Errorf("the configuration has no service to rehearse with")
	}
	first := firstStruck(p.Scenario, roles)
	bounded := aboutLoad(p.Scenario)
	best, rank := all[0], 0
	for _, s := range all {
		pools := poolsOf(s, p.Config)
		r := 0
		switch {
		case first == "" || !slices.Contains(pools, first):
		case pools[0] == first:
			r = 2
		default:
			r = 1
		}
		if r > 0 && bounded && len(pools) > 2 && holdsToCapacity(s, p.Config) {
			r += 2
		}
		if r > rank {
			best, rank = s, r
		}
	}
	return best, nil
}

// whole says what to write instead of a name that lacks its zone.
func whole(name string, all []config.Service) string {
	for _, s := range all {
		if strings.HasPrefix(s.Name, name) {
			return fmt.Sprintf(" (write the whole name, as %s)", strings.TrimSuffix(s.Name, "."))
		}
	}
	return ""
}

// holdsToCapacity reports whether the chain of s gives no pool more than its
// max_share, and a pool has one.
func holdsToCapacity(s config.Service, cfg *config.Config) bool {
	pools := map[string]*config.Pool{}
	limited := false
	for i, p := range cfg.Pools {
		pools[p.Name] = &cfg.Pools[i]
		limited = limited || p.MaxShare > 0 && p.MaxShare < 1 && slices.Contains(poolsOf(s, cfg), p.Name)
	}
	return limited && slices.ContainsFunc(steer.Chain(s.Policy, s.Pools, byName(cfg), pools), func(f config.Filter) bool { return f.Kind == config.Capacity })
}

// poolsOf lists the pools that s may answer with, in its order, those of
// nested policies where these stand.
func poolsOf(s config.Service, cfg *config.Config) []string {
	return steer.Members(s, byName(cfg))
}

// byName returns the policies of cfg by their names.
func byName(cfg *config.Config) map[string]*config.Policy {
	out := make(map[string]*config.Policy, len(cfg.Policies))
	for i := range cfg.Policies {
		out[cfg.Policies[i].Name] = &cfg.Policies[i]
	}
	return out
}

// firstStruck returns the pool that users feel first, "" for none.
func firstStruck(s *Scenario, roles map[string]string) string {
	first, found := never, ""
	for _, ph := range s.Phases {
		for pool, target := range roles {
			if target == ph.Target && hurts(ph.Plane) && ph.At < first {
				first, found = ph.At, pool
			}
		}
	}
	return found
}

// aboutLoad reports whether s asks what becomes of a pool that is full.
func aboutLoad(s *Scenario) bool {
	return slices.ContainsFunc(s.Phases, func(ph Phase) bool { return ph.Fault.ShareOver > 0 }) ||
		slices.ContainsFunc(s.Expect, func(e Expectation) bool { return strings.HasPrefix(e.Metric, "overflow") })
}
