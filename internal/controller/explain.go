package controller

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/steer"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// An Explanation says what answers a question now, and what led there, step
// by step. Its JSON names are part of the interface.
type Explanation struct {
	Name     string       `json:"name"`
	Type     string       `json:"type"`
	Client   string       `json:"client"`            // the address asked for; "" for any
	Place    string       `json:"place,omitempty"`   // where that is, as far as it is known or asked for
	Zone     string       `json:"zone"`              // "" when the name is in none of ours
	Service  string       `json:"service,omitempty"` // the steered name that answers; "" for a static one
	Policy   string       `json:"policy,omitempty"`
	Steps    []steer.Step `json:"steps"` // none for a static name
	Why      string       `json:"why"`
	TTL      int          `json:"ttl,omitempty"` // seconds, of a steered answer
	Rcode    string       `json:"rcode"`
	Referral []string     `json:"referral,omitempty"` // name servers the zone delegates the name to
	Answer   []string     `json:"answer"`             // records, as zone-file lines; for services with shares one draw

	Shares      []Share  `json:"shares,omitempty"` // of the pools that answer this client
	Draw        string   `json:"draw,omitempty"`   // fixed, again (each client network draws, and again after a while) or stay
	Reason      string   `json:"reason,omitempty"` // in a few words, as "lowest latency", "only one candidate left" or "nobody left"
	WouldChange []string `json:"would_change,omitempty"`
}

// An Asker is whom an explanation is for. At most one of Addr on the one hand,
// Country and ASN on the other is set; the zero Asker is a client of whom
// nothing is known.
type Asker struct {
	Addr    netip.Addr
	Country string // as DE, or US-CA for a subdivision
	ASN     uint32
}

// Explain answers a question as the server would, and says why. The name may
// lack its final dot.
func (c *Controller) Explain(name, qtype string, who Asker) (*Explanation, error) {
	v := c.view.Load()
	if v == nil {
		return nil, errors.New("starting: nothing is decided yet")
	}
	where, err := v.place(who)
	if err != nil {
		return nil, err
	}
	reply, err := v.ask(name, qtype, who.Addr)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Name: reply.Name, Type: reply.Type, Zone: reply.Zone, Rcode: reply.Rcode, Answer: reply.Records, Referral: reply.Authority,
		Steps: []steer.Step{}, Place: placeWords(where)}
	if who.Addr.IsValid() {
		e.Client = who.Addr.String()
	}
	switch {
	case reply.Group >= 0:
		return e, v.explain(e, v.groups[reply.Group], int(reply.Group), who, where)
	case reply.Zone == "":
		e.Why = "the name lies in none of our zones"
	case reply.Referral:
		e.Why = "the zone file delegates this name to other servers"
	default:
		e.Why = "no service steers this name: the zone file answers"
	}
	return e, nil
}

// ask asks the snapshot.
func (v *view) ask(name, qtype string, client netip.Addr) (*zone.Said, error) {
	return v.snapshot.Ask(name, qtype, client, time.Now().Unix())
}

// explain fills in what g, the at-th group, does for a client of where.
func (v *view) explain(e *Explanation, g *group, at int, who Asker, where steer.Place) error {
	e.Service, e.Policy = v.loaded.steering(e.Name, at), g.service.Policy
	class, sample := v.class(g, who, where)
	turn := g.turn
	turn.Table = v.table
	d := g.calm.Explain(turn, where, class)
	e.Reason = string(d.Reason)
	e.Steps, e.Why, e.TTL, e.Shares, e.Draw, e.WouldChange = d.Steps, v.why(&d), int(d.TTL/time.Second), sharesOf(&d), d.Draw.String(), d.WouldChange
	switch {
	case who.Addr.IsValid() || who == Asker{}:
		return nil
	case v.byDistance(g, where):
		e.Why += "; but nearest goes by coordinates, which a country or an AS number does not give: ask by address"
	case class < 0:
		e.Why += "; no network is known to be there, so nobody gets this answer"
	}
	if class < 0 {
		e.Answer = []string{}
		return nil
	}
	reply, err := v.ask(e.Name, e.Type, sample)
	if err == nil {
		e.Answer = reply.Records
	}
	return err
}

// byDistance reports whether g tells clients of where apart by coordinates.
func (v *view) byDistance(g *group, where steer.Place) bool {
	key := steer.Classify(g.service, v.loaded.policies, v.loaded.pools)
	there := where
	there.At = config.Point{Known: true}
	return key(there) != key(where)
}

// class returns which of g's classes of clients who is in, at where, and an
// address of it; -1 when no network is in a class like that.
func (v *view) class(g *group, who Asker, where steer.Place) (int, netip.Addr) {
	switch {
	case who.Addr.IsValid() && g.places.of == nil:
		return 0, who.Addr
	case who.Addr.IsValid():
		i, _ := g.places.of.Lookup(who.Addr)
		return int(i), who.Addr
	}
	key := v.sight(g)
	want := key(where)
	i := slices.IndexFunc(g.places.samples, func(p steer.Place) bool { return key(p) == want })
	if i < 0 {
		return -1, netip.Addr{}
	}
	return i, g.places.samples[i].Addr
}

// sight returns what decides which class of g's clients a place is in.
func (v *view) sight(g *group) func(steer.Place) string {
	key := steer.Classify(g.service, v.loaded.policies, v.loaded.pools)
	drilled := slices.Sorted(maps.Keys(g.turn.Drills))
	return func(p steer.Place) string {
		text := key(p)
		for _, pool := range drilled {
			text += fmt.Sprint(g.turn.Drills[pool].Covers(p))
		}
		return text
	}
}

// place returns where who is.
func (v *view) place(who Asker) (steer.Place, error) {
	switch {
	case who.Addr.IsValid() && (who.Country != "" || who.ASN != 0):
		return steer.Place{}, errors.New("give an address, or a country and an AS number, not both")
	case who.Addr.IsValid():
		return v.loaded.atlas.book.Locate(who.Addr), nil
	}
	p := steer.Place{ASN: who.ASN}
	if who.Country == "" {
		return p, nil
	}
	country, sub, more := strings.Cut(strings.ToUpper(who.Country), "-")
	if p.Country, p.Continent = country, config.ContinentOf(country); p.Continent == "" || more && sub == "" {
		return steer.Place{}, fmt.Errorf("country: %q is none (write an ISO 3166 code, as DE or US-CA)", who.Country)
	}
	if more {
		p.Subdivision = country + "-" + sub
	}
	return p, nil
}

// placeWords writes p for people, as "DE, AS64500"; "" where nothing is known.
func placeWords(p steer.Place) string {
	var words []string
	switch {
	case p.Subdivision != "":
		words = append(words, p.Subdivision)
	case p.Country != "":
		words = append(words, p.Country)
	case p.Continent != "":
		words = append(words, "continent:"+p.Continent)
	}
	if p.ASN != 0 {
		words = append(words, fmt.Sprintf("AS%d", p.ASN))
	}
	if p.At.Known {
		words = append(words, fmt.Sprintf("%.2f,%.2f", p.At.Lat, p.At.Lon))
	}
	return strings.Join(words, ", ")
}

// steering returns the service of group that answers for name: the one that
// static aliases lead to, or the wildcard above it.
func (l *Loaded) steering(name string, group int) string {
	at := l.Set.Static(name).Name
	for service, above := at, at; above != ""; service = "*." + above {
		if l.Set.Group(service) == group {
			return service
		}
		_, above, _ = strings.Cut(above, ".")
	}
	if root := "*."; l.Set.Group(root) == group {
		return root
	}
	return at
}
