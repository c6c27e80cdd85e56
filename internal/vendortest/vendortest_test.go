package vendortest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shunt-dns/shunt/internal/vendortest"
)

// A counter is the smallest vendor: a POST adds the record of its query, a GET
// says how many there are, and /login grants what nobody asks for.
type counter struct{}

func (counter) Login(r *http.Request) bool { return r.URL.Path == "/login" }

func (counter) Serve(w http.ResponseWriter, r *http.Request, s *vendortest.State) {
	switch {
	case r.URL.Path == "/login":
	case r.Method == http.MethodPost:
		s.Load("example.test.", "www.example.test. 60 A "+r.URL.Query().Get("add"))
	default:
		fmt.Fprint(w, len(s.Lines("example.test.")))
	}
}

func (counter) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	http.Error(w, "no", status)
}

// TestFaults plays requests against each fault. A request is a word: "get",
// "add" and "login"; what comes of it is the body or the status, with
// "after N" for Retry-After, "cut" and "hang".
func TestFaults(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, c := range []struct {
		what, requests, want string
		faults               []vendortest.Fault
	}{
		{"a healthy API", "get add get add get", "0 ok 1 ok 2", nil},
		{"throttling", "get add login", "429 429 429", []vendortest.Fault{{Do: vendortest.Throttle}}},
		{"throttling of some", "get get get get", "0 429/7 429/7 0", []vendortest.Fault{{Do: vendortest.Throttle, Skip: 1, Count: 2, After: 7 * time.Second}}},
		{"writes alone", "get add login get", "0 503/3 ok 0", []vendortest.Fault{{Do: vendortest.Break, On: vendortest.Write, Status: 503, After: 3 * time.Second}}},
		{"reads alone", "get add login get", "500 ok ok 500", []vendortest.Fault{{Do: vendortest.Break, On: vendortest.Read}}},
		{"expired credentials", "get login", "401 401", []vendortest.Fault{{Do: vendortest.Deny}}},
		{"no right to write", "get add get", "0 403 0", []vendortest.Fault{{Do: vendortest.Deny, On: vendortest.Write, Status: 403}}},
		{"a page of a proxy", "get add", "502 502", []vendortest.Fault{{Do: vendortest.Garble}}},
		{"a hang on the second", "get get get", "0 hang 0", []vendortest.Fault{{Do: vendortest.Hang, Skip: 1, Count: 1}}},
		{"accepted and not done", "add get add get", "ok 0 ok 0", []vendortest.Fault{{Do: vendortest.Ignore, On: vendortest.Write}}},
		{"late reads", "add get get get", "ok 0 0 1", []vendortest.Fault{{Do: vendortest.Late, On: vendortest.Write, Reads: 2}}},
		{"one late read", "add get get", "ok 0 1", []vendortest.Fault{{Do: vendortest.Late, On: vendortest.Write}}},
		{"a lost reply", "add get add get", "cut 1 ok 2", []vendortest.Fault{{Do: vendortest.Lose, On: vendortest.Write, Count: 1}}},
		{"two faults", "get add get", "429 500 0", []vendortest.Fault{{Do: vendortest.Throttle, On: vendortest.Read, Count: 1}, {Do: vendortest.Break, On: vendortest.Write}}},
	} {
		d, err := vendortest.Start(counter{})
		if err != nil {
			t.Fatal(err)
		}
		d.Load("example.test.")
		d.Fail(c.faults...)
		var got []string
		for _, word := range strings.Fields(c.requests) {
			got = append(got, ask(t, d.URL(), word))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %s → %s, want %s", c.what, c.requests, text, c.want)
		}
		if n := strings.Count(c.requests, "add"); d.Writes() != n {
			t.Errorf("%s: %d writes, want %d", c.what, d.Writes(), n)
		}
		d.Fail()
		if got := ask(t, d.URL(), "add"); got != "ok" {
			t.Errorf("%s: healthy again, it answers %s", c.what, got)
		}
		d.Close()
	}
}

// ask sends the request of a word and returns what came of it.
func ask(t *testing.T, url, word string) string {
	t.Helper()
	method, path := http.MethodGet, "/"
	switch word {
	case "add":
		method, path = http.MethodPost, "/?add=192.0.2.1"
	case "login":
		method, path = http.MethodPost, "/login"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Do(r)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "hang"
	case err != nil:
		return "cut"
	}
	defer reply.Body.Close()
	text, _ := io.ReadAll(reply.Body)
	switch after := reply.Header.Get("Retry-After"); {
	case reply.StatusCode != http.StatusOK && after != "":
		return fmt.Sprint(reply.StatusCode, "/", after)
	case reply.StatusCode != http.StatusOK:
		return fmt.Sprint(reply.StatusCode)
	case len(text) == 0:
		return "ok"
	}
	return string(text)
}

