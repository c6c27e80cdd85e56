package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A Scene is all that guards look at.
type Scene struct {
	Plan     *Plan
	Services []Service // that the drill is about
	Pools    map[string]Pool
	Rules    []config.Rule
	AtLeast  int      // pools of a service that must be left up; 0 is off
	FailOpen []string // services of the node that do now
	Blind    string   // why the node cannot see; "" when it can
	Frozen   string   // who froze it and why; "" when automation is on

	Uncovered []string // why survivors would turn away who comes for the services, as asked just now

	Practice []config.Drill
}

// A Service is one whose answers a drill moves, and those that share its
// decisions.
type Service struct {
	Name     string
	Pools    []string          // that may answer
	Union    bool              // its answers have the records of several pools at once
	Before   []steer.Decision  // by class of clients
	After    []steer.Decision  // with the drill, of the same classes
	Covered  []bool            // by class: whether the drill is about it
	Other    *Plan             // that moves it already; nil: none
	TTL      time.Duration     // of its answers at most
	Measured map[string]uint64 // its latest answers, by pool
}

// A Pool is how a pool is before a drill.
type Pool struct {
	Health   *health.Pool // under its override; nil: nothing is known
	Waits    string       // what it waits for; "" when it does not
	Stale    string       // why its verdict is older than it should be; "" when it is not
	MaxShare float64      // of a service's answers that it can carry; 0: all
}

// A Refusal is one reason why a drill may not begin.
type Refusal struct {
	Why   string
	Never bool // and nothing can make it
}

// Check lists every reason that speaks against beginning s.Plan, and none
// when it may.
//
//	guard                                                        can be forced
//	a real incident: blind, frozen, a service fails open         yes
//	a pool of the services is down or not yet known              yes
//	a pool to be taken away is under an override                 no
//	another drill moves the same service                         no
//	nobody is known to be where its clients are                  no
//	a pool would go on answering, since nothing else may         no
//	a part of a union                                            no
//	a survivor is in doubt, waits, or its votes are void         yes
//	a survivor was not heard of for three rounds of probes       yes
//	a survivor's certificate ends before the drill               yes
//	a survivor does not serve a service, by name or certificate  yes
//	a survivor would get more than its max_share                 yes
//	a service would keep fewer pools than safety.at_least        yes; with none, no
//	safety.rules                                                 yes
//	outside the windows of a practice run of these pools         yes
//	on one of its blocked dates                                  yes
func Check(s *Scene) []Refusal {
	g := &guard{Scene: s, takes: func(pool string) bool { return slices.Contains(s.Plan.Pools, pool) }}
	g.incident()
	for i := range s.Services {
		g.service(&s.Services[i])
	}
	for _, name := range g.survivors() {
		g.ready(name)
	}
	for _, why := range g.Uncovered {
		g.say("%s", why)
	}
	if s.Plan.Whole() {
		up := func(pool string) bool { return !g.takes(pool) && g.serves(pool) }
		for _, why := range steer.Breaks(s.Rules, g.takes, up) {
			g.say("%s", why)
		}
	}
	g.calendar()
	return g.out
}

// A guard gathers refusals, each once.
type guard struct {
	*Scene
	takes func(pool string) bool
	out   []Refusal
}

func (g *guard) add(r Refusal) {
	if !slices.ContainsFunc(g.out, func(o Refusal) bool { return o.Why == r.Why }) {
		g.out = append(g.out, r)
	}
}

// say refuses with what force can overrule, never with what it cannot.
func (g *guard) say(format string, args ...any)   { g.add(Refusal{fmt.Sprintf(format, args...), false}) }
func (g *guard) never(format string, args ...any) { g.add(Refusal{fmt.Sprintf(format, args...), true}) }

// incident looks for one that is real.
func (g *guard) incident() {
	if g.Blind != "" {
		g.say("this node cannot see the world: %s", g.Blind)
	}
	if g.Frozen != "" {
		g.never("automation is off (%s): nothing could hand over (shunt unfreeze first)", g.Frozen)
	}
	for _, name := range g.FailOpen {
		g.say("%s fails open now: nothing is up for it", name)
	}
	for _, name := range g.Scene.pools() {
		p := g.Pools[name].Health
		switch {
		case p == nil || p.State == health.Unknown:
			g.say("nothing is known of %s yet", name)
		case p.State == health.Down:
			g.say("%s is down (%s): a real incident is under way", name, p.Reason)
		}
		if p != nil && g.takes(name) && p.Override != nil {
			g.never("%s is under an override (%s by %s: %s), which outranks a drill", name, p.Override.Force, p.Override.Author, p.Override.Reason)
		}
	}
}

