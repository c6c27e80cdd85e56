package config

import (
	"fmt"
	"slices"
	"strings"
)

// Static is what a reload does to the owner names of zone files, over all
// zones. The caller that reads zone files counts them.
type Static struct {
	Before int      // names there were
	Gone   []string // those of them that would be gone, fully qualified and lower case
}

// Removed is what a reload would take away.
type Removed struct {
	Names     []string // services and static names that would no longer exist, sorted
	Pools     []string // pools that would no longer exist, sorted
	Emptied   []string // services that stay but would keep none of their pools, sorted
	NameShare float64  // of all services and static names before, 0–1
	PoolShare float64  // of all pools before, 0–1
}

// Removal compares two configurations and the static names of their zone
// files. It takes time and memory in their size.
//
//	before            after                     counts as
//	service           a service of its name     nothing
//	service           none of its name          a name
//	static name       a service of its name     nothing: the service took it over
//	static name       neither                   a name
//	pool              none of its name          a pool
//	service of a, b   of b, c                   nothing: b stays
//	service of a, b   of c                      emptied: nothing it answered with remains
//
// What a policy in the place of a pool leads to counts as the pools of the
// service.
func Removal(old, new *Config, static Static) Removed {
	var r Removed
	after := new.choices()
	for _, n := range static.Gone {
		if _, ok := after[n]; !ok {
			r.Names = append(r.Names, n)
		}
	}
	before := old.choices()
	for name, was := range before {
		is, ok := after[name]
		if !ok {
			r.Names = append(r.Names, name)
		} else if !overlap(was, is) {
			r.Emptied = append(r.Emptied, name)
		}
	}
	r.NameShare = shareOf(len(r.Names), len(before)+max(static.Before, len(static.Gone)))
	r.PoolShare = shareOf(r.pools(old, new), len(old.Pools))
	slices.Sort(r.Names)
	r.Names = slices.Compact(r.Names) // an apex may be both
	slices.Sort(r.Pools)
	slices.Sort(r.Emptied)
	return r
}

// pools notes the pools that go, and returns how many they are.
func (r *Removed) pools(old, new *Config) int {
	stay := make(map[string]bool, len(new.Pools))
	for i := range new.Pools {
		stay[new.Pools[i].Name] = true
	}
	for i := range old.Pools {
		if name := old.Pools[i].Name; !stay[name] {
			r.Pools = append(r.Pools, name)
		}
	}
	return len(r.Pools)
}

// choices returns the pools of each service, by its owner name. Policies are
// followed to their pools.
func (c *Config) choices() map[string][]Choice {
	n, inner := 0, make(map[string][]Choice, len(c.Policies))
	for i := range c.Policies {
		inner[c.Policies[i].Name] = c.Policies[i].Pools
	}
	for i := range c.Zones {
		n += len(c.Zones[i].Services)
	}
	out := make(map[string][]Choice, n)
	known := map[*Choice][]Choice{} // services that list the same share one list
	for i := range c.Zones {
		for j := range c.Zones[i].Services {
			s := &c.Zones[i].Services[j]
			if !slices.ContainsFunc(s.Pools, func(c Choice) bool { return c.Policy != "" }) {
				out[s.Name] = s.Pools
				continue
			}
			list, ok := known[&s.Pools[0]]
			if !ok {
				list = follows(nil, s.Pools, inner, 0)
				known[&s.Pools[0]] = list
			}
			out[s.Name] = list
		}
	}
	return out
}

// follows adds to out the pools that list leads to through policies, which are
// given by their names.
func follows(out, list []Choice, policies map[string][]Choice, depth int) []Choice {
	for _, c := range list {
		if c.Policy == "" {
			out = append(out, c)
		} else if depth <= MaxNesting {
			out = follows(out, policies[c.Policy], policies, depth+1)
		}
	}
	return out
}

// overlap reports whether a pool of a is also in b.
func overlap(a, b []Choice) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Pool == y.Pool && x.Pool != "" {
				return true
			}
		}
	}
	return false
}

func shareOf(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Refuse says in plain words why a reload that removes r must not go through
// without --force, when one reload may remove the share most of the names or
// of the pools, and never every pool of a service. It is "" when the reload may.
func (r Removed) Refuse(most float64) string {
	var why []string
	if r.NameShare > most {
		why = append(why, fmt.Sprintf("it would remove %s of the names, more than %s (%s)", percent(r.NameShare), percent(most), some(r.Names)))
	}
	if r.PoolShare > most {
		why = append(why, fmt.Sprintf("it would remove %s of the pools, more than %s (%s)", percent(r.PoolShare), percent(most), some(r.Pools)))
	}
	if len(r.Emptied) > 0 {
		why = append(why, fmt.Sprintf("every pool that %s has now would go (add the new ones beside the old first, then remove the old)", some(r.Emptied)))
	}
	return strings.Join(why, "; ")
}

// percent rounds up to a tenth, so that what is over a limit also looks it.
func percent(share float64) string {
	tenths := int(share*1000 + 0.999999)
	if tenths%10 == 0 {
		return fmt.Sprintf("%d %%", tenths/10)
	}
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}

// some lists at most five of names.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
