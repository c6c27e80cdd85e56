package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ovh/go-ovh/ovh"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/plan"
)

// ovhCloud is an account at OVHcloud (eu.api.ovh.com/console), whose API knows
// records by number. Changes make a draft; the name servers answer with it once
// the zone is refreshed, which is done after every change.
type ovhCloud struct {
	account
	endpoint         string
	key              string
	secret, consumer config.Secret

	mu   sync.Mutex
	owed map[string]map[string]edit // by zone and RRset, what was written and not published
}

const (
	ovhFloor   = 60   // seconds, the lowest TTL
	ovhDefault = 3600 // seconds, the TTL of records that have 0
	ovhBatch   = 50   // records in one request
)

// newOVH opens an account by the keys of an application and of a consumer.
func newOVH(a config.Account) (Provider, error) {
	endpoint := strings.TrimSuffix(a.Endpoint, "/")
	if endpoint == "" {
		endpoint = ovh.OvhEU
	}
	o := &ovhCloud{
		endpoint: endpoint,
		key:      a.Values["application_key"],
		secret:   a.Secrets["application_secret"],
		consumer: a.Secrets["consumer_key"],
		owed:     map[string]map[string]edit{},
	}
	o.account = newAccount(o)
	return o, nil
}

// Abilities says what OVHcloud can do.
func (o *ovhCloud) Abilities() Abilities {
	return Abilities{
		Batch:   fewBlind,
		Publish: true,
		MinTTL:  ovhFloor * time.Second,
		Types:   []string{"CAA", "DNAME", "HTTPS", "MX", "NS", "PTR", "SRV", "SSHFP", "SVCB", "TLSA"},
	}
}

// client returns a client for one call of ours, all of whose requests are in
// ctx: the SDK's own for the time of day has none.
func (o *ovhCloud) client(ctx context.Context) (*ovh.Client, error) {
	client := newHTTPClient()
	client.Transport = within{client.Transport, ctx}
	c := &ovh.Client{AppKey: o.key, AppSecret: o.secret.Reveal(), ConsumerKey: o.consumer.Reveal(), Client: client}
	return c, c.SetEndpoint(o.endpoint)
}

// A within transport sends requests in a context.
type within struct {
	next http.RoundTripper
	ctx  context.Context // of the call that the transport was made for
}

// RoundTrip sends req in w's context.
func (w within) RoundTrip(req *http.Request) (*http.Response, error) {
	return w.next.RoundTrip(req.WithContext(w.ctx))
}

// An ovhRecord is a record of the API.
type ovhRecord struct {
	ID     int64  `json:"id,omitempty"`
	Name   string `json:"subDomain"` // "" at the apex
	Type   string `json:"fieldType,omitempty"`
	TTL    uint32 `json:"ttl"`
	Target string `json:"target"`
}

// ovhText are types of the API that are TXT records with a form to fill in.
var ovhText = [...]string{"SPF", "DKIM", "DMARC"}

func (o *ovhCloud) read(ctx context.Context, zone, name string) ([]held, error) {
	c, err := o.client(ctx)
	if err != nil {
		return nil, err
	}
	if o.owes(zone) {
		name = "" // all of it is needed to see whether that may be published
	}
	path := ovhPath(zone) + "/record"
	if sub := relative(name, zone, ""); name != "" && sub != "" {
		path += "?subDomain=" + url.QueryEscape(sub)
	}
	var ids []int64
	if err := c.GetWithContext(ctx, path, &ids); err != nil {
		return nil, noZone(err, zone)
	}
	if ids == nil {
		return nil, fmt.Errorf("%s: %w", zone, errNoList)
	}
	slices.Sort(ids)
	list, err := ovhRecords(ctx, c, zone, ids)
	if err != nil {
		return nil, err
	}
	var singles []single
	for _, r := range list {
		id := strconv.FormatInt(r.ID, 10)
		if slices.Contains(ovhText[:], r.Type) {
			id, r.Type = id+" "+r.Type, "TXT"
		}
		if r.TTL == 0 {
			r.TTL = ovhDefault
		}
		singles = append(singles, single{id: id, name: absolute(r.Name, zone), typ: r.Type, ttl: r.TTL, data: qualified(r.Type, r.Target, zone)})
	}
	sets := collect(singles)
	if name == "" {
		err = o.settle(ctx, c, zone, sets)
	}
	return sets, err
}

