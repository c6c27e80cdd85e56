package vendortest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Scaleway returns Scaleway's Domains and DNS API, version v2beta1: the list of
// zones, the pages of a zone's records, and changes of many at once. A record
// whose Note is "geo" is answered by geography.
func Scaleway(secretKey string) Vendor { return scaleway{secretKey} }

type scaleway struct{ key string }

// Refuse speaks as Scaleway: an error with a type.
func (s scaleway) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	switch status {
	case http.StatusTooManyRequests:
		reply(w, status, map[string]any{"type": "too_many_requests", "message": "quota exceeded"})
	case http.StatusUnauthorized:
		reply(w, status, map[string]any{"type": "denied_authentication", "method": "api_key", "reason": "expired", "message": "authentication is denied"})
	case http.StatusForbidden:
		s.forbidden(w, "write")
	default:
		reply(w, status, map[string]any{"type": "internal_error", "message": "internal error"})
	}
}

func (scaleway) forbidden(w http.ResponseWriter, action string) {
	reply(w, http.StatusForbidden, map[string]any{"type": "permissions_denied", "message": "insufficient permissions", "details": []any{map[string]any{"action": action, "resource": "zones_records"}}})
}

func (scaleway) invalid(w http.ResponseWriter, argument, why string) {
	reply(w, http.StatusBadRequest, map[string]any{"type": "invalid_arguments", "message": "invalid argument(s)", "details": []any{map[string]any{"argument_name": argument, "reason": "constraint", "help_message": why}}})
}

// Serve answers below /domain/v2beta1/dns-zones. A zone that the account does
// not have is forbidden to read, and made by the first change of its records
// unless that is disallowed.
func (s scaleway) Serve(w http.ResponseWriter, r *http.Request, state *State) {
	if r.Header.Get("X-Auth-Token") != s.key {
		s.Refuse(w, r, http.StatusUnauthorized)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/domain/v2beta1/dns-zones")
	path := strings.Split(strings.Trim(rest, "/"), "/")
	switch {
	case ok && rest == "" && r.Method == http.MethodGet:
		s.zones(w, r, state)
	case !ok || len(path) != 2 || path[1] != "records":
		reply(w, http.StatusNotFound, map[string]any{"type": "not_found", "message": "resource is not found"})
	case r.Method == http.MethodPatch:
		s.patch(w, r, state, path[0])
	case state.Zone(path[0]) == nil:
		s.forbidden(w, "read")
	case r.Method == http.MethodGet:
		s.list(w, r, state.Zone(path[0]))
	default:
		reply(w, http.StatusMethodNotAllowed, map[string]any{"type": "not_found", "message": "method not allowed"})
	}
}

// scalewayPage writes a page of items, and how many there are in all.
func scalewayPage[T any](w http.ResponseWriter, r *http.Request, what string, items []T) {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		n = 1
	}
	page, _ := Paged(items, (n-1)*Page)
	reply(w, http.StatusOK, map[string]any{"total_count": len(items), what: append([]T{}, page...)})
}

func (s scaleway) zones(w http.ResponseWriter, r *http.Request, state *State) {
	var found []any
	for _, z := range state.Zones {
		name := strings.TrimSuffix(z.Origin, ".")
		if asked := r.URL.Query()["dns_zones"]; len(asked) == 0 || slices.Contains(asked, name) {
			found = append(found, map[string]any{"domain": name, "subdomain": "", "status": "active", "ns": []string{"ns0.dom.scw.cloud"}})
		}
	}
	scalewayPage(w, r, "dns_zones", found)
}

// A scalewayRecord is a record as the API shows and takes it.
type scalewayRecord struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	TTL      uint32 `json:"ttl"`
	Data     string `json:"data"`
	Priority uint32 `json:"priority"`
	Geo      any    `json:"geo_ip_config,omitempty"`
}

func (s scaleway) list(w http.ResponseWriter, r *http.Request, z *Zone) {
	query := r.URL.Query()
	var found []scalewayRecord
	for _, rec := range z.Records {
		name := z.Relative(rec.Name, "")
		if query.Get("name") != "" && query.Get("name") != name {
			continue
		}
		out := scalewayRecord{ID: rec.ID, Name: name, Type: rec.Type, TTL: rec.TTL, Data: rec.Data}
		if first, _, ok := strings.Cut(rec.Data, " "); ok && rec.Type == "MX" {
			out.Priority = uint32(whole(first))
		}
		if rec.Note == "geo" {
			out.Geo = map[string]any{"matches": []any{}, "default": rec.Data}
		}
		found = append(found, out)
	}
	slices.SortStableFunc(found, func(a, b scalewayRecord) int { return strings.Compare(a.Name, b.Name) })
	scalewayPage(w, r, "records", found)
}

