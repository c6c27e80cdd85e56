package controller

import (
	"slices"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/event"
)

// A mark is what had been counted at a moment.
type mark struct {
	at     time.Time
	counts map[pairKey]uint64
}

const (
	markEvery  = time.Minute
	marksKept  = 6      // so that a forecast rests on five minutes
	mostMarked = 10_000 // groups; with more, a forecast rests on all that was counted since the start
	drillsSave = 10 * time.Second
)

// tickDrills does what drills need each second: measure, end, look after, begin.
func (c *Controller) tickDrills(now time.Time) {
	c.mark(now)
	ended := false
	for _, x := range slices.Clone(c.drills.running) {
		if o, why := c.measureDrill(x, now, true); o != drill.Running {
			c.endDrill(x, o, why, now)
			ended = true
		}
	}
	if len(c.drills.running) > 0 && now.Sub(c.drills.saved) >= drillsSave {
		c.drills.saved, c.dirty = now, true
	}
	c.practise(now)
	if ended {
		c.decide(byHand)
		c.save()
	}
	c.settle(now)
}

// measureDrill takes in what was answered since the last look, and says
// whether that ends x; judge is false where it does so anyway.
func (c *Controller) measureDrill(x *drilling, now time.Time, judge bool) (drill.Outcome, string) {
	counts, answers := c.counted(x)
	x.counts = counts
	m := c.moment(x, now, c.table(c.verdicts(now), now), answers)
	if !judge {
		x.report.Measure(m)
		return drill.Running, ""
	}
	return x.report.Second(m)
}

// counted returns what has been counted for the services of x, and how much
// of it since the last look, by pool.
func (c *Controller) counted(x *drilling) (counts map[pairKey]uint64, since map[string]uint64) {
	counts, since = map[pairKey]uint64{}, map[string]uint64{}
	if c.deps.Answers == nil {
		return counts, since
	}
	for _, n := range c.deps.Answers(func(service string) bool { return x.moves[service] }) {
		key := pairKey{n.Service, n.Pool}
		counts[key] = n.Answers
		if before, ok := x.counts[key]; n.Answers > before && (ok || x.counts != nil) {
			since[n.Pool] += n.Answers - before
		}
	}
	return counts, since
}

// moment returns what is seen of x now, by the states in t.
func (c *Controller) moment(x *drilling, now time.Time, t *health.Table, answers map[string]uint64) drill.Moment {
	m := drill.Moment{At: now, Answers: answers, FailOpen: c.failOpen(func(g *group) bool { return x.moves[g.service.Name] })}
	known := map[string]bool{}
	see := func(list *[]drill.Seen, pool string) {
		if pool == "" || known[pool] {
			return
		}
		known[pool] = true
		s := drill.Seen{Name: pool, State: health.Unknown.String()}
		if p := t.Pools[pool]; p != nil {
			s.State, s.Reason, s.Latency, s.Last = p.State.String(), p.Reason, p.Latency, latest(p)
		}
		*list = append(*list, s)
	}
	for _, g := range c.groups {
		if !x.moves[g.service.Name] {
			continue
		}
		for _, pool := range g.pooled {
			see(&m.Pools, pool)
		}
	}
	conditions, _ := x.plan().Conditions() // sound: they were checked when it began
	for _, a := range conditions {
		see(&m.Others, a.Pool)
	}
	return m
}

// latest returns how long the latest probes of p took, the mean over its
// endpoints that are up; 0 where that is not known.
func latest(p *health.Pool) time.Duration {
	var laps []time.Duration
	for _, e := range p.Endpoints {
		if e.State == health.Up {
			laps = append(laps, e.Latency)
		}
	}
	return health.MeanLatency(laps)
}

// settle looks after drills that have ended, and keeps their reports once more
// when that is over.
func (c *Controller) settle(now time.Time) {
	for _, x := range slices.Clone(c.drills.settling) {
		counts, answers := c.counted(x)
		x.counts = counts
		m := c.moment(x, now, c.table(c.verdicts(now), now), answers)
		if x.report.Later(m, now.Sub(x.over)) {
			c.drills.settling = slices.DeleteFunc(c.drills.settling, func(y *drilling) bool { return y == x })
			c.drills.store.keep(x.report, c.drillNotKept)
			c.dirty = true
		}
	}
	failed := len(c.drills.failed)
	c.drills.failed = slices.DeleteFunc(c.drills.failed, func(f failedDrill) bool { return now.Sub(f.At) > failedFor })
	c.dirty = c.dirty || failed != len(c.drills.failed)
}

