package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A chooser reads the candidates of policies and services, and checks that a
// policy and its candidates suit each other.
type chooser struct {
	*reader
	cfg      *Config
	pools    map[string]place // by name, into cfg.Pools
	policies map[string]place // by name, into cfg.Policies; presets stand in line 0
	listable map[string]place // what a list of prefer may name: pools, and policies with pools
	dir      string           // of the file
	nests    []nest           // of cfg.Policies
}

// policies makes the policies: the presets, then those of the file. Their
// names come first, because they may refer to each other in any order.
func (r *reader) policies(cfg *Config, list []rawPolicy, pools map[string]place, dir string) *chooser {
	c := &chooser{reader: r, cfg: cfg, dir: dir, pools: pools, policies: map[string]place{}, listable: map[string]place{}}
	cfg.Policies = Presets()
	for i, p := range cfg.Policies {
		c.policies[p.Name] = place{i: i}
	}
	for name, at := range pools {
		c.listable[name] = at
	}
	presets := len(cfg.Policies)
	for i := range list {
		name := c.policyName(top("policies").item(i), &list[i], presets+i)
		cfg.Policies = append(cfg.Policies, Policy{Name: name})
		if name != "" && len(list[i].Pools) > 0 {
			c.listable[name] = c.policies[name]
		}
	}
	for i := range list {
		if list[i].Line > 0 {
			pol := &cfg.Policies[presets+i]
			pol.Chain = c.chain(top("policies").item(i), &list[i], presets+i)
			pol.Pools = c.own(top("policies").item(i), &list[i], pol)
		}
	}
	c.nests = make([]nest, len(cfg.Policies))
	for i := range list {
		p, pol := top("policies").item(i).sub("pools"), &cfg.Policies[presets+i]
		if c.nested(p, at(list[i].Line), presets+i) && len(pol.Pools) > 0 {
			c.suits(p, at(list[i].Line), pol, pol.Pools)
		}
	}
	return c
}

func (c *chooser) policyName(p path, raw *rawPolicy, i int) string {
	if raw.Line == 0 {
		return ""
	}
	if raw.Name.missing() {
		c.problem(p, at(raw.Line), "the policy has no name", "write name: NAME, by which services refer to it")
		return ""
	}
	name := c.label(p.sub("name"), raw.Name, "")
	if isPreset(name) {
		c.problem(p.sub("name"), raw.Name, fmt.Sprintf("%s is a preset, which cannot be redefined", name), "give the policy another name")
		return ""
	}
	if first, ok := c.pools[name]; ok { // lists of pools may name a policy
		c.problem(p.sub("name"), raw.Name, fmt.Sprintf("%q is the pool of line %d", clip(name), first.line), "give one of them another name")
		return ""
	}
	c.named(p, raw.Name, c.policies, name, i)
	return name
}

// own reads the candidates of a policy that has its own.
func (c *chooser) own(p path, raw *rawPolicy, pol *Policy) []Choice {
	if raw.Pools == nil {
		return nil
	}
	if len(raw.Pools) == 0 {
		c.problem(p.sub("pools"), at(raw.Line), "the policy has no pools", "name some, or leave the key out: then those of the service count")
		return nil
	}
	return c.choices(p.sub("pools"), raw.Pools, pol)
}

// choices reads the candidates of pol.
func (c *chooser) choices(p path, list []rawChoice, pol *Policy) []Choice {
	before := len(c.problems) + c.more
	out, sum, last := make([]Choice, 0, len(list)), 0, 0
	for i := range list {
		choice := c.choice(p.item(i), &list[i], pol, out)
		sum += choice.Weight
		if choice.LastResort {
			last++
		}
		out = append(out, choice)
	}
	if len(c.problems)+c.more > before {
		return out
	}
	if sum == 0 && pol.weighs() {
		c.problem(p, list[0].first(), "every weight is 0", "give at least one pool a weight above 0")
	}
	if last == len(out) {
		c.problem(p, list[0].first(), "every pool is a last resort", "leave last_resort out of those that are to answer first")
	}
	return out
}

// first is what stands first in a choice, to report a problem there.
func (c *rawChoice) first() scalar {
	if c.Pool.set() {
		return c.Pool
	}
	return at(c.Line)
}

