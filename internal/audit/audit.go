// Package audit names the single points of failure of a configuration. Its
// values are [Findings] from a config.Config and [Facts], which are what the
// zone files, live DNS and handshakes said.
//
// It looks nothing up and reads no file: package look gathers the facts. What
// is not among them is reported as not looked up, and nothing is guessed.
package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A Severity says how much a finding matters.
type Severity string

// The severities, the worst first.
const (
	Critical Severity = "critical" // one failure takes a service away, or automation cannot help
	Warning  Severity = "warning"  // it makes an outage longer or more likely
	Info     Severity = "info"     // worth knowing; often nothing can be done
)

// A Finding is one weakness. Code is part of the interface, as are the JSON
// names.
type Finding struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Subject  string   `json:"subject,omitempty"` // a service, pool, monitor, zone or name; "": the node
	Evidence string   `json:"evidence"`
	Mend     string   `json:"mend"`
	Alike    int      `json:"alike,omitempty"` // services beside Subject of which the same is true
}

// The TTLs from which on failing over is slow.
const (
	slowTTL     = 60 * time.Second
	verySlowTTL = 300 * time.Second
)

// Findings judges cfg, or the services of one of its zones where zone is not
// "". The worst come first, and within a severity those of the node, of pools
// and monitors, of zones, of services, each in file order.
func Findings(cfg *config.Config, zone string, f *Facts) []Finding {
	b := newBook(cfg, zone, f)
	b.node()
	b.alerts()
	b.pools()
	b.monitors()
	for i := range b.zones {
		b.zone(b.zones[i])
	}
	for _, g := range b.groups {
		b.service(g)
	}
	b.certificates()
	for _, m := range f.Missing {
		b.note("not-looked-up", Warning, m.Subject, m.Why, "nothing is known of it: mend that, and audit again")
	}
	slices.SortStableFunc(b.found, func(x, y Finding) int { return cmp.Compare(x.Severity.rank(), y.Severity.rank()) })
	return b.found
}

func (s Severity) rank() int { return slices.Index([]Severity{Critical, Warning, Info}, s) }

// A book is one audit on its way.
type book struct {
	cfg      *config.Config
	facts    *Facts
	policies map[string]*config.Policy
	byName   map[string]*config.Pool
	monitor  map[string]*config.Monitor
	zones    []*config.Zone
	groups   []*group
	steered  map[string]bool // names of all services
	used     []string        // pools of the audited services, in file order
	found    []Finding
}

// A group is services that differ in nothing but their names.
type group struct {
	config.Service          // the first of them
	alike          int      // others
	members        []string // pools that may answer
}

func newBook(cfg *config.Config, zone string, f *Facts) *book {
	b := &book{cfg: cfg, facts: f, policies: map[string]*config.Policy{}, byName: map[string]*config.Pool{},
		monitor: map[string]*config.Monitor{}, steered: map[string]bool{}}
	for i := range cfg.Policies {
		b.policies[cfg.Policies[i].Name] = &cfg.Policies[i]
	}
	for i := range cfg.Pools {
		b.byName[cfg.Pools[i].Name] = &cfg.Pools[i]
	}
	for i := range cfg.Monitors {
		b.monitor[cfg.Monitors[i].Name] = &cfg.Monitors[i]
	}
	alike, used := map[string]*group{}, map[string]bool{}
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		for _, s := range z.Services {
			b.steered[s.Name] = true
		}
		if zone != "" && z.Name != zone {
			continue
		}
		b.zones = append(b.zones, z)
		for _, s := range z.Services {
			key := likeness(s)
			if g := alike[key]; g != nil {
				g.alike++
				continue
			}
			g := &group{Service: s, members: steer.Members(s, b.policies)}
			alike[key] = g
			b.groups = append(b.groups, g)
			for _, p := range g.members {
				used[p] = true
			}
		}
	}
	for i := range cfg.Pools {
		if used[cfg.Pools[i].Name] {
			b.used = append(b.used, cfg.Pools[i].Name)
		}
	}
	return b
}

// likeness is the same for services of which the same is found.
func likeness(s config.Service) string {
	ramp := ""
	if s.Ramp != nil {
		ramp = string(s.Ramp.On)
	}
	return fmt.Sprint(s.Policy, s.Pools, s.TTL, ramp)
}

// note writes a finding down.
func (b *book) note(code string, sev Severity, subject, evidence, mend string) {
	b.found = append(b.found, Finding{Code: code, Severity: sev, Subject: subject, Evidence: evidence, Mend: mend})
}

// of writes down a finding about the services of g.
func (b *book) of(g *group, code string, sev Severity, evidence, mend string) {
	b.note(code, sev, g.Name, evidence, mend)
	b.found[len(b.found)-1].Alike = g.alike
}

// isSteered reports whether a service answers for name, by its own name or as
// a wildcard above it.
func (b *book) isSteered(name string) bool {
	if b.steered[name] {
		return true
	}
	for _, rest, ok := strings.Cut(name, "."); ok && rest != ""; _, rest, ok = strings.Cut(rest, ".") {
		if b.steered["*."+rest] {
			return true
		}
	}
	return false
}

// tooSlow returns the severity of a TTL; "" for one that is short enough.
func tooSlow(ttl time.Duration) Severity {
	switch {
	case ttl > verySlowTTL:
		return Critical
	case ttl > slowTTL:
		return Warning
	}
	return ""
}
