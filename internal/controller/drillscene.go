package controller

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// fit returns, by the representative of each group that p moves, how its
// clients are told apart so that those of p are. It is empty where p is about
// everyone. Compiling takes long for large databases, and happens on the
// caller's goroutine.
func (v *view) fit(p *drill.Plan) (map[string]placing, error) {
	where, err := p.Where()
	if err != nil || len(where) == 0 {
		return nil, err
	}
	var nets []netip.Prefix
	for _, w := range where {
		if w.Kind == config.Network {
			nets = append(nets, w.Network)
		}
	}
	l, covers := v.loaded, steer.Drill{Clients: where}
	fits, known := map[string]placing{}, map[string]placing{}
	for _, g := range v.groups {
		if !drills0(p, g, l) {
			continue
		}
		key := l.sight(g.service)
		fit, ok := known[key]
		if !ok {
			sees := steer.Classify(g.service, l.policies, l.pools)
			m, err := l.atlas.book.Compile(func(at steer.Place) string { return fmt.Sprint(sees(at), covers.Covers(at)) },
				slices.Concat(steer.Networks(g.service, l.policies), nets))
			if err != nil {
				return nil, err
			}
			fit = placing{of: m, samples: m.Classes()}
			known[key] = fit
		}
		fits[g.service.Name] = fit
	}
	return fits, nil
}

// drills0 reports whether p is about a service of g: it may answer with one of
// its pools, and is among those that p names.
func drills0(p *drill.Plan, g *group, l *Loaded) bool {
	if !slices.ContainsFunc(p.Pools, func(pool string) bool { return slices.Contains(g.pooled, pool) }) {
		return false
	}
	if len(p.Services) == 0 {
		return true
	}
	at := l.Set.Group(g.service.Name)
	return slices.ContainsFunc(p.Services, func(s string) bool { return l.Set.Group(s) == at })
}

// stage sets up the drill of p and all that its guards look at. The error is
// for a plan that names what is not there.
func (c *Controller) stage(p drill.Plan, fits map[string]placing, now time.Time) (*drilling, *drill.Scene, error) {
	if err := c.known(&p); err != nil {
		return nil, nil, err
	}
	p.ID = c.drillID(&p, now)
	where, err := p.Where()
	if err != nil {
		return nil, nil, err
	}
	x := &drilling{report: &drill.Report{Plan: p}, where: where, moves: map[string]bool{}, fits: fits, words: map[string]string{}}
	plan := x.plan()
	t := c.table(c.verdicts(now), now)
	cfg := c.loaded.Config
	s := &drill.Scene{Plan: plan, Pools: map[string]drill.Pool{}, Rules: cfg.Safety.Rules, AtLeast: cfg.Safety.AtLeast, Blind: t.Blind,
		FailOpen: c.failOpen(func(*group) bool { return true }), Practice: cfg.Drills}
	if c.freeze != nil {
		s.Frozen = c.freeze.Reason + ", " + c.freeze.Author
	}
	measured := c.measured()
	for _, g := range c.groups {
		if !drills0(plan, g, c.loaded) {
			continue
		}
		x.moves[g.service.Name] = true
		x.report.Count += c.countOf(plan, g)
		v := c.sceneOf(x, g, t, now)
		v.Measured = measured[g.service.Name]
		s.Services = append(s.Services, v)
		for _, pool := range g.pooled {
			s.Pools[pool] = drill.Pool{Health: t.Pools[pool], Waits: c.waits[pool], Stale: c.unheard(pool, t.Pools[pool], now), MaxShare: c.pools[pool].MaxShare}
			if o, ok := c.overrides[pool]; ok {
				x.words[pool] = overrideWord(o)
			}
		}
	}
	if len(s.Services) == 0 {
		return nil, nil, fmt.Errorf("no service%s answers with %s", plural(len(plan.Services), " named", ""), strings.Join(plan.Pools, " or "))
	}
	x.report.Names = c.namesOf(x)
	return x, s, nil
}

// unheard says that an endpoint of pool, whose state is p, has had no result for
// three rounds of the slowest of its monitors; "" when all had.
func (c *Controller) unheard(pool string, p *health.Pool, now time.Time) string {
	if p == nil {
		return ""
	}
	var round time.Duration
	for _, m := range c.loaded.Config.Monitors {
		if slices.Contains(c.pools[pool].Monitors, m.Name) {
			round = max(round, m.Interval+m.Timeout)
		}
	}
	for _, e := range p.Endpoints {
		if age := now.Sub(e.Seen); round > 0 && !e.Seen.IsZero() && age > 3*round {
			return fmt.Sprintf("%s: no result from %s for %s", pool, e.Addr, config.FormatDuration(age.Round(time.Second)))
		}
	}
	return ""
}

