package metrics

import (
	"runtime"

	"github.com/shunt-dns/shunt/resolver"
)

func goVersion() string { return runtime.Version() }

// dns is what the server counts.
func (c *collector) dns(out scrape) {
	s := c.s.DNS.Stats()
	for tr, n := range map[resolver.Transport]uint64{resolver.UDP: s.UDP, resolver.TCP: s.TCP, resolver.TLS: s.TLS, resolver.HTTPS: s.HTTPS} {
		out.count("shunt_dns_queries_total", n, tr.String())
		d := c.s.DNS.Durations(tr)
		out.histogram("shunt_dns_answer_duration_seconds", d.Bounds, d.Counts, d.Sum, tr.String())
	}
	for name, n := range s.Types {
		out.count("shunt_dns_questions_total", n, name)
	}
	for name, n := range s.Rcodes {
		out.count("shunt_dns_replies_total", n, name)
	}
	out.count("shunt_dns_truncated_total", s.Truncated)
	out.count("shunt_dns_malformed_total", s.Malformed)
	out.count("shunt_dns_silent_total", s.Silent)
	out.count("shunt_dns_rate_limited_total", s.Limited-min(s.Limited, s.Slipped), "dropped")
	out.count("shunt_dns_rate_limited_total", s.Slipped, "slipped")
	out.count("shunt_dns_send_errors_total", s.SendErrors)
	out.count("shunt_dns_panics_total", s.Panics)
	out.gauge("shunt_dns_connections", float64(s.Connections))
	out.count("shunt_dns_connections_accepted_total", s.Accepted)
	out.count("shunt_dns_connections_refused_total", s.Refused)
	out.count("shunt_dns_connections_evicted_total", s.Evicted)
	c.steered(out, &s)
}

// steered is the answers by service and pool. What a pool answered beyond the
// pairs that have a series of their own is the rest, which never falls either.
func (c *collector) steered(out scrape, s *resolver.Stats) {
	for _, n := range s.Steered {
		c.answers.enter(pair{n.Service, n.Pool}, n.Answers)
	}
	shown := map[string]uint64{}
	for p, a := range c.answers.kept {
		shown[p.pool] += a.total()
		out.count("shunt_dns_steered_answers_total", a.total(), p.service, p.pool)
	}
	for pool, all := range s.Pools {
		if all > shown[pool] {
			c.rest[pool] = max(c.rest[pool], all-shown[pool])
		}
	}
	for pool, n := range c.rest {
		if _, own := c.answers.kept[pair{otherLabel, pool}]; !own {
			out.count("shunt_dns_steered_answers_total", n, otherLabel, pool)
		}
	}
}
