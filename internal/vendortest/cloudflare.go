package vendortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Cloudflare returns Cloudflare's API, version 4: the list of zones, the list
// of records and the batch. A record whose Note is "proxied" is proxied.
func Cloudflare(token string) Vendor { return cloudflare{token} }

type cloudflare struct{ token string }

// Refuse speaks as Cloudflare: a list of codes and messages.
func (c cloudflare) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	switch status {
	case http.StatusTooManyRequests:
		c.fail(w, status, 971, "Please wait and consider throttling your request rate")
	case http.StatusUnauthorized, http.StatusForbidden:
		c.fail(w, status, 10000, "Authentication error")
	default:
		c.fail(w, status, 10001, "Internal error")
	}
}

func (cloudflare) fail(w http.ResponseWriter, status, code int, message string) {
	reply(w, status, map[string]any{"success": false, "result": nil, "messages": []any{}, "errors": []any{map[string]any{"code": code, "message": message}}})
}

// reply writes v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away
}

// Serve answers below /zones.
func (c cloudflare) Serve(w http.ResponseWriter, r *http.Request, s *State) {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok {
		c.fail(w, http.StatusBadRequest, 6003, "Invalid request headers")
		return
	} else if bearer != c.token {
		c.fail(w, http.StatusForbidden, 9109, "Invalid access token")
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(path) == 1 && path[0] == "zones" && r.Method == http.MethodGet {
		c.listZones(w, r, s)
		return
	}
	if len(path) < 3 || path[0] != "zones" || path[2] != "dns_records" {
		c.fail(w, http.StatusNotFound, 7000, "No route for that URI")
		return
	}
	z := s.ZoneByID(path[1])
	switch {
	case z == nil:
		c.fail(w, http.StatusNotFound, 7003, "Could not route to /zones, perhaps your object identifier is invalid?")
	case len(path) == 3 && r.Method == http.MethodGet:
		c.list(w, r, z)
	case len(path) == 4 && path[3] == "batch" && r.Method == http.MethodPost:
		c.batch(w, r, s, z)
	default:
		c.fail(w, http.StatusMethodNotAllowed, 10405, "Method not allowed")
	}
}

func (c cloudflare) listZones(w http.ResponseWriter, r *http.Request, s *State) {
	found := []any{}
	for _, z := range s.Zones {
		if name := r.URL.Query().Get("name"); name == "" || name+"." == z.Origin {
			found = append(found, map[string]any{"id": z.ID, "name": strings.TrimSuffix(z.Origin, "."), "status": "active"})
		}
	}
	c.page(w, r, found)
}

// page writes the page of items that the query asks for.
func (c cloudflare) page(w http.ResponseWriter, r *http.Request, items []any) {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		n = 1
	}
	page, _ := Paged(items, (n-1)*Page)
	reply(w, http.StatusOK, map[string]any{
		"success": true, "errors": []any{}, "messages": []any{}, "result": append([]any{}, page...),
		"result_info": map[string]any{"page": n, "per_page": Page, "count": len(page), "total_count": len(items), "total_pages": (len(items) + Page - 1) / Page},
	})
}

func (c cloudflare) list(w http.ResponseWriter, r *http.Request, z *Zone) {
	found := []any{}
	for _, rec := range z.Records {
		if name := r.URL.Query().Get("name.exact"); name == "" || name+"." == rec.Name {
			found = append(found, c.show(rec))
		}
	}
	c.page(w, r, found)
}

// show returns a record as Cloudflare does: names without their last dot, and
// what has fields both as text and by field.
func (cloudflare) show(rec Record) map[string]any {
	out := map[string]any{
		"id": rec.ID, "name": strings.TrimSuffix(rec.Name, "."), "type": rec.Type, "ttl": rec.TTL, "content": rec.Data,
		"proxied": rec.Note == "proxied", "proxiable": slices.Contains([]string{"A", "AAAA", "CNAME"}, rec.Type), "comment": nil, "tags": []string{},
	}
	f := strings.SplitN(rec.Data, " ", 4)
	switch rec.Type {
	case "CNAME", "NS", "PTR":
		out["content"] = strings.TrimSuffix(rec.Data, ".")
	case "MX":
		out["priority"], out["content"] = whole(f[0]), strings.TrimSuffix(f[1], ".")
	case "SRV":
		out["priority"] = whole(f[0])
		out["content"] = f[1] + " " + f[2] + " " + strings.TrimSuffix(f[3], ".")
		out["data"] = map[string]any{"priority": whole(f[0]), "weight": whole(f[1]), "port": whole(f[2]), "target": strings.TrimSuffix(f[3], ".")}
	}
	return out
}

