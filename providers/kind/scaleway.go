package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	domain "github.com/scaleway/scaleway-sdk-go/api/domain/v2beta1"
	"github.com/scaleway/scaleway-sdk-go/scw"

	"github.com/shunt-dns/shunt/config"
)

// scaleway is an account at Scaleway Domains and DNS
// (scaleway.com/en/developers/api/domains-and-dns), whose API takes any number
// of changes in one request, each of one RRset.
type scaleway struct {
	account
	api     *domain.API
	project *string // nil: all
}

// scalewayFloor, in seconds, is the lowest TTL.
const scalewayFloor = 60

// newScaleway opens an account by the secret key of an API key whose policy
// has the permission set DomainsDNSFullAccess.
func newScaleway(a config.Account) (Provider, error) {
	client := newHTTPClient()
	client.Transport = withField{client.Transport, "X-Auth-Token", a.Secrets["secret_key"]}
	options := []scw.ClientOption{scw.WithHTTPClient(client), scw.WithUserAgent("shunt")}
	if a.Endpoint != "" {
		options = append(options, scw.WithAPIURL(strings.TrimSuffix(a.Endpoint, "/")))
	}
	c, err := scw.NewClient(options...)
	if err != nil {
		return nil, err
	}
	s := &scaleway{api: domain.NewAPI(c)}
	if project := a.Values["project_id"]; project != "" {
		s.project = &project
	}
	s.account = newAccount(s)
	return s, nil
}

// A withField transport sends a header field with each request. The SDK's own
// way of authentication wants a form of credentials and prints those that have
// another.
type withField struct {
	next  http.RoundTripper
	name  string
	value config.Secret
}

// RoundTrip sends a copy of req that has the field.
func (w withField) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set(w.name, w.value.Reveal())
	return w.next.RoundTrip(req)
}

// Abilities says what Scaleway can do.
func (s *scaleway) Abilities() Abilities {
	return Abilities{
		Atomic: true,
		Batch:  100,
		MinTTL: scalewayFloor * time.Second,
		Alias:  true,
		Types:  []string{"ALIAS", "CAA", "DNAME", "MX", "NS", "PTR", "SRV", "SSHFP", "TLSA"},
	}
}

func (s *scaleway) read(ctx context.Context, zone, name string) ([]held, error) {
	if name != "" {
		name = relative(name, zone, "") // at the apex there is no filter
	}
	records, err := s.list(ctx, zone, name)
	if err != nil {
		return nil, s.known(ctx, zone, err)
	}
	var singles []single
	for _, r := range records {
		if r == nil {
			return nil, fmt.Errorf("%s: %w", zone, errNoList)
		}
		if r.Type.String() == "SOA" {
			continue
		}
		typ := r.Type.String()
		one := single{id: r.ID, name: absolute(r.Name, zone), typ: typ, ttl: r.TTL, data: qualified(typ, r.Data, zone)}
		if r.GeoIPConfig != nil || r.HTTPServiceConfig != nil || r.WeightedConfig != nil || r.ViewConfig != nil {
			one.foreign = "it holds a record that Scaleway answers by geography, weight, view or its own checks"
		}
		singles = append(singles, one)
	}
	return collect(singles), nil
}

// list reads the records of a name relative to zone, or of all names for "",
// page by page. The SDK's own way takes an answer that holds no list for an empty one.
func (s *scaleway) list(ctx context.Context, zone, name string) ([]*domain.Record, error) {
	size := uint32(1000)
	var records []*domain.Record
	for page := int32(1); ; page++ {
		list, err := s.api.ListDNSZoneRecords(&domain.ListDNSZoneRecordsRequest{
			DNSZone: dotless(zone), ProjectID: s.project, Name: name, Page: &page, PageSize: &size, OrderBy: domain.ListDNSZoneRecordsRequestOrderByNameAsc,
		}, scw.WithContext(ctx))
		if err != nil {
			return nil, err
		}
		if list.Records == nil {
			return nil, fmt.Errorf("%s: %w", zone, errNoList)
		}
		records = append(records, list.Records...)
		switch total := int(list.TotalCount); {
		case len(records) == total:
			return records, nil
		case len(records) > total || len(list.Records) == 0:
			return nil, fmt.Errorf("%s changed while it was read: %d of %d records", zone, len(records), total)
		}
	}
}

// known returns err of a call for zone, or one that wraps ErrNoZone where the
// account has no such zone: the API refuses those with 403 as it does bad
// credentials, so the list of zones decides.
func (s *scaleway) known(ctx context.Context, zone string, err error) error {
	if err = noZone(err, zone); !errors.Is(err, ErrDenied) {
		return err
	}
	name := dotless(zone)
	list, failed := s.api.ListDNSZones(&domain.ListDNSZonesRequest{ProjectID: s.project, DNSZones: []string{name}}, scw.WithAllPages(), scw.WithContext(ctx))
	if failed != nil {
		return err
	}
	if slices.ContainsFunc(list.DNSZones, func(z *domain.DNSZone) bool { return z.Domain == name || z.Subdomain+"."+z.Domain == name }) {
		return err
	}
	return fmt.Errorf("%s: %w", zone, ErrNoZone)
}

// write is one request, in which what goes comes first.
func (s *scaleway) write(ctx context.Context, zone string, edits []edit) error {
	req := &domain.UpdateDNSZoneRecordsRequest{DNSZone: dotless(zone), DisallowNewZoneCreation: true}
	var goes, comes []*domain.RecordChange
	for _, e := range edits {
		id := &domain.RecordIdentifier{Name: relative(e.name(), zone, ""), Type: domain.RecordType(e.kind())}
		if e.to == nil {
			goes = append(goes, &domain.RecordChange{Delete: &domain.RecordChangeDelete{IDFields: id}})
			continue
		}
		var records []*domain.Record
		for _, data := range e.to.Data {
			records = append(records, &domain.Record{Name: id.Name, Type: id.Type, TTL: max(e.to.TTL, scalewayFloor), Data: data})
		}
		if e.was == nil {
			comes = append(comes, &domain.RecordChange{Add: &domain.RecordChangeAdd{Records: records}})
		} else {
			comes = append(comes, &domain.RecordChange{Set: &domain.RecordChangeSet{IDFields: id, Records: records}})
		}
	}
	req.Changes = slices.Concat(goes, comes)
	_, err := s.api.UpdateDNSZoneRecords(req, scw.WithContext(ctx))
	return s.known(ctx, zone, err)
}
