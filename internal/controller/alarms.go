package controller

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/health"
)

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
	held := make(map[string]Alarm, len(c.held))
	raise := func(code, severity, subject, what, mend string) {
		key := code + " " + subject
		if _, ok := held[key]; ok {
			return // of another class of clients
		}
		a := Alarm{code, severity, subject, now, what, mend}
		if before, ok := c.held[key]; ok {
			a.Since = before.Since
		}
		held[key] = a
		list = append(list, a)
	}
	if s.Blind != "" {
		raise("blind", "critical", "", "this node cannot see the world: "+s.Blind, "verdicts hold until it can; check the node's own network")
	}
	if c.deps.RolledBack != nil {
		if why := c.deps.RolledBack(); why != "" {
			raise("rolled-back", "critical", "", why, "mend the configuration, then shunt reload; shunt reload --force takes it as it is")
		}
	}
	for _, g := range v.groups {
		g.alarms(now, raise)
	}
	if s.Frozen != nil {
		raise("frozen", "warning", "", fmt.Sprintf("automation is off until %s (%s, %s)", s.Frozen.Until.Format(time.RFC3339), s.Frozen.Author, s.Frozen.Reason), "shunt unfreeze")
		if ending(c.freeze.Set, c.freeze.Expires, now) {
			raise("freeze-ending", "warning", "", "the freeze ends at "+s.Frozen.Until.Format(time.RFC3339), "prolong it with shunt freeze, or be ready")
		}
	}
	c.poolAlarms(s, v, now, raise)
	c.drillAlarms(now, raise)
	if c.stale != "" {
		raise("places-stale", "warning", "", c.stale, "the databases of before stay in force; replace the file by a whole one")
	}
	if c.deps.Certificate != nil {
		own := c.deps.Certificate()
		if own.Problem != "" {
			raise("certificate-not-used", "warning", "listen.tls", own.Problem, "the one before is shown; mend the files, they are read again by themselves")
		}
		if own.Ending {
			raise("certificate-ending", "warning", "listen.tls", "the certificate of this node ends at "+own.Ends.Format(time.RFC3339), "renew it; the files are read again by themselves")
		}
	}
	if !s.Reload.OK {
		raise("reload-refused", "warning", "", s.Reload.Problem, "mend the configuration (shunt check), then shunt reload")
	}
	if why := c.unsaved(now); why != "" {
		raise("state-not-saved", "warning", "", why, "a restart forgets verdicts and overrides; look at node.state_dir")
	}
	if c.deps.Conditions != nil {
		for _, x := range c.deps.Conditions() {
			raise(x.Code, x.Severity, x.Subject, x.What, x.Mend)
		}
	}
	c.sayAlarms(held)
	c.held = held
	slices.SortStableFunc(list, func(a, b Alarm) int { return cmp.Compare(a.Severity, b.Severity) }) // critical before warning
	return list
}

// agedAfter is how long the controller may take to come round, which it does
// each second.
const agedAfter = 10 * time.Second

// aged returns the alarms of v, and the one that nobody who does not come round
// can raise.
func (c *Controller) aged(v *view) []Alarm {
	age := c.now().Sub(v.status.At)
	if c.hand || age < agedAfter {
		return v.status.Alarms
	}
	return append([]Alarm{{"decisions-old", "critical", "", v.status.At,
		fmt.Sprintf("nothing has been decided for %v: the last answers are served, and no failure moves them", age.Round(time.Second)),
		"restart the node; send SIGQUIT instead, if you can wait for its trace, and report that"}}, v.status.Alarms...)
}

// others says how many services share the fate of g's representative, and
// where they are listed.
func (g *group) others(where ...string) string {
	if g.alike == 0 {
		return ""
	}
	return fmt.Sprintf(" (and so for %s)", strings.Join(append([]string{countOf(g.alike, "service") + " alike"}, where...), "; "))
}

// alarms raises what concerns the services of g.
func (g *group) alarms(now time.Time, raise raiser) {
	name := g.service.Name
	for i := range g.decided {
		d := &g.decided[i]
		switch {
		case len(d.Picks) == 0 && d.FenceDown == "" && d.FenceOpen == "":
			raise("no-answer", "critical", name, d.Why+g.others(), "answers are SERVFAIL; give the pool addresses, or mend the resolvers")
		case d.FailOpen && d.FenceDown == "":
			raise("fail-open", "critical", name, d.Why+g.others("shunt status --json lists all under fail_open"), "every pool is down; look at each pool's reason")
		}
		if d.FenceDown != "" {
			raise("fence-down", "critical", name, d.FenceDown+g.others(), "mend a pool inside the fence, or let the fence open")
		}
		if d.FenceOpen != "" {
			raise("fence-open", "critical", name, d.FenceOpen+g.others(), "mend a pool inside the fence")
		}
		if d.Short != "" {
			raise("capacity-short", "warning", name, d.Short+g.others(), "mend a pool, or raise max_share where a pool can carry more")
		}
	}
	if pools, until := g.heldBack(now); len(pools) > 0 {
		raise("budget-spent", "warning", name, fmt.Sprintf("answers moved %d times within an hour, %d are allowed: %s %s behind until %s%s",
			g.calm.Moves.Used(now), g.service.Moves, strings.Join(pools, ", "), stays(len(pools)), onWall(until, now).Format(time.RFC3339), g.others()),
			"look why the pool flaps; an override decides at once")
	}
}

// heldBack returns the pools that do not answer because the budget is spent,
// and until when that is so.
func (g *group) heldBack(now time.Time) (pools []string, until time.Time) {
	if until = g.calm.Blocked(g.service, now); until.IsZero() {
		return nil, until
	}
	answering := g.answering()
	for _, pool := range slices.Sorted(maps.Keys(g.calm.Unsteady)) {
		if !slices.Contains(answering, pool) {
			pools = append(pools, pool)
		}
	}
	return pools, until
}

// stays is the verb for n pools.
func stays(n int) string {
	if n == 1 {
		return "stays"
	}
	return "stay"
}

// A Condition is what another part of the node alarms about, as long as it
// holds. The runbook in docs/operations.md has a section for each code.
type Condition struct {
	Code     string // as secondary-behind
	Severity string // critical or warning
	Subject  string // what it is about; "" for the node. An alarm is known by code and subject
	What     string // a sentence for people; it may change while the condition holds
	Mend     string // what to do
}

// A raiser raises an alarm; one that is raised already stays as it is.
type raiser func(code, severity, subject, what, mend string)

// poolAlarms raises what concerns single pools.
func (c *Controller) poolAlarms(s *Status, v *view, now time.Time, raise raiser) {
	for _, p := range s.Pools {
		if p.State == health.Down.String() {
			raise("pool-down", "warning", p.Name, p.Reason+p.returning(now), "shunt probe "+p.Name+" shows each endpoint")
		}
		if p.Waits != "" && p.WaitsUntil == nil {
			raise("waits-for-person", "warning", p.Name, p.Name+" is up again, and waits to be let back "+p.Waits, "shunt failback "+p.Name+", when it is well")
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

// drillAlarms raises what people must know of drills.
func (c *Controller) drillAlarms(now time.Time, raise raiser) {
	for _, x := range c.drills.running {
		p := x.plan()
		raise("drill-running", "warning", p.ID, p.What()+"; it ends by itself at "+onWall(p.Ends, now).Format(time.RFC3339), "shunt drill stop "+p.ID+" ends it now")
	}
	for _, f := range c.drills.failed {
		raise("drill-failed", "warning", f.ID, f.Why, "shunt drill report "+f.ID+" says how it went; mend what it showed, and drill again")
	}
}
