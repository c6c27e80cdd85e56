package kind_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"github.com/libdns/libdns/libdnstest"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/vendortest"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// A played is a kind that is tried against its vendor's double.
type played struct {
	kind    string
	vendor  vendortest.Vendor
	account func(url string) config.Account
	skips   map[string]bool // types that libdnstest is not to use: the vendor has them not
	bare    bool            // texts are without quotes in the double's state
	lacks   []string        // words of the scenes' needs that the double has not
	shared  bool            // others' changes between our look and our write are not noticed: no compare and set
}

// secret returns an account whose only key is a secret.
func secret(name, value string) func(string) config.Account {
	return func(url string) config.Account {
		return config.Account{Endpoint: url, Secrets: map[string]config.Secret{name: config.NewSecret(value)}}
	}
}

// googleKey is the key of a service account, made once.
var googleKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func googleAccount(url string) config.Account {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(googleKey())
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "shunt@example-project.iam.gserviceaccount.com", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), "token_uri": url + "/token",
	})
	if err != nil {
		panic(err)
	}
	return config.Account{Endpoint: url, Values: map[string]string{"project": "example-project"}, Secrets: map[string]config.Secret{"credentials": config.NewSecret(string(text))}}
}

func azureAccount(url string) config.Account {
	return config.Account{
		Endpoint: url,
		Values:   map[string]string{"tenant_id": "tenant", "client_id": "app", "subscription_id": "sub", "resource_group": "group", "authority": url},
		Secrets:  map[string]config.Secret{"client_secret": config.NewSecret("t0ken")},
	}
}

// doubles returns the table of all kinds that have a double.
func doubles() []played {
	return []played{
		{kind: "cloudflare", vendor: vendortest.Cloudflare("t0ken"), account: secret("token", "t0ken"), shared: true},
		{kind: "route53", vendor: vendortest.Route53("AKIDEXAMPLE"), account: func(url string) config.Account {
			return config.Account{Endpoint: url, Values: map[string]string{"access_key_id": "AKIDEXAMPLE", "region": "us-east-1"}, Secrets: map[string]config.Secret{"secret_access_key": config.NewSecret("t0ken")}}
		}},
		{kind: "googleclouddns", vendor: vendortest.GoogleCloudDNS("example-project", "shunt@example-project.iam.gserviceaccount.com", &googleKey().PublicKey), account: googleAccount},
		{kind: "azure", vendor: vendortest.Azure("tenant", "app", "t0ken"), account: azureAccount, skips: map[string]bool{"HTTPS": true, "SVCB": true}},
		{kind: "digitalocean", vendor: vendortest.DigitalOcean("t0ken"), account: secret("token", "t0ken"), shared: true, bare: true, skips: map[string]bool{"HTTPS": true, "SVCB": true}},
		{kind: "ovh", vendor: vendortest.OVH("app", "t0ken", "consumer", true), account: ovh, shared: true},
		{kind: "ovh", vendor: vendortest.OVH("app", "t0ken", "consumer", false), account: ovh, shared: true},
		{kind: "scaleway", vendor: vendortest.Scaleway("t0ken"), account: secret("secret_key", "t0ken"), shared: true, skips: map[string]bool{"HTTPS": true, "SVCB": true}},
		{kind: "hetzner", vendor: vendortest.Hetzner("t0ken"), account: secret("token", "t0ken"), shared: true},
		{kind: "gandi", vendor: vendortest.Gandi("t0ken"), account: secret("token", "t0ken"), shared: true},
		{kind: "desec", vendor: vendortest.DeSEC("t0ken", 60), account: secret("token", "t0ken"), shared: true},
		{kind: "bunny", vendor: vendortest.Bunny("t0ken"), account: secret("key", "t0ken"), shared: true, skips: map[string]bool{"HTTPS": true, "SVCB": true}},
	}
}

// ovh returns an account at OVHcloud.
func ovh(url string) config.Account {
	return config.Account{
		Endpoint: url,
		Values:   map[string]string{"application_key": "app"},
		Secrets:  map[string]config.Secret{"application_secret": config.NewSecret("t0ken"), "consumer_key": config.NewSecret("consumer")},
	}
}

