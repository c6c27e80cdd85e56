package controller

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A Status is what a person on call wants to know of a node. Its JSON names
// are part of the interface.
type Status struct {
	Node       string          `json:"node"`
	Generation uint64          `json:"generation"` // of the snapshot that answers
	At         time.Time       `json:"at"`
	Frozen     *Frozen         `json:"frozen"` // null while automation is on
	Drills     []DrillStatus   `json:"drills"` // that run
	Blind      string          `json:"blind,omitempty"`
	FailOpen   []string        `json:"fail_open"` // services that answer though nothing is up
	Alarms     []Alarm         `json:"alarms"`
	Pools      []PoolStatus    `json:"pools"`
	Services   []ServiceStatus `json:"services"`
	Zones      int             `json:"zones"`
	Names      int             `json:"names"` // owner names, over all zones
	Reload     Reload          `json:"reload"`
}

// A Frozen says how long automation stays off, and why.
type Frozen struct {
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	Author string    `json:"author"`
}

// A Reload is the outcome of the last load of the configuration.
type Reload struct {
	At      time.Time `json:"at"`
	OK      bool      `json:"ok"`
	Problem string    `json:"problem,omitempty"`
	Restart []string  `json:"restart,omitempty"` // keys that changed and wait for a restart
}

// A PoolStatus is one pool: what probes say of it, and an operator.
type PoolStatus struct {
	Name      string           `json:"name"`
	Operator  string           `json:"operator"`
	State     string           `json:"state"` // up, down, unknown: from probes and feeds
	Since     time.Time        `json:"since"`
	Class     health.Class     `json:"class,omitempty"`
	Reason    string           `json:"reason"`
	HoldUntil *time.Time       `json:"hold_until,omitempty"` // a pool that is down stays so at least until then
	Rising    int              `json:"rising,omitempty"`     // successes in a row of a pool that is down
	Held      string           `json:"held,omitempty"`       // why votes against it are void
	Override  *health.Override `json:"override"`             // null without one
	Feeds     []FeedStatus     `json:"feeds,omitempty"`      // what else counts beside probes, as configured
	Drill     string           `json:"drill,omitempty"`      // that takes it away
	Frozen    string           `json:"frozen,omitempty"`     // the state that counts while a freeze holds another than State

	Waits      string     `json:"waits,omitempty"`       // how a pool that is up again and does not answer is let back
	WaitsUntil *time.Time `json:"waits_until,omitempty"` // absent while it waits for a person

	Endpoints []EndpointStatus `json:"endpoints"`
}

// An EndpointStatus is one address of a pool.
type EndpointStatus struct {
	Addr    string     `json:"addr"`
	State   string     `json:"state"`
	Since   time.Time  `json:"since"`
	Reason  string     `json:"reason,omitempty"`
	Latency float64    `json:"latency_ms"`
	CertEnd *time.Time `json:"cert_end,omitempty"`

	HoldUntil *time.Time `json:"hold_until,omitempty"` // as in PoolStatus
	Rising    int        `json:"rising,omitempty"`
}

// A ServiceStatus is one steered name: what answers now, and why.
type ServiceStatus struct {
	Name      string   `json:"name"`
	Policy    string   `json:"policy"`
	Answering []string `json:"answering"` // the pools that answer any client
	TTL       int      `json:"ttl"`       // seconds
	Why       string   `json:"why"`

	Shares []Share       `json:"shares"`          // of the answers to clients of whom nothing is known
	Places int           `json:"places"`          // classes of clients told apart by where they are; 1: everyone is alike
	Ramps  []RampStatus  `json:"ramps,omitempty"` // pools on their way to their full share
	Moves  *BudgetStatus `json:"moves,omitempty"` // absent where they are not limited
}

// A Share is what one pool has of the answers.
type Share struct {
	Pool    string  `json:"pool"`
	Percent float64 `json:"percent"` // of the answers; of a union, whose every answer has the pool, 100
}

// A RampStatus is one pool on its ramp.
type RampStatus struct {
	Pool    string    `json:"pool"`
	Percent float64   `json:"percent"` // that it may have now
	Next    float64   `json:"next"`    // and then
	At      time.Time `json:"at"`      // when, if it stays up
}

// A BudgetStatus is how often the answers of a service moved.
type BudgetStatus struct {
	Used  int        `json:"used"`            // within the last hour
	Limit int        `json:"limit"`           // from which on avoidable moves are not made
	Until *time.Time `json:"until,omitempty"` // when one may be made again; absent while none is held back
	Held  []string   `json:"held,omitempty"`  // the pools that may not come
}

// An Alarm is a condition that a person must know of. The runbook in
// docs/operations.md has a section for each code.
type Alarm struct {
	Code     string    `json:"code"`
	Severity string    `json:"severity"` // critical or warning
	Subject  string    `json:"subject,omitempty"`
	Since    time.Time `json:"since"`
	What     string    `json:"what"`
	Mend     string    `json:"mend"`
}

// Status returns the state of the node as of the last decision. The list of
// services is drawn up here, for whoever asks: a flip does not wait for it.
func (c *Controller) Status() *Status {
	v := c.view.Load()
	if v == nil {
		return &Status{Node: "starting", FailOpen: []string{}, Drills: []DrillStatus{}, Alarms: []Alarm{}, Pools: []PoolStatus{}, Services: []ServiceStatus{}}
	}
	s := *v.status
	s.Alarms = c.aged(v)
	for _, z := range v.loaded.Config.Zones {
		for _, svc := range z.Services {
			g := v.groups[v.loaded.Set.Group(svc.Name)]
			s.Services = append(s.Services, v.service(svc.Name, g))
			if slices.ContainsFunc(g.decided, func(d steer.Decision) bool { return d.FailOpen }) {
				s.FailOpen = append(s.FailOpen, svc.Name)
			}
		}
	}
	return &s
}

