package audit

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// service judges the services of g.
//
//	pools                               finding
//	one                                 one-pool, critical
//	several, of one operator            one-operator, critical
//	several, all of one jurisdiction    one-jurisdiction, warning
//	all host names under the same DNS   shared-dns, critical
//	some with a max_share, and no ramp  no-ramp, warning
func (b *book) service(g *group) {
	list := strings.Join(g.members, ", ")
	operators := b.distinct(g, func(p *config.Pool) []string { return []string{p.Operator} })
	switch {
	case len(g.members) < 2:
		b.of(g, "one-pool", Critical, "its only pool is "+list, "add a pool of another operator")
	case len(operators) == 1:
		b.of(g, "one-operator", Critical, fmt.Sprintf("all its pools (%s) are of %s", list, operators[0]), "add a pool of another operator")
	}
	law := b.distinct(g, func(p *config.Pool) []string { return p.Jurisdictions })
	if len(g.members) > 1 && len(law) == 1 && !slices.ContainsFunc(g.members, func(p string) bool { return len(b.byName[p].Jurisdictions) == 0 }) {
		b.of(g, "one-jurisdiction", Warning, fmt.Sprintf("all its pools (%s) are under the law of %s", list, law[0]), "add a pool under another law, or accept it where a fence is meant")
	}
	if common := b.sharedDNS(g); common != "" {
		b.of(g, "shared-dns", Critical, fmt.Sprintf("the host names of all its pools (%s) hang on the name servers of %s", list, common), "add a pool of addresses, or one whose host name has another DNS operator")
	}
	if sev := tooSlow(g.TTL); sev != "" {
		b.of(g, "slow-ttl", sev, fmt.Sprintf("its TTL is %v: clients stay with a dead pool for so long", g.TTL), "set ttl to 30s, at most 60s")
	}
	if g.Ramp == nil {
		for _, p := range g.members {
			if share := b.byName[p].MaxShare; share < 1 && len(g.members) > 1 {
				b.of(g, "no-ramp", Warning, fmt.Sprintf("%s can carry %.3g%% and no ramp slows the moves to it: its caches are cold", p, 100*share), "give the service a ramp")
				break
			}
		}
	}
}

// distinct returns what f says of the pools of g, each once.
func (b *book) distinct(g *group, f func(*config.Pool) []string) []string {
	var all []string
	for _, p := range g.members {
		all = append(all, f(b.byName[p])...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// sharedDNS returns the DNS operator, or the set of name servers, that every
// pool of g hangs on; "" where there is none, or not all is known.
func (b *book) sharedDNS(g *group) string {
	var common []string
	for i, name := range g.members {
		h, ok := b.facts.Hosts[b.byName[name].CNAME]
		if !ok {
			return "" // addresses, or not looked up
		}
		var hangs []string
		for _, c := range h.Cuts {
			if b.ours(c.Zone) {
				continue
			}
			hangs = append(hangs, strings.Join(c.NS, ", "))
			if op := oneOperator(c.NS); op != "" {
				hangs = append(hangs, op)
			}
		}
		if i == 0 {
			common = hangs
			continue
		}
		common = slices.DeleteFunc(common, func(c string) bool { return !slices.Contains(hangs, c) })
	}
	if len(common) == 0 || len(g.members) < 2 {
		return ""
	}
	return common[0]
}

// zone judges what a zone hangs on, and how long resolvers keep what it says.
//
//	name servers                            finding
//	one                                     one-ns, critical
//	all their addresses in one /24, /48     ns-one-network, critical
//	names of one domain                     ns-one-operator, warning
//	one is itself steered                   circular-ns, critical
func (b *book) zone(z *config.Zone) {
	file := b.facts.Zones[z.Name]
	b.nameServers(z, file)
	if file.Negative > slowTTL {
		b.note("slow-negative", Warning, z.Name, fmt.Sprintf("negative answers are kept for %v: a name that is missing for a moment stays missing for so long", file.Negative), "set the SOA's minimum to 60")
	}
	next := map[string]string{}
	for _, a := range file.Aliases {
		next[a.Owner] = a.Target
	}
	for _, a := range file.Aliases {
		to := a.Target
		for range 8 {
			if b.isSteered(to) || next[to] == "" {
				break
			}
			to = next[to]
		}
		if a.TTL <= slowTTL || !b.isSteered(to) {
			continue
		}
		sev := Info // the answer behind it keeps its own TTL
		if a.TTL > verySlowTTL {
			sev = Warning
		}
		b.note("slow-alias", sev, a.Owner, fmt.Sprintf("its CNAME leads to the service %s and is kept for %v: what must be led elsewhere in an outage waits so long", to, a.TTL), "give it a TTL of 60")
	}
}

// nameServers judges the NS set of z: the one that the world sees where it
// could be looked up, else that of the configuration.
func (b *book) nameServers(z *config.Zone, file Zone) {
	live, seen := b.facts.Delegations[z.Name]
	names, from := live.NS, "as the world sees it"
	if !seen {
		names, from = slices.Concat(file.NS, z.NS), "as configured"
	}
	if len(names) == 0 {
		return
	}
	set := fmt.Sprintf("%s (%s)", strings.Join(names, ", "), from)
	for _, n := range names {
		if b.isSteered(n) {
			b.note("circular-ns", Critical, z.Name, fmt.Sprintf("its name server %s is itself a steered name", n), "give name servers fixed addresses")
		}
	}
	if len(names) == 1 {
		b.note("one-ns", Critical, z.Name, "its only name server is "+set, "run a second node in another network, and delegate to both")
		return
	}
	if nets, all := networks(names, live.Addrs); all && len(nets) > 0 {
		b.note("ns-one-network", Critical, z.Name, fmt.Sprintf("all its name servers are in %s: %s", strings.Join(nets, " and "), set), "run a node in another network, at another hoster")
	}
	if op := oneOperator(names); op != "" {
		b.note("ns-one-operator", Warning, z.Name, fmt.Sprintf("the names of all its name servers hang on %s: %s", op, set), "give one of them a name under another domain, at another registrar")
	}
}

// networks returns the one /24 and the one /48 that all addresses of names
// are in; all is false where there are more, or not all addresses are known.
func networks(names []string, addrs map[string][]netip.Addr) (nets []string, all bool) {
	seen := map[bool]netip.Prefix{}
	for _, n := range names {
		if len(addrs[n]) == 0 {
			return nil, false
		}
		for _, a := range addrs[n] {
			p := network(a)
			was, ok := seen[p.Addr().Is4()]
			if ok && was != p {
				return nil, false
			}
			seen[p.Addr().Is4()] = p
		}
	}
	for _, four := range []bool{true, false} {
		if p, ok := seen[four]; ok {
			nets = append(nets, p.String())
		}
	}
	return nets, true
}