// play starts a double with the zone example.test, and opens an account there.
func play(t *testing.T, p played, lines ...string) (*vendortest.Double, kind.Provider) {
	t.Helper()
	d, err := vendortest.Start(p.vendor)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	d.Load("example.test.", lines...)
	opened, err := kind.Open(config.Provider{Name: "x", Kind: p.kind, Account: p.account(d.URL())}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d, opened
}

// everyDouble runs f for each kind.
func everyDouble(t *testing.T, f func(t *testing.T, p played)) {
	for _, p := range doubles() {
		t.Run(p.kind, func(t *testing.T) { f(t, p) })
	}
}

// TestLibdns runs libdns' own suite.
func TestLibdns(t *testing.T) {
	everyDouble(t, func(t *testing.T, p played) {
		_, opened := play(t, p)
		suite := libdnstest.NewTestSuite(libdnstest.WrapNoZoneLister(opened.(libdnstest.RecordProvider)), "example.test.")
		suite.SkipRRTypes = p.skips
		suite.RunTests(t)
	})
}

// a returns www's addresses as an RRset.
func a(ttl uint32, data ...string) *plan.RRset {
	set, err := plan.New("www.example.test.", "A", ttl, data)
	if err != nil {
		panic(err)
	}
	return &set
}

// apply makes one change of www's addresses.
func apply(ctx context.Context, p kind.Provider, before, after *plan.RRset) error {
	return p.(kind.Applier).Apply(ctx, "example.test.", []plan.Change{{Before: before, After: after}})
}

// www returns www's addresses as the provider says, "300 192.0.2.1 192.0.2.2".
func www(t *testing.T, p kind.Provider) string {
	t.Helper()
	got, err := p.GetRecords(t.Context(), "example.test.")
	if err != nil {
		t.Fatal(err)
	}
	var data []string
	ttl := time.Duration(0)
	for _, r := range got {
		if rr := r.RR(); rr.Name == "www" && rr.Type == "A" {
			data, ttl = append(data, rr.Data), rr.TTL
		}
	}
	slices.Sort(data)
	return strings.TrimSpace(fmt.Sprintln(int(ttl.Seconds()), strings.Join(data, " ")))
}

// TestTroubles: what becomes of a change when the API fails, what its error
// is, and that it can be made once the API is well again.
func TestTroubles(t *testing.T) {
	const before, after = "300 192.0.2.1", "300 192.0.2.2"
	later := func(d time.Duration) func(error) bool {
		return func(err error) bool { var l kind.Later; return errors.As(err, &l) && l.After == d }
	}
	plain := func(err error) bool {
		var l kind.Later
		return err != nil && !errors.Is(err, kind.ErrDenied) && !errors.Is(err, kind.ErrStale) && !errors.Is(err, kind.ErrNoZone) && !errors.As(err, &l)
	}
	for _, c := range []struct {
		what  string
		fault vendortest.Fault
		is    func(error) bool // nil: no error
		then  string           // what the zone holds
	}{
		{"429", vendortest.Fault{Do: vendortest.Throttle, After: 7 * time.Second}, later(7 * time.Second), before},
		{"429 to the write", vendortest.Fault{Do: vendortest.Throttle, On: vendortest.Write, After: 7 * time.Second}, later(7 * time.Second), before},
		{"429 without Retry-After", vendortest.Fault{Do: vendortest.Throttle}, later(0), before},
		{"500", vendortest.Fault{Do: vendortest.Break}, plain, before},
		{"500 to the write", vendortest.Fault{Do: vendortest.Break, On: vendortest.Write}, func(err error) bool { return plain(err) && errors.Is(err, kind.ErrDown) }, before},
		{"422 to the write", vendortest.Fault{Do: vendortest.Break, On: vendortest.Write, Status: 422}, func(err error) bool { return plain(err) && errors.Is(err, kind.ErrRefused) }, before},
		{"503 with Retry-After", vendortest.Fault{Do: vendortest.Break, Status: 503, After: 3 * time.Second}, later(3 * time.Second), before},
		{"a page that is not the API's", vendortest.Fault{Do: vendortest.Garble, On: vendortest.Write}, plain, before},
		{"credentials that have expired", vendortest.Fault{Do: vendortest.Deny}, func(err error) bool { return errors.Is(err, kind.ErrDenied) }, before},
		{"credentials that may not write", vendortest.Fault{Do: vendortest.Deny, Status: 403, On: vendortest.Write}, func(err error) bool { return errors.Is(err, kind.ErrDenied) }, before},
		{"a hang", vendortest.Fault{Do: vendortest.Hang}, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, before},
		{"a hang on the second call", vendortest.Fault{Do: vendortest.Hang, Skip: 1}, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, before},
		{"a lost reply", vendortest.Fault{Do: vendortest.Lose, On: vendortest.Write}, plain, after},
		{"accepted, and not done", vendortest.Fault{Do: vendortest.Ignore, On: vendortest.Write}, nil, before},
		{"a TTL that is clamped", vendortest.Fault{Do: vendortest.Clamp, On: vendortest.Write, TTL: 600}, nil, "600 192.0.2.2"},
	} {
		t.Run(c.what, func(t *testing.T) {
			everyDouble(t, func(t *testing.T, p played) {
				d, opened := play(t, p, "example.test. 3600 NS ns1.example.net.", "www.example.test. 300 A 192.0.2.1", "mail.example.test. 300 A 192.0.2.9")
				d.Fail(c.fault)
				timeout := 10 * time.Second
				if c.fault.Do == vendortest.Hang {
					timeout = 100 * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				defer cancel()
				err := apply(ctx, opened, a(300, "192.0.2.1"), a(300, "192.0.2.2"))
				if c.is == nil && err != nil || c.is != nil && !c.is(err) {
					t.Errorf("the error is %v", err)
				}
				if err != nil && strings.Contains(err.Error(), "t0ken") {
					t.Errorf("the error tells a secret: %v", err)
				}
				d.Fail()
				if got := www(t, opened); got != c.then {
					t.Fatalf("www is %s, want %s", got, c.then)
				}
				now := strings.Fields(c.then)
				set := a(300, now[1])
				if now[0] == "600" {
					set.TTL = 600
				}
				if err := apply(t.Context(), opened, set, a(300, "192.0.2.3")); err != nil {
					t.Errorf("the API is well again, but: %v", err)
				}
				if got := www(t, opened); got != "300 192.0.2.3" {
					t.Errorf("afterwards www is %s", got)
				}
			})
		})
	}
}

// TestLate: reads that lag behind our own write make no second change of what
// was changed: either the provider compares, or nothing is as it was expected.
func TestLate(t *testing.T) {
	everyDouble(t, func(t *testing.T, p played) {
		d, opened := play(t, p, "www.example.test. 300 A 192.0.2.1")
		d.Fail(vendortest.Fault{Do: vendortest.Late, On: vendortest.Write, Count: 1, Reads: 3})
		if err := apply(t.Context(), opened, a(300, "192.0.2.1"), a(300, "192.0.2.2")); err != nil {
			t.Fatal(err)
		}
		err := apply(t.Context(), opened, a(300, "192.0.2.1"), a(300, "192.0.2.3"))
		if err == nil && !p.shared {
			t.Error("a change of what is no longer there was made")
		}
		if got := d.Zone("example.test."); len(got) != 1 || err != nil && !strings.Contains(got[0], "192.0.2.2") {
			t.Errorf("%v leaves %q", err, got)
		}
	})
}

// TestStale: what is not as expected is not changed.
func TestStale(t *testing.T) {
	everyDouble(t, func(t *testing.T, p played) {
		for _, c := range []struct {
			what          string
			before, after *plan.RRset
		}{
			{"another address", a(300, "192.0.2.9"), a(300, "192.0.2.2")},
			{"one address too few", a(300, "192.0.2.1"), a(300, "192.0.2.3")},
			{"another TTL", a(600, "192.0.2.1", "192.0.2.2"), a(300, "192.0.2.3")},
			{"nothing", nil, a(300, "192.0.2.3")},
			{"to be deleted, another", a(300, "192.0.2.9"), nil},
			{"to be deleted, one of two", a(300, "192.0.2.1"), nil},
		} {
			d, opened := play(t, p, "www.example.test. 300 A 192.0.2.1", "www.example.test. 300 A 192.0.2.2")
			was := d.Zone("example.test.")
			if err := apply(t.Context(), opened, c.before, c.after); !errors.Is(err, kind.ErrStale) {
				t.Errorf("%s: the error is %v", c.what, err)
			}
			if got := d.Zone("example.test."); !slices.Equal(got, was) {
				t.Errorf("%s: changed to %q", c.what, got)
			}
		}
	})
}

// TestNoZone: a zone that the account does not have is said so, by every method.
func TestNoZone(t *testing.T) {
	everyDouble(t, func(t *testing.T, p played) {
		_, opened := play(t, p)
		one := []libdns.Record{libdns.TXT{Name: "x", TTL: time.Minute, Text: "y"}}
		_, get := opened.GetRecords(t.Context(), "example.org.")
		_, set := opened.SetRecords(t.Context(), "example.org.", one)
		_, del := opened.DeleteRecords(t.Context(), "example.org.", one)
		txt := plan.RRset{Name: "x.example.org.", Type: "TXT", TTL: 300, Data: []string{`"y"`}}
		app := opened.(kind.Applier).Apply(t.Context(), "example.org.", []plan.Change{{After: &txt}})
		for method, err := range map[string]error{"GetRecords": get, "SetRecords": set, "DeleteRecords": del, "Apply": app} {
			if !errors.Is(err, kind.ErrNoZone) {
				t.Errorf("%s: %v", method, err)
			}
		}
	})
}
