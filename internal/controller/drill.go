package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A Count says how often a pool answered for a service, or for those that share
// its decisions, since the node began to answer.
type Count struct {
	Service string // by which the services that share decisions are known: the first of them
	Pool    string
	Answers uint64
}

// drills are the outages on purpose that this node knows of. Run's goroutine
// owns them; only store is used by others too.
type drills struct {
	running  []*drilling
	settling []*drilling // have ended, and are looked at for a while
	failed   []failedDrill
	marks    []mark
	next     map[string]time.Time // of practice runs, by name
	named    map[string]bool      // that a drill is called so
	saved    time.Time            // when the measurements were last given to the state file
	store    drillStore
}

// A drilling is a drill under way. Times of its plan are on the monotonic
// clock of now.
type drilling struct {
	report *drill.Report
	where  []config.Where
	moves  map[string]bool // representatives of its groups
	fits   map[string]placing
	counts map[pairKey]uint64 // at the last look
	over   time.Time          // when it ended; zero while it runs
	words  map[string]string  // overrides of its pools when it began
}

// A failedDrill is one that failed lately.
type failedDrill struct {
	ID    string    `json:"id"`
	Pools []string  `json:"pools"`
	Why   string    `json:"why"`
	At    time.Time `json:"at"`
}

type pairKey struct{ service, pool string }

// failedFor is how long a failed drill alarms, unless one of the same pools
// succeeds.
const failedFor = 24 * time.Hour

// plan returns the plan of x.
func (x *drilling) plan() *drill.Plan { return &x.report.Plan }

// drilled returns what drills do to the services of g, by pool; nil where none
// does anything.
func (c *Controller) drilled(g *group) map[string]steer.Drill {
	for _, x := range c.drills.running {
		if x.moves[g.service.Name] {
			return x.plan().Drills()
		}
	}
	return nil
}