func whole(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// A cloudflareRecord is a record of a request.
type cloudflareRecord struct {
	ID, Name, Type, Content string
	TTL                     uint32
	Priority                *int
	Proxied                 bool
	Data                    map[string]any
}

// record returns what the request describes, or the code and message that say
// why it cannot be.
func (c cloudflare) record(in cloudflareRecord, z *Zone) (Record, int, string) {
	rec := Record{Name: strings.ToLower(in.Name) + ".", Type: in.Type, TTL: in.TTL, Data: in.Content}
	if in.Proxied {
		rec.Note = "proxied"
	}
	switch {
	case in.TTL != 1 && (in.TTL < 60 || in.TTL > 86400):
		return rec, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic."
	case rec.Name != z.Origin && !strings.HasSuffix(rec.Name, "."+z.Origin):
		return rec, 9000, "DNS name is invalid."
	}
	field := func(name string) string { return fmt.Sprint(in.Data[name]) }
	switch in.Type {
	case "CNAME", "NS", "PTR":
		rec.Data += "."
	case "MX":
		if in.Priority == nil {
			return rec, 9101, "Content for MX record needs a priority."
		}
		rec.Data = fmt.Sprintf("%d %s.", *in.Priority, in.Content)
	case "SRV", "CAA", "HTTPS", "SVCB":
		if in.Data == nil {
			return rec, 9101, "data is a required field."
		}
		switch in.Type {
		case "SRV":
			rec.Data = strings.Join([]string{field("priority"), field("weight"), field("port"), field("target") + "."}, " ")
		case "CAA":
			rec.Data = fmt.Sprintf("%s %s %q", field("flags"), field("tag"), field("value"))
		default:
			rec.Data = strings.TrimSpace(strings.Join([]string{field("priority"), field("target"), field("value")}, " "))
		}
	}
	return rec, 0, ""
}

// clash returns the code and message of what keeps rec out of z, if anything.
func (c cloudflare) clash(rec Record, z *Zone) (int, string) {
	for _, other := range z.Records {
		switch {
		case other.ID == rec.ID || other.Name != rec.Name:
		case other.Type == rec.Type && other.Data == rec.Data:
			return 81058, "An identical record already exists."
		case other.Type == "CNAME" && rec.Type == "CNAME":
			return 81053, "An A, AAAA, or CNAME record with that host already exists."
		case other.Type == "CNAME":
			return 81054, "A CNAME record with that host already exists."
		case rec.Type == "CNAME" && (other.Type == "A" || other.Type == "AAAA"):
			return 81053, "An A, AAAA, or CNAME record with that host already exists."
		}
	}
	return 0, ""
}

// batch deletes, patches and posts, in this order, all or nothing.
func (c cloudflare) batch(w http.ResponseWriter, r *http.Request, s *State, z *Zone) {
	var in struct {
		Deletes       []struct{ ID string }
		Patches, Puts []cloudflareRecord
		Posts         []cloudflareRecord
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		c.fail(w, http.StatusBadRequest, 6007, "Malformed JSON in request body")
		return
	}
	if len(in.Deletes)+len(in.Patches)+len(in.Puts)+len(in.Posts) > 200 {
		c.fail(w, http.StatusBadRequest, 81064, "Too many operations in one batch.")
		return
	}
	work := &Zone{Origin: z.Origin, Records: slices.Clone(z.Records)}
	for _, d := range in.Deletes {
		if work.Drop(func(rec Record) bool { return rec.ID == d.ID }) == 0 {
			c.fail(w, http.StatusNotFound, 81044, "Record does not exist.")
			return
		}
	}
	for _, p := range slices.Concat(in.Patches, in.Puts) {
		was := work.Find(p.ID)
		if was == nil {
			c.fail(w, http.StatusNotFound, 81044, "Record does not exist.")
			return
		}
		rec, code, message := c.record(p, z)
		if rec.ID, rec.Note = was.ID, was.Note; code == 0 {
			code, message = c.clash(rec, work)
		}
		if code != 0 {
			c.fail(w, http.StatusBadRequest, code, message)
			return
		}
		*was = rec
	}
	for _, p := range in.Posts {
		rec, code, message := c.record(p, z)
		if rec.ID = s.NewID(); code == 0 {
			code, message = c.clash(rec, work)
		}
		if code != 0 {
			c.fail(w, http.StatusBadRequest, code, message)
			return
		}
		work.Records = append(work.Records, rec)
	}
	z.Records = work.Records
	reply(w, http.StatusOK, map[string]any{"success": true, "errors": []any{}, "messages": []any{}, "result": map[string]any{}})
}
