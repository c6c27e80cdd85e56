package controller

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// Services that are written alike share their decisions. A drill of some of
// them sets these apart first: for the zones it is as if somebody had written
// them otherwise. They stay apart until the process ends, which costs no more
// than a group; answers do not change by it.

// strays reports whether p is about some services of a group of l and not
// about others of it.
func (l *Loaded) strays(p *drill.Plan) bool {
	asked := map[int]int{}
	seen := map[string]bool{}
	for _, name := range p.Services {
		if at := l.Set.Group(name); at >= 0 && !seen[name] {
			seen[name] = true
			asked[at]++
		}
	}
	for at, n := range asked {
		if n < l.alike[at]+1 {
			return true
		}
	}
	return false
}

// apart returns l with the services of each of ps apart from those like them;
// l itself where they are. It reads no file: what somebody has written since
// the last reload comes into force by a reload, and past its guards.
func (l *Loaded) apart(ps ...*drill.Plan) *Loaded {
	marks := map[string]string{}
	for _, p := range ps {
		if !l.strays(p) {
			continue
		}
		mark := strings.Join(slices.Sorted(slices.Values(p.Services)), " ")
		for _, name := range p.Services {
			marks[name] = mark
		}
	}
	if len(marks) == 0 {
		return l
	}
	maps.Copy(marks, without(l.marks, marks))
	return l.regrouped(marks)
}

// regrouped returns l with services as marks have them. Places are told apart
// as they were, for marks do not bear on them.
func (l *Loaded) regrouped(marks map[string]string) *Loaded {
	next := *l
	next.Config, next.marks = marked(l.Config, marks), marks
	zones := slices.Clone(l.Set.Zones())
	for i, z := range next.Config.Zones {
		if !slices.EqualFunc(z.Services, l.Config.Zones[i].Services, func(s, was config.Service) bool { return s.Apart == was.Apart }) {
			zones[i] = zones[i].Regroup(z)
		}
	}
	next.Set = zone.NewSet(zones)
	next.count()
	next.sum()
	a := *l.atlas
	a.placings = nil
	for _, s := range next.Set.Groups() {
		a.placings = append(a.placings, l.atlas.placings[l.Set.Group(s.Name)])
	}
	next.atlas = &a
	return &next
}

// without returns what m has of keys that other has not.
func without(m, other map[string]string) map[string]string {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(key, _ string) bool { _, ok := other[key]; return ok })
	return out
}

// marked returns cfg with services as marks have them.
func marked(cfg *config.Config, marks map[string]string) *config.Config {
	if len(marks) == 0 {
		return cfg
	}
	next := *cfg
	next.Zones = slices.Clone(cfg.Zones)
	for i := range next.Zones {
		z := &next.Zones[i]
		if !slices.ContainsFunc(z.Services, func(s config.Service) bool { return marks[s.Name] != "" }) {
			continue
		}
		z.Services = slices.Clone(z.Services)
		for j := range z.Services {
			z.Services[j].Apart = marks[z.Services[j].Name]
		}
	}
	return &next
}

// setApart puts in force that the services of p are decided on apart from
// others, where they are not and no other drill moves them. It groups on the
// caller's goroutine, and takes a reload's turn.
func (c *Controller) setApart(ctx context.Context, p *drill.Plan) error {
	if !c.view.Load().loaded.strays(p) {
		return nil
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	l := c.loaded.apart(p)
	return c.do(ctx, func() error {
		if c.contested(p) {
			return nil // begin says so
		}
		c.tell(l)
		c.adopt(l, nil)
		for _, x := range c.drills.running {
			c.place(x) // its groups are as they were
		}
		c.decide(reloaded)
		return nil
	})
}

// recallApart has the services of drills of the process before apart again. Run
// passes that on: the rest of the node may not be there yet.
func (c *Controller) recallApart(s *State) {
	var plans []*drill.Plan
	for _, r := range s.Drills {
		if r != nil && r.Outcome == drill.Running {
			plans = append(plans, &r.Plan)
		}
	}
	if l := c.loaded.apart(plans...); l != c.loaded {
		c.untold = true
		c.adopt(l, nil)
	}
}

// contested reports whether a drill moves a service of p.
func (c *Controller) contested(p *drill.Plan) bool {
	for _, name := range p.Services {
		at := c.loaded.Set.Group(name)
		if at < 0 {
			continue
		}
		for _, x := range c.drills.running {
			if x.moves[c.groups[at].service.Name] {
				return true
			}
		}
	}
	return false
}
