package config

import (
	"fmt"
	"slices"
)

// A nest is what stands below a policy, in the place of its pools.
type nest struct {
	depth int  // policies inside each other
	size  int  // pools, each as often as it is met; what is more than MaxNested is MaxNested+1
	loop  bool // the policy is in the end its own candidate
	sick  bool // there is such a policy below it
	open  bool // it is being measured
	done  bool
}

// measure returns the nest of the policy with the index i, to which those
// above have led. Each policy is looked at once, however often it is met.
func (c *chooser) measure(i int, above []int) *nest {
	n := &c.nests[i]
	switch {
	case n.open:
		for _, j := range above[slices.Index(above, i):] {
			c.nests[j].loop = true
		}
		return n
	case n.done:
		return n
	}
	n.open = true
	for _, ch := range c.cfg.Policies[i].Pools {
		next, ok := c.policies[ch.Policy]
		if ch.Policy == "" || !ok {
			n.size++
			continue
		}
		m := c.measure(next.i, append(above, i))
		n.depth = max(n.depth, m.depth+1)
		n.size += m.size
		n.sick = n.sick || m.loop || m.sick
	}
	n.size = min(n.size, MaxNested+1)
	n.open, n.done = false, true
	return n
}

// nested reports whether what stands below the policy with the index i, which
// the file writes at p, is sound, and what is not.
func (c *chooser) nested(p path, s scalar, i int) bool {
	n, name := c.measure(i, nil), c.cfg.Policies[i].Name
	switch {
	case n.loop:
		c.problem(p, s, fmt.Sprintf("the policy %s is in the end its own candidate", name), "remove one of the policies in the circle")
	case n.sick:
	case n.depth > MaxNesting:
		c.problem(p, s, fmt.Sprintf("policies are nested %d deep", n.depth), fmt.Sprintf("at most %d are allowed; name the pools of the deepest ones directly", MaxNesting))
	case n.size > MaxNested:
		c.tooMany(p, s)
	default:
		return true
	}
	return false
}

// sound reports whether what stands below the policies of list is, and how many
// pools they lead to.
func (c *chooser) sound(list []Choice) (size int, ok bool) {
	for _, ch := range list {
		next, found := c.policies[ch.Policy]
		if ch.Policy == "" || !found {
			size++
			continue
		}
		n := &c.nests[next.i]
		if size += n.size; n.loop || n.sick || n.depth > MaxNesting || n.size > MaxNested {
			return size, false
		}
	}
	return size, true
}

// tooMany reports what leads to more than MaxNested pools.
func (r *reader) tooMany(p path, s scalar) {
	r.problem(p, s, fmt.Sprintf("the policies in it lead to more than %d pools, each counted as often as it is met", MaxNested), "name pools directly")
}
