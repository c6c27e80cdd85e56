package controller

import (
	"time"

	"github.com/shunt-dns/shunt/resolver/steer"
)

// nextThousand returns where the generations of a process begin whose
// predecessor saved gen. A crash forgets the last two seconds; the jump is
// over all that could have been published in them.
func nextThousand(gen uint64) uint64 { return (gen + 999) / 1000 * 1000 }

// recall takes up the overrides and the freeze of the process before, as far
// as they are sound and last.
func (c *Controller) recall(state *State, now time.Time) {
	for _, o := range state.Overrides {
		err := o.Check()
		o.Set, o.Expires = anchor(o.Set, o.Expires, now)
		if err != nil {
			c.deps.Log.Error("saved override dropped", "error", err)
		} else if o.Active(now) {
			c.overrides[o.Pool] = o
		}
	}
	if state.Freeze == nil {
		return
	}
	f := *state.Freeze
	err := f.Check()
	f.Set, f.Expires = anchor(f.Set, f.Expires, now)
	if err != nil {
		c.deps.Log.Error("saved freeze dropped", "error", err)
	} else if f.Active(now) {
		c.freeze = &f
	}
}

// adopt makes l the configuration in force; decisions follow in decide. A
// group takes over what was known of its services: from the groups of before,
// else from calm, which is by the name of a representative.
func (c *Controller) adopt(l *Loaded, calm map[string]steer.Calm) {
	before, groups := c.loaded, c.groups
	c.loaded = l
	c.pools, c.policies = l.pools, l.policies
	services := l.Set.Groups()
	c.groups = make([]*group, len(services))
	for i, s := range services {
		g := &group{service: s, alike: l.alike[i], goodKey: goodKey(s), pooled: steer.Members(s, c.policies), places: l.atlas.placings[i], calm: calm[s.Name]}
		if before != nil {
			if at := before.Set.Group(s.Name); at >= 0 {
				g.inherit(groups[at])
			}
		}
		c.groups[i] = g
	}
	c.inheritContents(groups)
	for pool, o := range c.overrides {
		if c.pools[pool] == nil {
			c.deps.Log.Warn("override dropped: its pool is no longer configured", "pool", pool, "force", o.Force, "reason", o.Reason, "author", o.Author)
			c.sayOverride(o, "dropped", "its pool is no longer configured", "")
			delete(c.overrides, pool)
			c.dirty = true
		}
	}
}