// service draws up the service called name, which is of g.
func (v *view) service(name string, g *group) ServiceStatus {
	d, now := g.main(), v.status.At
	s := ServiceStatus{Name: name, Policy: g.service.Policy, Answering: g.answering(), TTL: int(d.TTL / time.Second), Why: v.why(d),
		Shares: sharesOf(d), Places: len(g.places.samples)}
	for _, pool := range slices.Sorted(maps.Keys(g.calm.Climbs)) {
		climb, ramp := g.calm.Climbs[pool], g.service.Ramp
		if climb.Phase != steer.Climbing || ramp == nil {
			continue
		}
		next := ramp.Steps[min(climb.Step+1, len(ramp.Steps)-1)]
		s.Ramps = append(s.Ramps, RampStatus{pool, percent(climb.Cap(ramp)), percent(next), onWall(climb.Due(ramp), now)})
	}
	if g.service.Moves > 0 {
		s.Moves = &BudgetStatus{Used: g.calm.Moves.Used(now), Limit: g.service.Moves}
		if pools, until := g.heldBack(now); len(pools) > 0 {
			s.Moves.Until, s.Moves.Held = moment(until, now), pools
		}
	}
	return s
}

// sharesOf returns the shares of d, in the order of its picks.
func sharesOf(d *steer.Decision) []Share {
	shares := make([]Share, len(d.Picks))
	for i, p := range d.Picks {
		shares[i] = Share{p.Pool, percent(float64(p.Weight) / steer.Million)}
		if d.Union {
			shares[i].Percent = 100
		}
	}
	return shares
}

// percent returns a share in percent, to four places behind the point.
func percent(share float64) float64 { return math.Round(share*1e6) / 1e4 }

// why says what made d, and that it rests on frozen states where it does.
func (v *view) why(d *steer.Decision) string {
	if v.status.Frozen != nil {
		return "frozen: " + d.Why
	}
	return d.Why
}

// status draws up the state of v, but for its services.
func (c *Controller) status(v *view, now time.Time) *Status {
	cfg := v.loaded.Config
	s := &Status{
		Node:       cfg.Node.Name,
		Generation: v.snapshot.Generation(),
		At:         now,
		Blind:      v.table.Blind,
		Drills:     c.drillStatus(now),
		FailOpen:   []string{},
		Pools:      make([]PoolStatus, 0, len(cfg.Pools)),
		Services:   []ServiceStatus{},
		Zones:      len(cfg.Zones),
		Names:      v.loaded.Set.Names(),
		Reload:     c.reload,
	}
	if f := c.freeze; f != nil {
		s.Frozen = &Frozen{onWall(f.Expires, now), f.Reason, f.Author}
	}
	by := c.heardBy()
	for i := range cfg.Pools {
		name := cfg.Pools[i].Name
		s.Pools = append(s.Pools, poolStatus(&cfg.Pools[i], v.live.Pools[name], v.table.Pools[name], now))
		c.waiting(&s.Pools[i], now)
		s.Pools[i].Drill = c.drillOf(name)
		if len(cfg.Feeds) > 0 {
			s.Pools[i].Feeds = c.feedStatuses(name, by, now)
		}
	}
	s.Alarms = c.alarms(s, v, now)
	return s
}

// poolStatus draws up one pool: h as the monitor has it, counts as it counts
// for answers.
func poolStatus(p *config.Pool, h, counts *health.Pool, now time.Time) PoolStatus {
	s := PoolStatus{Name: p.Name, Operator: p.Operator, State: health.Unknown.String(), Endpoints: []EndpointStatus{}}
	if counts != nil && counts.Override != nil {
		o := *counts.Override
		o.Set, o.Expires = onWall(o.Set, now), onWall(o.Expires, now)
		s.Override = &o
	}
	if h == nil {
		return s
	}
	s.State, s.Since, s.Class, s.Reason, s.Held = h.State.String(), h.Since, h.Class, h.Reason, h.Held
	s.HoldUntil, s.Rising = moment(h.HoldUntil, now), h.Rising
	if counts.State != h.State {
		s.Frozen = counts.State.String()
	}
	for _, e := range h.Endpoints {
		es := EndpointStatus{Addr: e.Addr.String(), State: e.State.String(), Since: e.Since, Reason: e.Reason,
			Latency: float64(e.Latency.Microseconds()) / 1000, HoldUntil: moment(e.HoldUntil, now), Rising: e.Rising}
		if !e.CertEnd.IsZero() {
			es.CertEnd = &e.CertEnd
		}
		s.Endpoints = append(s.Endpoints, es)
	}
	return s
}

// waiting adds to p what it waits for.
func (c *Controller) waiting(p *PoolStatus, now time.Time) {
	p.Waits = c.waits[p.Name]
	if until, ok := c.back[p.Name]; ok {
		p.WaitsUntil = moment(until, now)
	}
}

// moment returns t on the wall clock; nil for none.
func moment(t, now time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = onWall(t, now)
	return &t
}

// returning says how far a pool that is down is on its way back; "" when
// nothing speaks for it yet.
func (p *PoolStatus) returning(now time.Time) string {
	wins := fmt.Sprintf("%d %s", p.Rising, plural(p.Rising, "success", "successes"))
	switch {
	case p.Rising == 0:
		return ""
	case p.HoldUntil != nil && p.HoldUntil.After(now):
		return fmt.Sprintf("; %s in a row, held down until %s", wins, p.HoldUntil.Format(time.RFC3339))
	}
	return "; " + wins + " in a row"
}
