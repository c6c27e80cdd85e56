package controller

import (
	"maps"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// Glance returns the state of the node without its services, however many
// there are: Services and FailOpen are empty. It costs next to nothing.
func (c *Controller) Glance() *Status {
	v := c.view.Load()
	if v == nil {
		return c.Status()
	}
	s := *v.status
	s.Alarms = c.aged(v)
	return &s
}

// A Want says which services a list is to have.
type Want struct {
	Text     string // a part of the name, in any case; "": any name
	Like     string // a service that those of the list share their decisions with; "": any
	Pool     string // that answers some client, "": any
	Trouble  bool   // only those that fail open, have no answer, or whose first answer is no pool that is up
	Together bool   // those that share their decisions are one entry
	From     int    // how many to leave out at the beginning
	Most     int    // how many to list at most
}

// A Listed is a service in a list.
type Listed struct {
	ServiceStatus
	Like     string `json:"like"`      // by which it and those that share its decisions are known, as answers are counted
	Alike    int    `json:"alike"`     // how many others that are wanted share its entry; 0 unless they are listed together
	FailOpen bool   `json:"fail_open"` // for some client
}

// A List is a part of the services.
type List struct {
	Services []Listed `json:"services"`
	Found    int      `json:"found"` // entries that are wanted, listed or not
	All      int      `json:"all"`   // services there are
}

// List returns the services that w wants: those in trouble first, else in the
// order of the configuration. Only those that it lists are drawn up, so that a
// page of a hundred thousand services costs little more than their names.
func (c *Controller) List(w Want) List {
	l := List{Services: []Listed{}}
	v := c.view.Load()
	if v == nil {
		return l
	}
	like := -1
	if w.Like != "" {
		like = v.loaded.Set.Group(w.Like)
	}
	text := strings.ToLower(w.Text)
	type entry struct {
		name  string
		group int
	}
	var bad, good []entry
	first := map[int]*int{} // of the groups' entries: how many share it
	troubled, wanted := v.troubled(), v.wanted(w)
	for _, z := range v.loaded.Config.Zones {
		for _, s := range z.Services {
			l.All++
			if !strings.Contains(s.Name, text) {
				continue
			}
			at := v.loaded.Set.Group(s.Name)
			if at < 0 || !wanted[at] || w.Like != "" && at != like {
				continue
			}
			if n := first[at]; n != nil && w.Together {
				*n++
				continue
			}
			first[at] = new(int)
			if e := (entry{name: s.Name, group: at}); troubled[at] {
				bad = append(bad, e)
			} else {
				good = append(good, e)
			}
		}
	}
	all := append(bad, good...)
	l.Found = len(all)
	from := min(max(w.From, 0), len(all))
	for _, e := range all[from:min(len(all), from+max(w.Most, 0))] {
		g := v.groups[e.group]
		s := Listed{ServiceStatus: v.service(e.name, g), Like: g.service.Name, FailOpen: g.failsOpen()}
		if w.Together {
			s.Alike = *first[e.group]
		}
		l.Services = append(l.Services, s)
	}
	return l
}

// failsOpen reports whether g answers some client though nothing is up.
func (g *group) failsOpen() bool {
	return slices.ContainsFunc(g.decided, func(d steer.Decision) bool { return d.FailOpen })
}

// troubled says of each group whether a person should look at it first.
func (v *view) troubled() []bool {
	out := make([]bool, len(v.groups))
	for i, g := range v.groups {
		out[i] = slices.ContainsFunc(g.decided, func(d steer.Decision) bool {
			return d.FailOpen || len(d.Picks) == 0 || d.FenceDown != "" || d.FenceOpen != "" || d.Short != ""
		})
	}
	return out
}

// wanted says of each group whether w wants its services.
func (v *view) wanted(w Want) []bool {
	troubled := v.troubled()
	out := make([]bool, len(v.groups))
	for i, g := range v.groups {
		out[i] = (!w.Trouble || troubled[i]) && (w.Pool == "" || slices.Contains(g.answering(), w.Pool))
	}
	return out
}

// A Region is the countries whose clients get the same answers of a service.
type Region struct {
	Countries []string `json:"countries"` // ISO 3166-1, sorted
	Shares    []Share  `json:"shares"`
	FailOpen  bool     `json:"fail_open"`
}

// Regions returns what the service named name answers clients of each country,
// countries with equal answers together, most first. Where only a country is
// not enough to tell, what most networks of it are answered stands for it. It
// is empty where the policy does not look at where clients are, and leaves out
// countries that no network is known to be in.
func (c *Controller) Regions(name string) []Region {
	v := c.view.Load()
	if v == nil {
		return nil
	}
	at := v.loaded.Set.Group(name)
	if at < 0 || v.groups[at].places.of == nil || len(v.groups[at].of) < len(v.groups[at].places.samples) {
		return nil
	}
	g := v.groups[at]
	by := map[int32]*Region{}
	for country, d := range v.byCountry(g) {
		if by[d] == nil {
			by[d] = &Region{Shares: sharesOf(&g.decided[d]), FailOpen: g.decided[d].FailOpen}
		}
		by[d].Countries = append(by[d].Countries, country)
	}
	var out []Region
	for _, d := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[d].Countries)
		out = append(out, *by[d])
	}
	slices.SortStableFunc(out, func(a, b Region) int { return len(b.Countries) - len(a.Countries) })
	return out
}

// byCountry returns which of g's decisions is for each country.
func (v *view) byCountry(g *group) map[string]int32 {
	key := v.sight(g)
	class := map[string]int32{}
	count := map[string]map[int32]int{} // of networks, by country and decision
	for i, p := range g.places.samples {
		class[key(p)] = g.of[i]
		if count[p.Country] == nil {
			count[p.Country] = map[int32]int{}
		}
		count[p.Country][g.of[i]]++
	}
	out := map[string]int32{}
	for _, country := range countries() {
		if d, ok := class[key(steer.Place{Country: country, Continent: config.ContinentOf(country)})]; ok {
			out[country] = d
			continue
		}
		most := 0
		for _, d := range slices.Sorted(maps.Keys(count[country])) {
			if n := count[country][d]; n > most {
				most, out[country] = n, d
			}
		}
	}
	return out
}

// countries lists all there are.
func countries() []string {
	var out []string
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if code := string([]rune{a, b}); config.ContinentOf(code) != "" {
				out = append(out, code)
			}
		}
	}
	return out
}
