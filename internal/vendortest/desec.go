package vendortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// DeSEC returns deSEC's API, version 1, below a base URL that ends in /api/v1:
// a domain, the pages of its RRsets, and changes of many at once. No TTL under
// floor, in seconds, is taken; with a floor of 0 it is 3600, and the token is a
// restricted one, which is not told of domains.
func DeSEC(token string, floor uint32) Vendor {
	if floor == 0 {
		return desec{token, 3600, true}
	}
	return desec{token, floor, false}
}

type desec struct {
	token      string
	floor      uint32
	restricted bool
}

// desecHidden are types that the API neither shows nor takes.
var desecHidden = [...]string{"SOA", "DNSKEY", "RRSIG", "NSEC3PARAM", "CDS", "CDNSKEY"}

// Refuse speaks as Django's REST framework does.
func (d desec) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	switch status {
	case http.StatusTooManyRequests:
		d.fail(w, status, "Request was throttled. Expected available in 7 seconds.")
	case http.StatusUnauthorized:
		d.fail(w, status, "Invalid token.")
	case http.StatusForbidden:
		d.fail(w, status, "You do not have permission to perform this action.")
	default:
		d.fail(w, status, "A server error occurred.")
	}
}

func (desec) fail(w http.ResponseWriter, status int, detail string) {
	reply(w, status, map[string]any{"detail": detail})
}

// Serve answers below /domains/.
func (d desec) Serve(w http.ResponseWriter, r *http.Request, s *State) {
	if r.Header.Get("Authorization") != "Token "+d.token {
		d.Refuse(w, r, http.StatusUnauthorized)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/domains/")
	name, rest, slash := strings.Cut(rest, "/")
	z := s.Zone(name)
	switch {
	case !ok || !slash || z == nil:
		d.fail(w, http.StatusNotFound, "Not found.")
	case rest == "" && d.restricted:
		d.Refuse(w, r, http.StatusForbidden)
	case rest == "" && r.Method == http.MethodGet:
		reply(w, http.StatusOK, map[string]any{"name": name, "minimum_ttl": d.floor, "created": "2020-01-01T00:00:00Z", "published": "2020-01-01T00:00:00Z"})
	case rest == "rrsets/" && r.Method == http.MethodGet:
		d.list(w, r, z)
	case rest == "rrsets/" && r.Method == http.MethodPatch:
		d.patch(w, r, s, z)
	case rest == "rrsets/" || rest == "":
		d.fail(w, http.StatusMethodNotAllowed, fmt.Sprintf("Method %q not allowed.", r.Method))
	default:
		d.fail(w, http.StatusNotFound, "Not found.")
	}
}

// A desecSet is an RRset as the API shows and takes it.
type desecSet struct {
	Subname string   `json:"subname"`
	Name    string   `json:"name,omitempty"`
	Type    string   `json:"type"`
	TTL     *uint32  `json:"ttl,omitempty"`
	Records []string `json:"records"`
}

// sets returns the RRsets of z.
func (desec) sets(z *Zone) []desecSet {
	var sets []desecSet
	for _, rec := range z.Records {
		if slices.Contains(desecHidden[:], rec.Type) {
			continue
		}
		at := slices.IndexFunc(sets, func(s desecSet) bool { return s.Name == rec.Name && s.Type == rec.Type })
		if at < 0 {
			at = len(sets)
			sets = append(sets, desecSet{Subname: z.Relative(rec.Name, ""), Name: rec.Name, Type: rec.Type, TTL: &rec.TTL})
		}
		sets[at].Records = append(sets[at].Records, rec.Data)
	}
	return sets
}

// list writes the page that the cursor asks for. Without a cursor all must fit
// on one.
func (d desec) list(w http.ResponseWriter, r *http.Request, z *Zone) {
	query := r.URL.Query()
	sets := slices.DeleteFunc(d.sets(z), func(s desecSet) bool {
		return query.Has("subname") && s.Subname != query.Get("subname") || query.Has("type") && s.Type != query.Get("type")
	})
	link := func(cursor, rel string) string {
		query.Set("cursor", cursor)
		return fmt.Sprintf("<http://%s%s?%s>; rel=%q", r.Host, r.URL.Path, query.Encode(), rel)
	}
	if !query.Has("cursor") {
		if len(sets) > Page {
			w.Header().Set("Link", link("", "first"))
			d.fail(w, http.StatusBadRequest, "Pagination required. Please use the `first` page link (see Link header).")
			return
		}
		reply(w, http.StatusOK, append([]desecSet{}, sets...))
		return
	}
	from, _ := strconv.Atoi(strings.TrimPrefix(query.Get("cursor"), ":c"))
	page, next := Paged(sets, from)
	links := []string{link("", "first")}
	if from > 0 {
		links = append(links, link(fmt.Sprintf(":c%d", max(0, from-Page)), "prev"))
	}
	if next > 0 {
		links = append(links, link(fmt.Sprintf(":c%d", next), "next"))
	}
	w.Header().Set("Link", strings.Join(links, ", "))
	reply(w, http.StatusOK, append([]desecSet{}, page...))
}

// patch makes all changes or none, and lists what is wrong with each.
func (d desec) patch(w http.ResponseWriter, r *http.Request, s *State, z *Zone) {
	var in []desecSet
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		d.fail(w, http.StatusBadRequest, "JSON parse error - "+err.Error())
		return
	}
	work := &Zone{Origin: z.Origin, Records: slices.Clone(z.Records)}
	wrong, bad := make([]map[string][]string, len(in)), false
	for i, set := range in {
		wrong[i] = map[string][]string{}
		if field, why := d.wrong(set, z); why != "" {
			wrong[i][field], bad = []string{why}, true
			continue
		}
		d.put(set, s, work)
	}
	if bad {
		reply(w, http.StatusBadRequest, wrong)
		return
	}
	for _, rec := range work.Records {
		if work.Clashes(rec.Name, rec.Type) {
			reply(w, http.StatusBadRequest, map[string][]string{"non_field_errors": {"RRset with conflicting type present: CNAME is not compatible with other types."}})
			return
		}
	}
	z.Records = work.Records
	z.Touch()
	reply(w, http.StatusOK, in)
}

