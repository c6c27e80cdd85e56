package look

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
	"github.com/shunt-dns/shunt/internal/audit"
)

// patience is how long one handshake may take.
const patience = 5 * time.Second

// A handshake is one that is to be made.
type handshake struct {
	service, name, pool string
	to                  netip.AddrPort
	roots               string
	warn                time.Duration
}

// shakeHands shakes hands with the endpoints of jobs, for the names of their
// services: that of their monitors says nothing about whether a standby covers
// the name that it must stand in for.
func (l *looker) shakeHands(ctx context.Context, jobs []job) {
	list, more := l.plan(jobs)
	made := make([]audit.Handshake, len(list))
	var work sync.WaitGroup
	for i, h := range list {
		done := l.slot()
		work.Go(func() {
			defer done()
			made[i] = shake(ctx, h)
		})
	}
	work.Wait()
	for _, h := range made {
		if h.Result.Class == health.Internal { // we could not: no route to its family, no time left
			l.missing(h.Pool, fmt.Errorf("no handshake with %s for %s: %s", h.Addr, h.Name, h.Result.Reason))
			continue
		}
		l.facts.Handshakes = append(l.facts.Handshakes, h)
	}
	if more > 0 {
		l.missing("certificates", fmt.Errorf("%d handshakes were made, %d more were not: audit a zone at a time", len(list), more))
	}
}

// plan lists the handshakes to make, and counts those beyond the most.
func (l *looker) plan(jobs []job) (list []handshake, more int) {
	monitors, seen := map[string]*config.Monitor{}, map[handshake]bool{}
	for i := range l.cfg.Monitors {
		monitors[l.cfg.Monitors[i].Name] = &l.cfg.Monitors[i]
	}
	for _, j := range jobs {
		addrs := slices.Concat(j.pool.Addresses, l.facts.Hosts[j.pool.CNAME].Addrs)
		for _, way := range ways(j, monitors) {
			for _, a := range addrs {
				h := way
				h.to = netip.AddrPortFrom(a, way.to.Port())
				switch {
				case seen[h]:
				case len(list) == maxHandshakes:
					more++
				default:
					seen[h] = true
					list = append(list, h)
				}
			}
		}
	}
	return list, more
}

// ways returns how to shake hands with the pool of j: as its monitors that
// speak TLS do, on each of their ports.
func ways(j job, monitors map[string]*config.Monitor) (all []handshake) {
	for _, name := range j.pool.Monitors {
		m := monitors[name]
		h := handshake{service: j.service.Name, pool: j.pool.Name}
		host, port := "", uint16(0)
		switch m.Kind {
		case config.HTTPS:
			host, port, h.roots, h.warn = m.HTTP.Host, m.HTTP.Port, m.HTTP.RootCAs, m.HTTP.CertWarn
		case config.TLS:
			host, port, h.roots, h.warn = m.TLS.Host, m.TLS.Port, m.TLS.RootCAs, m.TLS.CertWarn
		default:
			continue
		}
		h.name, h.to = covered(j.service.Name, host), netip.AddrPortFrom(netip.Addr{}, port)
		all = append(all, h)
	}
	return all
}

// covered returns the name that a certificate for service must cover: its
// own, and for a wildcard the monitor's where that matches, else one made up.
func covered(service, host string) string {
	service = strings.TrimSuffix(service, ".")
	under, wild := strings.CutPrefix(service, "*")
	switch {
	case !wild:
		return service
	case strings.HasSuffix(host, under) && !strings.Contains(strings.TrimSuffix(host, under), "."):
		return host
	}
	return "shunt-audit" + under
}

// shake makes one handshake.
func shake(ctx context.Context, h handshake) audit.Handshake {
	out := audit.Handshake{Service: h.service, Name: h.name, Pool: h.pool, Addr: h.to, Warn: h.warn}
	m := config.Monitor{Name: "audit", Kind: config.TLS, Timeout: patience, TLS: config.TLSCheck{Host: h.name, Port: h.to.Port(), RootCAs: h.roots}}
	ask, err := probe.New(m)
	if err != nil {
		out.Result.Class, out.Result.Reason = health.Internal, err.Error()
		return out
	}
	out.Result = ask(ctx, h.to.Addr())
	out.At = out.Result.At
	return out
}
