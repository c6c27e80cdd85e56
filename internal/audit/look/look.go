// Package look gathers what an audit wants to know beside the configuration:
// it reads master files, asks the configured resolvers, and shakes hands with
// endpoints. Its value is the audit.Facts that it returns.
//
// It judges nothing, guesses nothing, and asks no server but the configured
// ones; what it could not find out is among Facts.Missing.
package look

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/audit"
	"github.com/shunt-dns/shunt/resolver/steer"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// The bounds of one audit.
const (
	within        = 30 * time.Second // in all
	atOnce        = 16               // questions and handshakes
	maxHandshakes = 512              // more are not made, and said to be missing
)

// Offline returns what can be known without a network: what the master files
// say, and where the state is kept. Zone is the only one to look at; "": all.
func Offline(cfg *config.Config, zone string) *audit.Facts {
	f := &audit.Facts{Zones: map[string]audit.Zone{}, StateFS: fileSystem(cfg.Node.StateDir)}
	for _, z := range cfg.Zones {
		if z.File == "" || zone != "" && z.Name != zone {
			continue
		}
		said, err := readZone(z)
		if err != nil {
			f.Missing = append(f.Missing, audit.Missing{Subject: z.Name, Why: err.Error()})
			continue
		}
		f.Zones[z.Name] = said
	}
	return f
}

// Live returns what Offline does, and what DNS and the endpoints say now. It
// takes 30 s at most, or until ctx ends. Names inside set, the compiled zones,
// are followed in it, as probes do.
func Live(ctx context.Context, cfg *config.Config, set *zone.Set, zone string) *audit.Facts {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	l := &looker{cfg: cfg, set: set, facts: Offline(cfg, zone), cuts: map[string]func() (audit.Cut, error){}, slots: make(chan struct{}, atOnce)}
	l.facts.Hosts, l.facts.Delegations = map[string]audit.Host{}, map[string]audit.Delegation{}
	jobs := l.jobs(zone)
	used := map[string]bool{}
	for _, j := range jobs {
		used[j.pool.CNAME] = true
	}
	for i := range cfg.Alerts {
		used[routeName(&cfg.Alerts[i])] = true
	}
	delete(used, "") // of addresses
	var work sync.WaitGroup
	for _, z := range cfg.Zones {
		if zone == "" || z.Name == zone {
			work.Go(func() { l.delegation(ctx, z.Name) })
		}
	}
	for name := range used {
		work.Go(func() { l.host(ctx, name) })
	}
	work.Wait()
	l.shakeHands(ctx, jobs)
	slices.SortStableFunc(l.facts.Missing, func(a, b audit.Missing) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Why, b.Why))
	})
	return l.facts
}

// routeName returns the host name that a route of alerts delivers to; "" for
// an address.
func routeName(a *config.Alert) string {
	host := audit.RouteHost(a)
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return host
}

// A looker is one audit's look-ups on their way.
type looker struct {
	cfg   *config.Config
	set   *zone.Set
	slots chan struct{} // holds a token for each question and handshake under way

	mu    sync.Mutex
	facts *audit.Facts
	cuts  map[string]func() (audit.Cut, error) // by name, each looked up once
}

// missing notes that subject could not be looked up.
func (l *looker) missing(subject string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts.Missing = append(l.facts.Missing, audit.Missing{Subject: subject, Why: err.Error()})
}

// slot waits until one more may work, and returns what ends that.
func (l *looker) slot() func() {
	l.slots <- struct{}{}
	return func() { <-l.slots }
}

// A job is a pool that may answer for a service.
type job struct {
	service config.Service
	pool    *config.Pool
}

// jobs lists the pools of the services of zone, in file order.
func (l *looker) jobs(zone string) []job {
	policies, pools := map[string]*config.Policy{}, map[string]*config.Pool{}
	for i := range l.cfg.Policies {
		policies[l.cfg.Policies[i].Name] = &l.cfg.Policies[i]
	}
	for i := range l.cfg.Pools {
		pools[l.cfg.Pools[i].Name] = &l.cfg.Pools[i]
	}
	var all []job
	for _, z := range l.cfg.Zones {
		if zone != "" && z.Name != zone {
			continue
		}
		for _, s := range z.Services {
			for _, name := range steer.Members(s, policies) {
				all = append(all, job{s, pools[name]})
			}
		}
	}
	return all
}

// host follows a host name, and finds the zones that hold it.
func (l *looker) host(ctx context.Context, name string) {
	h := audit.Host{Chain: []string{name}}
	lead := l.set.Static(name)
	if lead.Name != "" && lead.Name != name {
		h.Chain = append(h.Chain, lead.Name)
	}
	if lead.Ours {
		h.Addrs = lead.Addrs
		l.keep(name, h)
		return
	}
	chain, addrs, err := l.follow(ctx, h.Chain[len(h.Chain)-1])
	if err != nil {
		l.missing(name, err)
		return
	}
	h.Chain, h.Addrs = append(h.Chain[:len(h.Chain)-1], chain...), addrs
	for _, n := range chain {
		cut, err := l.cut(ctx, n)
		if err != nil {
			l.missing(name, err)
			h.Cuts = nil // half a chain would make a judgement of what was not seen
			break
		}
		if !slices.ContainsFunc(h.Cuts, func(c audit.Cut) bool { return c.Zone == cut.Zone }) {
			h.Cuts = append(h.Cuts, cut)
		}
	}
	l.keep(name, h)
}

func (l *looker) keep(name string, h audit.Host) {
	l.mu.Lock()
	l.facts.Hosts[name] = h
	l.mu.Unlock()
}

// delegation looks up the name servers of a zone of ours, and their addresses.
func (l *looker) delegation(ctx context.Context, name string) {
	ns, err := l.nameServers(ctx, name)
	if err == nil && len(ns) == 0 {
		err = fmt.Errorf("the resolvers find no name servers of %s: it is not delegated, or not yet", name)
	}
	if err != nil {
		l.missing(name, err)
		return
	}
	d := audit.Delegation{NS: ns, Addrs: map[string][]netip.Addr{}}
	for _, n := range ns {
		_, addrs, err := l.follow(ctx, n)
		if err != nil {
			l.missing(name, err)
			continue
		}
		d.Addrs[n] = addrs
	}
	l.mu.Lock()
	l.facts.Delegations[name] = d
	l.mu.Unlock()
}

// cut returns the zone that holds name. Pools of one CDN share it, so that it
// is looked up once.
func (l *looker) cut(ctx context.Context, name string) (audit.Cut, error) {
	l.mu.Lock()
	find := l.cuts[name]
	if find == nil {
		find = sync.OnceValues(func() (audit.Cut, error) { return l.climb(ctx, name) })
		l.cuts[name] = find
	}
	l.mu.Unlock()
	return find()
}

// climb asks for name servers at name and above it, until there are some.
func (l *looker) climb(ctx context.Context, name string) (audit.Cut, error) {
	for at := name; at != "" && at != "."; {
		ns, err := l.nameServers(ctx, at)
		if err != nil {
			return audit.Cut{}, err
		}
		if len(ns) > 0 {
			return audit.Cut{Zone: at, NS: ns}, nil
		}
		_, at, _ = strings.Cut(at, ".")
	}
	return audit.Cut{}, fmt.Errorf("the resolvers find no zone that holds %s", name)
}
