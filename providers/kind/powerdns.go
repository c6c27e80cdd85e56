package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// powerDNS is a PowerDNS Authoritative Server by its HTTP API
// (doc.powerdns.com/authoritative/http-api), whose PATCH changes any number of
// RRsets of a zone at once or none. It does not compare: a look right before
// the change does.
type powerDNS struct {
	*caller
	zones string // path of the server's zones
}

// newPowerDNS opens the zones of one server behind an API.
func newPowerDNS(a config.Account) (Provider, error) {
	if a.Endpoint == "" {
		return nil, errors.New("endpoint is missing: write the base URL of the API")
	}
	return newAccount(&powerDNS{
		caller: newCaller(a.Endpoint, "", "X-API-Key", a.Secrets["key"].Reveal()),
		zones:  "/api/v1/servers/" + segment(a.Values["server_id"]) + "/zones/",
	}), nil
}

// Abilities are those of version 4.3 and later. ALIAS is left out, since it
// answers nothing unless expand-alias and a resolver are configured.
func (z *powerDNS) Abilities() Abilities {
	return Abilities{
		Atomic: true,
		Batch:  1000,
		Types:  []string{"CAA", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV", "SSHFP", "SVCB", "TLSA"},
	}
}

// A powerDNSSet is an RRset of the API.
type powerDNSSet struct {
	Name    string           `json:"name"`
	Type    string           `json:"type"`
	TTL     uint32           `json:"ttl,omitempty"`
	Change  string           `json:"changetype,omitempty"`
	Records []powerDNSRecord `json:"records,omitempty"`
}

type powerDNSRecord struct {
	Content  string `json:"content"`
	Disabled bool   `json:"disabled"`
}

func (z *powerDNS) read(ctx context.Context, zone, name string) ([]held, error) {
	path := z.zones + segment(zone)
	if name != "" {
		path += "?rrset_name=" + url.QueryEscape(name) // 4.8 and later; those before return all
	}
	var reply struct {
		RRsets []powerDNSSet `json:"rrsets"`
	}
	if _, err := z.do(ctx, http.MethodGet, path, nil, &reply); err != nil {
		return nil, noZone(err, zone)
	}
	if reply.RRsets == nil {
		return nil, fmt.Errorf("%s: %w", zone, errNoList)
	}
	var singles []single
	for _, s := range reply.RRsets {
		if s.Type == "SOA" {
			continue
		}
		for _, r := range s.Records {
			one := single{name: s.Name, typ: s.Type, ttl: s.TTL, data: r.Content}
			if r.Disabled {
				one.foreign = "it has a disabled record"
			}
			singles = append(singles, one)
		}
	}
	return collect(singles), nil
}

func (z *powerDNS) write(ctx context.Context, zone string, edits []edit) error {
	var patch struct {
		RRsets []powerDNSSet `json:"rrsets"`
	}
	for _, e := range edits {
		set := powerDNSSet{Name: e.name(), Type: e.kind(), Change: "DELETE"}
		if e.to != nil {
			set.Change, set.TTL = "REPLACE", e.to.TTL
			for _, data := range e.to.Data {
				set.Records = append(set.Records, powerDNSRecord{Content: powerDNSData(e.kind(), data)})
			}
		}
		patch.RRsets = append(patch.RRsets, set)
	}
	_, err := z.do(ctx, http.MethodPatch, z.zones+segment(zone), patch, nil)
	return noZone(err, zone)
}

// powerDNSData returns data as the API wants it to the letter: parameters of
// SVCB and HTTPS without quotes, but for ech and those without a name.
func powerDNSData(typ, data string) string {
	if typ != "HTTPS" && typ != "SVCB" {
		return data
	}
	words := strings.Split(data, " ")
	for i, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if ok && key != "ech" && !strings.HasPrefix(key, "key") {
			words[i] = key + "=" + strings.Trim(value, `"`)
		}
	}
	return strings.Join(words, " ")
}
