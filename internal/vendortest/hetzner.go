package vendortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Hetzner returns the DNS part of the Hetzner Cloud API, version 1: a zone, the
// pages of its RRsets, their creation, deletion and actions. An action that
// changes a TTL is still running when it is answered.
func Hetzner(token string) Vendor { return hetzner{token} }

type hetzner struct{ token string }

// hetznerTTL, in seconds, is the TTL of the zones.
const hetznerTTL = 3600

// Refuse speaks as Hetzner: an error with a code.
func (h hetzner) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	switch status {
	case http.StatusTooManyRequests:
		w.Header().Set("RateLimit-Limit", "3600")
		w.Header().Set("RateLimit-Remaining", "0")
		h.fail(w, status, "rate_limit_exceeded", "limit of 3600 requests per hour reached")
	case http.StatusUnauthorized:
		h.fail(w, status, "unauthorized", "unable to authenticate")
	case http.StatusForbidden:
		h.fail(w, status, "token_readonly", "the token is only allowed to perform GET requests")
	default:
		h.fail(w, status, "server_error", "an internal error occurred")
	}
}

func (hetzner) fail(w http.ResponseWriter, status int, code, message string) {
	reply(w, status, map[string]any{"error": map[string]any{"code": code, "message": message, "details": nil}})
}

func (h hetzner) invalid(w http.ResponseWriter, why string) {
	h.fail(w, http.StatusUnprocessableEntity, "invalid_input", why)
}

// Serve answers below /zones and /actions.
func (h hetzner) Serve(w http.ResponseWriter, r *http.Request, s *State) {
	if r.Header.Get("Authorization") != "Bearer "+h.token {
		h.Refuse(w, r, http.StatusUnauthorized)
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if path[0] == "actions" && r.Method == http.MethodGet {
		h.actions(w, r)
		return
	}
	var z *Zone
	if path[0] == "zones" && len(path) > 1 {
		if z = s.Zone(path[1]); z == nil {
			z = s.ZoneByID(fmt.Sprintf("%08s", path[1]))
		}
	}
	switch {
	case z == nil:
		h.fail(w, http.StatusNotFound, "not_found", "zone not found")
	case len(path) == 2 && r.Method == http.MethodGet:
		reply(w, http.StatusOK, map[string]any{"zone": map[string]any{"id": whole(z.ID), "name": strings.TrimSuffix(z.Origin, "."), "ttl": hetznerTTL, "mode": "primary", "status": "ok", "record_count": len(z.Records)}})
	case len(path) == 3 && path[2] == "rrsets" && r.Method == http.MethodGet:
		h.list(w, r, z)
	case len(path) == 3 && path[2] == "rrsets" && r.Method == http.MethodPost:
		h.create(w, r, s, z)
	case len(path) >= 5 && path[2] == "rrsets":
		h.change(w, r, s, z, path)
	default:
		h.fail(w, http.StatusNotFound, "not_found", "route not found")
	}
}

// A hetznerSet is an RRset as the API shows and takes it.
type hetznerSet struct {
	ID      string          `json:"id,omitempty"`
	Name    string          `json:"name"`
	Type    string          `json:"type"`
	TTL     *uint32         `json:"ttl"`
	Records []hetznerRecord `json:"records"`
	Labels  map[string]any  `json:"labels,omitempty"`
}

type hetznerRecord struct {
	Value   string `json:"value"`
	Comment string `json:"comment,omitempty"`
}

// list writes a page of RRsets. A TTL that is the zone's is not told.
func (h hetzner) list(w http.ResponseWriter, r *http.Request, z *Zone) {
	query := r.URL.Query()
	var sets []hetznerSet
	for _, rec := range z.Records {
		name := z.Relative(rec.Name, "@")
		if query.Has("name") && query.Get("name") != name {
			continue
		}
		at := slices.IndexFunc(sets, func(s hetznerSet) bool { return s.Name == name && s.Type == rec.Type })
		if at < 0 {
			at = len(sets)
			sets = append(sets, hetznerSet{ID: name + "/" + rec.Type, Name: name, Type: rec.Type})
			if rec.TTL != hetznerTTL {
				sets[at].TTL = &rec.TTL
			}
		}
		sets[at].Records = append(sets[at].Records, hetznerRecord{Value: rec.Data})
	}
	n, err := strconv.Atoi(query.Get("page"))
	if err != nil {
		n = 1
	}
	page, next := Paged(sets, (n-1)*Page)
	pages := map[string]any{"page": n, "per_page": Page, "previous_page": nil, "next_page": nil, "last_page": (len(sets) + Page - 1) / Page, "total_entries": len(sets)}
	if next > 0 {
		pages["next_page"] = n + 1
	}
	reply(w, http.StatusOK, map[string]any{"rrsets": append([]hetznerSet{}, page...), "meta": map[string]any{"pagination": pages}})
}

func (h hetzner) create(w http.ResponseWriter, r *http.Request, s *State, z *Zone) {
	var in hetznerSet
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		h.fail(w, http.StatusBadRequest, "json_error", err.Error())
		return
	}
	name, ttl := z.Absolute(in.Name), uint32(hetznerTTL)
	if in.TTL != nil {
		ttl = *in.TTL
	}
	switch {
	case len(z.Set(name, in.Type)) > 0:
		h.fail(w, http.StatusConflict, "uniqueness_error", "RRSet already exists")
	case z.Clashes(name, in.Type) || in.Type == "CNAME" && name == z.Origin:
		h.invalid(w, "CNAME cannot coexist with other records")
	case h.put(w, s, z, name, in.Type, ttl, in.Records):
		in.ID = in.Name + "/" + in.Type
		reply(w, http.StatusCreated, map[string]any{"rrset": in, "action": h.action(s, "create_rrset", "success")})
	}
}