// DrillStart begins p, whose ID is filled in here, or says why not: with dry it
// only says what would be. The error is Refused when guards say no that force
// can overrule; a refusal lists all of them, and is kept as a report.
func (c *Controller) DrillStart(ctx context.Context, p drill.Plan, force, dry bool) (*drill.Report, error) {
	v := c.view.Load()
	if v == nil {
		return nil, fmt.Errorf("starting: nothing is decided yet")
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	if !dry {
		if err := c.setApart(ctx, &p); err != nil {
			return nil, err
		}
		v = c.view.Load()
	}
	fits, err := v.fit(&p)
	if err != nil {
		return nil, err
	}
	uncovered := c.uncovered(ctx, v, &p)
	var report *drill.Report
	job := func() error {
		if c.loaded != v.loaded {
			return fmt.Errorf("the configuration changed meanwhile: say it again")
		}
		report, err = c.begin(p, fits, uncovered, force, dry)
		return err
	}
	if dry {
		err = c.do(ctx, job)
	} else {
		err = c.command(ctx, job)
	}
	return report, err
}

// begin begins p on Run's goroutine. Uncovered is what [Controller.uncovered]
// says of it.
func (c *Controller) begin(p drill.Plan, fits map[string]placing, uncovered []string, force, dry bool) (*drill.Report, error) {
	now := c.now()
	p.Began, p.Ends = now, now.Add(p.Ends.Sub(p.Began))
	x, scene, err := c.stage(p, fits, now)
	if err != nil {
		return nil, err
	}
	scene.Uncovered = uncovered
	if !dry {
		c.drills.named[x.plan().ID] = true
	}
	plan := x.plan()
	f := drill.Predict(scene.Services, c.measuredOver(now))
	var never, soft []string
	for _, r := range drill.Check(scene) {
		if r.Never {
			never = append(never, r.Why)
		} else {
			soft = append(soft, r.Why)
		}
	}
	if len(never) > 0 || len(soft) > 0 && !force {
		r := drill.Refuse(*plan, c.loaded.Config.Node.Name, f, slices.Concat(never, soft))
		r.Names, r.Count = x.report.Names, x.report.Count
		if !dry {
			c.drills.store.keep(r, c.drillNotKept)
			c.deps.Log.Warn("drill refused", "id", plan.ID, "pools", plan.Pools, "author", plan.Author, "why", strings.Join(r.Refused, "; "))
			c.sayDrill(plan, "refused", strings.Join(r.Refused, "; "), event.Warning)
		}
		text := fmt.Sprintf("the drill is refused, for %d %s:\n  - %s", len(r.Refused), plural(len(r.Refused), "reason", "reasons"), strings.Join(r.Refused, "\n  - "))
		if len(never) > 0 {
			return r, fmt.Errorf("%s", text)
		}
		return r, Refused{text + "\n"}
	}
	m := c.moment(x, now, c.verdicts(now), nil)
	var ttl time.Duration
	for _, s := range scene.Services {
		ttl = max(ttl, s.TTL)
	}
	r := drill.Begin(*plan, c.loaded.Config.Node.Name, f, ttl, soft, m)
	r.Names, r.Count = x.report.Names, x.report.Count
	x.report = r
	if dry {
		r.Outcome, r.Why = drill.Planned, "it would begin"
		return copyReport(r), nil
	}
	x.counts, _ = c.counted(x)
	c.drills.running = append(c.drills.running, x)
	c.place(x)
	c.deps.Log.Warn("drill begins", "id", plan.ID, "pools", plan.Pools, "services", r.Count, "share", plan.Share, "clients", plan.Clients,
		"reason", plan.Reason, "author", plan.Author, "practice", plan.Practice, "until", plan.Ends, "breaks", strings.Join(soft, "; "))
	c.sayDrill(plan, "running", plan.Reason, event.Warning)
	return copyReport(r), nil
}

// plural returns one for 1, and many for every other number.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// drillID names a drill by its beginning and its first pool, as no other is.
func (c *Controller) drillID(p *drill.Plan, now time.Time) string {
	base := now.UTC().Format("20060102T150405Z") + "-" + p.Pools[0]
	id := base
	for n := 2; c.drills.named[id]; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	return id
}

func (c *Controller) drillIDs() []string {
	var ids []string
	for _, x := range slices.Concat(c.drills.running, c.drills.settling) {
		ids = append(ids, x.plan().ID)
	}
	return ids
}

// DrillStop ends the drill id, or the one that runs where id is "".
func (c *Controller) DrillStop(ctx context.Context, id, author string) (*drill.Report, error) {
	var report *drill.Report
	err := c.command(ctx, func() error {
		var found []*drilling
		for _, x := range c.drills.running {
			if id == "" || x.plan().ID == id {
				found = append(found, x)
			}
		}
		switch {
		case len(found) == 0 && id == "":
			return fmt.Errorf("no drill runs")
		case len(found) == 0:
			return fmt.Errorf("no drill %s runs", id)
		case len(found) > 1:
			return fmt.Errorf("%d drills run: name one of %s", len(found), strings.Join(c.drillIDs(), ", "))
		}
		c.endDrill(found[0], drill.Interrupted, "stopped by "+author, c.now())
		report = copyReport(found[0].report)
		return nil
	})
	return report, err
}

// endDrill ends x. The caller decides anew.
func (c *Controller) endDrill(x *drilling, o drill.Outcome, why string, now time.Time) {
	c.measureDrill(x, now, false)
	x.report.End(now, o, why)
	x.over = now
	c.drills.running = slices.DeleteFunc(c.drills.running, func(y *drilling) bool { return y == x })
	c.drills.settling = append(c.drills.settling, x)
	c.unplace(x)
	if o != drill.Succeeded {
		c.handOver(x)
	}
	c.drills.failed = slices.DeleteFunc(c.drills.failed, func(f failedDrill) bool {
		return o == drill.Succeeded && slices.Equal(f.Pools, x.plan().Pools)
	})
	if o == drill.Failed {
		c.drills.failed = append(c.drills.failed, failedDrill{x.plan().ID, x.plan().Pools, why, now})
	}
	c.dirty = true
	c.drills.store.keep(x.report, c.drillNotKept)
	level := event.Info
	if o == drill.Failed {
		level = event.Warning
	}
	c.sayDrill(x.plan(), string(o), why, level)
	c.deps.Log.Warn("drill ends", "id", x.plan().ID, "pools", x.plan().Pools, "outcome", o, "why", why)
}

// handOver lets the pools of x answer whole at once: they were well all the
// time, and automation needs them now.
func (c *Controller) handOver(x *drilling) {
	for i, was := range c.groups {
		if !x.moves[was.service.Name] || len(was.calm.Climbs) == 0 {
			continue
		}
		g := *was
		climbs := map[string]steer.Climb{}
		for pool, climb := range was.calm.Climbs {
			if !slices.Contains(x.plan().Pools, pool) {
				climbs[pool] = climb
			}
		}
		g.calm.Climbs = climbs
		c.groups[i] = &g
	}
}

func (c *Controller) drillNotKept(err error) {
	c.deps.Log.Error("report of a drill not kept", "error", err)
}

// settleDrills ends what is to end now, since time is over or something with
// a higher word has spoken, and reports whether anything did.
//
//	automation is off                                interrupted
//	a person overrides a pool of the services        interrupted
//	else, as drill.Report.Judge says                 failed, interrupted, succeeded
func (c *Controller) settleDrills(t *health.Table, now time.Time) bool {
	ended := false
	for _, x := range slices.Clone(c.drills.running) {
		o, why := drill.Running, ""
		if c.freeze != nil {
			o, why = drill.Interrupted, fmt.Sprintf("automation was switched off by %s (%s)", c.freeze.Author, c.freeze.Reason)
		} else if pool := c.overruled(x); pool != "" {
			o, why = drill.Interrupted, fmt.Sprintf("a person's word: %s was overridden (%s)", pool, c.overrides[pool].Reason)
		} else {
			o, why = x.report.Judge(c.moment(x, now, t, nil))
		}
		if o != drill.Running {
			c.endDrill(x, o, why, now)
			ended = true
		}
	}
	return ended
}

// overruled returns a pool of x that a person has spoken of since it began.
func (c *Controller) overruled(x *drilling) string {
	for _, o := range c.sortedOverrides() {
		if was, ok := x.words[o.Pool]; c.bears(x, o.Pool) && (!ok || was != overrideWord(o)) {
			return o.Pool
		}
	}
	return ""
}

// overrideWord tells one override of a pool from another.
func overrideWord(o health.Override) string { return string(o.Force) + " " + o.Reason + " " + o.Author }

// bears reports whether pool may answer for a service of x.
func (c *Controller) bears(x *drilling, pool string) bool {
	return slices.ContainsFunc(c.groups, func(g *group) bool { return x.moves[g.service.Name] && slices.Contains(g.pooled, pool) })
}
