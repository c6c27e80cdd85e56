package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/plan"
)

// cloudflare is Cloudflare's API, version 4. Changes go in one batch, which it
// makes in one transaction of its database; its edges learn of each record by
// itself. A proxied record answers with Cloudflare's own addresses: it is
// foreign, and what we write is not proxied.
type cloudflare struct {
	*caller
	zones *zoneIDs
}

const (
	cloudflarePage  = 1000 // records that are asked for at a time
	cloudflareBatch = 200  // operations in a batch of the smallest plan
	cloudflareAuto  = 300  // seconds: what the TTL 1, "auto", means
)

// newCloudflare opens an account by its API token, which needs Zone.Zone read
// and Zone.DNS edit.
func newCloudflare(a config.Account) (Provider, error) {
	bearer := "Bearer " + a.Secrets["token"].Reveal()
	return newAccount(&cloudflare{newCaller(a.Endpoint, "https://api.cloudflare.com/client/v4", "Authorization", bearer), &zoneIDs{}}), nil
}

// Abilities are those of every plan.
func (c *cloudflare) Abilities() Abilities {
	return Abilities{
		Atomic: true,
		Batch:  50,  // of up to four records each, before and after
		Rate:   3.8, // 1,200 in five minutes
		Burst:  40,
		MinTTL: time.Minute,
		Alias:  true,
		Types:  []string{"CAA", "HTTPS", "MX", "NS", "PTR", "SRV", "SVCB"},
	}
}

// A cloudflareRecord is one record, as it is read and as it is written.
type cloudflareRecord struct {
	ID       string         `json:"id,omitempty"`
	Name     string         `json:"name"`
	Type     string         `json:"type"`
	TTL      uint32         `json:"ttl"`
	Content  string         `json:"content,omitempty"`
	Priority *uint16        `json:"priority,omitempty"` // of MX
	Data     map[string]any `json:"data,omitempty"`     // of SRV, CAA, HTTPS and SVCB
	Proxied  *bool          `json:"proxied,omitempty"`
}

// A cloudflareReply is what every reply has.
type cloudflareReply[T any] struct {
	Result T `json:"result"`
	Info   struct {
		Pages int `json:"total_pages"`
	} `json:"result_info"`
}

func (c *cloudflare) read(ctx context.Context, zone, name string) ([]held, error) {
	id, err := c.zones.get(ctx, zone, c.find)
	if err != nil {
		return nil, err
	}
	query := url.Values{"per_page": {strconv.Itoa(cloudflarePage)}}
	if name != "" {
		query.Set("name.exact", dotless(name))
	}
	var all []single
	for page, pages := 1, 1; page <= pages; page++ {
		query.Set("page", strconv.Itoa(page))
		var reply cloudflareReply[[]cloudflareRecord]
		if _, err := c.do(ctx, http.MethodGet, "/zones/"+segment(id)+"/dns_records?"+query.Encode(), nil, &reply); err != nil {
			return nil, c.failed(zone, err)
		}
		if reply.Result == nil {
			return nil, fmt.Errorf("%s: %w", zone, errNoList)
		}
		pages = reply.Info.Pages
		for _, r := range reply.Result {
			one := r.single()
			if one.typ == "CNAME" && one.name == zone {
				one.typ = "ALIAS"
			}
			all = append(all, one)
		}
	}
	return collect(all), nil
}

// find returns the id of zone.
func (c *cloudflare) find(ctx context.Context, zone string) (string, error) {
	var reply cloudflareReply[[]struct{ ID, Name string }]
	if _, err := c.do(ctx, http.MethodGet, "/zones?name="+url.QueryEscape(dotless(zone)), nil, &reply); err != nil {
		return "", c.failed(zone, err)
	}
	if reply.Result == nil {
		return "", fmt.Errorf("%s: %w", zone, errNoList)
	}
	for _, z := range reply.Result {
		if strings.EqualFold(z.Name, dotless(zone)) {
			return z.ID, nil
		}
	}
	return "", fmt.Errorf("%w: %s", ErrNoZone, zone)
}

// single returns r as all adapters read records.
func (r cloudflareRecord) single() single {
	s := single{id: r.ID, name: strings.ToLower(r.Name) + ".", typ: r.Type, ttl: r.TTL, data: r.Content}
	if r.TTL == 1 {
		s.ttl = cloudflareAuto
	}
	if r.Proxied != nil && *r.Proxied {
		s.foreign = "the record is proxied by Cloudflare"
	}
	switch {
	case r.Type == "CNAME" || r.Type == "NS" || r.Type == "PTR":
		s.data += "."
	case r.Type == "MX" && r.Priority != nil:
		s.data = fmt.Sprintf("%d %s.", *r.Priority, dotless(r.Content))
	case r.Type == "SRV":
		s.data = fmt.Sprintf("%v %v %v %v.", r.Data["priority"], r.Data["weight"], r.Data["port"], dotless(fmt.Sprint(r.Data["target"])))
	case r.Type == "TXT" && !strings.HasPrefix(r.Content, `"`):
		s.data = plan.Quote(r.Content) // written by others, without quotes
	}
	return s
}

