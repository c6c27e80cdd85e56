package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/plan"
)

// azure is Azure DNS through the Resource Manager. Each record set changes by
// itself, against the entity tag that was read with it: none is made when
// somebody was faster. Record sets that are aliases of Azure's own resources
// are foreign. Metadata of a record set stays.
type azure struct {
	*caller
	grant *grant
	zones string // path of the resource group's zones
}

const (
	azureVersion   = "2018-05-01"
	azureAuthority = "https://login.microsoftonline.com"
	azureManager   = "https://management.azure.com"
)

// newAzure opens the zones of one resource group, as an application that has a
// secret.
func newAzure(a config.Account) (Provider, error) {
	authority, scope := strings.TrimSuffix(a.Values["authority"], "/"), azureManager
	if authority == "" {
		authority = azureAuthority
	}
	if strings.HasPrefix(a.Endpoint, "https://management.") { // a national cloud
		scope = strings.TrimSuffix(a.Endpoint, "/")
	}
	app := &clientcredentials.Config{
		ClientID:     a.Values["client_id"],
		ClientSecret: a.Secrets["client_secret"].Reveal(),
		TokenURL:     authority + "/" + segment(a.Values["tenant_id"]) + "/oauth2/v2.0/token",
		Scopes:       []string{scope + "/.default"},
		AuthStyle:    oauth2.AuthStyleInParams,
	}
	opened := newAccount(&azure{
		caller: newCaller(a.Endpoint, azureManager),
		grant:  &grant{fetch: app.Token},
		zones:  "/subscriptions/" + segment(a.Values["subscription_id"]) + "/resourceGroups/" + segment(a.Values["resource_group"]) + "/providers/Microsoft.Network/dnsZones/",
	})
	opened.whole = true
	return opened, nil
}

// Abilities are those of public zones.
func (z *azure) Abilities() Abilities {
	return Abilities{
		Expects: true,
		Batch:   100, // made one by one
		Rate:    3,   // 200 changes a minute and subscription
		Burst:   20,
		MinTTL:  time.Second,
		Types:   []string{"CAA", "MX", "NS", "PTR", "SRV"},
	}
}

// call sends one request.
func (z *azure) call(ctx context.Context, method, path string, in, out any, fields ...string) error {
	authorization, err := z.grant.authorization(ctx)
	if err != nil {
		return err
	}
	_, err = z.do(ctx, method, path, in, out, append(fields, "Authorization", authorization)...)
	return z.failed(err)
}

// An azureSet is a record set, as it is read and as it is written.
type azureSet struct {
	Name       string          `json:"name,omitempty"`
	Type       string          `json:"type,omitempty"` // as Microsoft.Network/dnszones/A
	Tag        string          `json:"etag,omitempty"`
	Properties azureProperties `json:"properties"`
}

type azureProperties struct {
	TTL    uint32               `json:"TTL"`
	Target *struct{ ID string } `json:"targetResource,omitempty"` // of an alias

	A     []azureA    `json:"ARecords,omitempty"`
	AAAA  []azureAAAA `json:"AAAARecords,omitempty"`
	CNAME *azureCNAME `json:"CNAMERecord,omitempty"`
	TXT   []azureTXT  `json:"TXTRecords,omitempty"`
	MX    []azureMX   `json:"MXRecords,omitempty"`
	NS    []azureNS   `json:"NSRecords,omitempty"`
	PTR   []azurePTR  `json:"PTRRecords,omitempty"`
	SRV   []azureSRV  `json:"SRVRecords,omitempty"`
	CAA   []azureCAA  `json:"caaRecords,omitempty"`
}

type (
	azureA struct {
		Address string `json:"ipv4Address"`
	}
	azureAAAA struct {
		Address string `json:"ipv6Address"`
	}
	azureCNAME struct {
		Name string `json:"cname"`
	}
	azureTXT struct {
		Value []string `json:"value"`
	}
	azureMX struct {
		Preference uint16 `json:"preference"`
		Exchange   string `json:"exchange"`
	}
	azureNS struct {
		Name string `json:"nsdname"`
	}
	azurePTR struct {
		Name string `json:"ptrdname"`
	}
	azureSRV struct {
		Priority uint16 `json:"priority"`
		Weight   uint16 `json:"weight"`
		Port     uint16 `json:"port"`
		Target   string `json:"target"`
	}
	azureCAA struct {
		Flags uint16 `json:"flags"`
		Tag   string `json:"tag"`
		Value string `json:"value"`
	}
)

// data returns the records of p in presentation format.
func (p azureProperties) data() []string {
	var data []string
	for _, r := range p.A {
		data = append(data, r.Address)
	}
	for _, r := range p.AAAA {
		data = append(data, r.Address)
	}
	if p.CNAME != nil {
		data = append(data, dotted(p.CNAME.Name))
	}
	for _, r := range p.TXT {
		data = append(data, plan.Quote(strings.Join(r.Value, "")))
	}
	for _, r := range p.MX {
		data = append(data, fmt.Sprintf("%d %s", r.Preference, dotted(r.Exchange)))
	}
	for _, r := range p.NS {
		data = append(data, dotted(r.Name))
	}
	for _, r := range p.PTR {
		data = append(data, dotted(r.Name))
	}
	for _, r := range p.SRV {
		data = append(data, fmt.Sprintf("%d %d %d %s", r.Priority, r.Weight, r.Port, dotted(r.Target)))
	}
	for _, r := range p.CAA {
		data = append(data, fmt.Sprintf("%d %s %s", r.Flags, r.Tag, plan.Quote(r.Value)))
	}
	return data
}

