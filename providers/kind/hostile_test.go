package kind_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/vendortest"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// TestHostile: whatever an API says with 200, no kind panics, none takes it for
// an empty zone that is none, and none says that a change was made of which
// nothing was read.
func TestHostile(t *testing.T) {
	body := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/auth/time" { // nothing can be signed without
			body := "1700000000"
			_, _ = io.WriteString(w, body)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	rec := []libdns.Record{libdns.TXT{Name: "x", TTL: time.Hour, Text: "y"}}
	txt := plan.RRset{Name: "x.example.test.", Type: "TXT", TTL: 3600, Data: []string{`"y"`}}
	for _, row := range doubles() {
		name := row.kind
		p, err := kind.Open(config.Provider{Name: "x", Kind: name, Account: row.account(server.URL)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, body = range []string{
			"", "null", "{}", "[]", "[null]", "0", `""`, `[[]]`, `{"records":null}`, `{"Items":null,"HasMoreItems":true}`, `{"Items":[{"Id":1,"Domain":"example.test"}],"Id":1}`,
			`{"zone":{"id":1,"name":"example.test"},"rrsets":[{"name":"x","type":"A","records":[{"value":"nonsense"}]}]}`,
			`{"total_count":5,"records":[null]}`, `{"total_count":1,"records":[{"name":"x","type":"A","data":"nonsense"}]}`,
			`[{"rrset_name":"x","rrset_type":"A","rrset_values":null}]`, `[{"subname":"x","type":"A","records":["nonsense"]}]`, `{"minimum_ttl":-1}`, "<html>", `{"a":`,
		} {
			got, err := p.GetRecords(t.Context(), "example.test.")
			if err == nil && (body == "" || body == "null" || body == "0" || body == "<html>") {
				t.Errorf("%s takes %q for a zone with %d records", name, body, len(got))
			}
			_, _ = p.SetRecords(t.Context(), "example.test.", rec)
			_, _ = p.DeleteRecords(t.Context(), "example.test.", rec)
			_ = p.(kind.Applier).Apply(t.Context(), "example.test.", []plan.Change{{After: &txt}})
		}
	}
}

// TestEmptyReply: an API that has told of a zone, and then says with 200 what is
// no list of its records, has not said that the zone is empty.
func TestEmptyReply(t *testing.T) {
	everyDouble(t, func(t *testing.T, row played) {
		d, err := vendortest.Start(row.vendor)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Close)
		d.Load("example.test.", "www.example.test. 300 A 192.0.2.1")
		to, err := url.Parse(d.URL())
		if err != nil {
			t.Fatal(err)
		}
		body, silly := "", false
		proxy := httputil.NewSingleHostReverseProxy(to)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !silly || r.Method != http.MethodGet || strings.HasPrefix(r.URL.Path, "/auth/") {
				proxy.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(server.Close)
		p, err := kind.Open(config.Provider{Name: "x", Kind: row.kind, Account: row.account(server.URL)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.GetRecords(t.Context(), "example.test."); err != nil || len(got) == 0 {
			t.Fatal(got, err)
		}
		silly = true
		for _, body = range []string{"", "null", "{}", `{"success":false,"result":null}`} {
			if got, err := p.GetRecords(t.Context(), "example.test."); err == nil {
				t.Errorf("it takes %q for a zone with %d records", body, len(got))
			}
		}
	})
}
