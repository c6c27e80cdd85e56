package vendortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Azure returns Azure DNS, version 2018-05-01 of the Resource Manager's API,
// and the token endpoint of the directory tenant. The resource group is
// /subscriptions/sub/resourceGroups/group. A record whose Note is "alias" is
// an alias of the resource that its Data names.
func Azure(tenant, client, secret string) Vendor { return azure{tenant, client, secret} }

type azure struct{ tenant, client, secret string }

const (
	azureAccess = "eyJ0.access"
	azureZones  = "/subscriptions/sub/resourceGroups/group/providers/Microsoft.Network/dnsZones/"
)

// Login says that tokens are got at the token endpoint.
func (a azure) Login(r *http.Request) bool { return r.URL.Path == "/"+a.tenant+"/oauth2/v2.0/token" }

// Refuse speaks as the Resource Manager, or as the token endpoint.
func (a azure) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	switch {
	case a.Login(r) && status < 429:
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys are expired."})
	case status == http.StatusUnauthorized:
		a.fail(w, status, "ExpiredAuthenticationToken", "The access token expiry is before the current time.")
	case status == http.StatusForbidden:
		a.fail(w, status, "AuthorizationFailed", "The client does not have authorization to perform action 'Microsoft.Network/dnsZones/A/write'.")
	case status == http.StatusTooManyRequests:
		a.fail(w, status, "TooManyRequests", "The request is being throttled.")
	default:
		a.fail(w, status, "InternalServerError", "An error occurred.")
	}
}