// dotted returns name with its final dot, which Azure leaves to whoever wrote it.
func dotted(name string) string { return dotless(name) + "." }

// azurePropertiesOf returns what is written for set, whose data are canonical.
func azurePropertiesOf(set plan.RRset) (azureProperties, error) {
	p := azureProperties{TTL: set.TTL}
	for _, data := range set.Data {
		f := strings.SplitN(data, " ", 4)
		switch set.Type {
		case "A":
			p.A = append(p.A, azureA{data})
		case "AAAA":
			p.AAAA = append(p.AAAA, azureAAAA{data})
		case "CNAME":
			p.CNAME = &azureCNAME{dotless(data)}
		case "TXT":
			text, _ := plan.TXT(data) // canonical: it can be read
			p.TXT = append(p.TXT, azureTXT{slices.Collect(pieces(text))})
		case "MX":
			p.MX = append(p.MX, azureMX{number16(f[0]), dotless(f[1])})
		case "NS":
			p.NS = append(p.NS, azureNS{data})
		case "PTR":
			p.PTR = append(p.PTR, azurePTR{data})
		case "SRV":
			p.SRV = append(p.SRV, azureSRV{number16(f[0]), number16(f[1]), number16(f[2]), dotless(f[3])})
		case "CAA":
			value, _ := plan.TXT(strings.Join(f[2:], " "))
			p.CAA = append(p.CAA, azureCAA{number16(f[0]), f[1], value})
		default:
			return p, fmt.Errorf("%s: Azure DNS has no records of type %s", set.Name, set.Type)
		}
	}
	return p, nil
}

// pieces returns text in pieces of up to 255 octets.
func pieces(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for first := true; first || text != ""; first = false {
			n := min(len(text), 255)
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}

// read lists the whole zone whatever name is: Azure lists what is below a name,
// and not the name itself.
func (z *azure) read(ctx context.Context, zone, _ string) ([]held, error) {
	query := url.Values{"api-version": {azureVersion}, "$top": {"100"}}
	var all []held
	for path := z.zones + segment(dotless(zone)) + "/recordsets?" + query.Encode(); path != ""; {
		var reply struct {
			Value []azureSet
			Next  string `json:"nextLink"`
		}
		if err := z.call(ctx, http.MethodGet, path, nil, &reply); err != nil {
			return nil, err
		}
		if reply.Value == nil {
			return nil, fmt.Errorf("%s: %w", zone, errNoList)
		}
		for _, set := range reply.Value {
			if h := set.held(zone); h.Type != "SOA" {
				all = append(all, h)
			}
		}
		if path = ""; reply.Next != "" { // a whole URL, whose host is no business of the reply's
			next, err := url.Parse(reply.Next)
			if err != nil {
				return nil, fmt.Errorf("the next page: %w", err)
			}
			path = next.RequestURI()
		}
	}
	return all, nil
}

// held returns s as all adapters read RRsets.
func (s azureSet) held(zone string) held {
	_, typ, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(s.Type), "microsoft.network/"), "/")
	h := held{RRset: plan.RRset{Name: absolute(s.Name, zone), Type: strings.ToUpper(typ), TTL: s.Properties.TTL}, tag: s.Tag}
	if t := s.Properties.Target; t != nil && t.ID != "" {
		h.foreign = "an alias of " + t.ID
		return h
	}
	for _, data := range s.Properties.data() {
		h.add(single{typ: h.Type, ttl: h.TTL, data: data})
	}
	if len(h.Data) == 0 && h.foreign == "" && h.Type != "SOA" {
		h.foreign = "an empty record set"
	}
	return h
}

// write makes edits one by one. Where something went to make room for what
// then could not come, it is put back.
func (z *azure) write(ctx context.Context, zone string, edits []edit) error {
	return stepwise(ctx, edits, func(ctx context.Context, e edit) error {
		path := z.zones + segment(dotless(zone)) + "/" + e.kind() + "/" + segment(relative(e.name(), zone, "@")) + "?api-version=" + azureVersion
		if e.to == nil {
			return z.call(ctx, http.MethodDelete, path, nil, nil, "If-Match", e.was.tag)
		}
		properties, err := azurePropertiesOf(*e.to)
		if err != nil {
			return err
		}
		if e.was == nil {
			return z.call(ctx, http.MethodPut, path, azureSet{Properties: properties}, nil, "If-None-Match", "*")
		}
		return z.call(ctx, http.MethodPatch, path, azureSet{Properties: properties}, nil, "If-Match", e.was.tag)
	})
}

// failed returns err with what Azure's replies mean.
//
//	status   error
//	404      wraps ErrNoZone, and to a write of a record set that has gone ErrStale
//	412      wraps ErrStale
//	others   as it was
func (z *azure) failed(err error) error {
	var said statusError
	if !errors.As(err, &said) {
		return err
	}
	switch said.Status {
	case http.StatusNotFound:
		if strings.Contains(said.full, `"NotFound"`) {
			return fmt.Errorf("%w: %w", ErrStale, said)
		}
		return fmt.Errorf("%w: %w", ErrNoZone, said)
	case http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w", ErrStale, said)
	case http.StatusUnauthorized:
		z.grant.drop()
	}
	return err
}