// ovhRecords reads records, many in one request where the API lets us. One that
// went meanwhile is left out.
func ovhRecords(ctx context.Context, c *ovh.Client, zone string, ids []int64) ([]ovhRecord, error) {
	var out []ovhRecord
	for batch := range slices.Chunk(ids, ovhBatch) {
		read := ovhMany
		if len(batch) == 1 {
			read = ovhEach
		}
		some, err := read(ctx, c, zone, batch)
		if said := (statusError{}); errors.As(err, &said) && said.Status != http.StatusTooManyRequests && said.Status < 500 && !errors.Is(err, ErrDenied) {
			some, err = ovhEach(ctx, c, zone, batch) // whatever it says: it does not take batches
		}
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// ovhMany reads records in one request.
func ovhMany(ctx context.Context, c *ovh.Client, zone string, ids []int64) ([]ovhRecord, error) {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = strconv.FormatInt(id, 10)
	}
	req, err := c.NewRequest(http.MethodGet, ovhPath(zone)+"/record/"+strings.Join(names, ","), nil, true)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Ovh-Batch", ",")
	resp, err := c.Do(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	var list []struct {
		Value *ovhRecord `json:"value"`
		Error *struct {
			Class   string `json:"class"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := c.UnmarshalResponse(resp, &list); err != nil {
		return nil, err
	}
	var out []ovhRecord
	for _, item := range list {
		switch {
		case item.Value != nil:
			out = append(out, *item.Value)
		case item.Error != nil && item.Error.Class != "Client::NotFound":
			return nil, errors.New(item.Error.Message)
		}
	}
	return out, nil
}

// ovhEach reads records one by one.
func ovhEach(ctx context.Context, c *ovh.Client, zone string, ids []int64) ([]ovhRecord, error) {
	var out []ovhRecord
	for _, id := range ids {
		var r ovhRecord
		err := c.GetWithContext(ctx, fmt.Sprintf("%s/record/%d", ovhPath(zone), id), &r)
		if errors.Is(noZone(err, zone), ErrNoZone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// write changes the draft and publishes it, also where the API did not take one
// of the records. A draft that could not be finished is not published; one that
// could, and was not published, is by the read that finds it so.
func (o *ovhCloud) write(ctx context.Context, zone string, edits []edit) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	o.owe(zone, edits)
	err = stepwise(ctx, edits, func(step context.Context, e edit) error {
		c := c
		if step != ctx { // to put something back
			back, err := o.client(step)
			if err != nil {
				return err
			}
			c = back
		}
		for _, t := range turns(e) {
			if err := ovhTurn(step, c, zone, e, t); err != nil {
				return raced(err)
			}
		}
		return nil
	})
	if err != nil && !ofRecord(err) {
		return err
	}
	return errors.Join(err, o.refresh(ctx, c, zone))
}

// ovhTurn makes one record of another. A number that has a type behind it is of
// a record that cannot become a plain one.
func ovhTurn(ctx context.Context, c *ovh.Client, zone string, e edit, t turn) error {
	path := ovhPath(zone) + "/record"
	id, special, _ := strings.Cut(t.id, " ")
	r := ovhRecord{Name: relative(e.name(), zone, ""), Target: t.data}
	if e.to != nil {
		r.TTL = max(e.to.TTL, ovhFloor)
	}
	if t.data != "" && (t.id == "" || special != "") {
		r.Type = e.kind()
		if err := c.PostWithContext(ctx, path, r, nil); err != nil {
			return err
		}
	} else if t.data != "" {
		return c.PutWithContext(ctx, path+"/"+id, r, nil)
	}
	if t.id == "" {
		return nil
	}
	return c.DeleteWithContext(ctx, path+"/"+id, nil)
}

// Publish has zone's name servers answer with what the zone holds. It is for
// what was written by somebody who then died: write does it by itself.
func (o *ovhCloud) Publish(ctx context.Context, zone string) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	return o.refresh(ctx, c, zoneName(zone))
}

func (o *ovhCloud) refresh(ctx context.Context, c *ovh.Client, zone string) error {
	if err := c.PostWithContext(ctx, ovhPath(zone)+"/refresh", nil, nil); err != nil {
		return fmt.Errorf("written and not published: %w", noZone(err, zone))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.owed, zone)
	return nil
}

// owe notes what is about to be written to zone.
func (o *ovhCloud) owe(zone string, edits []edit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.owed[zone] == nil {
		o.owed[zone] = map[string]edit{}
	}
	for _, e := range edits {
		o.owed[zone][e.String()] = e
	}
}

// owes reports whether something was written to zone and not published.
func (o *ovhCloud) owes(zone string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.owed[zone]) > 0
}

// settle publishes zone if all that is owed is in sets, which it holds: else
// nothing would differ from what is wanted, and nobody would ever publish it.
func (o *ovhCloud) settle(ctx context.Context, c *ovh.Client, zone string, sets []held) error {
	o.mu.Lock()
	done := len(o.owed[zone]) > 0
	for _, e := range o.owed[zone] {
		at := slices.IndexFunc(sets, func(h held) bool { return h.Name == e.name() && h.Type == e.kind() })
		switch {
		case e.to == nil:
			done = done && at < 0
		default:
			done = done && at >= 0 && same(sets[at].RRset, plan.RRset{TTL: max(e.to.TTL, ovhFloor), Data: e.to.Data})
		}
	}
	o.mu.Unlock()
	if !done {
		return nil
	}
	return o.refresh(ctx, c, zone)
}

func ovhPath(zone string) string { return "/domain/zone/" + url.PathEscape(dotless(zone)) }
