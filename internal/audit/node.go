package audit

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// node judges what the process itself leans on.
//
//	resolvers        one: warning; of one operator: warning; an address of a pool: critical
//	vantage.controls fewer than two: warning; an address of a pool: critical
//	safety           no rule and at_least 0: warning; no rule: info
//	state_dir        in memory: warning
func (b *book) node() {
	behind := b.addresses()
	if slices.ContainsFunc(b.used, func(p string) bool { return b.byName[p].CNAME != "" }) {
		b.resolvers(behind)
	}
	if n := len(b.cfg.Vantage.Controls); n < 2 {
		b.note("few-controls", Warning, "vantage.controls", fmt.Sprintf("%d control targets: this node cannot tell its own outage from one of every pool", n),
			"name two or more targets that are always up, of operators that run none of the pools")
	}
	for _, c := range b.cfg.Vantage.Controls {
		if pool := behind[c.Address.Addr()]; pool != "" {
			b.note("circular-control", Critical, "vantage.controls", fmt.Sprintf("%s is an address of the pool %s: when that falls, this node may take itself for blind", c.Address, pool),
				"name a target that no pool has to do with")
		}
	}
	switch safe := b.cfg.Safety; {
	case len(safe.Rules) > 0:
	case safe.AtLeast == 0:
		b.note("no-rules", Warning, "safety", "safety.at_least is 0 and there are no rules: one override may take every pool away", "set safety.at_least, and write rules for paths that need each other")
	default:
		b.note("no-rules", Info, "safety", fmt.Sprintf("there are no rules beside at_least: %d", safe.AtLeast), "where pools need each other, as CDNs their origin, write a rule with a gate")
	}
	if fs := b.facts.StateFS; fs == "tmpfs" || fs == "ramfs" {
		b.note("volatile-state", Warning, "node.state_dir", fmt.Sprintf("%s lies in memory (%s): a reboot forgets overrides, the freeze and verdicts", b.cfg.Node.StateDir, fs), "put it on a disk")
	}
}

// addresses returns the addresses of the pools that answer for a service, as
// far as they are known, each with its pool.
func (b *book) addresses() map[netip.Addr]string {
	behind := map[netip.Addr]string{}
	for _, name := range b.used {
		p := b.byName[name]
		for _, a := range slices.Concat(p.Addresses, b.facts.Hosts[p.CNAME].Addrs) {
			behind[a.Unmap()] = name
		}
	}
	return behind
}

// resolvers judges the servers that look up host names.
func (b *book) resolvers(behind map[netip.Addr]string) {
	const mend = "list servers of two or more operators, one of them your own"
	list := b.cfg.Resolvers
	operators := map[string]bool{}
	for _, r := range list {
		operators[resolverOperator(r.Addr())] = true
		if pool := behind[r.Addr().Unmap()]; pool != "" {
			b.note("circular-resolver", Critical, "resolvers", fmt.Sprintf("%s is an address of the pool %s: when that falls, host names of pools cannot be looked up", r, pool), mend)
		}
	}
	switch {
	case len(list) == 1:
		b.note("one-resolver", Warning, "resolvers", fmt.Sprintf("host names of pools are looked up by %s alone", list[0]), mend)
	case len(operators) == 1:
		for op := range operators {
			b.note("one-resolver-operator", Warning, "resolvers", "host names of pools are looked up by one operator alone: "+op, mend)
		}
	}
}

// resolverOperator returns who runs the resolver at a: a public one by its
// name, another one by its network.
func resolverOperator(a netip.Addr) string {
	for _, known := range []struct{ operator, networks string }{
		{"Quad9", "9.9.9.0/24 149.112.112.0/24 2620:fe::/48"},
		{"Cloudflare", "1.1.1.0/24 1.0.0.0/24 2606:4700:4700::/48"},
		{"Google", "8.8.8.0/24 8.8.4.0/24 2001:4860:4860::/48"},
		{"OpenDNS", "208.67.222.0/24 208.67.220.0/24 2620:119:35::/48 2620:119:53::/48"},
	} {
		for _, n := range strings.Fields(known.networks) {
			if netip.MustParsePrefix(n).Contains(a.Unmap()) {
				return known.operator
			}
		}
	}
	return "the network " + network(a).String()
}

// monitors judges the checks of the pools that answer.
func (b *book) monitors() {
	for i := range b.cfg.Monitors {
		m := &b.cfg.Monitors[i]
		if s, ok := b.impatient(m); ok {
			needs := detection(m)
			sev := Warning
			if needs > verySlowTTL {
				sev = Critical
			}
			b.note("slow-detection", sev, m.Name, fmt.Sprintf("it takes up to %v to see a failure (interval %v, fall %d, recheck %v, timeout %v), and %s has a TTL of %v",
				needs, m.Interval, m.Fall, m.Recheck, m.Timeout, s.Name, s.TTL), "shorten interval, or set recheck, so that a fall is seen within a TTL")
		}
	}
}

// impatient returns the service with the shortest TTL among those that m
// checks pools of, if m sees a failure later than that.
func (b *book) impatient(m *config.Monitor) (least config.Service, ok bool) {
	for _, g := range b.groups {
		for _, p := range g.members {
			if slices.Contains(b.byName[p].Monitors, m.Name) && (least.Name == "" || g.TTL < least.TTL) {
				least = g.Service
			}
		}
	}
	return least, least.Name != "" && detection(m) > least.TTL
}