// put makes records all that there is of a name and type, or says why not.
func (h hetzner) put(w http.ResponseWriter, s *State, z *Zone, name, typ string, ttl uint32, records []hetznerRecord) bool {
	if ttl < 60 || ttl > 2147483647 {
		h.invalid(w, "invalid input in field 'ttl'")
		return false
	}
	if len(records) == 0 || typ == "CNAME" && len(records) > 1 || typ == "ALIAS" || typ == "SOA" {
		h.invalid(w, "invalid input in fields 'type', 'records'")
		return false
	}
	for _, rec := range records {
		if typ == "TXT" && !strings.HasPrefix(rec.Value, `"`) {
			h.invalid(w, "TXT records must be fully quoted with double quotes")
			return false
		}
	}
	z.Drop(func(rec Record) bool { return rec.Name == name && rec.Type == typ })
	for _, rec := range records {
		z.Records = append(z.Records, Record{ID: s.NewID(), Name: name, Type: typ, TTL: ttl, Data: rec.Value})
	}
	z.Touch()
	return true
}

// change deletes an RRset or does an action on it.
func (h hetzner) change(w http.ResponseWriter, r *http.Request, s *State, z *Zone, path []string) {
	name, typ := z.Absolute(path[3]), path[4]
	set := z.Set(name, typ)
	if len(set) == 0 {
		h.fail(w, http.StatusNotFound, "not_found", "RRSet not found")
		return
	}
	var in struct {
		Records []hetznerRecord `json:"records"`
		TTL     *uint32         `json:"ttl"`
	}
	if len(path) == 7 {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			h.fail(w, http.StatusBadRequest, "json_error", err.Error())
			return
		}
	}
	var was []hetznerRecord
	for _, rec := range set {
		was = append(was, hetznerRecord{Value: rec.Data})
	}
	switch what := strings.Join(path[5:], "/"); {
	case what == "" && r.Method == http.MethodDelete:
		z.Drop(func(rec Record) bool { return rec.Name == name && rec.Type == typ })
		reply(w, http.StatusCreated, map[string]any{"action": h.action(s, "delete_rrset", "success")})
	case what == "actions/set_records" && r.Method == http.MethodPost:
		if h.put(w, s, z, name, typ, set[0].TTL, in.Records) {
			reply(w, http.StatusCreated, map[string]any{"action": h.action(s, "set_rrset_records", "success")})
		}
	case what == "actions/change_ttl" && r.Method == http.MethodPost:
		ttl := uint32(hetznerTTL)
		if in.TTL != nil {
			ttl = *in.TTL
		}
		if h.put(w, s, z, name, typ, ttl, was) {
			reply(w, http.StatusCreated, map[string]any{"action": h.action(s, "change_rrset_ttl", "running")})
		}
	default:
		h.fail(w, http.StatusNotFound, "not_found", "route not found")
	}
}

func (hetzner) action(s *State, command, status string) map[string]any {
	return map[string]any{"id": whole(s.NewID()), "command": command, "status": status, "progress": 0, "started": "2026-01-01T00:00:00Z", "finished": nil, "error": nil, "resources": []any{}}
}

// actions says of each action that is asked for that it succeeded.
func (h hetzner) actions(w http.ResponseWriter, r *http.Request) {
	list := []any{}
	for _, id := range r.URL.Query()["id"] {
		list = append(list, map[string]any{"id": whole(id), "command": "", "status": "success", "progress": 100, "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:01Z", "error": nil, "resources": []any{}})
	}
	reply(w, http.StatusOK, map[string]any{"actions": list, "meta": map[string]any{"pagination": map[string]any{"page": 1, "per_page": 50, "next_page": nil, "last_page": 1, "total_entries": len(list)}}})
}
