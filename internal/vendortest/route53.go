package vendortest

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Route53 returns Amazon Route 53's API of 2013-04-01, as far as hosted zones
// are found by name and their record sets listed and changed. A record whose
// Note is "set=blue" is in the weighted set blue; one whose Note is "alias" is
// an alias of its Data. A request must be signed by accessKey; whether the
// signature is right is not checked.
func Route53(accessKey string) Vendor {
	return route53{regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=` + regexp.QuoteMeta(accessKey) + `/\d{8}/[a-z0-9-]+/route53/aws4_request, SignedHeaders=[a-z0-9;-]+, Signature=[0-9a-f]{64}$`)}
}

type route53 struct{ signed *regexp.Regexp }

// Refuse speaks as AWS: throttling has the status 400.
func (v route53) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	switch status {
	case http.StatusTooManyRequests:
		v.fail(w, http.StatusBadRequest, "Throttling", "Rate exceeded")
	case http.StatusUnauthorized, http.StatusForbidden:
		v.fail(w, http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired")
	case http.StatusServiceUnavailable:
		v.fail(w, status, "ServiceUnavailable", "Service is unable to handle request.")
	default:
		v.fail(w, status, "InternalFailure", "The request processing has failed because of an unknown error.")
	}
}

func (route53) fail(w http.ResponseWriter, status int, code, message string) {
	sendXML(w, status, struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Type    string   `xml:"Error>Type"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
		ID      string   `xml:"RequestId"`
	}{Type: "Sender", Code: code, Message: message, ID: "b7ebc957-48de-11e4-9c02-03749a38eea0"})
}

func sendXML(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, xml.Header)
	_ = xml.NewEncoder(w).Encode(v) // the client went away
}