// A scalewayID says which records a change is of.
type scalewayID struct {
	Name string  `json:"name"`
	Type string  `json:"type"`
	Data *string `json:"data"`
	TTL  *uint32 `json:"ttl"`
}

type scalewayChange struct {
	Add *struct {
		Records []scalewayRecord `json:"records"`
	} `json:"add"`
	Set *struct {
		ID       *string          `json:"id"`
		IDFields *scalewayID      `json:"id_fields"`
		Records  []scalewayRecord `json:"records"`
	} `json:"set"`
	Delete *struct {
		ID       *string     `json:"id"`
		IDFields *scalewayID `json:"id_fields"`
	} `json:"delete"`
	Clear *struct{} `json:"clear"`
}

// patch makes changes in order, all or none.
func (s scaleway) patch(w http.ResponseWriter, r *http.Request, state *State, zone string) {
	var in struct {
		Changes  []scalewayChange `json:"changes"`
		Disallow bool             `json:"disallow_new_zone_creation"`
		All      *bool            `json:"return_all_records"`
		Serial   *uint64          `json:"serial"`
	}
	decoder := json.NewDecoder(r.Body)
	if err := decoder.Decode(&in); err != nil {
		s.invalid(w, "body", err.Error())
		return
	}
	z := state.Zone(zone)
	switch {
	case z == nil && in.Disallow:
		s.forbidden(w, "write")
		return
	case z == nil:
		state.Load(zone + ".")
		z = state.Zone(zone)
	}
	work := &Zone{Origin: z.Origin, Records: slices.Clone(z.Records)}
	for _, c := range in.Changes {
		if !s.change(w, c, state, work) {
			return
		}
	}
	for _, rec := range work.Records {
		if work.Clashes(rec.Name, rec.Type) {
			s.invalid(w, "changes", "CNAME record cannot coexist with others")
			return
		}
	}
	z.Records = work.Records
	z.Touch()
	reply(w, http.StatusOK, map[string]any{"records": []any{}})
}

// change makes one change in z, or says why it cannot be made.
func (s scaleway) change(w http.ResponseWriter, c scalewayChange, state *State, z *Zone) bool {
	gone := func(id *string, f *scalewayID) bool {
		n := z.Drop(func(rec Record) bool {
			if f == nil {
				return id != nil && rec.ID == *id
			}
			return rec.Name == z.Absolute(f.Name) && rec.Type == f.Type && (f.Data == nil || *f.Data == rec.Data) && (f.TTL == nil || *f.TTL == rec.TTL)
		})
		if n == 0 {
			reply(w, http.StatusNotFound, map[string]any{"type": "not_found", "resource": "record", "message": "resource is not found"})
		}
		return n > 0
	}
	switch {
	case c.Add != nil:
		return s.add(w, c.Add.Records, state, z)
	case c.Set != nil:
		return gone(c.Set.ID, c.Set.IDFields) && s.add(w, c.Set.Records, state, z)
	case c.Delete != nil:
		return gone(c.Delete.ID, c.Delete.IDFields)
	case c.Clear != nil:
		z.Records = nil
		return true
	}
	s.invalid(w, "changes", "one of add, set, delete and clear")
	return false
}

func (s scaleway) add(w http.ResponseWriter, records []scalewayRecord, state *State, z *Zone) bool {
	if len(records) == 0 {
		s.invalid(w, "records", "no records")
		return false
	}
	for _, rec := range records {
		name := z.Absolute(rec.Name)
		switch {
		case rec.TTL < 60 || rec.TTL > 2592000:
			s.invalid(w, "ttl", "ttl must be between 60 and 2592000")
			return false
		case rec.Type == "CNAME" && name == z.Origin:
			s.invalid(w, "type", "CNAME is not allowed at the root, use ALIAS")
			return false
		case rec.Type == "TXT" && !strings.HasPrefix(rec.Data, `"`):
			rec.Data = strconv.Quote(rec.Data)
		}
		z.Records = append(z.Records, Record{ID: state.NewID(), Name: name, Type: rec.Type, TTL: rec.TTL, Data: rec.Data})
	}
	return true
}
