package config

import (
	"fmt"
	"slices"
	"strings"
)

// safetyRules makes the rules of safety.
func (r *reader) safetyRules(pools map[string]place) []Rule {
	var out []Rule
	seen := map[string]place{}
	for i := range r.rules {
		p, raw := top("safety").sub("rules").item(i), &r.rules[i]
		if raw.Line == 0 {
			continue
		}
		rule := r.rule(p, raw, pools)
		r.named(p, raw.Name, seen, rule.Name, i)
		out = append(out, rule)
	}
	return out
}

func (r *reader) rule(p path, raw *rawRule, pools map[string]place) Rule {
	rule := Rule{Name: r.label(p.sub("name"), raw.Name, "")}
	if raw.Name.missing() {
		r.problem(p, at(raw.Line), "the rule has no name", "write name: NAME, by which a refusal names it")
	}
	rule.Pools = r.poolNames(p.sub("pools"), raw.Pools, pools)
	rule.Gate = r.poolNames(p.sub("gate"), raw.Gate, pools)
	if len(raw.Pools) == 0 {
		r.problem(p, at(raw.Line), "the rule is about no pools", "write pools: [POOL, …]")
	}
	switch gate := raw.Gate != nil; {
	case gate == raw.AtLeast.set():
		r.problem(p, at(raw.Line), "a rule has either at_least or gate", "write at_least: 2 for so many that must stay up, or gate: [POOL] for those that must be up while others go")
	case gate && len(raw.Gate) == 0:
		r.problem(p.sub("gate"), at(raw.Line), "the gate has no pools", "name at least one")
	case gate:
		for i, s := range raw.Gate {
			if slices.Contains(rule.Pools, s.text) {
				r.problem(p.sub("gate").item(i), s, fmt.Sprintf("pool %q would have to be up for itself to go", clip(s.text)), "leave it in one of gate and pools")
			}
		}
	default:
		rule.AtLeast = r.count(p.sub("at_least"), raw.AtLeast, 1, 1, MaxList)
		if n := len(rule.Pools); n > 0 && rule.AtLeast > n {
			r.problem(p.sub("at_least"), raw.AtLeast, fmt.Sprintf("%d of %d pools can never be up", rule.AtLeast, n), "write a smaller number")
		}
	}
	return rule
}

// poolNames reads a list of pools.
func (r *reader) poolNames(p path, list []scalar, pools map[string]place) []string {
	var out []string
	for i, s := range list {
		if slices.Contains(out, s.text) {
			r.problem(p.item(i), s, fmt.Sprintf("pool %q stands here twice", clip(s.text)), "keep one of them")
		} else if r.refers(p.item(i), s, "pool", pools) {
			out = append(out, strings.Clone(s.text))
		}
	}
	return out
}
