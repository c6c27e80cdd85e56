package controller

import (
	"reflect"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/place"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A placing says which clients of a group are told apart.
type placing struct {
	of      *place.Map    // nil: everyone is alike
	samples []steer.Place // one of each class; at least one, the first for clients of whom nothing is known

	key func(steer.Place) string // equal for places of one class; nil: everyone is alike
}

// everyone is the placing of services that do not look at where clients are.
var everyone = []steer.Place{{}}

// An atlas is what is known of places, and what each group uses of it.
type atlas struct {
	book     *place.Atlas
	placings []placing // by group
	own      string    // stamp of the file of networks when it said what is in force; "" when that is not known. Of who holds the turn
}

// Databases returns the databases of places in force.
func (c *Controller) Databases() []place.Database {
	v := c.view.Load()
	if v == nil {
		return nil
	}
	return v.loaded.atlas.book.Databases()
}

// openPlaces opens the databases of l and compiles a map for each group that
// looks at places. Groups whose chains see the same of them share one. What is
// as it was in before is taken from there; before may be nil.
func openPlaces(l, before *Loaded) (*atlas, error) {
	a := &atlas{placings: make([]placing, len(l.Set.Groups()))}
	known := a.keep(l, before)
	if a.book == nil {
		var err error
		if a.book, err = place.Open(l.Config.Places); err != nil {
			return nil, err
		}
	}
	for i, s := range l.Set.Groups() {
		a.placings[i] = placing{samples: everyone}
		if !steer.Places(s, l.policies, l.pools) {
			continue
		}
		key := l.sight(s)
		p, ok := known[key]
		if !ok {
			var err error
			if p, err = a.compile(l, s); err != nil {
				return nil, err
			}
			known[key] = p
		}
		a.placings[i] = p
	}
	return a, nil
}

// keep takes over the databases of before, if they are those of l and as they
// were opened, and returns the placings by sight of what sees them as l does.
// Thousands of maps need not be made again because a service is new, and who
// leads a race still does.
func (a *atlas) keep(l, before *Loaded) map[string]placing {
	known := map[string]placing{}
	if before == nil || !reflect.DeepEqual(before.Config.Places, l.Config.Places) || before.atlas.book.Changed() ||
		missing(l.Config.Places.Databases) != "" {
		return known
	}
	a.book = before.atlas.book
	same := map[string]bool{}
	for i, s := range before.Set.Groups() {
		if key := before.sight(s); !same[key] && before.seesAs(l, s) {
			same[key], known[key] = true, before.atlas.placings[i]
		}
	}
	return known
}

// sight names all that decides how s tells clients apart.
func (l *Loaded) sight(s config.Service) string { return steer.Sight(s, l.policies, l.pools) }

// seesAs reports whether the policies that s, a service of before, leads to
// are the same in l: then equal sights mean the same in both.
func (before *Loaded) seesAs(l *Loaded, s config.Service) bool {
	met := map[string]bool{}
	var same func(policy string, own []config.Choice) bool
	same = func(policy string, own []config.Choice) bool {
		if met[policy] {
			return true
		}
		met[policy] = true
		was, is := before.policies[policy], l.policies[policy]
		if !reflect.DeepEqual(was, is) {
			return false
		}
		for _, c := range own {
			if p := before.policies[c.Policy]; p != nil && !same(c.Policy, p.Pools) {
				return false
			}
		}
		return true
	}
	return same(s.Policy, s.Pools)
}

// compile returns the placing of s.
func (a *atlas) compile(l *Loaded, s config.Service) (placing, error) {
	key := steer.Classify(s, l.policies, l.pools)
	m, err := a.book.Compile(key, steer.Networks(s, l.policies))
	switch {
	case err != nil:
		return placing{}, err
	case len(m.Classes()) == 1:
		return placing{samples: everyone}, nil // no client differs from the unknown ones
	}
	return placing{of: m, samples: m.Classes(), key: key}, nil
}