// TestClamp: a clamp raises TTLs, and no longer once the API is well.
func TestClamp(t *testing.T) {
	d, err := vendortest.Start(counter{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.Load("example.test.", "www.example.test. 600 A 192.0.2.9")
	d.Fail(vendortest.Fault{Do: vendortest.Clamp, On: vendortest.Write, TTL: 300})
	ask(t, d.URL(), "add")
	want := []string{"www.example.test. 300 A 192.0.2.1", "www.example.test. 600 A 192.0.2.9"}
	if got := d.Zone("example.test."); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestRefusals: what vendors check, with raw requests, METHOD PATH BODY →
// STATUS and a part of the reply. The zone has the id 00000001 and www the
// record 00000002.
func TestRefusals(t *testing.T) {
	bearer := map[string]string{"Authorization": "Bearer t0ken"}
	const r53 = "/2013-04-01/hostedzone/00000001/rrset"
	batch := func(changes string) string {
		return `<ChangeResourceRecordSetsRequest><ChangeBatch><Changes>` + changes + `</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`
	}
	change := func(action, typ, ttl, value string) string {
		return fmt.Sprintf(`<Change><Action>%s</Action><ResourceRecordSet><Name>www.example.test.</Name><Type>%s</Type><TTL>%s</TTL><ResourceRecords><ResourceRecord><Value>%s</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change>`, action, typ, ttl, value)
	}
	signed := map[string]string{"X-Amz-Date": "20261122T100000Z", "Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261122/us-east-1/route53/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", 64)}
	google := map[string]string{"Authorization": "Bearer ya29.access"}
	azure := map[string]string{"Authorization": "Bearer eyJ0.access"}
	const ms = "/subscriptions/sub/resourceGroups/group/providers/Microsoft.Network/dnsZones/example.test/"
	for _, c := range []struct {
		vendor                    vendortest.Vendor
		header                    map[string]string
		method, path, body, reply string
		status                    int
	}{
		{vendortest.Cloudflare("t0ken"), nil, "GET", "/zones", "", "6003", 400},
		{vendortest.Cloudflare("other"), bearer, "GET", "/zones", "", "9109", 403},
		{vendortest.Cloudflare("t0ken"), bearer, "GET", "/zones/9/dns_records", "", "7003", 404},
		{vendortest.Cloudflare("t0ken"), bearer, "POST", "/zones/00000001/dns_records/batch", `{"deletes":[{"id":"9"}]}`, "81044", 404},
		{vendortest.Cloudflare("t0ken"), bearer, "POST", "/zones/00000001/dns_records/batch", `{"posts":[{"name":"www.example.test","type":"A","ttl":60,"content":"192.0.2.1"}]}`, "81058", 400},
		{vendortest.Cloudflare("t0ken"), bearer, "POST", "/zones/00000001/dns_records/batch", `{"posts":[{"name":"www.example.test","type":"CNAME","ttl":60,"content":"a.example.net"}]}`, "81053", 400},
		{vendortest.Cloudflare("t0ken"), bearer, "POST", "/zones/00000001/dns_records/batch", `{"posts":[{"name":"a.example.test","type":"A","ttl":59,"content":"192.0.2.1"}]}`, "9021", 400},
		{vendortest.Cloudflare("t0ken"), bearer, "POST", "/zones/00000001/dns_records/batch", `{"posts":[{"name":"a.example.org","type":"A","ttl":60,"content":"192.0.2.1"}]}`, "9000", 400},
		{vendortest.Route53("AKID"), nil, "GET", r53, "", "InvalidClientTokenId", 403},
		{vendortest.Route53("AKID"), signed, "GET", "/2013-04-01/hostedzone/9/rrset", "", "NoSuchHostedZone", 404},
		{vendortest.Route53("AKID"), signed, "POST", r53, batch(change("DELETE", "A", "60", "192.0.2.9")), "do not match the current values", 400},
		{vendortest.Route53("AKID"), signed, "POST", r53, batch(change("DELETE", "A", "61", "192.0.2.1")), "do not match the current values", 400},
		{vendortest.Route53("AKID"), signed, "POST", r53, batch(change("DELETE", "AAAA", "60", "::1")), "was not found", 400},
		{vendortest.Route53("AKID"), signed, "POST", r53, batch(change("CREATE", "A", "60", "192.0.2.1")), "already exists", 400},
		{vendortest.Route53("AKID"), signed, "POST", r53, batch(change("CREATE", "CNAME", "60", "a.example.net.")), "conflicts with other records", 400},
		{vendortest.Route53("AKID"), signed, "POST", r53, batch(change("CREATE", "TXT", "60", "bare")), "InvalidCharacterString", 400},
		{vendortest.Route53("AKID"), signed, "POST", r53, batch(change("DELETE", "A", "60", "192.0.2.1") + change("CREATE", "A", "60", "192.0.2.2")), "PENDING", 200},
		{vendortest.GoogleCloudDNS("p", "e", nil), nil, "GET", "/projects/p/managedZones", "", "required", 401},
		{vendortest.GoogleCloudDNS("p", "e", nil), google, "GET", "/projects/p/managedZones/x/rrsets", "", "notFound", 404},
		{vendortest.GoogleCloudDNS("p", "e", nil), google, "POST", "/projects/p/managedZones/zone-00000001/changes", `{"deletions":[{"name":"www.example.test.","type":"A","ttl":60,"rrdatas":["192.0.2.9"]}]}`, "conditionNotMet", 412},
		{vendortest.GoogleCloudDNS("p", "e", nil), google, "POST", "/projects/p/managedZones/zone-00000001/changes", `{"deletions":[{"name":"a.example.test.","type":"A","ttl":60,"rrdatas":["192.0.2.9"]}]}`, "notFound", 404},
		{vendortest.GoogleCloudDNS("p", "e", nil), google, "POST", "/projects/p/managedZones/zone-00000001/changes", `{"additions":[{"name":"www.example.test.","type":"A","ttl":60,"rrdatas":["192.0.2.9"]}]}`, "alreadyExists", 409},
		{vendortest.GoogleCloudDNS("p", "e", nil), google, "POST", "/projects/p/managedZones/zone-00000001/changes", `{"additions":[{"name":"www.example.test.","type":"CNAME","ttl":60,"rrdatas":["a."]}]}`, "cnameResourceRecordSetConflict", 400},
		{vendortest.GoogleCloudDNS("p", "e", nil), google, "POST", "/projects/p/managedZones/zone-00000001/changes", `{"additions":[{"name":"example.test.","type":"CNAME","ttl":60,"rrdatas":["a."]}]}`, "invalidZoneApex", 400},
		{vendortest.Azure("t", "c", "s"), nil, "GET", ms + "recordsets?api-version=2018-05-01", "", "AuthenticationFailed", 401},
		{vendortest.Azure("t", "c", "s"), azure, "GET", ms + "recordsets", "", "ResourceGroupNotFound", 404},
		{vendortest.Azure("t", "c", "s"), azure, "PATCH", ms + "A/a?api-version=2018-05-01", `{}`, "NotFound", 404},
		{vendortest.Azure("t", "c", "s"), azure, "PUT", ms + "CNAME/www?api-version=2018-05-01", `{"properties":{"TTL":60,"CNAMERecord":{"cname":"a"}}}`, "CNAME record", 400},
		{vendortest.Azure("t", "c", "s"), azure, "PUT", ms + "HTTPS/www?api-version=2018-05-01", `{}`, "not supported", 400},
		{vendortest.DigitalOcean("t0ken"), nil, "GET", "/v2/domains/example.test/records", "", "Unable to authenticate", 401},
		{vendortest.DigitalOcean("t0ken"), bearer, "GET", "/v2/domains/example.org/records", "", "not_found", 404},
		{vendortest.DigitalOcean("t0ken"), bearer, "POST", "/v2/domains/example.test/records", `{"type":"A","name":"www","ttl":29,"data":"192.0.2.9"}`, "TTL", 422},
		{vendortest.DigitalOcean("t0ken"), bearer, "POST", "/v2/domains/example.test/records", `{"type":"CNAME","name":"a","ttl":30,"data":"a.example.net"}`, "dot", 422},
		{vendortest.DigitalOcean("t0ken"), bearer, "POST", "/v2/domains/example.test/records", `{"type":"CNAME","name":"www","ttl":30,"data":"a.example.net."}`, "CNAME", 422},
		{vendortest.DigitalOcean("t0ken"), bearer, "PUT", "/v2/domains/example.test/records/9", `{}`, "not_found", 404},
	} {
		d, err := vendortest.Start(c.vendor)
		if err != nil {
			t.Fatal(err)
		}
		d.Load("example.test.", "www.example.test. 60 A 192.0.2.1")
		status, text := raw(t, c.method, d.URL()+c.path, c.body, c.header)
		if status != c.status || !strings.Contains(text, c.reply) {
			t.Errorf("%s %s %s → %d %s, want %d with %q", c.method, c.path, c.body, status, text, c.status, c.reply)
		}
		if got := d.Zone("example.test."); status >= 300 && !slices.Equal(got, []string{"www.example.test. 60 A 192.0.2.1"}) {
			t.Errorf("%s %s %s was refused, and leaves %q", c.method, c.path, c.body, got)
		}
		d.Close()
	}
}

// raw sends one request and returns its reply.
func raw(t *testing.T, method, url, body string, header map[string]string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	reply, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	got, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(got)
}
