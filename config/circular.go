package config

import "fmt"

// circular refuses pools whose host name is itself a service: probing it would
// ask for the answer that the probe is to decide. What a wildcard matches, and
// where aliases lead, only the zone files tell: whoever compiles them looks
// for those circles.
func (r *reader) circular(cfg *Config, list []rawPool) {
	hosts := map[string][]int{} // pools by host name
	for i := range cfg.Pools {
		if name := cfg.Pools[i].CNAME; name != "" {
			hosts[name] = append(hosts[name], i)
		}
	}
	for _, z := range cfg.Zones {
		for _, s := range z.Services {
			for _, i := range hosts[s.Name] {
				what := fmt.Sprintf("a circular check: %s is steered by the service of that name in the zone %s, so its probes would follow their own verdict", s.Name, z.Name)
				r.problem(top("pools").item(i).sub("cname"), list[i].CNAME, what, "write the CDN's own host name")
			}
		}
	}
}
