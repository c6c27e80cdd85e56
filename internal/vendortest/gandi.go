package vendortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Gandi returns Gandi's LiveDNS API, version 5: a domain, the pages of its
// RRsets, one RRset, and all RRsets of a name.
func Gandi(token string) Vendor { return gandi{token} }

type gandi struct{ token string }

// Refuse speaks as Gandi: a code, a cause and an object.
func (g gandi) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	switch status {
	case http.StatusTooManyRequests:
		g.fail(w, status, "HTTPTooManyRequests", "Too many requests")
	case http.StatusUnauthorized:
		g.fail(w, status, "HTTPUnauthorized", "The server could not verify that you authorized to access the document you requested.")
	case http.StatusForbidden:
		g.fail(w, status, "HTTPForbidden", "Access was denied to this resource.")
	default:
		g.fail(w, status, "HTTPInternalServerError", "Internal error")
	}
}

func (gandi) fail(w http.ResponseWriter, status int, object, message string) {
	reply(w, status, map[string]any{"code": status, "cause": http.StatusText(status), "object": object, "message": message})
}

// invalid says what is wrong with a field.
func (gandi) invalid(w http.ResponseWriter, field, why string) {
	reply(w, http.StatusBadRequest, map[string]any{"status": "error", "errors": []any{map[string]any{"location": "body", "name": field, "description": why}}})
}

// Serve answers below /v5/livedns/domains.
func (g gandi) Serve(w http.ResponseWriter, r *http.Request, s *State) {
	if r.Header.Get("Authorization") != "Bearer "+g.token {
		g.Refuse(w, r, http.StatusUnauthorized)
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(path) < 4 || strings.Join(path[:3], "/") != "v5/livedns/domains" || len(path) > 4 && path[4] != "records" || len(path) > 7 {
		g.fail(w, http.StatusNotFound, "HTTPNotFound", "The resource could not be found.")
		return
	}
	z := s.Zone(path[3])
	if z == nil {
		g.fail(w, http.StatusNotFound, "dns-zone", "The domain "+path[3]+" doesn't use livedns service")
		return
	}
	name, typ := "", ""
	if len(path) > 5 {
		name = z.Absolute(path[5])
	}
	if len(path) > 6 {
		typ = path[6]
	}
	switch {
	case len(path) == 4 && r.Method == http.MethodGet:
		reply(w, http.StatusOK, map[string]any{"fqdn": path[3], "automatic_snapshots": true})
	case len(path) < 7 && r.Method == http.MethodGet:
		g.list(w, r, z, name)
	case len(path) == 6 && r.Method == http.MethodPut:
		g.putName(w, r, s, z, name)
	case len(path) == 7 && r.Method == http.MethodPut:
		g.putSet(w, r, s, z, name, typ)
	case len(path) > 5 && r.Method == http.MethodDelete:
		g.delete(w, z, name, typ)
	default:
		g.fail(w, http.StatusMethodNotAllowed, "HTTPMethodNotAllowed", "The method is not allowed for this resource.")
	}
}

// A gandiSet is an RRset as the API shows and takes it.
type gandiSet struct {
	Name   string   `json:"rrset_name,omitempty"`
	Type   string   `json:"rrset_type,omitempty"`
	TTL    uint32   `json:"rrset_ttl"`
	Values []string `json:"rrset_values"`
}

// list writes a page of the RRsets of z, or of those of a name, which is not
// found if it has none.
func (g gandi) list(w http.ResponseWriter, r *http.Request, z *Zone, name string) {
	sets := []gandiSet{}
	for _, rec := range z.Records {
		if name != "" && rec.Name != name {
			continue
		}
		sub := z.Relative(rec.Name, "@")
		at := slices.IndexFunc(sets, func(s gandiSet) bool { return s.Name == sub && s.Type == rec.Type })
		if at < 0 {
			at = len(sets)
			sets = append(sets, gandiSet{Name: sub, Type: rec.Type, TTL: rec.TTL})
		}
		sets[at].Values = append(sets[at].Values, rec.Data)
	}
	if name != "" && len(sets) == 0 {
		g.fail(w, http.StatusNotFound, "dns-record", "Can't find the DNS record "+z.Relative(name, "@"))
		return
	}
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		n = 1
	}
	page, next := Paged(sets, (n-1)*Page)
	w.Header().Set("Total-Count", strconv.Itoa(len(sets)))
	if next > 0 {
		query := r.URL.Query()
		query.Set("page", strconv.Itoa(n+1))
		w.Header().Set("Link", fmt.Sprintf("<http://%s%s?%s>; rel=\"next\"", r.Host, r.URL.Path, query.Encode()))
	}
	reply(w, http.StatusOK, append([]gandiSet{}, page...))
}

