package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/plan"
)

// digitalOcean is DigitalOcean's API. It changes records one by one: each is
// rewritten in place while there are both old and new, so that an RRset is
// never empty in between.
type digitalOcean struct{ client *godo.Client }

// digitalOceanPage is how many records are asked for at a time, the most there is.
const digitalOceanPage = 200

// newDigitalOcean opens an account by a personal access token.
func newDigitalOcean(a config.Account) (Provider, error) {
	client := godo.NewClient(newHTTPClient())
	if a.Endpoint != "" {
		if err := godo.SetBaseURL(strings.TrimSuffix(a.Endpoint, "/") + "/")(client); err != nil {
			return nil, err
		}
	}
	bearer := map[string]string{"Authorization": "Bearer " + a.Secrets["token"].Reveal()}
	if err := godo.SetRequestHeaders(bearer)(client); err != nil {
		return nil, err
	}
	return newAccount(&digitalOcean{client}), nil
}

// Abilities are those of every account.
func (d *digitalOcean) Abilities() Abilities {
	return Abilities{
		Batch:  fewBlind,
		Rate:   3.5, // 250 a minute, and 5,000 an hour
		Burst:  40,
		MinTTL: 30 * time.Second,
		Types:  []string{"CAA", "MX", "NS", "SRV"},
	}
}

func (d *digitalOcean) read(ctx context.Context, zone, name string) ([]held, error) {
	var all []single
	for page := 1; ; page++ {
		options := &godo.ListOptions{Page: page, PerPage: digitalOceanPage}
		var records []godo.DomainRecord
		var reply *godo.Response
		var err error
		if name == "" {
			records, reply, err = d.client.Domains.Records(ctx, dotless(zone), options)
		} else {
			records, reply, err = d.client.Domains.RecordsByName(ctx, dotless(zone), dotless(name), options)
		}
		if err != nil {
			return nil, digitalOceanFailed(err, ErrNoZone)
		}
		if records == nil {
			return nil, fmt.Errorf("%s: %w", zone, errNoList)
		}
		for _, r := range records {
			if r.Type != "SOA" { // of which it tells the TTL alone
				all = append(all, digitalOceanSingle(r, zone))
			}
		}
		if reply.Links == nil || reply.Links.IsLastPage() {
			return collect(all), nil
		}
	}
}

// digitalOceanSingle returns r as all adapters read records. A target is fully
// qualified without its final dot, and "@" is the zone.
func digitalOceanSingle(r godo.DomainRecord, zone string) single {
	s := single{id: strconv.Itoa(r.ID), name: absolute(r.Name, zone), typ: r.Type, ttl: uint32(r.TTL), data: r.Data}
	target := dotted(r.Data)
	if r.Data == "@" {
		target = zone
	}
	switch r.Type {
	case "CNAME", "NS":
		s.data = target
	case "MX":
		s.data = fmt.Sprintf("%d %s", r.Priority, target)
	case "SRV":
		s.data = fmt.Sprintf("%d %d %d %s", r.Priority, r.Weight, r.Port, target)
	case "CAA":
		s.data = fmt.Sprintf("%d %s %s", r.Flags, r.Tag, plan.Quote(dotless(r.Data)))
	case "TXT":
		s.data = plan.Quote(r.Data)
	}
	return s
}

// digitalOceanRecord returns what is written for one record of set.
func digitalOceanRecord(set *plan.RRset, data, zone string) (*godo.DomainRecordEditRequest, error) {
	r := &godo.DomainRecordEditRequest{Type: set.Type, Name: relative(set.Name, zone, "@"), TTL: int(set.TTL), Data: data}
	f := strings.SplitN(data, " ", 4)
	switch set.Type {
	case "A", "AAAA", "CNAME", "NS":
	case "MX":
		r.Priority, r.Data = int(number16(f[0])), f[1]
	case "SRV":
		r.Priority, r.Weight, r.Port, r.Data = int(number16(f[0])), int(number16(f[1])), int(number16(f[2])), f[3]
	case "CAA":
		value, _ := plan.TXT(strings.Join(f[2:], " ")) // canonical: it is quoted
		r.Flags, r.Tag, r.Data = int(number16(f[0])), f[1], value
		if slices.Contains([]string{"issue", "issuewild"}, f[1]) && value != ";" {
			r.Data = dotted(value) // they read it as a target
		}
	case "TXT":
		r.Data, _ = plan.TXT(data)
	default:
		return nil, fmt.Errorf("%s: DigitalOcean has no records of type %s", set.Name, set.Type)
	}
	return r, nil
}

// write makes edits one record after another. Where something went to make
// room for what then could not come, it is put back.
func (d *digitalOcean) write(ctx context.Context, zone string, edits []edit) error {
	return stepwise(ctx, edits, func(ctx context.Context, e edit) error {
		for _, t := range turns(e) {
			if err := d.turn(ctx, zone, e, t); err != nil {
				return digitalOceanFailed(err, ErrStale)
			}
		}
		return nil
	})
}

// turn makes one record of another.
func (d *digitalOcean) turn(ctx context.Context, zone string, e edit, t turn) error {
	id, err := strconv.Atoi(t.id)
	if err != nil && t.id != "" {
		return fmt.Errorf("%q is no id of a record", t.id)
	}
	if t.data == "" {
		_, err := d.client.Domains.DeleteRecord(ctx, dotless(zone), id)
		return err
	}
	record, err := digitalOceanRecord(e.to, t.data, zone)
	switch {
	case err != nil:
	case t.id == "":
		_, _, err = d.client.Domains.CreateRecord(ctx, dotless(zone), record)
	default:
		_, _, err = d.client.Domains.EditRecord(ctx, dotless(zone), id, record)
	}
	return err
}

// digitalOceanFailed returns err, which wraps missing for an answer of 404:
// what was asked for is not there.
func digitalOceanFailed(err, missing error) error {
	var said statusError
	if errors.As(err, &said) && said.Status == http.StatusNotFound {
		return fmt.Errorf("%w: %w", missing, said)
	}
	return err
}
