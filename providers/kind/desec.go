package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/plan"
)

// deSEC is an account at deSEC (desec.readthedocs.io), whose API knows RRsets
// and takes any number of them in one transaction. A CNAME at the apex is not
// to be had there. Writes are counted: 300 a day for each domain.
type deSEC struct {
	account
	api *caller

	mu     sync.Mutex
	floors map[string]uint32 // minimum_ttl by zone, seconds
}

// deSECFloor, in seconds, is the lowest TTL of a domain that has no other.
const deSECFloor = 3600

// newDeSEC opens an account by a token, which needs a policy that allows to
// write the names that are pushed.
func newDeSEC(a config.Account) (Provider, error) {
	d := &deSEC{
		api:    newCaller(a.Endpoint, "https://desec.io/api/v1", "Authorization", "Token "+a.Secrets["token"].Reveal()),
		floors: map[string]uint32{},
	}
	d.account = newAccount(d)
	return d, nil
}

// Abilities says what deSEC can do. The lowest TTL is the highest of those that
// the domains had which were read, so that no domain refuses it.
func (d *deSEC) Abilities() Abilities {
	d.mu.Lock()
	defer d.mu.Unlock()
	floor := uint32(0)
	for _, f := range d.floors {
		floor = max(floor, f)
	}
	if floor == 0 {
		floor = deSECFloor
	}
	return Abilities{
		Atomic: true,
		Batch:  500,
		Rate:   10, // of reads; writes are few, and told to wait when they are many
		MinTTL: time.Duration(floor) * time.Second,
		Types:  []string{"CAA", "HTTPS", "MX", "NS", "PTR", "SRV", "SSHFP", "SVCB", "TLSA"},
	}
}

// Apply makes changes, in one transaction. The domain's lowest TTL is asked for
// first, as it is by the two that follow.
func (d *deSEC) Apply(ctx context.Context, zone string, changes []plan.Change) error {
	if _, err := d.floor(ctx, zoneName(zone)); err != nil {
		return err
	}
	return d.account.Apply(ctx, zone, changes)
}

// SetRecords makes the RRsets that recs name hold these records and no others.
func (d *deSEC) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if _, err := d.floor(ctx, zoneName(zone)); err != nil {
		return nil, err
	}
	return d.account.SetRecords(ctx, zone, recs)
}

// AppendRecords adds recs to the RRsets that they name.
func (d *deSEC) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if _, err := d.floor(ctx, zoneName(zone)); err != nil {
		return nil, err
	}
	return d.account.AppendRecords(ctx, zone, recs)
}

// A deSECSet is an RRset of the API. Without records it is to be deleted.
type deSECSet struct {
	Subname string   `json:"subname"` // "" at the apex
	Type    string   `json:"type"`
	TTL     uint32   `json:"ttl,omitempty"`
	Records []string `json:"records"`
}

// read asks page by page: without a cursor more than 500 RRsets are refused.
func (d *deSEC) read(ctx context.Context, zone, name string) ([]held, error) {
	if _, err := d.floor(ctx, zone); err != nil {
		return nil, err
	}
	query := url.Values{"cursor": {""}}
	if name != "" {
		query.Set("subname", relative(name, zone, ""))
	}
	var sets []held
	for more := query.Encode(); more != ""; {
		var page []deSECSet
		header, err := d.api.do(ctx, http.MethodGet, d.path(zone)+"rrsets/?"+more, nil, &page)
		if err != nil {
			return nil, noZone(err, zone)
		}
		if page == nil {
			return nil, fmt.Errorf("%s: %w", zone, errNoList)
		}
		for _, s := range page {
			set, err := plan.New(absolute(s.Subname, zone), s.Type, s.TTL, s.Records)
			if err != nil {
				return nil, err
			}
			sets = append(sets, held{RRset: set, raw: set.Data})
		}
		more = nextQuery(header)
	}
	return sets, nil
}

// write is one transaction. A TTL under the domain's lowest is raised to it.
func (d *deSEC) write(ctx context.Context, zone string, edits []edit) error {
	floor, err := d.floor(ctx, zone)
	if err != nil {
		return err
	}
	var sets []deSECSet
	for _, e := range edits {
		set := deSECSet{Subname: relative(e.name(), zone, ""), Type: e.kind(), Records: []string{}}
		if e.to != nil {
			set.TTL, set.Records = max(e.to.TTL, floor), e.to.Data
		}
		sets = append(sets, set)
	}
	_, err = d.api.do(ctx, http.MethodPatch, d.path(zone)+"rrsets/", sets, nil)
	return noZone(err, zone)
}

// Floor returns the lowest TTL that zone takes.
func (d *deSEC) Floor(ctx context.Context, zone string) (time.Duration, error) {
	floor, err := d.floor(ctx, zoneName(zone))
	return time.Duration(floor) * time.Second, err
}

// floor is Floor in seconds, asked for once.
func (d *deSEC) floor(ctx context.Context, zone string) (uint32, error) {
	d.mu.Lock()
	floor := d.floors[zone]
	d.mu.Unlock()
	if floor > 0 {
		return floor, nil
	}
	var domain struct {
		Floor uint32 `json:"minimum_ttl"`
	}
	_, err := d.api.do(ctx, http.MethodGet, d.path(zone), nil, &domain)
	if errors.Is(err, ErrDenied) {
		return deSECFloor, nil // a token that may write some RRsets and no more: they will say
	}
	if err != nil {
		return 0, noZone(err, zone)
	}
	if domain.Floor == 0 {
		domain.Floor = deSECFloor
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.floors[zone] = domain.Floor
	return domain.Floor, nil
}

func (d *deSEC) path(zone string) string { return "/domains/" + segment(dotless(zone)) + "/" }

// noZone returns err, or one that wraps ErrNoZone for an answer of 404.
func noZone(err error, zone string) error {
	if said := (statusError{}); errors.As(err, &said) && said.Status == http.StatusNotFound {
		return fmt.Errorf("%s: %w: %w", zone, ErrNoZone, err)
	}
	return err
}

// nextQuery returns the query of the page that follows, by the Link field; "":
// there is none. Of the link only the query counts: credentials go nowhere else.
func nextQuery(h http.Header) string {
	link, err := url.Parse(next(h))
	if err != nil {
		return ""
	}
	return link.RawQuery
}
