package audit

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// RouteHost returns where a route of alerts delivers to: a host name, lower
// case and fully qualified, or an address; "" where that is not known.
func RouteHost(a *config.Alert) string {
	at := a.URL.Reveal()
	if a.Kind == config.Email {
		at = "smtp://" + a.Server
	}
	u, err := url.Parse(at)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	return host + "."
}

// alerts judges how people hear of alarms: what falls must not take the word of
// it along.
//
//	a route's host                            finding
//	is steered, or leads to a steered name    circular-alert, critical
//	has an address of a pool                  circular-alert, critical
//	hangs on the DNS of a pool's operator     circular-alert: warning; info while another route is free of all this
//	none: there is no route                   no-alerts, info
func (b *book) alerts() {
	if len(b.cfg.Alerts) == 0 {
		b.note("no-alerts", Info, "alerts", "there is no route: nobody hears of an alarm who does not look", "write one under alerts, or have Prometheus watch shunt_alarms")
		return
	}
	behind, dns := b.addresses(), b.poolDNS()
	free := false
	var hangs []Finding
	for i := range b.cfg.Alerts {
		a := &b.cfg.Alerts[i]
		host := RouteHost(a)
		if why := b.through(host, behind); why != "" {
			b.note("circular-alert", Critical, a.Name, why+": when that falls, nobody hears of it by this route", "deliver to a name that no pool has to do with")
			continue
		}
		if why := b.hangsOn(host, dns); why != "" {
			hangs = append(hangs, Finding{Code: "circular-alert", Severity: Warning, Subject: a.Name, Evidence: why, Mend: "add a route whose name has another DNS operator, or is an address"})
			continue
		}
		free = true
	}
	for _, f := range hangs {
		if free {
			f.Severity = Info
		}
		b.found = append(b.found, f)
	}
}

// through says by what shunt steers, or a pool, the way to host leads; "" for
// nothing that is known.
func (b *book) through(host string, behind map[netip.Addr]string) string {
	h := b.facts.Hosts[host]
	for i, name := range append([]string{host}, h.Chain...) {
		switch {
		case !b.isSteered(name):
		case i == 0:
			return fmt.Sprintf("it delivers to %s, which shunt steers", host)
		default:
			return fmt.Sprintf("%s leads to %s, which shunt steers", host, name)
		}
	}
	addrs := h.Addrs
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{a}
	}
	for _, a := range addrs {
		if pool := behind[a.Unmap()]; pool != "" {
			return fmt.Sprintf("%s is at %s, an address of the pool %s", host, a, pool)
		}
	}
	return ""
}

// poolDNS returns the DNS operators that the pools that answer hang on, each
// with a pool; and the pools' own operators, who often are DNS operators too.
func (b *book) poolDNS() map[string]string {
	dns := map[string]string{}
	for _, name := range b.used {
		p := b.byName[name]
		dns[strings.ToLower(p.Operator)] = name
		for _, c := range b.facts.Hosts[p.CNAME].Cuts {
			if op := oneOperator(c.NS); op != "" && !b.ours(c.Zone) {
				dns[op] = name
			}
		}
	}
	return dns
}

// hangsOn says which of the DNS operators of pools host hangs on alone; "" for
// none that is known.
func (b *book) hangsOn(host string, dns map[string]string) string {
	for _, c := range b.facts.Hosts[host].Cuts {
		op := oneOperator(c.NS)
		if pool := dns[op]; op != "" && pool != "" && !b.ours(c.Zone) {
			return fmt.Sprintf("%s, which %s hangs on, has the name servers of %s alone (%s), as the pool %s has or is", c.Zone, host, op, strings.Join(slices.Sorted(slices.Values(c.NS)), ", "), pool)
		}
	}
	return ""
}
