package vendortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Bunny returns Bunny's API of DNS zones: the pages of their list, a zone with
// all its records, and changes of one record. Types are numbers; a record of
// type PULLZONE is one of Bunny's own.
func Bunny(accessKey string) Vendor { return bunny{accessKey} }

type bunny struct{ key string }

// bunnyTypes are the types by their numbers.
var bunnyTypes = [...]string{"A", "AAAA", "CNAME", "TXT", "MX", "REDIRECT", "FLATTEN", "PULLZONE", "SRV", "CAA", "PTR", "SCRIPT", "NS"}

// Refuse speaks as Bunny.
func (b bunny) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		reply(w, status, map[string]any{"Message": "Authorization has been denied for this request."})
	default:
		b.fail(w, status, "", "", http.StatusText(status))
	}
}

func (bunny) fail(w http.ResponseWriter, status int, key, field, message string) {
	reply(w, status, map[string]any{"ErrorKey": key, "Field": field, "Message": message})
}

// Serve answers below /dnszone.
func (b bunny) Serve(w http.ResponseWriter, r *http.Request, s *State) {
	if r.Header.Get("AccessKey") != b.key {
		b.Refuse(w, r, http.StatusUnauthorized)
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if path[0] != "dnszone" || len(path) > 4 || len(path) > 2 && path[2] != "records" {
		b.fail(w, http.StatusNotFound, "not_found", "", "Not found")
		return
	}
	if len(path) == 1 {
		b.zones(w, r, s)
		return
	}
	z := s.ZoneByID(fmt.Sprintf("%08s", path[1]))
	switch {
	case z == nil:
		b.fail(w, http.StatusNotFound, "dnszone.not_found", "Id", "The requested DNS zone was not found")
	case len(path) == 2 && r.Method == http.MethodGet:
		records := []any{}
		for _, rec := range z.Records {
			records = append(records, b.show(rec, z))
		}
		reply(w, http.StatusOK, map[string]any{"Id": whole(z.ID), "Domain": strings.TrimSuffix(z.Origin, "."), "Records": records})
	case len(path) == 3 && r.Method == http.MethodPut:
		b.add(w, r, s, z)
	case len(path) == 4 && z.Find(fmt.Sprintf("%08s", path[3])) == nil:
		b.fail(w, http.StatusNotFound, "dnszone.record.not_found", "Id", "The requested DNS record was not found")
	case len(path) == 4 && r.Method == http.MethodPost:
		b.update(w, r, z, z.Find(fmt.Sprintf("%08s", path[3])))
	case len(path) == 4 && r.Method == http.MethodDelete:
		z.Drop(func(rec Record) bool { return rec.ID == fmt.Sprintf("%08s", path[3]) })
		z.Touch()
		w.WriteHeader(http.StatusNoContent)
	default:
		b.fail(w, http.StatusMethodNotAllowed, "", "", "Method not allowed")
	}
}

// zones writes a page of the zones whose name has what is searched for in it.
func (b bunny) zones(w http.ResponseWriter, r *http.Request, s *State) {
	query := r.URL.Query()
	var found []any
	for _, z := range s.Zones {
		if name := strings.TrimSuffix(z.Origin, "."); strings.Contains(name, query.Get("search")) {
			found = append(found, map[string]any{"Id": whole(z.ID), "Domain": name})
		}
	}
	n, err := strconv.Atoi(query.Get("page"))
	if err != nil {
		n = 1
	}
	page, next := Paged(found, (n-1)*Page)
	reply(w, http.StatusOK, map[string]any{"Items": append([]any{}, page...), "CurrentPage": n, "TotalItems": len(found), "HasMoreItems": next > 0})
}

// show returns a record as Bunny does: what has fields by field, targets
// without their last dot, texts without quotes.
func (bunny) show(rec Record, z *Zone) map[string]any {
	out := map[string]any{
		"Id": whole(rec.ID), "Type": slices.Index(bunnyTypes[:], rec.Type), "Name": z.Relative(rec.Name, ""), "Ttl": rec.TTL, "Value": strings.TrimSuffix(rec.Data, "."),
		"Priority": 0, "Weight": 100, "Port": 0, "Flags": 0, "Tag": "", "Disabled": rec.Note == "disabled", "MonitorType": 0,
	}
	f := strings.SplitN(rec.Data, " ", 4)
	switch rec.Type {
	case "TXT":
		out["Value"] = bunnyText(rec.Data)
	case "MX":
		out["Priority"], out["Value"] = whole(f[0]), strings.TrimSuffix(f[1], ".")
	case "SRV":
		out["Priority"], out["Weight"], out["Port"], out["Value"] = whole(f[0]), whole(f[1]), whole(f[2]), strings.TrimSuffix(f[3], ".")
	case "CAA":
		out["Flags"], out["Tag"], out["Value"] = whole(f[0]), f[1], bunnyText(f[2])
	}
	return out
}

// bunnyText returns the text of quoted strings.
func bunnyText(data string) string {
	text, err := strconv.Unquote(strings.ReplaceAll(data, `" "`, ""))
	if err != nil {
		return data
	}
	return text
}

// A bunnyRecord is a record of a request.
type bunnyRecord struct {
	ID                     int64 `json:"Id"`
	Type                   *int
	TTL                    *uint32 `json:"Ttl"`
	Name, Value, Tag       string
	Priority, Weight, Port uint16
	Flags                  uint8
	Disabled               bool
}

// record returns what the request describes, or what is wrong with it.
func (bunny) record(r *http.Request, z *Zone) (rec Record, field, why string) {
	var in bunnyRecord
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return rec, "", err.Error()
	}
	switch {
	case in.Type == nil || *in.Type < 0 || *in.Type >= len(bunnyTypes):
		return rec, "Type", "The type is not valid"
	case in.TTL == nil || *in.TTL < 15:
		return rec, "Ttl", "The TTL must be at least 15"
	case in.Name == "@" || strings.HasSuffix(in.Name, "."):
		return rec, "Name", "The name is not valid"
	case in.Value == "":
		return rec, "Value", "The value is required"
	}
	rec = Record{Name: z.Absolute(in.Name), Type: bunnyTypes[*in.Type], TTL: *in.TTL, Data: in.Value}
	switch rec.Type {
	case "TXT":
		rec.Data = strconv.Quote(in.Value)
	case "CNAME", "NS", "PTR":
		rec.Data += "."
	case "MX":
		rec.Data = fmt.Sprintf("%d %s.", in.Priority, in.Value)
	case "SRV":
		rec.Data = fmt.Sprintf("%d %d %d %s.", in.Priority, in.Weight, in.Port, in.Value)
	case "CAA":
		rec.Data = fmt.Sprintf("%d %s %q", in.Flags, in.Tag, in.Value)
	}
	return rec, "", ""
}

func (b bunny) add(w http.ResponseWriter, r *http.Request, s *State, z *Zone) {
	rec, field, why := b.record(r, z)
	if why == "" && rec.Name != z.Origin && z.Clashes(rec.Name, rec.Type) {
		field, why = "Name", "A CNAME record cannot stand beside others"
	}
	if why != "" {
		b.fail(w, http.StatusBadRequest, "validation_error", field, why)
		return
	}
	rec.ID = s.NewID()
	z.Records = append(z.Records, rec)
	z.Touch()
	reply(w, http.StatusCreated, b.show(rec, z))
}

// update rewrites a record. Its type and name stay.
func (b bunny) update(w http.ResponseWriter, r *http.Request, z *Zone, was *Record) {
	rec, field, why := b.record(r, z)
	if why == "" && (rec.Type != was.Type || rec.Name != was.Name) {
		field, why = "Type", "The record is of another type"
	}
	if why != "" {
		b.fail(w, http.StatusBadRequest, "validation_error", field, why)
		return
	}
	rec.ID, rec.Note = was.ID, was.Note
	*was = rec
	z.Touch()
	w.WriteHeader(http.StatusNoContent)
}
