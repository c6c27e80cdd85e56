package controller

import (
	"cmp"
	"fmt"
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
	State     string           `json:"state"` // up, down, unknown: from probes
	Since     time.Time        `json:"since"`
	Class     health.Class     `json:"class,omitempty"`
	Reason    string           `json:"reason"`
	HoldUntil *time.Time       `json:"hold_until,omitempty"` // a pool that is down stays so at least until then
	Rising    int              `json:"rising,omitempty"`     // successes in a row of a pool that is down
	Held      string           `json:"held,omitempty"`       // why votes against it are void
	Override  *health.Override `json:"override"`             // null without one
	Frozen    string           `json:"frozen,omitempty"`     // the state that counts while a freeze holds another than State
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
	Answering []string `json:"answering"`
	TTL       int      `json:"ttl"` // seconds
	Why       string   `json:"why"`
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
		return &Status{Node: "starting", FailOpen: []string{}, Alarms: []Alarm{}, Pools: []PoolStatus{}, Services: []ServiceStatus{}}
	}
	s := *v.status
	for _, z := range v.loaded.Config.Zones {
		for _, svc := range z.Services {
			d := v.groups[v.loaded.Set.Group(svc.Name)].decision
			s.Services = append(s.Services, ServiceStatus{Name: svc.Name, Policy: svc.Policy,
				Answering: d.Pools(), TTL: int(d.TTL / time.Second), Why: v.why(d)})
			if d.FailOpen {
				s.FailOpen = append(s.FailOpen, svc.Name)
			}
		}
	}
	return &s
}

// why says what made d, and that it rests on frozen states where it does.
func (v *view) why(d steer.Decision) string {
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
	for i := range cfg.Pools {
		name := cfg.Pools[i].Name
		s.Pools = append(s.Pools, poolStatus(&cfg.Pools[i], v.live.Pools[name], v.table.Pools[name], now))
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
	switch {
	case p.Rising == 0:
		return ""
	case p.HoldUntil != nil && p.HoldUntil.After(now):
		return fmt.Sprintf("; %d successes in a row, held down until %s", p.Rising, p.HoldUntil.Format(time.RFC3339))
	}
	return fmt.Sprintf("; %d successes in a row", p.Rising)
}

// warnEnding is how long before its end an override or a freeze alarms; one
// that is short as a whole alarms in its last quarter.
const warnEnding = 15 * time.Minute

// ending reports whether what holds from set to expires is about to end.
func ending(set, expires, now time.Time) bool {
	return expires.Sub(now) < min(warnEnding, expires.Sub(set)/4)
}

// alarms lists the conditions that hold in s, the critical ones first, each
// with the time since which it has held.
func (c *Controller) alarms(s *Status, v *view, now time.Time) []Alarm {
	list := []Alarm{}
	held := make(map[string]time.Time, len(c.held))
	raise := func(code, severity, subject, what, mend string) {
		key := code + " " + subject
		since, ok := c.held[key]
		if !ok {
			since = now
		}
		held[key] = since
		list = append(list, Alarm{code, severity, subject, since, what, mend})
	}
	if s.Blind != "" {
		raise("blind", "critical", "", "this node cannot see the world: "+s.Blind, "verdicts hold until it can; check the node's own network")
	}
	for _, g := range v.groups {
		if len(g.decision.Picks) == 0 {
			raise("no-answer", "critical", g.service.Name, g.decision.Why+g.others(), "answers are SERVFAIL; give the pool addresses, or mend the resolvers")
		} else if g.decision.FailOpen {
			raise("fail-open", "critical", g.service.Name, g.decision.Why+g.others(), "every pool is down; look at each pool's reason")
		}
	}
	if s.Frozen != nil {
		raise("frozen", "warning", "", fmt.Sprintf("automation is off until %s (%s, %s)", s.Frozen.Until.Format(time.RFC3339), s.Frozen.Author, s.Frozen.Reason), "shunt unfreeze")
		if ending(c.freeze.Set, c.freeze.Expires, now) {
			raise("freeze-ending", "warning", "", "the freeze ends at "+s.Frozen.Until.Format(time.RFC3339), "prolong it with shunt freeze, or be ready")
		}
	}
	c.poolAlarms(s, v, now, raise)
	if !s.Reload.OK {
		raise("reload-refused", "warning", "", s.Reload.Problem, "mend the configuration (shunt check), then shunt reload")
	}
	if why := c.unsaved(now); why != "" {
		raise("state-not-saved", "warning", "", why, "a restart forgets verdicts and overrides; look at node.state_dir")
	}
	c.held = held
	slices.SortStableFunc(list, func(a, b Alarm) int { return cmp.Compare(a.Severity, b.Severity) }) // critical before warning
	return list
}

// others says how many services share the fate of g's representative.
func (g *group) others() string {
	if g.alike == 0 {
		return ""
	}
	return fmt.Sprintf(" (and so for %d services alike; shunt status --json lists all under fail_open)", g.alike)
}

// poolAlarms raises what concerns single pools.
func (c *Controller) poolAlarms(s *Status, v *view, now time.Time, raise func(code, severity, subject, what, mend string)) {
	for _, p := range s.Pools {
		if p.State == health.Down.String() {
			raise("pool-down", "warning", p.Name, p.Reason+p.returning(now), "shunt probe "+p.Name+" shows each endpoint")
		}
		if p.Held != "" {
			raise("held", "warning", p.Name, p.Held, "failures of this pool do not count while that lasts")
		}
		if o := p.Override; o != nil && ending(o.Set, o.Expires, now) {
			raise("override-ending", "warning", p.Name, "the override ends at "+o.Expires.Format(time.RFC3339), "set it again, or be ready")
		}
		h := v.table.Pools[p.Name]
		if h == nil {
			continue
		}
		for _, e := range h.Endpoints {
			if e.CertWarn {
				verb := "ends"
				if e.CertEnd.Before(now) {
					verb = "ended"
				}
				raise("certificate-ending", "warning", p.Name+" "+e.Addr.String(), "the certificate "+verb+" at "+e.CertEnd.Format(time.RFC3339), "renew it at "+p.Operator)
			}
		}
	}
}