// put makes set all that there is of its name and type in z.
func (desec) put(set desecSet, s *State, z *Zone) {
	name, was := z.Absolute(set.Subname), uint32(0)
	z.Drop(func(rec Record) bool {
		if rec.Name == name && rec.Type == set.Type {
			was = rec.TTL
			return true
		}
		return false
	})
	if set.TTL != nil {
		was = *set.TTL
	}
	for _, data := range set.Records {
		z.Records = append(z.Records, Record{ID: s.NewID(), Name: name, Type: set.Type, TTL: was, Data: data})
	}
}

// wrong returns the field that a set cannot be taken for, and why.
func (d desec) wrong(set desecSet, z *Zone) (field, why string) {
	switch {
	case strings.Contains(set.Subname, "@") || strings.ToLower(set.Subname) != set.Subname:
		return "subname", "Subname can only use (lowercase) a-z, 0-9, ., -, and _, may start with a '*.', or just be '*'."
	case slices.Contains(append(desecHidden[:], "ALIAS", "DNAME", ""), set.Type):
		return "type", "You cannot tinker with the " + set.Type + " RR set."
	case len(set.Records) == 0:
		return "", "" // it goes
	case set.TTL == nil && len(z.Set(z.Absolute(set.Subname), set.Type)) == 0:
		return "ttl", "This field is required."
	case set.TTL != nil && *set.TTL < d.floor:
		return "ttl", fmt.Sprintf("Ensure this value is greater than or equal to %d.", d.floor)
	case set.TTL != nil && *set.TTL > 604800:
		return "ttl", "Ensure this value is less than or equal to 604800."
	case set.Type == "CNAME" && set.Subname == "":
		return "type", "CNAME RRset cannot have empty subname."
	case set.Type == "CNAME" && len(set.Records) > 1:
		return "records", "CNAME RRset cannot have multiple records."
	}
	for _, data := range set.Records {
		switch {
		case set.Type == "TXT" && !(strings.HasPrefix(data, `"`) && strings.HasSuffix(data, `"`)):
			return "records", "Data for TXT records must be given using quotation marks."
		case slices.Contains([]string{"CNAME", "NS", "MX", "SRV", "PTR"}, set.Type) && !strings.HasSuffix(data, "."):
			return "records", "Hostname must be fully-qualified (i.e., end in a dot: \"example.com.\")"
		}
	}
	return "", ""
}
