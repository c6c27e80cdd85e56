package vendortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// DigitalOcean returns DigitalOcean's API, version 2, of domain records.
func DigitalOcean(token string) Vendor { return digitalOcean{token} }

type digitalOcean struct{ token string }

// Refuse speaks as DigitalOcean: an id and a message.
func (d digitalOcean) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	switch status {
	case http.StatusUnauthorized:
		d.fail(w, status, "unauthorized", "Unable to authenticate you")
	case http.StatusForbidden:
		d.fail(w, status, "forbidden", "You are not authorized to perform this operation")
	case http.StatusTooManyRequests:
		d.fail(w, status, "too_many_requests", "API rate limit exceeded.")
	default:
		d.fail(w, status, "server_error", "Unexpected server-side error")
	}
}

func (digitalOcean) fail(w http.ResponseWriter, status int, id, message string) {
	reply(w, status, map[string]any{"id": id, "message": message, "request_id": "4d9d8375-3c56-4925-a3e7-eb137fed17e9"})
}

// Serve answers below /v2/domains.
func (d digitalOcean) Serve(w http.ResponseWriter, r *http.Request, s *State) {
	if r.Header.Get("Authorization") != "Bearer "+d.token {
		d.fail(w, http.StatusUnauthorized, "unauthorized", "Unable to authenticate you")
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(path) < 4 || path[0] != "v2" || path[1] != "domains" || path[3] != "records" || s.Zone(path[2]) == nil {
		d.fail(w, http.StatusNotFound, "not_found", "The resource you were accessing could not be found.")
		return
	}
	z := s.Zone(path[2])
	if len(path) == 4 {
		switch r.Method {
		case http.MethodGet:
			d.list(w, r, z)
		case http.MethodPost:
			d.write(w, r, z, nil, s.NewID())
		default:
			d.fail(w, http.StatusMethodNotAllowed, "method_not_allowed", "")
		}
		return
	}
	id, _ := strconv.Atoi(path[4])
	there := z.Find(fmt.Sprintf("%08d", id))
	switch {
	case there == nil:
		d.fail(w, http.StatusNotFound, "not_found", "The resource you requested could not be found.")
	case r.Method == http.MethodDelete:
		z.Drop(func(rec Record) bool { return rec.ID == there.ID })
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		d.write(w, r, z, there, there.ID)
	default:
		d.fail(w, http.StatusMethodNotAllowed, "method_not_allowed", "")
	}
}

func (d digitalOcean) list(w http.ResponseWriter, r *http.Request, z *Zone) {
	var found []any
	for _, rec := range z.Records {
		if name := r.URL.Query().Get("name"); name == "" || name+"." == rec.Name {
			found = append(found, d.show(z, rec))
		}
	}
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		n = 1
	}
	page, next := Paged(found, (n-1)*Page)
	links := map[string]any{}
	if next > 0 {
		at := "http://" + r.Host + r.URL.Path + "?page="
		links["pages"] = map[string]any{"next": at + strconv.Itoa(n+1), "last": at + strconv.Itoa((len(found)+Page-1)/Page)}
	}
	reply(w, http.StatusOK, map[string]any{"domain_records": append([]any{}, page...), "links": links, "meta": map[string]any{"total": len(found)}})
}

// show returns a record as DigitalOcean does: names without their final dot,
// "@" for the domain, and what is not of the type null.
func (digitalOcean) show(z *Zone, rec Record) map[string]any {
	out := map[string]any{"id": whole(strings.TrimLeft(rec.ID, "0")), "type": rec.Type, "name": z.Relative(rec.Name, "@"), "ttl": rec.TTL, "data": rec.Data, "priority": nil, "port": nil, "weight": nil, "flags": nil, "tag": nil}
	f := strings.SplitN(rec.Data, " ", 4)
	target := func(name string) string {
		if name == z.Origin {
			return "@"
		}
		return strings.TrimSuffix(name, ".")
	}
	switch rec.Type {
	case "CNAME", "NS":
		out["data"] = target(rec.Data)
	case "MX":
		out["priority"], out["data"] = whole(f[0]), target(f[1])
	case "SRV":
		out["priority"], out["weight"], out["port"], out["data"] = whole(f[0]), whole(f[1]), whole(f[2]), target(f[3])
	case "CAA":
		out["flags"], out["tag"], out["data"] = whole(f[0]), f[1], f[2]
	}
	return out
}

// write makes a record, or rewrites there.
func (d digitalOcean) write(w http.ResponseWriter, r *http.Request, z *Zone, there *Record, id string) {
	var in struct {
		Type, Name, Data, Tag         string
		TTL                           uint32
		Priority, Port, Weight, Flags int
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		d.fail(w, http.StatusBadRequest, "bad_request", "The request could not be parsed.")
		return
	}
	rec := Record{ID: id, Name: z.Absolute(in.Name), Type: in.Type, TTL: in.TTL, Data: in.Data}
	refuse := func(message string) { d.fail(w, http.StatusUnprocessableEntity, "unprocessable_entity", message) }
	target := slices.Contains([]string{"CNAME", "NS", "MX", "SRV"}, in.Type) || in.Type == "CAA" && in.Tag != "iodef" && in.Data != ";"
	switch {
	case !slices.Contains([]string{"A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"}, in.Type):
		refuse("Type is not included in the list")
		return
	case in.TTL != 0 && in.TTL < 30:
		refuse("TTL must be greater than or equal to 30")
		return
	case target && in.Data != "@" && !strings.HasSuffix(in.Data, "."):
		refuse("Data needs to end with a dot (.)")
		return
	}
	switch in.Type {
	case "MX":
		rec.Data = fmt.Sprintf("%d %s", in.Priority, in.Data)
	case "SRV":
		rec.Data = fmt.Sprintf("%d %d %d %s", in.Priority, in.Weight, in.Port, in.Data)
	case "CAA":
		rec.Data = fmt.Sprintf("%d %s %s", in.Flags, in.Tag, strings.TrimSuffix(in.Data, "."))
	}
	for _, other := range z.Records {
		switch {
		case other.ID == id || other.Name != rec.Name:
		case other.Type == "CNAME" || rec.Type == "CNAME":
			refuse("CNAME records cannot share a name with other records")
			return
		case other.Type == rec.Type && other.Data == rec.Data:
			refuse("Record already exists")
			return
		}
	}
	if there != nil {
		*there = rec
		reply(w, http.StatusOK, map[string]any{"domain_record": d.show(z, rec)})
		return
	}
	z.Records = append(z.Records, rec)
	reply(w, http.StatusCreated, map[string]any{"domain_record": d.show(z, rec)})
}