// putSet makes the body all that there is of a name and type.
func (g gandi) putSet(w http.ResponseWriter, r *http.Request, s *State, z *Zone, name, typ string) {
	var in gandiSet
	if !g.decode(w, r, &in) {
		return
	}
	in.Type = typ
	work := &Zone{Origin: z.Origin, Records: slices.Clone(z.Records)}
	work.Drop(func(rec Record) bool { return rec.Name == name && rec.Type == typ })
	if g.add(w, in, s, work, name) {
		g.created(w, z, work)
	}
}

// putName makes the body's items all that there is of a name.
func (g gandi) putName(w http.ResponseWriter, r *http.Request, s *State, z *Zone, name string) {
	var in struct {
		Items []gandiSet `json:"items"`
	}
	if !g.decode(w, r, &in) {
		return
	}
	if len(in.Items) == 0 {
		g.invalid(w, "items", "Shorter than minimum length 1.")
		return
	}
	work := &Zone{Origin: z.Origin, Records: slices.Clone(z.Records)}
	work.Drop(func(rec Record) bool { return rec.Name == name })
	for _, set := range in.Items {
		if !g.add(w, set, s, work, name) {
			return
		}
	}
	g.created(w, z, work)
}

func (gandi) created(w http.ResponseWriter, z, work *Zone) {
	z.Records = work.Records
	z.Touch()
	reply(w, http.StatusCreated, map[string]any{"message": "DNS Record Created"})
}

func (g gandi) decode(w http.ResponseWriter, r *http.Request, in any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(in); err != nil {
		g.invalid(w, "", err.Error())
		return false
	}
	return true
}

// add adds set to z, or says why it cannot be.
func (g gandi) add(w http.ResponseWriter, set gandiSet, s *State, z *Zone, name string) bool {
	switch {
	case set.TTL < 300 || set.TTL > 2592000:
		g.invalid(w, "rrset_ttl", "rrset_ttl must be between 300 and 2592000")
	case len(set.Values) == 0:
		g.invalid(w, "rrset_values", "Shorter than minimum length 1.")
	case set.Type == "SOA" || set.Type == "":
		g.invalid(w, "rrset_type", "Invalid record type")
	case set.Type == "CNAME" && (name == z.Origin || len(set.Values) > 1):
		g.invalid(w, "rrset_type", "A CNAME cannot stand here")
	case z.Clashes(name, set.Type):
		g.invalid(w, "rrset_type", "A CNAME record cannot coexist with other records")
	default:
		for _, v := range set.Values {
			if set.Type == "TXT" && !strings.HasPrefix(v, `"`) {
				v = strconv.Quote(v)
			}
			z.Records = append(z.Records, Record{ID: s.NewID(), Name: name, Type: set.Type, TTL: set.TTL, Data: v})
		}
		return true
	}
	return false
}

// delete deletes an RRset, or all of a name.
func (g gandi) delete(w http.ResponseWriter, z *Zone, name, typ string) {
	if z.Drop(func(rec Record) bool { return rec.Name == name && (typ == "" || rec.Type == typ) }) == 0 {
		g.fail(w, http.StatusNotFound, "dns-record", "Can't find the DNS record")
		return
	}
	z.Touch()
	w.WriteHeader(http.StatusNoContent)
}
