package controller

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// maxTold is how many services a refusal names.
const maxTold = 5

// breaks lists what o would break, each in a line for people: services that it
// would leave with fewer pools that are up and not drained than
// safety.at_least, and safety.rules. The only pool of a service cannot be
// taken either: that is what force is for.
func (c *Controller) breaks(o health.Override, now time.Time) []string {
	if o.Force == health.ForceUp {
		return nil
	}
	t := c.table(c.verdicts(now), now)
	up := func(pool string) bool { return pool != o.Pool && serves(t.Pools[pool], now) }
	broken := c.lonely(o.Pool, up)
	takes := func(pool string) bool { return pool == o.Pool }
	return append(broken, steer.Breaks(c.loaded.Config.Safety.Rules, takes, up)...)
}

// lonely lists the services that would be left with too few pools without the
// one named pool.
func (c *Controller) lonely(pool string, up func(string) bool) []string {
	least, more := c.loaded.Config.Safety.AtLeast, 0
	var broken []string
	for _, g := range c.groups {
		if least == 0 || !slices.Contains(g.pooled, pool) {
			continue
		}
		left := 0
		for _, p := range g.pooled {
			if up(p) {
				left++
			}
		}
		switch {
		case left >= least:
		case len(broken) < maxTold:
			broken = append(broken, fmt.Sprintf("service %s would be left with %d pools that are up; safety.at_least is %d%s", g.service.Name, left, least, g.others()))
		default:
			more += 1 + g.alike
		}
	}
	if more > 0 {
		broken = append(broken, fmt.Sprintf("and so would %d more services", more))
	}
	return broken
}

// serves reports whether p is up and not drained, under its override.
func serves(p *health.Pool, now time.Time) bool {
	if p == nil {
		return false
	}
	state, drains := p.Effective(now)
	return state == health.Up && !drains
}

// reloadBreaks lists the safety rules that putting next in force would break.
//
//	rule                              is broken when
//	in force now                      next removes one of its pools, and it does not hold without them
//	new or changed in next, or with   it does not hold as the pools are now; one that next adds is not
//	a pool that next adds to it       known yet, and counts as up
//	unchanged, all pools stay         never: probes may have broken it, and that is no reason to
//	                                  refuse other changes
//
// So a rule cannot be loosened by the reload that breaks it.
func (c *Controller) reloadBreaks(next *config.Config, now time.Time) []string {
	stays := map[string]bool{}
	for _, p := range next.Pools {
		stays[p.Name] = true
	}
	t := c.table(c.verdicts(now), now)
	up := func(pool string) bool {
		return stays[pool] && (c.pools[pool] == nil || serves(t.Pools[pool], now))
	}
	goes := func(pool string) bool { return !stays[pool] }
	broken := steer.Breaks(c.loaded.Config.Safety.Rules, goes, up)
	var changed []config.Rule
	for _, r := range next.Safety.Rules {
		if !slices.ContainsFunc(c.loaded.Config.Safety.Rules, func(old config.Rule) bool { return reflect.DeepEqual(old, r) }) {
			changed = append(changed, r)
		}
	}
	// A gate bars the way of a change, and nothing goes that a new one could bar.
	changed = slices.DeleteFunc(changed, func(r config.Rule) bool { return len(r.Gate) > 0 })
	broken = append(broken, steer.Breaks(changed, func(string) bool { return true }, up)...)
	slices.SortFunc(broken, cmp.Compare)
	return slices.Compact(broken)
}
