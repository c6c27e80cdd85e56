package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/plan"
)

// gandi is an account at Gandi LiveDNS (api.gandi.net/docs/livedns), whose API
// knows RRsets. What one name holds is replaced at once; several names are not.
type gandi struct {
	account
	api *caller
}

// gandiFloor and gandiCeiling, in seconds, are the TTLs that LiveDNS takes.
const (
	gandiFloor   = 300
	gandiCeiling = 2592000
)

// newGandi opens an account by a personal access token that may manage the
// technical configurations of the domains.
func newGandi(a config.Account) (Provider, error) {
	g := &gandi{api: newCaller(a.Endpoint, "https://api.gandi.net", "Authorization", "Bearer "+a.Secrets["token"].Reveal())}
	g.account = newAccount(g)
	return g, nil
}

// Abilities says what LiveDNS can do: 1,000 requests a minute from an address,
// and ALIAS, which stands beside other records of the apex.
func (g *gandi) Abilities() Abilities {
	return Abilities{
		Batch:  fewBlind,
		Rate:   16,
		MinTTL: gandiFloor * time.Second,
		Alias:  true,
		Types:  []string{"ALIAS", "CAA", "HTTPS", "MX", "NS", "PTR", "SRV", "SSHFP", "SVCB", "TLSA"},
	}
}

// A gandiSet is an RRset of the API.
type gandiSet struct {
	Name   string   `json:"rrset_name,omitempty"` // "@" at the apex
	Type   string   `json:"rrset_type,omitempty"`
	TTL    uint32   `json:"rrset_ttl"`
	Values []string `json:"rrset_values"`
}

func (g *gandi) read(ctx context.Context, zone, name string) ([]held, error) {
	path := g.path(zone)
	if name != "" {
		path = g.path(zone, relative(name, zone, "@"))
	}
	list, err := g.list(ctx, path)
	if err = noZone(err, zone); errors.Is(err, ErrNoZone) && name != "" {
		// A name without records may be an error too: the zone decides.
		if _, err := g.api.do(ctx, http.MethodGet, "/v5/livedns/domains/"+segment(dotless(zone)), nil, nil); err != nil {
			return nil, noZone(err, zone)
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var sets []held
	for _, s := range list {
		if s.Type == "SOA" {
			continue
		}
		for i := range s.Values {
			s.Values[i] = qualified(s.Type, s.Values[i], zone)
		}
		set, err := plan.New(absolute(s.Name, zone), s.Type, s.TTL, s.Values)
		if err != nil {
			return nil, err
		}
		sets = append(sets, held{RRset: set, raw: set.Data})
	}
	return sets, nil
}

// list reads a list of RRsets page by page.
func (g *gandi) list(ctx context.Context, path string) ([]gandiSet, error) {
	var sets []gandiSet
	for more := "per_page=100"; more != ""; {
		var page []gandiSet
		header, err := g.api.do(ctx, http.MethodGet, path+"?"+more, nil, &page)
		if err != nil {
			return nil, err
		}
		if page == nil {
			return nil, errNoList
		}
		sets = append(sets, page...)
		more = nextQuery(header)
	}
	return sets, nil
}

// write changes name after name. One RRset is written by itself. Several of one
// name are written with all that the name holds, as it is in that moment, so
// that what others have there stays.
func (g *gandi) write(ctx context.Context, zone string, edits []edit) error {
	var names []string
	here := map[string][]edit{}
	for _, e := range edits {
		if here[e.name()] == nil {
			names = append(names, e.name())
		}
		here[e.name()] = append(here[e.name()], e)
	}
	var failed []error
	for _, name := range names {
		change := g.several
		if len(here[name]) == 1 {
			change = g.one
		}
		if err := raced(change(ctx, zone, here[name])); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
			if !ofRecord(err) {
				break
			}
		}
	}
	return errors.Join(failed...)
}

// one writes one RRset.
func (g *gandi) one(ctx context.Context, zone string, edits []edit) error {
	e := edits[0]
	path := g.path(zone, relative(e.name(), zone, "@"), e.kind())
	if e.to == nil {
		_, err := g.api.do(ctx, http.MethodDelete, path, nil, nil)
		return err
	}
	_, err := g.api.do(ctx, http.MethodPut, path, gandiSet{TTL: gandiTTL(e.to.TTL), Values: e.to.Data}, nil)
	return err
}

// several writes all RRsets of one name, of which edits are some.
func (g *gandi) several(ctx context.Context, zone string, edits []edit) error {
	path := g.path(zone, relative(edits[0].name(), zone, "@"))
	list, err := g.list(ctx, path)
	if said := (statusError{}); errors.As(err, &said) && said.Status == http.StatusNotFound {
		list, err = nil, nil // nothing there yet; without the zone the next request fails too
	}
	if err != nil {
		return err
	}
	sets := slices.DeleteFunc(list, func(s gandiSet) bool {
		return slices.ContainsFunc(edits, func(e edit) bool { return e.kind() == s.Type })
	})
	for _, e := range edits {
		if e.to != nil {
			sets = append(sets, gandiSet{Type: e.to.Type, TTL: gandiTTL(e.to.TTL), Values: e.to.Data})
		}
	}
	if len(sets) == 0 {
		_, err := g.api.do(ctx, http.MethodDelete, path, nil, nil)
		return err
	}
	for i := range sets {
		sets[i].Name = "" // the path has it
	}
	_, err = g.api.do(ctx, http.MethodPut, path, map[string][]gandiSet{"items": sets}, nil)
	return err
}

func gandiTTL(ttl uint32) uint32 { return min(max(ttl, gandiFloor), gandiCeiling) }

// path returns the path of the records of zone, or of those of a name, or of
// one type of it.
func (g *gandi) path(zone string, parts ...string) string {
	path := "/v5/livedns/domains/" + segment(dotless(zone)) + "/records"
	for _, p := range parts {
		path += "/" + segment(p)
	}
	return path
}
