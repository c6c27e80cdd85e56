package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// detection returns how long m may take from the begin of a failure that
// hangs to its verdict: the wait for the next probe, the others that must
// agree, and the timeout of the last.
//
//	recheck   probes after the first failed one come
//	0         interval apart
//	else      recheck apart, in a burst
func detection(m *config.Monitor) time.Duration {
	between := m.Recheck
	if between == 0 {
		between = m.Interval
	}
	return m.Interval + time.Duration(m.Fall-1)*between + m.Timeout
}

// providerPaths are paths that CDNs answer by themselves, whatever becomes of
// the site behind them.
func providerPaths() []string {
	return []string{"/cdn-cgi/", "/akamai/sureroute", "/.netlify/", "/_vercel/", "/.vercel/"}
}

// providerPath reports whether m asks for what the CDN answers by itself.
func providerPath(m *config.Monitor) bool {
	return (m.Kind == config.HTTPS || m.Kind == config.HTTP) &&
		slices.ContainsFunc(providerPaths(), func(p string) bool { return strings.HasPrefix(strings.ToLower(m.HTTP.Path), p) })
}

// pools judges each pool that answers for a service.
//
//	monitors              subject to
//	none                  critical; warning where it stands last wherever it stands
//	all by provider paths critical
//	some                  warning
func (b *book) pools() {
	for _, name := range b.used {
		p := b.byName[name]
		b.checks(p)
		b.hostName(p)
	}
}

// checks judges the monitors of p.
func (b *book) checks(p *config.Pool) {
	if len(p.Monitors) == 0 {
		sev := Warning
		if b.before(p.Name) {
			sev = Critical
		}
		b.note("unmonitored-pool", sev, p.Name, "it has no monitors, so it is always up: nothing moves away from it", "give it a monitor that asks as a user does")
		return
	}
	var blind []string
	for _, name := range p.Monitors {
		if m := b.monitor[name]; providerPath(m) {
			blind = append(blind, fmt.Sprintf("%s asks for %s", name, m.HTTP.Path))
		}
	}
	if len(blind) == 0 {
		return
	}
	sev := Warning
	if len(blind) == len(p.Monitors) {
		sev = Critical
	}
	b.note("provider-path", sev, p.Name, strings.Join(blind, "; ")+", which the CDN answers by itself while the site fails", "ask for a path of the site, and for a text that only the site has")
}

// before reports whether the pool stands before another one in a service.
func (b *book) before(pool string) bool {
	return slices.ContainsFunc(b.groups, func(g *group) bool {
		i := slices.Index(g.members, pool)
		return i >= 0 && i < len(g.members)-1
	})
}

// hostName judges what the host name of p hangs on.
func (b *book) hostName(p *config.Pool) {
	h, ok := b.facts.Hosts[p.CNAME]
	if !ok {
		return
	}
	for _, name := range h.Chain {
		if b.isSteered(name) {
			b.note("circular-pool", Critical, p.Name, fmt.Sprintf("its host name leads to %s, which is steered: its probes follow their own verdict (%s)", name, strings.Join(h.Chain, " → ")),
				"let the host name lead to the CDN's own name")
		}
	}
	for _, c := range h.Cuts {
		if op := oneOperator(c.NS); op != "" && !b.ours(c.Zone) {
			b.note("pool-dns-one-operator", Info, p.Name, fmt.Sprintf("%s hangs on the name servers of %s alone (%s)", c.Zone, op, strings.Join(c.NS, ", ")),
				"most CDNs have no other; keep a pool of addresses, or of another operator's names, behind it")
		}
	}
}

// ours reports whether zone is served from this configuration.
func (b *book) ours(zone string) bool {
	return slices.ContainsFunc(b.cfg.Zones, func(z config.Zone) bool { return z.Name == zone })
}

// certificates judges the handshakes.
//
//	result              finding
//	fine, ends late     none
//	fine, ends soon     certificate-ending: warning; within three days critical
//	refused, timed out  endpoint-not-reached: warning
//	failed              certificate-unfit: critical
//
// What is not about the name is told of once for an endpoint.
func (b *book) certificates() {
	seen := map[string]int{} // findings that are the same for several services, by what they are about
	same := func(h Handshake, code string, sev Severity, what, mend string) {
		key := fmt.Sprint(code, h.Pool, h.Addr, h.Result.CertEnd)
		if at, ok := seen[key]; ok {
			b.found[at].Alike++
			return
		}
		seen[key] = len(b.found)
		b.note(code, sev, h.Service, what, mend)
	}
	for _, h := range b.facts.Handshakes {
		left := h.Result.CertEnd.Sub(h.At)
		what := fmt.Sprintf("%s at %s, asked for %s: ", h.Pool, h.Addr, h.Name)
		switch {
		case h.Result.Class == health.TLSFailure:
			b.note("certificate-unfit", Critical, h.Service, what+h.Result.Reason, "have the name added to the certificate at the CDN, or renew it, before the pool must stand in")
		case !h.Result.OK:
			same(h, "endpoint-not-reached", Warning, what+h.Result.Reason, "no certificate was seen; look whether the endpoint should answer")
		case !h.Result.CertEnd.IsZero() && left < h.Warn:
			sev := Warning
			if left < 72*time.Hour {
				sev = Critical
			}
			same(h, "certificate-ending", sev, what+"the certificate ends at "+h.Result.CertEnd.UTC().Format(time.RFC3339), "renew it")
		}
	}
}
