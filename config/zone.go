package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// deferred is a list that is read item by item, because it may be long.
type deferred struct {
	node *yaml.Node
}

// zones makes the zones and their services.
func (r *reader) zones(cfg *Config, list []rawZone, choose *chooser, dir string) {
	seen := make(map[string]place, len(list))
	cfg.Zones = make([]Zone, 0, len(list))
	for i := range list {
		p, raw := top("zones").item(i), &list[i]
		r.files = append(r.files, raw.File)
		if raw.Line == 0 {
			cfg.Zones = append(cfg.Zones, Zone{})
			continue
		}
		z := r.zone(p, raw, cfg.Node.Name, dir)
		r.named(p, raw.Name, seen, z.Name, len(cfg.Zones))
		cfg.Zones = append(cfg.Zones, z)
	}
	w := &services{chooser: choose, zones: seen, shared: make(map[string]*candidates)}
	for i := range list {
		z := &cfg.Zones[i]
		if z.Name != "" {
			w.zone(top("zones").item(i).sub("services"), z, list[i].Services.node)
		}
		if list[i].Line > 0 && z.File == "" && len(z.Services) == 0 && list[i].Services.node == nil {
			r.problem(top("zones").item(i), at(list[i].Line), "the zone has nothing to answer with", "write file: MASTER FILE, services:, or both")
		}
	}
}

func (r *reader) zone(p path, raw *rawZone, node, dir string) Zone {
	z := Zone{
		Name: r.zoneName(p.sub("name"), raw.Name),
		File: r.filePath(p.sub("file"), raw.File, dir),
		Max:  r.count(p.sub("max_records"), raw.Max, defaultMaxRecords, 1, MaxRecords),
	}
	if raw.Name.missing() {
		r.problem(p, at(raw.Line), "the zone has no name", "write name: example.com")
	}
	if strings.HasPrefix(z.Name, "*.") && !raw.File.set() { // a file whose SOA stands there means it (RFC 4592 §4.1)
		r.problem(p.sub("name"), raw.Name, "a zone cannot be a wildcard", `name the zone without *, and a service "*"`)
	}
	if raw.File.set() && raw.File.text == "" {
		r.problem(p.sub("file"), raw.File, "the file has no name", "write one, or leave the key out")
	}
	for i, s := range raw.NS {
		if name := r.hostName(p.sub("ns").item(i), s); name != "" {
			z.NS = append(z.NS, name)
		}
	}
	switch {
	case z.File != "" && len(raw.NS) > 0:
		r.problem(p.sub("ns"), raw.NS[0], "the NS records of a zone with a file are those of the file", "remove one of the two keys")
	case z.File == "" && raw.NS == nil:
		name, err := parseName(node, ".")
		if err != nil {
			r.problem(p, at(raw.Line), fmt.Sprintf("the node's name, %q, cannot be a name server: %v", clip(node), err), "write ns: [ns1.example.net], or node.name")
			break
		}
		z.NS = []string{name}
	case z.File == "" && len(raw.NS) == 0:
		r.problem(p.sub("ns"), at(raw.Line), "a zone needs a name server", "name at least one")
	}
	return z
}

// services makes the services of all zones, one after the other.
type services struct {
	*chooser
	zones  map[string]place
	shared map[string]*candidates // equal lists under one policy are one list
	key    []byte                 // of shared, in the making
	total  int
}

// candidates are the pools of services that list the same under one policy.
type candidates struct {
	list    []Choice
	host    string // a pool that has a host name; "" when none has
	several string // the policy under which an answer may have several pools at once; "": none
}