// mark notes each minute what has been counted.
func (c *Controller) mark(now time.Time) {
	if c.deps.Answers == nil || len(c.groups) > mostMarked {
		return
	}
	if n := len(c.drills.marks); n > 0 && now.Sub(c.drills.marks[n-1].at) < markEvery {
		return
	}
	c.drills.marks = append(c.drills.marks, mark{now, c.countAll()})
	c.drills.marks = c.drills.marks[max(0, len(c.drills.marks)-marksKept):]
}

// countAll returns what has been counted of all services.
func (c *Controller) countAll() map[pairKey]uint64 {
	out := map[pairKey]uint64{}
	if c.deps.Answers != nil {
		for _, n := range c.deps.Answers(func(string) bool { return true }) {
			out[pairKey{n.Service, n.Pool}] = n.Answers
		}
	}
	return out
}

// measured returns the answers of the last minutes, by service and pool.
func (c *Controller) measured() map[string]map[string]uint64 {
	out := map[string]map[string]uint64{}
	var before map[pairKey]uint64
	if len(c.drills.marks) > 0 {
		before = c.drills.marks[0].counts
	}
	for key, n := range c.countAll() {
		if n > before[key] {
			if out[key.service] == nil {
				out[key.service] = map[string]uint64{}
			}
			out[key.service][key.pool] = n - before[key]
		}
	}
	return out
}

// measuredOver returns how many seconds measured looks back.
func (c *Controller) measuredOver(now time.Time) float64 {
	if len(c.drills.marks) > 0 {
		return now.Sub(c.drills.marks[0].at).Seconds()
	}
	return now.Sub(c.born).Seconds()
}

// saveDrills returns the drills that are not over for good, by the wall clock.
func (c *Controller) saveDrills(now time.Time) []*drill.Report {
	var out []*drill.Report
	for _, x := range slices.Concat(c.drills.running, c.drills.settling) {
		r := copyReport(x.report)
		r.Plan.Began, r.Plan.Ends = onWall(r.Plan.Began, now), onWall(r.Plan.Ends, now)
		out = append(out, r)
	}
	return out
}

// copyReport returns a copy of r that nothing writes to.
func copyReport(r *drill.Report) *drill.Report {
	out := *r
	out.Events, out.Came = slices.Clone(r.Events), slices.Clone(r.Came)
	out.Survivors = slices.Clone(r.Survivors)
	out.Series = r.Series.Clone()
	return &out
}

// recallDrills takes up the drills of the process before: those whose time is
// not over go on, on now's monotonic clock.
func (c *Controller) recallDrills(s *State, now time.Time) {
	c.drills.failed, c.drills.named = s.Failed, map[string]bool{}
	for _, id := range c.drills.store.ids() {
		c.drills.named[id] = true
	}
	for i := range c.drills.failed {
		c.drills.failed[i].At = ago(c.drills.failed[i].At, now)
	}
	for _, r := range s.Drills {
		if r == nil || r.Plan.Check() != nil {
			c.deps.Log.Error("saved drill dropped: it is not sound")
			continue
		}
		c.drills.named[r.Plan.ID] = true
		if r.Outcome != drill.Running {
			c.drills.store.keep(r, c.drillNotKept)
			continue
		}
		ends := r.Plan.Ends
		r.Plan.Began, r.Plan.Ends = anchor(r.Plan.Began, r.Plan.Ends, now)
		x := &drilling{report: r, moves: map[string]bool{}, words: map[string]string{}}
		for pool, o := range c.overrides {
			x.words[pool] = overrideWord(o)
		}
		why := c.takeUp(x, now)
		if !now.Before(r.Plan.Ends) {
			why = "its time was over at " + ends.UTC().Format(time.RFC3339) + ", when this node did not run"
		}
		if why != "" {
			r.End(now, drill.Interrupted, why)
			c.drills.store.keep(r, c.drillNotKept)
			c.sayDrill(&r.Plan, string(drill.Interrupted), why, event.Info)
			c.deps.Log.Warn("drill ended", "id", r.Plan.ID, "why", why)
			continue
		}
		r.Note(now, "the node started anew, and goes on with it")
		c.drills.running = append(c.drills.running, x)
		c.place(x)
		c.sayDrill(&r.Plan, "running", "the node started anew, and goes on with it", event.Info)
		c.deps.Log.Warn("drill goes on after a start", "id", r.Plan.ID, "pools", r.Plan.Pools, "until", r.Plan.Ends)
	}
}