// known looks whether the pools and services of p are there.
func (c *Controller) known(p *drill.Plan) error {
	for _, pool := range p.Pools {
		if c.pools[pool] == nil {
			return fmt.Errorf("there is no pool %q (the pools are: %s)", pool, strings.Join(c.poolNames(), ", "))
		}
	}
	for _, s := range p.Services {
		if c.loaded.Set.Group(s) < 0 {
			return fmt.Errorf("there is no service %q (shunt status lists them)", s)
		}
	}
	conditions, err := p.Conditions()
	if err != nil {
		return err
	}
	for _, a := range conditions {
		if a.Pool != "" && c.pools[a.Pool] == nil {
			return fmt.Errorf("abort if %q: there is no pool %q (the pools are: %s)", a.Text, a.Pool, strings.Join(c.poolNames(), ", "))
		}
	}
	return nil
}

// sceneOf sets up one service of x.
func (c *Controller) sceneOf(x *drilling, g *group, t *health.Table, now time.Time) drill.Service {
	v := drill.Service{Name: g.service.Name, Pools: g.pooled, TTL: g.service.TTL}
	for _, y := range c.drills.running {
		if y.moves[g.service.Name] {
			v.Other = y.plan()
		}
	}
	h := *g
	if fit, ok := x.fits[g.service.Name]; ok {
		h.places, h.calm.Races, h.of = fit, nil, nil
	}
	turn := c.occasion(&h, t, now, byHand)
	turn.Drills = nil
	v.Before, _, _ = h.calm.Next(turn)
	turn.Drills = x.plan().Drills()
	v.After, _, _ = h.calm.Next(turn)
	for i, place := range h.places.samples {
		v.Covered = append(v.Covered, steer.Drill{Clients: x.where}.Covers(place))
		v.Union = v.Union || v.Before[i].Union
	}
	return v
}

// namesOf lists the first services of x.
func (c *Controller) namesOf(x *drilling) []string {
	const most = 20
	var names []string
	for _, z := range c.loaded.Config.Zones {
		for _, s := range z.Services {
			if len(names) == most {
				return names
			}
			if x.moves[c.groups[c.loaded.Set.Group(s.Name)].service.Name] && x.asks(s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

// asks reports whether the plan of x is about the service, of those it moves.
func (x *drilling) asks(service string) bool {
	asked := x.plan().Services
	return len(asked) == 0 || slices.Contains(asked, service)
}

// countOf returns how many services of g p is about.
func (c *Controller) countOf(p *drill.Plan, g *group) int {
	if len(p.Services) == 0 {
		return 1 + g.alike
	}
	at, n := c.loaded.Set.Group(g.service.Name), 0
	for _, s := range slices.Compact(slices.Sorted(slices.Values(p.Services))) {
		if c.loaded.Set.Group(s) == at {
			n++
		}
	}
	return n
}

// failOpen lists the representatives of groups that fail open for anyone.
func (c *Controller) failOpen(of func(*group) bool) []string {
	var names []string
	for _, g := range c.groups {
		if of(g) && slices.ContainsFunc(g.decided, func(d steer.Decision) bool { return d.FailOpen }) {
			names = append(names, g.service.Name)
		}
	}
	return names
}

// place tells the clients of x apart where it is about some.
func (c *Controller) place(x *drilling) {
	for i, g := range c.groups {
		if fit, ok := x.fits[g.service.Name]; ok {
			c.groups[i] = g.placed(fit)
		}
	}
}

// unplace takes back what place did.
func (c *Controller) unplace(x *drilling) {
	for i, g := range c.groups {
		if _, ok := x.fits[g.service.Name]; ok {
			c.groups[i] = g.placed(c.loaded.atlas.placings[i])
		}
	}
}

// placed returns g with its clients told apart in another way: what was known
// of each place is forgotten.
func (g *group) placed(p placing) *group {
	next := *g
	next.places, next.calm.Races, next.of, next.answers = p, nil, nil, nil
	return &next
}

// refitDrills ends the drills that another configuration does not leave as
// they were.
func (c *Controller) refitDrills(now time.Time) {
	for _, x := range slices.Clone(c.drills.running) {
		why := ""
		if err := c.known(x.plan()); err != nil {
			why = err.Error()
		} else if len(x.fits) > 0 {
			why = "places are told apart anew"
		} else if c.loaded.strays(x.plan()) {
			why = "its services share their decisions with others now"
		} else if y, _, err := c.stage(*x.plan(), nil, now); err != nil {
			why = err.Error()
		} else {
			x.moves, x.report.Names, x.report.Count = y.moves, y.report.Names, y.report.Count
		}
		if why != "" {
			x.fits = nil // the groups are new, and nothing of them is left
			c.endDrill(x, drill.Interrupted, "the configuration was loaded anew: "+why, now)
		}
	}
}
