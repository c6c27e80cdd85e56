package kind

import (
	"context"
	"fmt"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/plan"
)

// hetzner is a project of the Hetzner Cloud (docs.hetzner.cloud), whose API
// knows RRsets and changes one at a time, each by an action that takes a while.
type hetzner struct {
	account
	api *hcloud.Client
}

// hetznerFloor, in seconds, is the lowest TTL.
const hetznerFloor = 60

// newHetzner opens a project by an API token with read and write.
func newHetzner(a config.Account) (Provider, error) {
	endpoint := a.Endpoint
	if endpoint == "" {
		endpoint = hcloud.Endpoint
	}
	h := &hetzner{api: hcloud.NewClient(
		hcloud.WithEndpoint(endpoint),
		hcloud.WithToken(a.Secrets["token"].Reveal()),
		hcloud.WithApplication("shunt", ""),
		hcloud.WithHTTPClient(newHTTPClient()),
		hcloud.WithRetryOpts(hcloud.RetryOpts{MaxRetries: 0}),
		hcloud.WithPollOpts(hcloud.PollOpts{BackoffFunc: hcloud.ConstantBackoff(200 * time.Millisecond)}),
	)}
	h.account = newAccount(h)
	return h, nil
}

// Abilities says what the API can do. A project has 3,600 requests an hour,
// which may come at once: no rate that would slow a few down.
func (h *hetzner) Abilities() Abilities {
	return Abilities{
		Batch:  fewBlind,
		MinTTL: hetznerFloor * time.Second,
		Types:  []string{"CAA", "HTTPS", "MX", "NS", "PTR", "SRV", "SVCB", "TLSA"},
	}
}

// read asks for the zone first, for its TTL is that of RRsets without one.
func (h *hetzner) read(ctx context.Context, zone, name string) ([]held, error) {
	z, _, err := h.api.Zone.Get(ctx, dotless(zone))
	if err != nil {
		return nil, noZone(err, zone)
	}
	if z == nil {
		return nil, fmt.Errorf("%s: %w", zone, ErrNoZone)
	}
	if z.ID == 0 {
		return nil, fmt.Errorf("%s: %w", zone, errNoList)
	}
	opts := hcloud.ZoneRRSetListOpts{}
	if name != "" {
		opts.Name = relative(name, zone, "@")
	}
	list, err := h.api.Zone.AllRRSetsWithOpts(ctx, z, opts)
	if err != nil {
		return nil, noZone(err, zone)
	}
	var sets []held
	for _, s := range list {
		if s.Type == hcloud.ZoneRRSetTypeSOA {
			continue
		}
		ttl := z.TTL
		if s.TTL != nil {
			ttl = *s.TTL
		}
		var data []string
		for _, r := range s.Records {
			data = append(data, qualified(string(s.Type), r.Value, zone))
		}
		set, err := plan.New(absolute(s.Name, zone), string(s.Type), uint32(ttl), data)
		if err != nil {
			return nil, err
		}
		was := held{RRset: set, raw: set.Data}
		if s.Protection.Change {
			was.foreign = "the RRset is protected from changes"
		}
		sets = append(sets, was)
	}
	return sets, nil
}

// write makes one request an RRset, two where records and TTL change, and
// waits for each to have been carried out.
func (h *hetzner) write(ctx context.Context, zone string, edits []edit) error {
	z := &hcloud.Zone{Name: dotless(zone)}
	return stepwise(ctx, edits, func(ctx context.Context, e edit) error { return raced(h.change(ctx, z, zone, e)) })
}

func (h *hetzner) change(ctx context.Context, z *hcloud.Zone, zone string, e edit) error {
	set := &hcloud.ZoneRRSet{Zone: z, Name: relative(e.name(), zone, "@"), Type: hcloud.ZoneRRSetType(e.kind())}
	if e.to == nil {
		done, _, err := h.api.Zone.DeleteRRSet(ctx, set)
		return h.settled(ctx, done.Action, err)
	}
	ttl := int(max(e.to.TTL, hetznerFloor))
	var values []hcloud.ZoneRRSetRecord
	for _, data := range e.to.Data {
		values = append(values, hcloud.ZoneRRSetRecord{Value: data})
	}
	if e.was == nil {
		done, _, err := h.api.Zone.CreateRRSet(ctx, z, hcloud.ZoneRRSetCreateOpts{Name: set.Name, Type: set.Type, TTL: &ttl, Records: values})
		return h.settled(ctx, done.Action, err)
	}
	if !same(plan.RRset{Data: e.was.Data}, plan.RRset{Data: e.to.Data}) {
		action, _, err := h.api.Zone.SetRRSetRecords(ctx, set, hcloud.ZoneRRSetSetRecordsOpts{Records: values})
		if err := h.settled(ctx, action, err); err != nil {
			return err
		}
	}
	if e.was.TTL == uint32(ttl) {
		return nil
	}
	action, _, err := h.api.Zone.ChangeRRSetTTL(ctx, set, hcloud.ZoneRRSetChangeTTLOpts{TTL: &ttl})
	return h.settled(ctx, action, err)
}

// settled waits until action has ended, and returns its error, or err.
func (h *hetzner) settled(ctx context.Context, action *hcloud.Action, err error) error {
	if err != nil || action == nil {
		return err
	}
	return h.api.Action.WaitFor(ctx, action)
}
