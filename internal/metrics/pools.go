package metrics

import (
	"slices"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/controller"
)

// states are those that a pool or an endpoint has.
func states() []string {
	return []string{health.Up.String(), health.Down.String(), health.Unknown.String()}
}

// pools is what is known of each pool, and lets the probes forget those that
// are no longer configured.
func (c *collector) pools(out scrape, s *controller.Status) {
	all, known := map[string]int{}, make(map[string]bool, len(s.Pools))
	for i := range s.Pools {
		p := &s.Pools[i]
		all[p.State]++
		known[p.Name] = true
		if i < mostPools {
			pool(out, p)
		}
	}
	for _, state := range states() {
		out.gauge("shunt_pools", float64(all[state]), state)
	}
	for t, n := range c.s.Node.Counts().Transitions {
		if known[t.Pool] {
			out.count("shunt_pool_transitions_total", n, t.Pool, t.To.String())
		}
	}
	c.probes.forget(known)
}

// pool is what is known of p.
func pool(out scrape, p *controller.PoolStatus) {
	endpoints, ends := map[string]int{}, time.Time{}
	for _, e := range p.Endpoints {
		endpoints[e.State]++
		if e.CertEnd != nil && (ends.IsZero() || e.CertEnd.Before(ends)) {
			ends = *e.CertEnd
		}
	}
	for _, state := range states() {
		out.yes("shunt_pool_state", p.State == state, p.Name, p.Operator, state)
		out.gauge("shunt_pool_endpoints", float64(endpoints[state]), p.Name, state)
	}
	out.moment("shunt_pool_state_since_timestamp_seconds", p.Since, p.Name)
	if o := p.Override; o != nil {
		out.gauge("shunt_pool_override", 1, p.Name, string(o.Force))
		out.moment("shunt_pool_override_end_timestamp_seconds", o.Expires, p.Name)
	}
	out.yes("shunt_pool_waiting", p.Waits != "", p.Name)
	out.yes("shunt_pool_votes_void", p.Held != "", p.Name)
	out.yes("shunt_pool_drilled", p.Drill != "", p.Name)
	feeds(out, p)
	out.moment("shunt_pool_certificate_end_timestamp_seconds", ends, p.Name)
}

// feeds is what sources of data say of p: the worst of what each says.
func feeds(out scrape, p *controller.PoolStatus) {
	said := map[string]int{}
	words := []string{"up", "unknown", "silent", "down"} // from the best to the worst
	for _, f := range p.Feeds {
		said[f.Source] = max(said[f.Source], slices.Index(words, f.Says))
	}
	for source, worst := range said {
		for i, word := range words {
			out.yes("shunt_feed_says", i == worst, p.Name, source, word)
		}
	}
}

// services is what answers now.
func (c *collector) services(out scrape) {
	services, open := 0, 0
	for i, g := range c.s.Node.Groups(mostGroups) {
		services += g.Services
		if g.FailOpen {
			open += g.Services
		}
		if i >= mostGroups {
			continue
		}
		for _, s := range g.Shares {
			out.gauge("shunt_service_share_ratio", s.Percent/100, g.Service, s.Pool)
		}
	}
	out.gauge("shunt_services", float64(services))
	out.gauge("shunt_services_failing_open", float64(open))
}