// takeUp finds the services of x; it says why x cannot go on, "" when it can.
func (c *Controller) takeUp(x *drilling, now time.Time) string {
	if err := c.known(x.plan()); err != nil {
		return err.Error()
	}
	var err error
	if x.where, err = x.plan().Where(); err == nil {
		v := &view{loaded: c.loaded, groups: c.groups}
		x.fits, err = v.fit(x.plan())
	}
	if err != nil {
		return err.Error()
	}
	for _, g := range c.groups {
		if drills0(x.plan(), g, c.loaded) {
			x.moves[g.service.Name] = true
		}
	}
	if len(x.moves) == 0 {
		return "none of its services is configured"
	}
	return ""
}

// A DrillStatus is a drill that runs.
type DrillStatus struct {
	ID       string    `json:"id"`
	Practice string    `json:"practice,omitempty"`
	Pools    []string  `json:"pools"`
	Services int       `json:"services"` // how many
	Clients  []string  `json:"clients,omitempty"`
	Percent  float64   `json:"percent"` // of the answers that the pools would give
	Began    time.Time `json:"began"`
	Ends     time.Time `json:"ends"`
	Left     int       `json:"left_seconds"`
	Reason   string    `json:"reason"`
	Author   string    `json:"author"`
}

// drillStatus lists the drills that run.
func (c *Controller) drillStatus(now time.Time) []DrillStatus {
	out := []DrillStatus{}
	for _, x := range c.drills.running {
		p := x.plan()
		out = append(out, DrillStatus{p.ID, p.Practice, p.Pools, x.report.Count, p.Clients, percent(p.Share), onWall(p.Began, now), onWall(p.Ends, now),
			int(max(0, p.Ends.Sub(now)).Round(time.Second).Seconds()), p.Reason, p.Author})
	}
	return out
}

// Drills lists the drills that run and those that reports are kept of, the
// latest first, without their measurements.
func (c *Controller) Drills() []*drill.Report {
	out := []*drill.Report{}
	have := map[string]bool{}
	add := func(r *drill.Report) {
		if have[r.Plan.ID] {
			return
		}
		have[r.Plan.ID] = true
		r.Series = drill.Series{}
		out = append(out, r)
	}
	for _, r := range c.openDrills() {
		add(r)
	}
	for _, id := range slices.Backward(c.drills.store.ids()) {
		if r, err := c.drills.store.read(id); err == nil && r != nil {
			add(r)
		}
	}
	slices.SortStableFunc(out, func(a, b *drill.Report) int { return b.Plan.Began.Compare(a.Plan.Began) })
	return out
}

// Drill returns the report of the drill id; where id is "", of the one that
// runs, else of the latest that began, else of the latest. It is nil when there
// is none.
func (c *Controller) Drill(id string) (*drill.Report, error) {
	if id == "" {
		id = latestOf(c.Drills())
	}
	for _, r := range c.openDrills() {
		if r.Plan.ID == id {
			c.drills.store.beside(r)
			return r, nil
		}
	}
	return c.drills.store.read(id)
}

// latestOf returns the drill of list, the latest first, that people mean when
// they name none.
func latestOf(list []*drill.Report) string {
	for _, meant := range []func(o drill.Outcome) bool{
		func(o drill.Outcome) bool { return o == drill.Running },
		func(o drill.Outcome) bool { return o != drill.Refused },
		func(drill.Outcome) bool { return true },
	} {
		if i := slices.IndexFunc(list, func(r *drill.Report) bool { return meant(r.Outcome) }); i >= 0 {
			return list[i].Plan.ID
		}
	}
	return ""
}

// openDrills returns the reports of drills that run, or have just ended.
func (c *Controller) openDrills() []*drill.Report {
	v := c.view.Load()
	if v == nil {
		return nil
	}
	out := make([]*drill.Report, len(v.drills))
	for i, r := range v.drills {
		out[i] = copyReport(r)
	}
	return out
}

// drillOf returns the drill that takes pool away; "" for none.
func (c *Controller) drillOf(pool string) string {
	for _, x := range c.drills.running {
		if slices.Contains(x.plan().Pools, pool) {
			return x.plan().ID
		}
	}
	return ""
}
