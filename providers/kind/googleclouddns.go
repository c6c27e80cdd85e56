package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/plan"
)

// googleDNS is Google's Cloud DNS. A change is a transaction of deletions,
// which must be exactly what is there, and additions, which must not be there:
// so none is made when somebody was faster. RRsets with a routing policy are
// foreign.
type googleDNS struct {
	*caller
	grant   *grant
	project string
	zones   zoneIDs
}

const (
	googleBatch   = 1000  // additions or deletions in a change
	googleOctets  = 90000 // of data in a change; the limit is 100,000
	googleToken   = "https://oauth2.googleapis.com/token"
	googleService = "https://www.googleapis.com/auth/ndev.clouddns.readwrite"
)

// newGoogleCloudDNS opens a project by the key of a service account, as Google
// gives it out in JSON.
func newGoogleCloudDNS(a config.Account) (Provider, error) {
	var key struct {
		Type          string
		ClientEmail   string `json:"client_email"`
		PrivateKey    string `json:"private_key"`
		PrivateKeyID  string `json:"private_key_id"`
		TokenEndpoint string `json:"token_uri"`
	}
	if err := json.Unmarshal([]byte(a.Secrets["credentials"].Reveal()), &key); err != nil {
		return nil, errors.New("the credentials are no JSON: they are to be the key of a service account")
	}
	if key.Type != "service_account" || key.ClientEmail == "" || key.PrivateKey == "" {
		return nil, errors.New("the credentials are not the key of a service account: type, client_email or private_key is missing")
	}
	if key.TokenEndpoint == "" {
		key.TokenEndpoint = googleToken
	}
	account := &jwt.Config{
		Email: key.ClientEmail, PrivateKey: []byte(key.PrivateKey), PrivateKeyID: key.PrivateKeyID,
		Scopes: []string{googleService}, TokenURL: key.TokenEndpoint,
	}
	opened := newAccount(&googleDNS{
		caller:  newCaller(a.Endpoint, "https://dns.googleapis.com/dns/v1"),
		grant:   &grant{fetch: func(ctx context.Context) (*oauth2.Token, error) { return account.TokenSource(ctx).Token() }},
		project: a.Values["project"],
	})
	opened.blind = true
	return opened, nil
}

