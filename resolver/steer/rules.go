package steer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// Breaks lists the rules that a change by hand would break, in the order of
// rules, each in a line for people. Takes says of a pool that the change takes
// it away; up, whether a pool is up and not drained after the change.
//
//	rule      of its pools the change takes   after it                  broken
//	any       none                            -                         no
//	at_least  some                            so many of them are up    no
//	at_least  some                            fewer are                 yes
//	gate      some                            all of the gate are up    no
//	gate      some                            one of the gate is not    yes
//
// What probes take away breaks no rule: rules bind people.
func Breaks(rules []config.Rule, takes, up func(pool string) bool) []string {
	var broken []string
	for _, r := range rules {
		var taken []string
		left := 0
		for _, p := range r.Pools {
			if takes(p) {
				taken = append(taken, p)
			}
			if up(p) {
				left++
			}
		}
		if len(taken) == 0 {
			continue
		}
		shut := slices.DeleteFunc(slices.Clone(r.Gate), up)
		switch {
		case len(r.Gate) == 0 && left < r.AtLeast:
			broken = append(broken, fmt.Sprintf("rule %s: of %s at least %d must be up, and %d would be",
				r.Name, strings.Join(r.Pools, ", "), r.AtLeast, left))
		case len(shut) > 0:
			broken = append(broken, fmt.Sprintf("rule %s: %s may be taken away only while %s %s up",
				r.Name, strings.Join(taken, ", "), strings.Join(shut, ", "), plural(len(shut), "is", "are")))
		}
	}
	return broken
}

// plural returns one for 1, and many for every other number.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