// Serve answers below /2013-04-01.
func (v route53) Serve(w http.ResponseWriter, r *http.Request, s *State) {
	if !v.signed.MatchString(r.Header.Get("Authorization")) || r.Header.Get("X-Amz-Date") == "" {
		v.fail(w, http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid")
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(path) == 2 && path[1] == "hostedzonesbyname" && r.Method == http.MethodGet {
		v.listZones(w, r, s)
		return
	}
	if len(path) != 4 || path[1] != "hostedzone" || path[3] != "rrset" {
		v.fail(w, http.StatusNotFound, "UnknownOperationException", "")
		return
	}
	z := s.ZoneByID(path[2])
	switch {
	case z == nil:
		v.fail(w, http.StatusNotFound, "NoSuchHostedZone", "No hosted zone found with ID: "+path[2])
	case r.Method == http.MethodGet:
		v.list(w, r, z)
	default:
		v.change(w, r, s, z)
	}
}

// A route53Zone is a hosted zone of a reply.
type route53Zone struct {
	ID      string `xml:"Id"`
	Name    string
	Ref     string `xml:"CallerReference"`
	Private bool   `xml:"Config>PrivateZone"`
}

func (v route53) listZones(w http.ResponseWriter, r *http.Request, s *State) {
	zones := slices.Clone(s.Zones)
	slices.SortStableFunc(zones, func(a, b *Zone) int { return strings.Compare(backwards(a.Origin), backwards(b.Origin)) })
	from, id := r.URL.Query().Get("dnsname"), r.URL.Query().Get("hostedzoneid")
	i := slices.IndexFunc(zones, func(z *Zone) bool {
		return strings.Compare(backwards(z.Origin), backwards(from)) >= 0 && (id == "" || z.ID == id)
	})
	if i < 0 {
		i = len(zones)
	}
	page, next := Paged(zones, i)
	out := struct {
		XMLName   xml.Name      `xml:"ListHostedZonesByNameResponse"`
		Zones     []route53Zone `xml:"HostedZones>HostedZone"`
		Truncated bool          `xml:"IsTruncated"`
		NextName  string        `xml:"NextDNSName,omitempty"`
		NextID    string        `xml:"NextHostedZoneId,omitempty"`
		Max       string        `xml:"MaxItems"`
	}{Truncated: next > 0, Max: fmt.Sprint(Page)}
	for _, z := range page {
		out.Zones = append(out.Zones, route53Zone{"/hostedzone/" + z.ID, z.Origin, "x", z.Private})
	}
	if next > 0 {
		out.NextName, out.NextID = zones[next].Origin, zones[next].ID
	}
	sendXML(w, http.StatusOK, out)
}

// backwards returns name with its labels in reverse, which is how names are in
// order.
func backwards(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

// A route53Set is a record set, of a reply or a request.
type route53Set struct {
	Name, Type string
	Set        string         `xml:"SetIdentifier,omitempty"`
	Weight     *int           `xml:"Weight,omitempty"`
	TTL        uint32         `xml:"TTL,omitempty"`
	Values     []route53Value `xml:"ResourceRecords>ResourceRecord,omitempty"`
	Alias      *route53Target `xml:"AliasTarget,omitempty"`
}

type route53Value struct{ Value string }

type route53Target struct {
	DNSName  string
	Zone     string `xml:"HostedZoneId"`
	Evaluate bool   `xml:"EvaluateTargetHealth"`
}

// route53Sets returns the sets of z in order of name, type and identifier.
func route53Sets(z *Zone) []route53Set {
	var sets []route53Set
	for _, rec := range z.Records {
		id, _ := strings.CutPrefix(rec.Note, "set=")
		name := strings.ReplaceAll(rec.Name, "*", `\052`)
		if rec.Note == "alias" {
			sets = append(sets, route53Set{Name: name, Type: rec.Type, Alias: &route53Target{rec.Data, "Z2FDTNDATAQYW2", false}})
			continue
		}
		i := slices.IndexFunc(sets, func(s route53Set) bool { return s.Name == name && s.Type == rec.Type && s.Set == id })
		if i < 0 {
			i = len(sets)
			sets = append(sets, route53Set{Name: name, Type: rec.Type, TTL: rec.TTL, Set: id})
			if id != "" {
				one := 1
				sets[i].Weight = &one
			}
		}
		sets[i].Values = append(sets[i].Values, route53Value{rec.Data})
	}
	slices.SortStableFunc(sets, func(a, b route53Set) int { return strings.Compare(a.order(), b.order()) })
	return sets
}

func (s route53Set) order() string { return backwards(s.Name) + " " + s.Type + " " + s.Set }

func (v route53) list(w http.ResponseWriter, r *http.Request, z *Zone) {
	sets := route53Sets(z)
	q := r.URL.Query()
	from := route53Set{Name: strings.ReplaceAll(q.Get("name"), "*", `\052`), Type: q.Get("type"), Set: q.Get("identifier")}
	i := 0
	if from.Name != "" {
		if i = slices.IndexFunc(sets, func(s route53Set) bool { return strings.TrimSpace(from.order()) <= s.order() }); i < 0 {
			i = len(sets)
		}
	}
	page, next := Paged(sets, i)
	out := struct {
		XMLName   xml.Name     `xml:"ListResourceRecordSetsResponse"`
		Sets      []route53Set `xml:"ResourceRecordSets>ResourceRecordSet"`
		Truncated bool         `xml:"IsTruncated"`
		NextName  string       `xml:"NextRecordName,omitempty"`
		NextType  string       `xml:"NextRecordType,omitempty"`
		NextSet   string       `xml:"NextRecordIdentifier,omitempty"`
		Max       string       `xml:"MaxItems"`
	}{Sets: page, Truncated: next > 0, Max: fmt.Sprint(Page)}
	if next > 0 {
		out.NextName, out.NextType, out.NextSet = sets[next].Name, sets[next].Type, sets[next].Set
	}
	sendXML(w, http.StatusOK, out)
}

// change makes a batch, all of it or nothing.
func (v route53) change(w http.ResponseWriter, r *http.Request, s *State, z *Zone) {
	var in struct {
		Changes []struct {
			Action string
			Set    route53Set `xml:"ResourceRecordSet"`
		} `xml:"ChangeBatch>Changes>Change"`
	}
	if err := xml.NewDecoder(r.Body).Decode(&in); err != nil {
		v.fail(w, http.StatusBadRequest, "MalformedInput", err.Error())
		return
	}
	work := &Zone{Origin: z.Origin, Records: slices.Clone(z.Records)}
	var problems []string
	records := 0
	for _, c := range in.Changes {
		c.Set.Name = strings.ToLower(strings.ReplaceAll(c.Set.Name, `\052`, "*"))
		records += len(c.Set.Values)
		if problem := v.make(work, c.Action, c.Set, s); problem != "" {
			problems = append(problems, problem)
		}
	}
	if records > 1000 {
		problems = append(problems, "Number of records limit of 1000 exceeded.")
	}
	if len(problems) > 0 {
		sendXML(w, http.StatusBadRequest, struct {
			XMLName  xml.Name `xml:"InvalidChangeBatch"`
			Messages []string `xml:"Messages>Message"`
			ID       string   `xml:"RequestId"`
		}{Messages: problems, ID: "b7ebc957-48de-11e4-9c02-03749a38eea0"})
		return
	}
	z.Records = work.Records
	z.Touch()
	sendXML(w, http.StatusOK, struct {
		XMLName xml.Name `xml:"ChangeResourceRecordSetsResponse"`
		ID      string   `xml:"ChangeInfo>Id"`
		Status  string   `xml:"ChangeInfo>Status"`
		At      string   `xml:"ChangeInfo>SubmittedAt"`
	}{ID: fmt.Sprintf("/change/C%d", z.Changes), Status: "PENDING", At: "2026-11-22T10:00:00Z"})
}

// make makes one change in z, or says why it cannot.
func (v route53) make(z *Zone, action string, set route53Set, s *State) string {
	what := fmt.Sprintf("resource record set [name='%s', type='%s'", set.Name, set.Type)
	if set.Set != "" {
		what += fmt.Sprintf(", set-identifier='%s'", set.Set)
	}
	what += "]"
	same := func(rec Record) bool {
		id := strings.TrimPrefix(rec.Note, "set=")
		if rec.Note == "alias" {
			id = ""
		}
		return rec.Name == set.Name && rec.Type == set.Type && id == set.Set
	}
	var there []route53Value
	ttl := uint32(0)
	for _, rec := range z.Records {
		if same(rec) {
			there, ttl = append(there, route53Value{rec.Data}), rec.TTL
		}
	}
	switch action {
	case "DELETE":
		if there == nil {
			return "Tried to delete " + what + " but it was not found"
		}
		if !slices.Equal(inOrder(there), inOrder(set.Values)) || ttl != set.TTL {
			return "Tried to delete " + what + " but the values provided do not match the current values"
		}
		z.Drop(same)
		return ""
	case "CREATE":
		if there != nil {
			return "Tried to create " + what + " but it already exists"
		}
	case "UPSERT":
		z.Drop(same)
	default:
		return "Invalid action " + action
	}
	return v.put(z, set, s)
}

// inOrder returns values sorted.
func inOrder(values []route53Value) []route53Value {
	return slices.SortedFunc(slices.Values(values), func(a, b route53Value) int { return strings.Compare(a.Value, b.Value) })
}

// put adds set to z, or says why it cannot stand there.
func (v route53) put(z *Zone, set route53Set, s *State) string {
	switch {
	case set.Name != z.Origin && !strings.HasSuffix(set.Name, "."+z.Origin):
		return fmt.Sprintf("RRSet with DNS name %s is not permitted in zone %s", set.Name, z.Origin)
	case set.Type == "CNAME" && set.Name == z.Origin:
		return fmt.Sprintf("RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s", set.Name, z.Origin)
	case z.Clashes(set.Name, set.Type):
		return fmt.Sprintf("RRSet of type %s with DNS name %s is not permitted as it conflicts with other records with the same DNS name in zone %s", set.Type, set.Name, z.Origin)
	case len(set.Values) == 0:
		return "Invalid request: missing field 'ResourceRecords'"
	case len(z.Set(set.Name, set.Type)) > 0:
		return fmt.Sprintf("RRSet with DNS name %s, type %s, SetIdentifier %s cannot be created because a non multi-value answer resource record set exists with the same name and type.", set.Name, set.Type, set.Set)
	}
	for _, value := range set.Values {
		if set.Type == "TXT" && !strings.HasPrefix(value.Value, `"`) {
			return fmt.Sprintf("InvalidCharacterString (Value should be enclosed in quotation marks) encountered with '%s'", value.Value)
		}
		z.Records = append(z.Records, Record{ID: s.NewID(), Name: set.Name, Type: set.Type, TTL: set.TTL, Data: value.Value})
	}
	return ""
}
