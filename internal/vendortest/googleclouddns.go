package vendortest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// GoogleCloudDNS returns Google's Cloud DNS API, version 1, of one project, and
// the token endpoint, /token, that its service account's key names. The
// assertion (RFC 7523) must be signed by key. A record whose Note is "policy"
// is one that a routing policy chooses.
func GoogleCloudDNS(project, email string, key *rsa.PublicKey) Vendor {
	return googleDNS{project, email, key}
}

type googleDNS struct {
	project, email string
	key            *rsa.PublicKey
}

// googleAccess is the access token that is granted.
const googleAccess = "ya29.access"

// Login says that tokens are got at /token.
func (googleDNS) Login(r *http.Request) bool { return r.URL.Path == "/token" }

// Refuse speaks as Google: an error with a status and reasons.
func (g googleDNS) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	switch {
	case g.Login(r) && status < 429:
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
	case status == http.StatusUnauthorized:
		g.fail(w, status, "authError", "Request had invalid authentication credentials.")
	case status == http.StatusForbidden:
		g.fail(w, status, "forbidden", "Forbidden")
	case status == http.StatusTooManyRequests:
		g.fail(w, status, "rateLimitExceeded", "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute'.")
	default:
		g.fail(w, status, "backendError", "Backend Error")
	}
}

func (googleDNS) fail(w http.ResponseWriter, status int, reason, message string) {
	reply(w, status, map[string]any{"error": map[string]any{
		"code": status, "message": message, "errors": []any{map[string]any{"message": message, "domain": "global", "reason": reason}},
	}})
}