// service looks at what would be left of s.
func (g *guard) service(s *Service) {
	if o := s.Other; o != nil {
		g.never("the drill %s moves %s until %s", o.ID, s.Name, stamp(o.Ends))
	}
	if !slices.Contains(s.Covered, true) {
		g.never("no client of %s is known to be in %s", s.Name, strings.Join(g.Plan.Clients, ", "))
	}
	if s.Union && g.Plan.Share < 1 {
		g.never("%s answers with several pools at once, and of that no share can be taken", s.Name)
	}
	left := 0
	for _, p := range s.Pools {
		if !g.takes(p) && g.serves(p) {
			left++
		}
	}
	switch {
	case left == 0:
		g.never("%s would have no other pool that is up", s.Name)
	case g.Plan.Share >= 1 && left < g.AtLeast:
		g.say("%s would be left with %d pools that are up; safety.at_least is %d", s.Name, left, g.AtLeast)
	}
	for i := range s.After {
		g.shares(s, i)
	}
}

// shares looks at who would get what of the i-th class of clients.
func (g *guard) shares(s *Service, i int) {
	before, after := &s.Before[i], &s.After[i]
	if before.Short == "" && after.Short != "" {
		g.say("%s: %s", s.Name, after.Short)
	}
	if !before.FailOpen && after.FailOpen {
		g.never("%s would fail open", s.Name)
	}
	for _, pick := range after.Picks {
		most, got := g.Pools[pick.Pool].MaxShare, float64(pick.Weight)/steer.Million
		switch more := pick.Weight > weight(before, pick.Pool); {
		case g.takes(pick.Pool) && g.Plan.Share >= 1 && s.Covered[i]:
			g.never("%s would go on answering for %s: nothing else may (%s)", pick.Pool, s.Name, after.Why)
		case !after.Union && more && most > 0 && got > most+1e-6:
			g.say("%s would get %s of the answers of %s, and its max_share is %s", pick.Pool, share(got), s.Name, share(most))
		}
	}
}

// weight returns what pool has of d, in parts per million.
func weight(d *steer.Decision, pool string) int {
	for _, p := range d.Picks {
		if p.Pool == pool {
			return p.Weight
		}
	}
	return 0
}

// serves reports whether pool is up, not drained and does not wait.
func (g *guard) serves(pool string) bool {
	p := g.Pools[pool]
	if p.Health == nil {
		return false
	}
	state, drains := p.Health.Effective(g.Plan.Began)
	return state == health.Up && !drains && p.Waits == ""
}

// ready looks at a survivor that is up.
func (g *guard) ready(name string) {
	p := g.Pools[name]
	if p.Health == nil || p.Health.State != health.Up {
		return // said already
	}
	if p.Waits != "" {
		g.say("%s waits to be let back (%s)", name, p.Waits)
	}
	if _, drains := p.Health.Effective(g.Plan.Began); drains {
		g.say("%s is drained (%s)", name, p.Health.Override.Reason)
	}
	if p.Stale != "" {
		g.say("%s", p.Stale)
	}
	if p.Health.Held != "" {
		g.say("votes against %s are void: %s", name, p.Health.Held)
	} else if p.Health.ChangeIn > 0 {
		g.say("%s is in doubt: its state could change within %s (%s)", name, p.Health.ChangeIn.Round(time.Millisecond), p.Health.Reason)
	}
	for _, e := range p.Health.Endpoints {
		if !e.CertEnd.IsZero() && e.CertEnd.Before(g.Plan.Ends) {
			g.say("the certificate that %s shows at %s ends at %s, before the drill does", name, e.Addr, e.CertEnd.Format(time.RFC3339))
		}
	}
}

// calendar looks at the windows of practice runs of the same pools.
func (g *guard) calendar() {
	for i := range g.Practice {
		d := &g.Practice[i]
		if !slices.ContainsFunc(d.Pools, g.takes) {
			continue
		}
		if why := d.Bars(g.Plan.Began, g.Plan.Ends); why != "" {
			g.say("practice run %s: %s", d.Name, why)
		}
	}
}

// pools returns those of the services, each once, those that the plan takes
// away first.
func (s *Scene) pools() []string {
	out := slices.Clone(s.Plan.Pools)
	for _, v := range s.Services {
		for _, p := range v.Pools {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// survivors returns the pools that are left.
func (g *guard) survivors() []string {
	return slices.DeleteFunc(g.pools(), g.takes)
}

// few lists the first of many names.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