// choice reads one candidate, which none of before may name.
func (c *chooser) choice(p path, raw *rawChoice, pol *Policy, before []Choice) Choice {
	if raw.Line == 0 || raw.Pool.bad || raw.Policy.bad {
		return Choice{}
	}
	switch {
	case raw.Pool.set() && raw.Policy.set():
		c.problem(p, at(raw.Line), "the item names a pool and a policy", "write an item for each")
		return Choice{}
	case !raw.Pool.set() && !raw.Policy.set():
		c.problem(p, at(raw.Line), "the item names no pool", "write POOL, or {pool: POOL, weight: 10}")
		return Choice{}
	}
	out := Choice{
		Weight:     c.count(p.sub("weight"), raw.Weight, 1, 0, MaxWeight),
		LastResort: c.yes(p.sub("last_resort"), raw.LastResort, false),
	}
	if raw.Pool.set() {
		out.Pool = strings.Clone(raw.Pool.text)
		c.candidate(p, raw.Pool)
	} else {
		out.Policy = strings.Clone(raw.Policy.text)
		c.inner(p.sub("policy"), raw.Policy)
	}
	if slices.ContainsFunc(before, func(b Choice) bool { return b.Pool == out.Pool && b.Policy == out.Policy }) {
		what, s := "pool", raw.Pool
		if out.Policy != "" {
			what, s = "policy", raw.Policy
		}
		c.problem(p, s, fmt.Sprintf("%s %q stands here twice", what, clip(s.text)), "keep one of them")
	}
	if raw.Weight.set() && pol.Name != "" && !pol.weighs() {
		mend := "remove it, or write policy: weighted"
		if !isPreset(pol.Name) {
			mend = "remove it, or put weighted or sticky into the chain"
		}
		c.problem(p.sub("weight"), raw.Weight, fmt.Sprintf("a weight has no effect under the policy %s", pol.Name), mend)
	}
	return out
}

// candidate checks that s names a pool.
func (c *chooser) candidate(p path, s scalar) {
	if _, ok := c.policies[s.text]; ok && c.pools[s.text].line == 0 {
		c.problem(p, s, fmt.Sprintf("%q is a policy, not a pool", clip(s.text)), fmt.Sprintf("write {policy: %s}", s.text))
		return
	}
	c.refers(p, s, "pool", c.pools)
}

// inner checks that s names a policy that has its own candidates.
func (c *chooser) inner(p path, s scalar) {
	_, has := c.listable[s.text]
	_, pool := c.pools[s.text]
	switch _, policy := c.policies[s.text]; {
	case pool:
		c.problem(p, s, fmt.Sprintf("%q is a pool, not a policy", clip(s.text)), fmt.Sprintf("write {pool: %s}", s.text))
	case policy && !has:
		c.problem(p, s, fmt.Sprintf("the policy %s has no pools of its own, so it cannot stand where a pool may", clip(s.text)), "name a policy with pools:, or add them to it")
	case !policy:
		c.refers(p, s, "policy", c.policies)
	}
}

// has reports whether the chain has a filter of one of kinds.
func (p *Policy) has(kinds ...FilterKind) bool {
	return slices.ContainsFunc(p.Chain, func(f Filter) bool { return slices.Contains(kinds, f.Kind) })
}

// weighs reports whether weights have an effect.
func (p *Policy) weighs() bool { return p.has(ByWeight, Sticky) }

// ramp reads how traffic moves to a pool.
func (r *reader) ramp(p path, raw *rawRamp) *Ramp {
	if raw == nil || raw.Line == 0 {
		return nil
	}
	ramp := &Ramp{
		Every: r.span(p.sub("every"), raw.Every, defaultEvery, time.Second, day),
		On:    RampOn(r.word(p.sub("on"), raw.On, string(RampFailback), string(RampFailover), string(RampBoth))),
	}
	if raw.Steps == nil {
		ramp.Steps = []float64{0.01, 0.1, 0.5, 1}
		return ramp
	}
	for i, s := range raw.Steps {
		q, before := p.sub("steps").item(i), 0.0
		if i > 0 {
			before = ramp.Steps[i-1]
		}
		step := r.share(q, s, 1, 0.1, 100)
		if ok := s.set() && step <= before && before < 1; ok {
			r.problem(q, s, clip(s.text)+" is not more than the step before", "write rising shares, as in [1%, 10%, 50%, 100%]")
		}
		ramp.Steps = append(ramp.Steps, step)
	}
	if n := len(ramp.Steps); n < 2 || ramp.Steps[n-1] != 1 {
		r.problem(p.sub("steps"), at(raw.Line), "a ramp has two steps or more, and ends with 100%", "write rising shares, as in [1%, 10%, 50%, 100%]")
	}
	return ramp
}