func (w *services) zone(p path, z *Zone, n *yaml.Node) {
	if n == nil {
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		w.problem(p, at(lineOf(n)), "the key has no value", "write services as - {name: www, pools: [POOL]}, or leave the key out")
		return
	}
	if n.Kind != yaml.SequenceNode {
		w.problem(p, at(lineOf(n)), "this must be a list, not "+kindOf(n), "write its items as - {name: www, pools: [POOL]}")
		return
	}
	count := w.items(n.Content)
	if w.total += count; w.total > MaxServices {
		w.problem(p, at(lineOf(n)), fmt.Sprintf("%d services up to here are too many", w.total), fmt.Sprintf("at most %d are allowed", MaxServices))
		return
	}
	z.Services = make([]Service, 0, count)
	seen := make(map[string]place, count)
	add := func(raw *rawService) {
		i := len(z.Services)
		q := p.item(i)
		s := w.service(q, raw, z)
		w.named(q, raw.Name, seen, s.Name, i)
		z.Services = append(z.Services, s)
	}
	for _, it := range n.Content {
		if u := w.runAt(it); u != nil {
			u.each(func(_ int, raw *rawService) { add(raw) })
			continue
		}
		var raw rawService
		w.fill(p.item(len(z.Services)), it, reflect.ValueOf(&raw).Elem())
		if raw.Line == 0 {
			z.Services = append(z.Services, Service{})
			continue
		}
		add(&raw)
	}
}

// items counts the services that a list stands for.
func (w *services) items(list []*yaml.Node) int {
	n := len(list)
	for _, it := range list {
		if u := w.runAt(it); u != nil {
			n += u.count - 1
		}
	}
	return n
}

func (w *services) service(p path, raw *rawService, z *Zone) Service {
	s := Service{
		Name: w.owner(p, raw, z),
		TTL:  w.ttl(p.sub("ttl"), raw.TTL, defaultTTL, day),
	}
	s.TTLMin = w.ttl(p.sub("ttl_min"), raw.TTLMin, max(time.Second, (s.TTL/2).Truncate(time.Second)), s.TTL)
	apex := s.Name != "" && s.Name == z.Name
	s.Flatten = w.yes(p.sub("flatten"), raw.Flatten, apex) || apex
	s.Ramp = w.ramp(p.sub("ramp"), raw.Ramp)
	s.Moves = w.count(p.sub("moves"), raw.Moves, defaultMoves, 0, MaxMoves)
	pol := w.policy(p.sub("policy"), raw.Policy)
	pools := w.candidates(p, raw, pol)
	s.Policy, s.Pools = pol.Name, pools.list
	w.flattening(p, raw, &s, pools, apex)
	s.Alias = !s.Flatten && pools.host != ""
	return s
}

// policy finds the policy of a service; one without a name stands for one
// that there is not.
func (w *services) policy(p path, s scalar) *Policy {
	if !s.set() {
		return &w.cfg.Policies[0] // failover
	}
	if i, ok := w.policies[s.text]; ok {
		return &w.cfg.Policies[i.i]
	}
	mend := w.meant(s.text, "policy", w.policies)
	w.problem(p, s, fmt.Sprintf("there is no policy %q", clip(s.text)), mend)
	return &Policy{}
}

// ttl reads a TTL: whole seconds, from 1s to most (RFC 2181 §8 allows more,
// no steered answer should).
func (w *services) ttl(p path, s scalar, def, most time.Duration) time.Duration {
	d := w.span(p, s, def, time.Second, most)
	if d%time.Second != 0 {
		w.problem(p, s, clip(s.text)+" is not a whole number of seconds", "write "+formatSpan((d+time.Second-1).Truncate(time.Second)))
		return def
	}
	return d
}

// owner reads the name of a service, which must lie in z and in no deeper
// zone.
func (w *services) owner(p path, raw *rawService, z *Zone) string {
	if raw.Name.missing() {
		w.problem(p, at(raw.Line), "the service has no name", `write name: www, or "@" for the zone itself`)
		return ""
	}
	if !raw.Name.set() {
		return ""
	}
	name, err := parseName(raw.Name.text, z.Name)
	p = p.sub("name")
	if err != nil {
		w.problem(p, raw.Name, fmt.Sprintf("%q is not a DNS name: %v", clip(raw.Name.text), err), "")
		return ""
	}
	if !within(name, z.Name) {
		w.problem(p, raw.Name, fmt.Sprintf("%s is not in the zone %s", clip(name), z.Name), "move the service to its own zone, or leave out the final dot")
		return ""
	}
	if doubled(name, z.Name) && !strings.HasSuffix(raw.Name.text, ".") {
		w.problem(p, raw.Name, fmt.Sprintf("%q means %s", clip(raw.Name.text), clip(name)), fmt.Sprintf("write %q in full with its final dot, or without %s", clip(raw.Name.text)+".", z.Name))
		return ""
	}
	for up := name; up != z.Name; up = parent(up) {
		if other, ok := w.zones[up]; ok {
			w.problem(p, raw.Name, fmt.Sprintf("%s belongs to the zone %s of line %d", clip(name), up, other.line), "move the service there")
			return ""
		}
	}
	return name
}

