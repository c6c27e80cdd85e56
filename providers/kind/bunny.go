package kind

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/plan"
)

// bunny is an account at Bunny DNS (docs.bunny.net), whose API knows records by
// number. A CNAME at the apex is resolved by the provider.
type bunny struct {
	account
	api *caller

	mu    sync.Mutex
	zones map[string]int64 // by name, as they were when last read
}

// bunnyFloor, in seconds, is the lowest TTL.
const bunnyFloor = 15

// bunnyTypes are the types of the API by its numbers. Those between and beyond
// are its own: redirects, pull zones, scripts.
var bunnyTypes = [...]string{0: "A", 1: "AAAA", 2: "CNAME", 3: "TXT", 4: "MX", 8: "SRV", 9: "CAA", 10: "PTR", 12: "NS"}

// newBunny opens an account by its API key.
func newBunny(a config.Account) (Provider, error) {
	b := &bunny{
		api:   newCaller(a.Endpoint, "https://api.bunny.net", "AccessKey", a.Secrets["key"].Reveal()),
		zones: map[string]int64{},
	}
	b.account = newAccount(b)
	b.whole = true
	return b, nil
}

// Abilities says what Bunny DNS can do.
func (b *bunny) Abilities() Abilities {
	return Abilities{
		Batch:  fewBlind,
		MinTTL: bunnyFloor * time.Second,
		Alias:  true,
		Types:  []string{"ALIAS", "CAA", "MX", "NS", "PTR", "SRV"},
	}
}

// A bunnyRecord is a record of the API. What it holds of Bunny's own, as
// geography, is left as it is by a change.
type bunnyRecord struct {
	ID       int64  `json:"Id,omitempty"`
	Type     int    `json:"Type"`
	Name     string `json:"Name"` // "" at the apex
	TTL      uint32 `json:"Ttl"`
	Value    string `json:"Value"` // a target without its final dot; of TXT the text itself
	Priority uint16 `json:"Priority,omitempty"`
	Weight   uint16 `json:"Weight,omitempty"`
	Port     uint16 `json:"Port,omitempty"`
	Flags    uint8  `json:"Flags,omitempty"`
	Tag      string `json:"Tag,omitempty"`
	Disabled bool   `json:"Disabled,omitempty"`
}

// read reads the whole zone: the API has no filter.
func (b *bunny) read(ctx context.Context, zone, _ string) ([]held, error) {
	id, err := b.find(ctx, zone)
	if err != nil {
		return nil, err
	}
	var z struct {
		Records []bunnyRecord `json:"Records"`
	}
	if _, err := b.api.do(ctx, http.MethodGet, fmt.Sprintf("/dnszone/%d", id), nil, &z); err != nil {
		return nil, noZone(err, zone)
	}
	if z.Records == nil {
		return nil, fmt.Errorf("%s: %w", zone, errNoList)
	}
	var singles []single
	var foreign []held
	for _, r := range z.Records {
		name := absolute(r.Name, zone)
		switch typ := bunnyType(r, name == zone); {
		case r.Disabled: // nobody is answered with it
		case typ == "":
			for _, t := range []string{"A", "AAAA", "ALIAS", "CNAME"} {
				foreign = append(foreign, held{RRset: plan.RRset{Name: name, Type: t}, foreign: fmt.Sprintf("it holds a record of Bunny's own type %d", r.Type)})
			}
		default:
			singles = append(singles, single{id: strconv.FormatInt(r.ID, 10), name: name, typ: typ, ttl: r.TTL, data: r.data(typ)})
		}
	}
	return append(foreign, collect(singles)...), nil
}

// bunnyType returns the type of r, "" for one of Bunny's own.
func bunnyType(r bunnyRecord, apex bool) string {
	switch {
	case r.Type < 0 || r.Type >= len(bunnyTypes):
		return ""
	case apex && bunnyTypes[r.Type] == "CNAME":
		return "ALIAS"
	}
	return bunnyTypes[r.Type]
}

