package config

import (
	"fmt"
	"strings"
)

// Owners answers whose a name is, for many names. It is immutable and may be
// shared.
type Owners struct {
	zones map[string]bool // origins
	names map[string]bool // true: a service; false: only names below it are
}

// Owners returns the index of every service of c, in time and memory of their
// number.
func (c *Config) Owners() Owners {
	n := 0
	for i := range c.Zones {
		n += len(c.Zones[i].Services)
	}
	o := Owners{zones: make(map[string]bool, len(c.Zones)), names: make(map[string]bool, n)}
	for i := range c.Zones {
		o.zones[c.Zones[i].Name] = true
	}
	for i := range c.Zones {
		z := &c.Zones[i]
		for j := range z.Services {
			o.names[z.Services[j].Name] = true
			o.between(z.Services[j].Name, z.Name)
		}
	}
	return o
}

// between notes the empty names between a service and its zone (RFC 4592
// §2.2.2), which a wildcard above them does not match.
func (o Owners) between(name, zone string) {
	if name == zone {
		return
	}
	for up := parent(name); up != zone && up != "" && up != "."; up = parent(up) {
		if _, ok := o.names[up]; ok {
			return
		}
		o.names[up] = false
	}
}

// Steered reports whether name (fully qualified, lower case, canonical) is
// answered by a service: its owner, or else a wildcard at its closest
// encloser (RFC 4592 §3.3.1). It returns the origin of the zone and the
// owner of the service.
//
// Only services are known here: a static name of a zone file that stands
// between a name and a wildcard is not.
func (o Owners) Steered(name string) (zone, service string, ok bool) {
	zone = name
	for !o.zones[zone] {
		if zone = parent(zone); zone == "" {
			return "", "", false
		}
	}
	steered, exists := o.names[name]
	if steered || exists {
		return zone, name, steered
	}
	for up := name; up != zone; {
		up = parent(up)
		wild := "*." + strings.TrimPrefix(up, ".")
		if o.names[wild] {
			return zone, wild, true
		}
		if _, exists := o.names[up]; exists {
			break
		}
	}
	return zone, "", false
}

// Steered is [Owners.Steered] for one name. It takes time in the number of
// services; who asks about many names keeps the [Owners].
func (c *Config) Steered(name string) (zone, service string, ok bool) {
	zone, service, ok = c.Owners().Steered(name)
	if !ok {
		return "", "", false
	}
	return zone, service, true
}

// circular refuses pools whose host name is itself steered: probing it would
// ask for the answer that the probe is to decide.
func (r *reader) circular(cfg *Config, list []rawPool) {
	hosts := false
	for i := range cfg.Pools {
		hosts = hosts || cfg.Pools[i].CNAME != ""
	}
	if !hosts || len(cfg.Zones) == 0 {
		return
	}
	owners := cfg.Owners()
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		if p.CNAME == "" {
			continue
		}
		if zone, service, ok := owners.Steered(p.CNAME); ok {
			what := fmt.Sprintf("a circular check: %s is steered by the service %s of the zone %s, so its probes would follow their own verdict", p.CNAME, service, zone)
			r.problem(top("pools").item(i).sub("cname"), list[i].CNAME, what, "write the CDN's own host name")
		}
	}
}