// doubled reports whether name ends in zone twice, as www.example.com.example.com
// does: the final dot was forgotten.
func doubled(name, zone string) bool {
	rest, ok := strings.CutSuffix(name, zone)
	return ok && zone != "." && rest != "" && within(rest, zone)
}

// candidates reads the pools of a service.
func (w *services) candidates(p path, raw *rawService, pol *Policy) *candidates {
	if len(raw.Pools) == 0 && (raw.Pools != nil || len(pol.Pools) == 0) {
		w.problem(p.sub("pools"), at(raw.Line), "the service has no pools", "write pools: [POOL, …], the preferred one first")
		return &candidates{}
	}
	if len(raw.Pools) > 0 && len(pol.Pools) > 0 {
		w.problem(p.sub("pools"), at(raw.Line), fmt.Sprintf("the policy %s has pools of its own", pol.Name), "remove those of the service, or those of the policy")
		return &candidates{}
	}
	w.key = append(append(w.key[:0], pol.Name...), 0)
	for i := range raw.Pools {
		w.key = raw.Pools[i].key(w.key)
	}
	if same, ok := w.shared[string(w.key)]; ok {
		return same
	}
	before := len(w.problems) + w.more
	out := &candidates{list: pol.Pools}
	if len(raw.Pools) > 0 {
		out.list = w.choices(p.sub("pools"), raw.Pools, pol)
	}
	size, ok := w.sound(out.list)
	if ok && size > MaxNested {
		w.tooMany(p.sub("pools"), at(raw.Line))
	}
	if !ok || size > MaxNested {
		return out
	}
	if len(raw.Pools) > 0 && len(w.problems)+w.more == before && pol.Name != "" {
		w.suits(p.sub("pools"), raw.Pools[0].first(), pol, out.list)
	}
	for _, i := range w.leaves(nil, out.list) {
		if pool := &w.cfg.Pools[i]; pool.CNAME != "" {
			out.host = pool.Name
			break
		}
	}
	out.several = w.gathers(pol, out.list)
	if len(w.problems)+w.more == before {
		w.shared[string(w.key)] = out
	}
	return out
}

// key adds to b what tells c from other choices.
func (c *rawChoice) key(b []byte) []byte {
	for _, s := range [...]*scalar{&c.Pool, &c.Policy, &c.Weight, &c.LastResort} {
		b = append(append(b, s.text...), 0)
	}
	return b
}

// flattening checks that no answer would need a CNAME where none may stand.
//
//	apex   flatten:   policy        host-name pool
//	yes    false      any           refused: a CNAME beside SOA and NS (RFC 1034 §3.6.2)
//	yes    else       any           flattened
//	no     true       any           flattened
//	no     else       ends in all   refused: two CNAMEs of one owner (RFC 2181 §10.1)
//	no     else       others        a CNAME
func (w *services) flattening(p path, raw *rawService, s *Service, pools *candidates, apex bool) {
	switch {
	case pools.host == "":
	case apex && raw.Flatten.text == "false":
		w.problem(p.sub("flatten"), raw.Flatten, fmt.Sprintf("a CNAME at an apex without flattening: pool %q has a host name, and a CNAME may not stand beside SOA and NS (RFC 1034 §3.6.2)", pools.host), "remove flatten: an apex is always flattened")
	case pools.several != "" && !s.Flatten:
		w.problem(p, at(raw.Line), fmt.Sprintf("policy %s would give one name several CNAMEs: pool %q has a host name (RFC 2181 §10.1)", pools.several, pools.host), "write flatten: true, or another policy")
	}
}
