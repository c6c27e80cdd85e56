package rehearse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// trials lists the moments at which a node is put to a trial, in order.
func (n *node) trials() []trial {
	var out []trial
	for i := range n.t.Scenario.Phases {
		ph := &n.t.Scenario.Phases[i]
		if ph.Plane != Node || ph.Target != n.t.Nodes[n.nth] {
			continue
		}
		switch ph.Fault.Kind {
		case Partial:
			out = append(out, trial{ph.At, func() { n.partial(ph) }})
		case ClockStep:
			out = append(out, trial{ph.At, func() { n.step(ph) }})
		case BadGeneration:
			out = append(out, n.races(ph)...)
		case OversizeConfig:
			out = append(out, n.poisoned(ph)...)
		}
	}
	slices.SortStableFunc(out, func(a, b trial) int { return int(a.at - b.at) })
	return out
}

// A trial is something that a node must stand at a moment.
type trial struct {
	at time.Duration
	do func()
}

// fact writes down what a trial gave. What once went wrong stays.
func (t *Trace) fact(name string, v Value, good bool) {
	if was, ok := t.Facts[name]; !ok || !good && was.Number != v.Number {
		t.Facts[name] = v
	}
}

// partial has the node reload a configuration of which only a part is left, as
// when the inventory that it is made from returns incomplete data.
func (n *node) partial(ph *Phase) {
	before := n.snap.Generation()
	err := n.reload(cut(n.cfg, ph.Fault.Keep))
	reason, refused := "none: it was taken", controller.Refused{}
	switch {
	case errors.As(err, &refused):
		reason = "destructive-change"
	case err != nil:
		reason = "invalid"
	}
	n.t.fact("config_rejected_reason", word_(reason), reason == "destructive-change")
	n.t.fact("served_generation_changed", truth(n.snap.Generation() != before), n.snap.Generation() == before)
	n.t.Notes = append(n.t.Notes, Note{n.at(), n.nth, fmt.Sprintf("reload of %.0f %% of the configuration: %v", 100*ph.Fault.Keep, err)})
}

// reload has the node read cfg as its configuration.
func (n *node) reload(cfg *config.Config) error {
	n.load = cfg
	return n.ctl.Reload(context.Background(), false)
}

// cut returns cfg with a share of its services, in their order.
func cut(cfg *config.Config, keep float64) *config.Config {
	all := 0
	for _, z := range cfg.Zones {
		all += len(z.Services)
	}
	left := int(math.Floor(keep * float64(all)))
	out := *cfg
	out.Zones = nil
	for _, z := range cfg.Zones {
		z.Services = z.Services[:min(left, len(z.Services))]
		left -= len(z.Services)
		if len(z.Services) > 0 || z.File != "" {
			out.Zones = append(out.Zones, z)
		}
	}
	return &out
}

// step restarts the node with a wall clock that has jumped: what was set for
// two hours must still hold, and end after what was left of them.
func (n *node) step(ph *Phase) {
	const lasts = 2 * time.Hour
	pool := n.t.Pools[len(n.t.Pools)-1]
	now := n.now
	o, err := health.NewOverride(pool, health.ForceDrain, "the clock steps", "rehearsal", now, lasts)
	if err == nil {
		err = n.ctl.Override(context.Background(), o, true)
	}
	wall := now.Add(ph.Fault.Step)
	again, err2 := n.ctl.Restarted(wall)
	ok := err == nil && err2 == nil
	if ok {
		o, ok = again.Forced(pool)
		ok = ok && !o.Expires.After(wall.Add(lasts))
	}
	n.t.fact("override_expiry_not_skipped", truth(ok), ok)
	// Nothing here is signed: no signature can be read at a wrong time.
	n.t.fact("rrsig_validity_ok", truth(true), true)
	if err := n.ctl.ClearOverride(context.Background(), pool, "rehearsal"); err != nil {
		n.t.fact("override_expiry_not_skipped", truth(false), false)
	}
}

// races has a reader keep a snapshot while newer ones are published and older
// ones let go, and asks both afterwards.
func (n *node) races(ph *Phase) []trial {
	var kept *zone.Snapshot
	hold := trial{ph.At, func() {
		kept = n.snap
		if err := n.reload(n.cfg); err != nil {
			n.t.fact("apply_after_gc_still_works", truth(false), false)
		}
	}}
	release := trial{ph.At + ph.Fault.Release + time.Second, func() {
		still := answers(kept, n.t.Service, n.now.Unix())
		before := n.snap.Generation()
		err := n.reload(n.cfg)
		newer := err == nil && n.snap.Generation() > before && answers(n.snap, n.t.Service, n.now.Unix())
		n.t.fact("gc_of_active_generation", truth(!still), still)
		n.t.fact("apply_after_gc_still_works", truth(newer), newer)
	}}
	return []trial{hold, release}
}

// answers reports whether s has records for the service at a moment in seconds
// since 1970.
func answers(s *zone.Snapshot, service string, now int64) bool {
	m, _, err := s.Records(service, dns.TypeA, netip.Addr{}, now)
	return err == nil && m.Rcode == dns.RcodeSuccess && len(m.Answer) > 0
}

// capacity measures how many times the load of the scenario's resolvers one
// core can answer, up to 1000: what an outage of ours brings in retries is
// up to 30 times the usual.
func (t *Trace) capacity(clock func() time.Time, q *query) error {
	if len(t.Moves) == 0 || clock == nil {
		return nil
	}
	m := &t.Moves[len(t.Moves)-1]
	const asked = 20000
	begin := clock()
	for i := range asked {
		q.ask(m.snap, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), t.Start.Unix())
	}
	perSecond := asked / max(clock().Sub(begin), time.Microsecond).Seconds()
	load := float64(len(t.Clients.caches)) / m.TTL.Seconds()
	t.Facts["answer_qps_capacity_factor"] = number(math.Floor(min(perSecond/load, 1000)))
	return nil
}