// data returns r's data in presentation format.
func (r bunnyRecord) data(typ string) string {
	host := strings.TrimSuffix(r.Value, ".") + "."
	switch typ {
	case "TXT":
		return plan.Quote(r.Value)
	case "ALIAS", "CNAME", "NS", "PTR":
		return host
	case "MX":
		return fmt.Sprintf("%d %s", r.Priority, host)
	case "SRV":
		return fmt.Sprintf("%d %d %d %s", r.Priority, r.Weight, r.Port, host)
	case "CAA":
		return fmt.Sprintf("%d %s %s", r.Flags, r.Tag, plan.Quote(r.Value))
	}
	return r.Value
}

// bunnyFrom returns the record of a name and type that has data.
func bunnyFrom(zone, name, typ, data string, ttl uint32) (bunnyRecord, error) {
	r := bunnyRecord{Name: relative(name, zone, ""), TTL: max(ttl, bunnyFloor), Value: data}
	number := typ
	if typ == "ALIAS" {
		number = "CNAME"
	}
	if r.Type = slices.Index(bunnyTypes[:], number); r.Type < 0 {
		return r, fmt.Errorf("%s %s: Bunny DNS does not hold this type", name, typ)
	}
	var err error
	switch typ {
	case "TXT":
		r.Value, err = plan.TXT(data)
	case "ALIAS", "CNAME", "NS", "PTR":
		r.Value = dotless(data)
	case "MX":
		_, err = fmt.Sscanf(data, "%d %s", &r.Priority, &r.Value)
		r.Value = dotless(r.Value)
	case "SRV":
		_, err = fmt.Sscanf(data, "%d %d %d %s", &r.Priority, &r.Weight, &r.Port, &r.Value)
		r.Value = dotless(r.Value)
	case "CAA":
		if _, err = fmt.Sscanf(data, "%d %s", &r.Flags, &r.Tag); err == nil {
			r.Value, err = plan.TXT(strings.SplitN(data, " ", 3)[2])
		}
	}
	return r, err
}

// write changes record after record, in place where one takes another's.
func (b *bunny) write(ctx context.Context, zone string, edits []edit) error {
	b.mu.Lock()
	id, ok := b.zones[zone]
	b.mu.Unlock()
	if !ok {
		var err error
		if id, err = b.find(ctx, zone); err != nil {
			return err
		}
	}
	path := fmt.Sprintf("/dnszone/%d/records", id)
	return stepwise(ctx, edits, func(ctx context.Context, e edit) error {
		for _, t := range turns(e) {
			if err := b.record(ctx, path, zone, e, t); err != nil {
				return raced(err)
			}
		}
		return nil
	})
}

func (b *bunny) record(ctx context.Context, path, zone string, e edit, t turn) error {
	if t.data == "" {
		_, err := b.api.do(ctx, http.MethodDelete, path+"/"+t.id, nil, nil)
		return err
	}
	r, err := bunnyFrom(zone, e.name(), e.kind(), t.data, e.to.TTL)
	if err != nil {
		return err
	}
	if t.id == "" {
		_, err = b.api.do(ctx, http.MethodPut, path, r, nil)
		return err
	}
	if r.ID, err = strconv.ParseInt(t.id, 10, 64); err != nil {
		return err
	}
	_, err = b.api.do(ctx, http.MethodPost, path+"/"+t.id, r, nil)
	return err
}

// find returns the number of zone, and keeps it for the change that may follow.
func (b *bunny) find(ctx context.Context, zone string) (int64, error) {
	for page := 1; ; page++ {
		var list struct {
			Items []struct {
				ID     int64  `json:"Id"`
				Domain string `json:"Domain"`
			} `json:"Items"`
			More bool `json:"HasMoreItems"`
		}
		query := url.Values{"page": {strconv.Itoa(page)}, "perPage": {"1000"}, "search": {dotless(zone)}}
		if _, err := b.api.do(ctx, http.MethodGet, "/dnszone?"+query.Encode(), nil, &list); err != nil {
			return 0, err
		}
		for _, z := range list.Items {
			if zoneName(z.Domain) == zone {
				b.mu.Lock()
				b.zones[zone] = z.ID
				b.mu.Unlock()
				return z.ID, nil
			}
		}
		if !list.More || len(list.Items) == 0 {
			return 0, fmt.Errorf("%s: %w", zone, ErrNoZone)
		}
	}
}