func (azure) fail(w http.ResponseWriter, status int, code, message string) {
	reply(w, status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

// Serve answers at the token endpoint and below the resource group's zones.
func (a azure) Serve(w http.ResponseWriter, r *http.Request, s *State) {
	if a.Login(r) {
		if r.ParseForm() != nil || r.Form.Get("grant_type") != "client_credentials" || !strings.HasSuffix(r.Form.Get("scope"), "/.default") ||
			r.Form.Get("client_id") != a.client || r.Form.Get("client_secret") != a.secret {
			reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."})
			return
		}
		reply(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3599, "access_token": azureAccess})
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+azureAccess {
		a.fail(w, http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed.")
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, azureZones)
	part := strings.Split(path, "/")
	if !ok || r.URL.Query().Get("api-version") != "2018-05-01" {
		a.fail(w, http.StatusNotFound, "ResourceGroupNotFound", "Resource group could not be found.")
		return
	}
	z := s.Zone(part[0])
	switch {
	case z == nil:
		a.fail(w, http.StatusNotFound, "ParentResourceNotFound", "Failed to perform 'write' on resource(s) of type 'dnszones', because the parent resource '"+part[0]+"' could not be found.")
	case len(part) == 2 && part[1] == "recordsets" && r.Method == http.MethodGet:
		a.list(w, r, z)
	case len(part) == 3:
		a.change(w, r, s, z, z.Absolute(part[2]), strings.ToUpper(part[1]))
	default:
		a.fail(w, http.StatusMethodNotAllowed, "HttpMethodNotSupported", "")
	}
}

func (a azure) list(w http.ResponseWriter, r *http.Request, z *Zone) {
	found, seen := []map[string]any{}, map[string]bool{}
	for _, rec := range z.Records {
		below := r.URL.Query().Get("$recordsetnamesuffix") // a name itself is not below it
		if key := rec.Name + rec.Type; seen[key] || below != "" && !strings.HasSuffix(z.Relative(rec.Name, "@"), "."+below) {
			continue
		} else {
			seen[key] = true
		}
		found = append(found, a.show(z, rec.Name, rec.Type))
	}
	query := r.URL.Query()
	from, _ := strconv.Atoi(query.Get("$skiptoken"))
	page, next := Paged(found, from)
	out := map[string]any{"value": append([]map[string]any{}, page...)}
	if next > 0 {
		query.Set("$skiptoken", strconv.Itoa(next))
		out["nextLink"] = "https://elsewhere.invalid:443" + r.URL.Path + "?" + query.Encode()
	}
	reply(w, http.StatusOK, out)
}

// show returns the record set of a name and type.
func (azure) show(z *Zone, name, typ string) map[string]any {
	set := z.Set(name, typ)
	properties := map[string]any{"TTL": set[0].TTL, "fqdn": name, "provisioningState": "Succeeded", "targetResource": map[string]any{}}
	out := map[string]any{
		"id": azureZones + strings.TrimSuffix(z.Origin, ".") + "/" + typ + "/" + z.Relative(name, "@"), "name": z.Relative(name, "@"),
		"type": "Microsoft.Network/dnszones/" + typ, "etag": set[0].Tag, "properties": properties,
	}
	if set[0].Note == "alias" {
		properties["targetResource"] = map[string]any{"id": set[0].Data}
		return out
	}
	var records []any
	for _, rec := range set {
		f := strings.SplitN(rec.Data, " ", 4)
		switch typ {
		case "A":
			records = append(records, map[string]any{"ipv4Address": rec.Data})
		case "AAAA":
			records = append(records, map[string]any{"ipv6Address": rec.Data})
		case "CNAME":
			properties["CNAMERecord"] = map[string]any{"cname": rec.Data}
		case "TXT":
			var value []string
			_ = json.Unmarshal([]byte("["+strings.ReplaceAll(rec.Data, `" "`, `","`)+"]"), &value) // as change wrote it
			records = append(records, map[string]any{"value": value})
		case "NS":
			records = append(records, map[string]any{"nsdname": rec.Data})
		case "MX":
			records = append(records, map[string]any{"preference": whole(f[0]), "exchange": f[1]})
		case "SRV":
			records = append(records, map[string]any{"priority": whole(f[0]), "weight": whole(f[1]), "port": whole(f[2]), "target": f[3]})
		case "CAA":
			records = append(records, map[string]any{"flags": whole(f[0]), "tag": f[1], "value": strings.Trim(f[2], `"`)})
		}
	}
	if typ == "CAA" {
		properties["caaRecords"] = records
	} else if records != nil {
		properties[typ+"Records"] = records
	}
	return out
}

// An azureBody is a record set of a request.
type azureBody struct {
	Properties struct {
		TTL   *uint32
		A     []struct{ IPv4Address string } `json:"ARecords"`
		AAAA  []struct{ IPv6Address string } `json:"AAAARecords"`
		CNAME *struct{ CNAME string }        `json:"CNAMERecord"`
		TXT   []struct{ Value []string }     `json:"TXTRecords"`
		NS    []struct{ NSDName string }     `json:"NSRecords"`
		MX    []struct {
			Preference int
			Exchange   string
		} `json:"MXRecords"`
		SRV []struct {
			Priority, Weight, Port int
			Target                 string
		} `json:"SRVRecords"`
		CAA []struct {
			Flags      int
			Tag, Value string
		} `json:"caaRecords"`
	}
}

// data returns the records in b.
func (b azureBody) data() (data []string) {
	p := b.Properties
	for _, r := range p.A {
		data = append(data, r.IPv4Address)
	}
	for _, r := range p.AAAA {
		data = append(data, r.IPv6Address)
	}
	if p.CNAME != nil {
		data = append(data, p.CNAME.CNAME)
	}
	for _, r := range p.TXT {
		var pieces []string
		for _, v := range r.Value {
			text, _ := json.Marshal(v)
			pieces = append(pieces, string(text))
		}
		data = append(data, strings.Join(pieces, " "))
	}
	for _, r := range p.NS {
		data = append(data, r.NSDName)
	}
	for _, r := range p.MX {
		data = append(data, fmt.Sprintf("%d %s", r.Preference, r.Exchange))
	}
	for _, r := range p.SRV {
		data = append(data, fmt.Sprintf("%d %d %d %s", r.Priority, r.Weight, r.Port, r.Target))
	}
	for _, r := range p.CAA {
		data = append(data, fmt.Sprintf("%d %s %q", r.Flags, r.Tag, r.Value))
	}
	return data
}

// change writes or deletes one record set, if its entity tag fits.
func (a azure) change(w http.ResponseWriter, r *http.Request, s *State, z *Zone, name, typ string) {
	if !slices.Contains([]string{"A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"}, typ) {
		a.fail(w, http.StatusBadRequest, "BadRequest", "The record type is not supported.")
		return
	}
	there := z.Set(name, typ)
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	switch {
	case match != "" && (len(there) == 0 || there[0].Tag != match), none == "*" && len(there) > 0:
		a.fail(w, http.StatusPreconditionFailed, "PreconditionFailed", "The condition in the If-Match or If-None-Match header was not satisfied.")
		return
	case r.Method == http.MethodPatch && len(there) == 0:
		a.fail(w, http.StatusNotFound, "NotFound", "The resource record '"+name+"' does not exist.")
		return
	case r.Method == http.MethodDelete:
		if z.Drop(func(rec Record) bool { return rec.Name == name && rec.Type == typ }) == 0 {
			w.WriteHeader(http.StatusNoContent)
		}
		return
	case r.Method != http.MethodPut && r.Method != http.MethodPatch:
		a.fail(w, http.StatusMethodNotAllowed, "HttpMethodNotSupported", "")
		return
	}
	var in azureBody
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Properties.TTL == nil || *in.Properties.TTL < 1 {
		a.fail(w, http.StatusBadRequest, "BadRequest", "The value of property 'TTL' is out of range.")
		return
	}
	data := in.data()
	switch {
	case len(data) == 0:
		a.fail(w, http.StatusBadRequest, "BadRequest", "The record set has no records.")
		return
	case typ == "CNAME" && name == z.Origin:
		a.fail(w, http.StatusBadRequest, "BadRequest", "A CNAME record cannot be created at the zone apex.")
		return
	case z.Clashes(name, typ):
		a.fail(w, http.StatusBadRequest, "BadRequest", "The record could not be created because a CNAME record with the same name already exists in this zone.")
		return
	}
	z.Drop(func(rec Record) bool { return rec.Name == name && rec.Type == typ })
	tag := s.NewID()
	for _, d := range data {
		z.Records = append(z.Records, Record{ID: s.NewID(), Tag: tag, Name: name, Type: typ, TTL: *in.Properties.TTL, Data: d})
	}
	reply(w, http.StatusOK, a.show(z, name, typ))
}