// Abilities are those of public managed zones.
func (g *googleDNS) Abilities() Abilities {
	return Abilities{
		Atomic:  true,
		Expects: true,
		Batch:   200, // of some 200 octets of data each, before and after
		Rate:    9,   // 600 a minute and project
		Burst:   50,
		Types:   []string{"CAA", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SRV", "SSHFP", "SVCB", "TLSA"},
	}
}

// call sends one request below the project.
func (g *googleDNS) call(ctx context.Context, zone, method, path string, in, out any) error {
	authorization, err := g.grant.authorization(ctx)
	if err != nil {
		return err
	}
	_, err = g.do(ctx, method, "/projects/"+segment(g.project)+"/managedZones"+path, in, out, "Authorization", authorization)
	return g.failed(zone, err)
}

// A googleSet is an RRset, as it is read and as it is written.
type googleSet struct {
	Name   string          `json:"name"`
	Type   string          `json:"type"`
	TTL    uint32          `json:"ttl"`
	Data   []string        `json:"rrdatas"`
	Policy json.RawMessage `json:"routingPolicy,omitempty"`
}

func (g *googleDNS) read(ctx context.Context, zone, name string) ([]held, error) {
	id, err := g.zones.get(ctx, zone, g.find)
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	if name != "" {
		query.Set("name", name)
	}
	var all []held
	for {
		var reply struct {
			Kind string      `json:"kind"` // of every list, an empty one too
			Sets []googleSet `json:"rrsets"`
			Next string      `json:"nextPageToken"`
		}
		if err := g.call(ctx, zone, http.MethodGet, "/"+segment(id)+"/rrsets?"+query.Encode(), nil, &reply); err != nil {
			return nil, err
		}
		if reply.Kind == "" && reply.Sets == nil {
			return nil, fmt.Errorf("%s: %w", zone, errNoList)
		}
		for _, set := range reply.Sets {
			all = append(all, set.held())
		}
		if reply.Next == "" {
			return all, nil
		}
		query.Set("pageToken", reply.Next)
	}
}

// held returns s as all adapters read RRsets.
func (s googleSet) held() held {
	h := held{RRset: plan.RRset{Name: strings.ToLower(s.Name), Type: s.Type, TTL: s.TTL}}
	if s.Policy != nil {
		h.foreign = "Cloud DNS answers by a routing policy here"
		return h
	}
	for _, data := range s.Data {
		h.add(single{typ: s.Type, ttl: s.TTL, data: data})
	}
	return h
}

// find returns the name of the public managed zone of zone.
func (g *googleDNS) find(ctx context.Context, zone string) (string, error) {
	query := url.Values{"dnsName": {zone}}
	for {
		var reply struct {
			Zones []struct{ Name, DNSName, Visibility string } `json:"managedZones"`
			Next  string                                       `json:"nextPageToken"`
		}
		if err := g.call(ctx, zone, http.MethodGet, "?"+query.Encode(), nil, &reply); err != nil {
			return "", err
		}
		for _, z := range reply.Zones {
			if strings.EqualFold(z.DNSName, zone) && z.Visibility != "private" {
				return z.Name, nil
			}
		}
		if reply.Next == "" {
			return "", fmt.Errorf("%w: %s, or it is private", ErrNoZone, zone)
		}
		query.Set("pageToken", reply.Next)
	}
}

// A googleChange is a transaction.
type googleChange struct {
	Additions []googleSet `json:"additions,omitempty"`
	Deletions []googleSet `json:"deletions,omitempty"`
}

// write sends one change, or several where one cannot hold all: then each is a
// transaction of its own.
func (g *googleDNS) write(ctx context.Context, zone string, edits []edit) error {
	id, err := g.zones.get(ctx, zone, g.find)
	if err != nil {
		return err
	}
	var change googleChange
	octets := 0
	for i, e := range edits {
		octets += change.add(e)
		if i+1 < len(edits) {
			var more googleChange
			if n := more.add(edits[i+1]); octets+n <= googleOctets && len(change.Additions) < googleBatch && len(change.Deletions) < googleBatch {
				continue
			}
		}
		if err := g.call(ctx, zone, http.MethodPost, "/"+segment(id)+"/changes", change, nil); err != nil {
			return err
		}
		change, octets = googleChange{}, 0
	}
	return nil
}

// add appends what makes e, and returns how many octets of data that is.
func (c *googleChange) add(e edit) (octets int) {
	if e.was != nil {
		c.Deletions = append(c.Deletions, googleSet{Name: e.was.Name, Type: e.was.Type, TTL: e.was.TTL, Data: e.was.raw})
		octets += len(strings.Join(e.was.raw, ""))
	}
	if e.to != nil {
		c.Additions = append(c.Additions, googleSet{Name: e.to.Name, Type: e.to.Type, TTL: e.to.TTL, Data: e.to.Data})
		octets += len(strings.Join(e.to.Data, ""))
	}
	return octets
}

// failed returns err with what Google's reasons mean.
//
//	status and reason                          error
//	404 of a managed zone                      wraps ErrNoZone
//	404 of a deletion, 409 alreadyExists, 412  wraps ErrStale
//	403 rateLimitExceeded, userRateLimit…      a Later
//	401, other 403                             wraps ErrDenied
//	others                                     as it was
func (g *googleDNS) failed(zone string, err error) error {
	var said statusError
	if !errors.As(err, &said) {
		return err
	}
	var reply struct {
		Error struct {
			Message string
			Errors  []struct{ Reason string }
		}
	}
	_ = json.Unmarshal([]byte(said.full), &reply) // what is no JSON has no reason
	reason := ""
	if len(reply.Error.Errors) > 0 {
		reason = reply.Error.Errors[0].Reason
	}
	switch {
	case said.Status == http.StatusNotFound && !strings.Contains(reply.Error.Message, "entity.change"):
		g.zones.forget(zone)
		return fmt.Errorf("%w: %w", ErrNoZone, said)
	case said.Status == http.StatusNotFound, said.Status == http.StatusConflict && reason == "alreadyExists", said.Status == http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w", ErrStale, said)
	case said.Status == http.StatusForbidden && (reason == "rateLimitExceeded" || reason == "userRateLimitExceeded"):
		return Later{After: time.Minute, Why: said.Error()} // the limit is one of each minute
	case said.Status == http.StatusUnauthorized:
		g.grant.drop()
	}
	return err
}
