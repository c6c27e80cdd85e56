package controller

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/resolver/steer"
)

// An Explanation says what answers a question now, and what led there, step
// by step. Its JSON names are part of the interface.
type Explanation struct {
	Name     string       `json:"name"`
	Type     string       `json:"type"`
	Client   string       `json:"client"`            // the address asked for; "" for any
	Zone     string       `json:"zone"`              // "" when the name is in none of ours
	Service  string       `json:"service,omitempty"` // the steered name that answers; "" for a static one
	Policy   string       `json:"policy,omitempty"`
	Steps    []steer.Step `json:"steps"` // none for a static name
	Why      string       `json:"why"`
	TTL      int          `json:"ttl,omitempty"` // seconds, of a steered answer
	Rcode    string       `json:"rcode"`
	Referral []string     `json:"referral,omitempty"` // name servers the zone delegates the name to
	Answer   []string     `json:"answer"`             // records, as zone-file lines; for weighted services one draw
}

// Explain answers a question as the server would, and says why. The name may
// lack its final dot.
func (c *Controller) Explain(name, qtype string, client netip.Addr) (*Explanation, error) {
	v := c.view.Load()
	if v == nil {
		return nil, errors.New("starting: nothing is decided yet")
	}
	reply, err := v.snapshot.Ask(name, qtype, client, uint64(time.Now().UnixNano()))
	if err != nil {
		return nil, err
	}
	e := &Explanation{Name: reply.Name, Type: reply.Type, Zone: reply.Zone, Rcode: reply.Rcode, Answer: reply.Records, Referral: reply.Authority, Steps: []steer.Step{}}
	if client.IsValid() {
		e.Client = client.String()
	}
	switch {
	case reply.Group >= 0:
		g := v.groups[reply.Group]
		e.Service, e.Policy = v.loaded.steering(e.Name, int(reply.Group)), g.service.Policy
		e.Steps, e.Why, e.TTL = g.decision.Steps, v.why(g.decision), int(g.decision.TTL/time.Second)
	case reply.Zone == "":
		e.Why = "the name lies in none of our zones"
	case reply.Referral:
		e.Why = "the zone file delegates this name to other servers"
	default:
		e.Why = "no service steers this name: the zone file answers"
	}
	return e, nil
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