// Serve answers at /token and below /projects.
func (g googleDNS) Serve(w http.ResponseWriter, r *http.Request, s *State) {
	if g.Login(r) {
		if problem := g.assertion(r); problem != "" {
			reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": problem})
			return
		}
		reply(w, http.StatusOK, map[string]any{"access_token": googleAccess, "token_type": "Bearer", "expires_in": 3599})
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+googleAccess {
		g.fail(w, http.StatusUnauthorized, "required", "Login Required.")
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(path) < 3 || path[0] != "projects" || path[1] != g.project || path[2] != "managedZones" {
		g.fail(w, http.StatusForbidden, "forbidden", "Forbidden")
		return
	}
	if len(path) == 3 {
		g.listZones(w, r, s)
		return
	}
	var z *Zone
	for _, each := range s.Zones {
		if googleZone(each) == path[3] {
			z = each
		}
	}
	switch {
	case z == nil:
		g.fail(w, http.StatusNotFound, "notFound", "The 'parameters.managedZone' resource named '"+path[3]+"' does not exist.")
	case len(path) == 5 && path[4] == "rrsets" && r.Method == http.MethodGet:
		g.list(w, r, z)
	case len(path) == 5 && path[4] == "changes" && r.Method == http.MethodPost:
		g.change(w, r, s, z)
	default:
		g.fail(w, http.StatusNotFound, "notFound", "Not Found")
	}
}

// assertion checks a request for a token; "" is none to complain of.
func (g googleDNS) assertion(r *http.Request) string {
	if err := r.ParseForm(); err != nil || r.Form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return "Bad grant_type"
	}
	parts := strings.Split(r.Form.Get("assertion"), ".")
	if len(parts) != 3 {
		return "Invalid JWT"
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if rsa.VerifyPKCS1v15(g.key, crypto.SHA256, sum[:], signature) != nil {
		return "Invalid JWT Signature."
	}
	var claims struct {
		Iss, Scope, Aud string
	}
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	if json.Unmarshal(text, &claims) != nil || claims.Iss != g.email || !strings.Contains(claims.Scope, "clouddns.readwrite") || !strings.HasSuffix(claims.Aud, "/token") {
		return "Invalid JWT: claims"
	}
	return ""
}

// googleZone is the name of a managed zone.
func googleZone(z *Zone) string { return "zone-" + z.ID }

// page writes a page of items under name.
func (googleDNS) page(w http.ResponseWriter, r *http.Request, name string, items []any) {
	from, _ := strconv.Atoi(r.URL.Query().Get("pageToken"))
	page, next := Paged(items, from)
	out := map[string]any{"kind": "dns#list", name: append([]any{}, page...)}
	if next > 0 {
		out["nextPageToken"] = strconv.Itoa(next)
	}
	reply(w, http.StatusOK, out)
}

func (g googleDNS) listZones(w http.ResponseWriter, r *http.Request, s *State) {
	found := []any{}
	for _, z := range s.Zones {
		if name := r.URL.Query().Get("dnsName"); name != "" && name != z.Origin {
			continue
		}
		visibility := "public"
		if z.Private {
			visibility = "private"
		}
		found = append(found, map[string]any{"name": googleZone(z), "dnsName": z.Origin, "visibility": visibility})
	}
	g.page(w, r, "managedZones", found)
}

// A googleSet is an RRset of a request or a reply.
type googleSet struct {
	Name, Type string
	TTL        uint32
	RRDatas    []string
}

func (g googleDNS) list(w http.ResponseWriter, r *http.Request, z *Zone) {
	found, seen := []any{}, map[string]bool{}
	for _, rec := range z.Records {
		key := rec.Name + " " + rec.Type
		if name := r.URL.Query().Get("name"); seen[key] || name != "" && name != rec.Name {
			continue
		}
		seen[key] = true
		set := map[string]any{"kind": "dns#resourceRecordSet", "name": rec.Name, "type": rec.Type, "ttl": rec.TTL, "rrdatas": dataOf(z.Set(rec.Name, rec.Type))}
		if rec.Note == "policy" {
			delete(set, "rrdatas")
			set["routingPolicy"] = map[string]any{"wrr": map[string]any{"items": []any{map[string]any{"weight": 1, "rrdatas": []string{rec.Data}}}}}
		}
		found = append(found, set)
	}
	g.page(w, r, "rrsets", found)
}

func dataOf(records []Record) []string {
	var data []string
	for _, rec := range records {
		data = append(data, rec.Data)
	}
	return data
}

// change deletes and adds, all or nothing.
func (g googleDNS) change(w http.ResponseWriter, r *http.Request, s *State, z *Zone) {
	var in struct{ Additions, Deletions []googleSet }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		g.fail(w, http.StatusBadRequest, "parseError", "Parse Error")
		return
	}
	work := &Zone{Origin: z.Origin, Records: slices.Clone(z.Records)}
	for i, d := range in.Deletions {
		there := work.Set(d.Name, d.Type)
		if len(there) == 0 {
			g.fail(w, http.StatusNotFound, "notFound", fmt.Sprintf("The 'entity.change.deletions[%d]' resource named '%s (%s)' does not exist.", i, d.Name, d.Type))
			return
		}
		if there[0].TTL != d.TTL || there[0].Note != "" || !slices.Equal(slices.Sorted(slices.Values(dataOf(there))), slices.Sorted(slices.Values(d.RRDatas))) {
			g.fail(w, http.StatusPreconditionFailed, "conditionNotMet", fmt.Sprintf("Precondition not met for 'entity.change.deletions[%d]'", i))
			return
		}
		work.Drop(func(rec Record) bool { return rec.Name == d.Name && rec.Type == d.Type })
	}
	for i, a := range in.Additions {
		what := fmt.Sprintf("entity.change.additions[%d]", i)
		switch {
		case a.Name != z.Origin && !strings.HasSuffix(a.Name, "."+z.Origin) || len(a.RRDatas) == 0:
			g.fail(w, http.StatusBadRequest, "invalid", "Invalid value for '"+what+"'")
			return
		case a.Type == "CNAME" && a.Name == z.Origin:
			g.fail(w, http.StatusBadRequest, "invalidZoneApex", "The resource record set '"+what+"' is invalid because a zone apex can only contain certain record types.")
			return
		case len(work.Set(a.Name, a.Type)) > 0:
			g.fail(w, http.StatusConflict, "alreadyExists", fmt.Sprintf("The resource '%s' named '%s (%s)' already exists", what, a.Name, a.Type))
			return
		case work.Clashes(a.Name, a.Type):
			g.fail(w, http.StatusBadRequest, "cnameResourceRecordSetConflict", "The resource record set '"+what+"' is invalid because the DNS name '"+a.Name+"' may have either one CNAME resource record set or resource record sets of other types, but not both.")
			return
		}
		for _, data := range a.RRDatas {
			work.Records = append(work.Records, Record{ID: s.NewID(), Name: a.Name, Type: a.Type, TTL: a.TTL, Data: data})
		}
	}
	z.Records = work.Records
	z.Touch()
	reply(w, http.StatusOK, map[string]any{"kind": "dns#change", "id": strconv.Itoa(z.Changes), "status": "pending"})
}
