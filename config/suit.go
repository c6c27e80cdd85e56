package config

import (
	"fmt"
	"slices"
	"strings"
)

// suits checks that a policy can do what it says with these candidates, which
// the file names at p. The candidates themselves are sound.
//
//	the policy has            and no candidate, however deep, has      it says so
//	fence                     one of its jurisdictions                 the fence would be open, or shut for good
//	nearest                   a location                               there is nothing to sort by
//	fastest                   monitors                                 there is nothing to sort by
//	capacity, or a preset     max_shares of 100% together              some answers would have nowhere to go
func (c *chooser) suits(p path, s scalar, pol *Policy, list []Choice) {
	leaves := c.leaves(nil, list)
	some := func(ok func(*Pool) bool) bool {
		return slices.ContainsFunc(leaves, func(i int) bool { return ok(&c.cfg.Pools[i]) })
	}
	for i := range pol.Chain {
		f := &pol.Chain[i]
		switch f.Kind {
		case Fence:
			if !some(func(p *Pool) bool { return overlaps(p.Jurisdictions, f.Fence.Jurisdictions) }) {
				c.problem(p, s, fmt.Sprintf("the fence of the policy %s leaves no pool: none of these is under %s", pol.Name, strings.Join(f.Fence.Jurisdictions, " or ")), "add a pool with that jurisdiction, or use another policy")
			}
		case ByDistance:
			if !some(func(p *Pool) bool { return p.At.Known }) {
				c.problem(p, s, fmt.Sprintf("the policy %s goes by distance, and none of these pools says where it is", pol.Name), `write location: "52.37, 4.90" at the pools`)
			} else if isPreset(pol.Name) {
				c.placed(p, s)
			}
		case ByLatency:
			if !some(func(p *Pool) bool { return len(p.Monitors) > 0 }) {
				c.problem(p, s, fmt.Sprintf("the policy %s goes by latency, and none of these pools has monitors", pol.Name), "add monitors, or use another policy")
			}
		}
	}
	if pol.has(Capacity) || isPreset(pol.Name) && pol.Name != All {
		c.room(p, s, leaves)
	}
}

// room checks that pools can carry a service together.
func (c *chooser) room(p path, s scalar, pools []int) {
	sum := 0.0
	for _, i := range pools {
		sum += c.cfg.Pools[i].MaxShare
	}
	const slack = 1e-9 // of adding decimal fractions
	if sum < 1-slack && len(pools) > 0 {
		c.problem(p, s, fmt.Sprintf("with all of them up these pools can carry %s of the answers", percent(sum)), "raise max_share, or add a pool; {pool: POOL, last_resort: true} takes what no other one has room for")
	}
}

// leaves adds to out the indexes of the pools that list leads to, each once.
// The list must be sound.
func (c *chooser) leaves(out []int, list []Choice) []int {
	for _, ch := range list {
		if i, ok := c.pools[ch.Pool]; ok && !slices.Contains(out, i.i) {
			out = append(out, i.i)
		}
		if i, ok := c.policies[ch.Policy]; ok && ch.Policy != "" {
			out = c.leaves(out, c.cfg.Policies[i.i].Pools)
		}
	}
	return out
}

// gathers returns the policy under which an answer may have several pools at
// once, because its chain ends with all: pol, or one of its candidates; "" when
// there is none. The list must be sound.
func (c *chooser) gathers(pol *Policy, list []Choice) string {
	if pol.has(Everyone) {
		return pol.Name
	}
	for _, ch := range list {
		i, ok := c.policies[ch.Policy]
		if ch.Policy == "" || !ok {
			continue
		}
		inner := &c.cfg.Policies[i.i]
		if name := c.gathers(inner, inner.Pools); name != "" {
			return name
		}
	}
	return ""
}

func overlaps(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}