// cloudflareRecordOf returns what is written for one record of set.
func cloudflareRecordOf(set *plan.RRset, data string) cloudflareRecord {
	r := cloudflareRecord{Name: dotless(set.Name), Type: set.Type, TTL: set.TTL, Content: data}
	f := strings.SplitN(data, " ", 4)
	switch set.Type {
	case "ALIAS": // a CNAME at the apex is flattened
		r.Type, r.Content = "CNAME", dotless(data)
	case "CNAME", "NS", "PTR":
		r.Content = dotless(data)
	case "MX":
		r.Priority, r.Content = ptr(number16(f[0])), dotless(f[1])
	case "SRV":
		r.Content = ""
		r.Data = map[string]any{"priority": number16(f[0]), "weight": number16(f[1]), "port": number16(f[2]), "target": dotless(f[3])}
	case "CAA":
		value, _ := plan.TXT(strings.Join(f[2:], " ")) // canonical: it is quoted
		r.Content, r.Data = "", map[string]any{"flags": number16(f[0]), "tag": f[1], "value": value}
	case "HTTPS", "SVCB":
		r.Content = ""
		r.Data = map[string]any{"priority": number16(f[0]), "target": f[1], "value": strings.Join(f[2:], " ")}
	}
	return r
}

// number16 returns the number that canonical data has in a place where it can
// be nothing else.
func number16(field string) uint16 {
	n, _ := strconv.ParseUint(field, 10, 16)
	return uint16(n)
}

func ptr[T any](v T) *T { return &v }

// A cloudflareBatchBody is done in the order of its fields.
type cloudflareBatchBody struct {
	Deletes []map[string]string `json:"deletes,omitempty"`
	Patches []cloudflareRecord  `json:"patches,omitempty"`
	Posts   []cloudflareRecord  `json:"posts,omitempty"`
}

func (b cloudflareBatchBody) size() int { return len(b.Deletes) + len(b.Patches) + len(b.Posts) }

// add appends what becomes of e's records.
func (b *cloudflareBatchBody) add(e edit) {
	for _, m := range turns(e) {
		if m.data == "" {
			b.Deletes = append(b.Deletes, map[string]string{"id": m.id})
			continue
		}
		r := cloudflareRecordOf(e.to, m.data)
		if m.id != "" {
			r.ID = m.id
			b.Patches = append(b.Patches, r)
			continue
		}
		if slices.Contains([]string{"A", "AAAA", "CNAME"}, r.Type) {
			r.Proxied = ptr(false)
		}
		b.Posts = append(b.Posts, r)
	}
}

// write sends one batch, or several where one cannot hold all: then each is a
// transaction of its own.
func (c *cloudflare) write(ctx context.Context, zone string, edits []edit) error {
	id, err := c.zones.get(ctx, zone, c.find)
	if err != nil {
		return err
	}
	var batch cloudflareBatchBody
	for i, e := range edits {
		batch.add(e)
		if i+1 < len(edits) && batch.size()+len(turns(edits[i+1])) <= cloudflareBatch {
			continue
		}
		if _, err := c.do(ctx, http.MethodPost, "/zones/"+segment(id)+"/dns_records/batch", batch, nil); err != nil {
			return c.failed(zone, err)
		}
		batch = cloudflareBatchBody{}
	}
	return nil
}

// failed returns err with what Cloudflare's codes mean.
//
//	code                         error
//	6003, 6111, 9109, 10000      wraps ErrDenied: headers or token are not right
//	7003, 7000                   wraps ErrNoZone: there is nothing under this id
//	81044, 81053, 81054,         wraps ErrStale: since we looked a record has gone,
//	81057, 81058                 or another come
//	others                       as it was
func (c *cloudflare) failed(zone string, err error) error {
	var said statusError
	if !errors.As(err, &said) {
		return err
	}
	var reply struct {
		Errors []struct{ Code int }
	}
	_ = json.Unmarshal([]byte(said.full), &reply) // what is no JSON has no codes
	for _, e := range reply.Errors {
		switch e.Code {
		case 6003, 6111, 9109, 10000:
			return fmt.Errorf("%w: %w", ErrDenied, said)
		case 7000, 7003:
			c.zones.forget(zone)
			return fmt.Errorf("%w: %w", ErrNoZone, said)
		case 81044, 81053, 81054, 81057, 81058:
			return fmt.Errorf("%w: %w", ErrStale, said)
		}
	}
	return err
}
