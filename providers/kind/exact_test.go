package kind_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/vendortest"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// double returns the row of doubles of a kind.
func double(t *testing.T, name string) played {
	t.Helper()
	rows := doubles()
	at := slices.IndexFunc(rows, func(p played) bool { return p.kind == name })
	if at < 0 {
		t.Fatalf("%s has no double", name)
	}
	return rows[at]
}

// set returns the RRset of lines as "www.example.test. 60 A 192.0.2.1", which
// have one name and type.
func set(lines ...string) *plan.RRset {
	var s plan.RRset
	for _, line := range lines {
		f := strings.SplitN(line, " ", 4)
		ttl, err := strconv.ParseUint(f[1], 10, 32)
		if err != nil {
			panic(err)
		}
		if s, err = plan.New(f[0], f[2], uint32(ttl), append(s.Data, f[3])); err != nil {
			panic(err)
		}
	}
	return &s
}

// TestForeign: what only the vendor's own API can express is never changed,
// never flattened into records, and said to be in the way. The rest of the
// zone can be changed.
func TestForeign(t *testing.T) {
	for _, c := range []struct {
		kind string
		held []string
	}{
		{"cloudflare", []string{"www.example.test. 1 A 192.0.2.1; proxied"}},
		{"route53", []string{"www.example.test. 60 A 192.0.2.1; set=blue", "www.example.test. 60 A 192.0.2.2; set=green"}},
		{"route53", []string{"www.example.test. 0 A d1234.cloudfront.net.; alias"}},
		{"googleclouddns", []string{"www.example.test. 60 A 192.0.2.1; policy"}},
		{"azure", []string{"www.example.test. 60 A /subscriptions/sub/resourceGroups/group/providers/Microsoft.Network/publicIPAddresses/lb; alias"}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			d, p := play(t, double(t, c.kind), append(c.held, "api.example.test. 60 A 192.0.2.9")...)
			was := d.Zone("example.test.")
			free := set("mail.example.test. 60 A 192.0.2.5")
			for what, change := range map[string]plan.Change{
				"create":            {After: a(60, "192.0.2.3")},
				"replace":           {Before: a(60, "192.0.2.1"), After: a(60, "192.0.2.3")},
				"replace, all data": {Before: a(60, "192.0.2.1", "192.0.2.2"), After: a(60, "192.0.2.3")},
				"delete":            {Before: a(60, "192.0.2.1")},
			} {
				err := p.(kind.Applier).Apply(t.Context(), "example.test.", []plan.Change{{After: free}, change})
				var foreign kind.Foreign
				if !errors.As(err, &foreign) || foreign.Name != "www.example.test." || foreign.Why == "" {
					t.Errorf("%s: %v", what, err)
				}
			}
			recs := []libdns.Record{libdns.RR{Name: "www", Type: "A", TTL: time.Minute, Data: "192.0.2.3"}}
			if _, err := p.SetRecords(t.Context(), "example.test.", recs); err == nil {
				t.Error("SetRecords changed it")
			}
			if got := d.Zone("example.test."); !slices.Equal(got, was) {
				t.Errorf("the zone is %q", got)
			}
			if err := p.(kind.Applier).Apply(t.Context(), "example.test.", []plan.Change{{After: free}}); err != nil {
				t.Errorf("another name: %v", err)
			}
			if got := www(t, p); c.kind != "cloudflare" && got != "0" {
				t.Errorf("it was read as %s", got)
			}
		})
	}
}

// TestOneRequest: kinds that say they are atomic make many changes in one
// write, and none of them where one cannot be made.
func TestOneRequest(t *testing.T) {
	everyDouble(t, func(t *testing.T, p played) {
		d, opened := play(t, p, "www.example.test. 300 A 192.0.2.1", "www.example.test. 300 A 192.0.2.2", "old.example.test. 300 CNAME a.example.net.")
		if !opened.(kind.Abler).Abilities().Atomic {
			return
		}
		changes := []plan.Change{
			{Before: set("www.example.test. 300 A 192.0.2.1", "www.example.test. 300 A 192.0.2.2"), After: set("www.example.test. 300 A 192.0.2.3", "www.example.test. 300 A 192.0.2.4")},
			{Before: set("old.example.test. 300 CNAME a.example.net.")},
			{After: set("old.example.test. 300 A 192.0.2.7")},
			{After: set(`_shunt.example.test. 300 TXT "shunt"`)},
		}
		wrong := append(slices.Clone(changes), plan.Change{Before: set("api.example.test. 300 A 192.0.2.1")})
		was := d.Zone("example.test.")
		if err := opened.(kind.Applier).Apply(t.Context(), "example.test.", wrong); !errors.Is(err, kind.ErrStale) {
			t.Errorf("with one change of what is not there: %v", err)
		}
		if got := d.Zone("example.test."); !slices.Equal(got, was) {
			t.Errorf("part of it was made: %q", got)
		}
		writes := d.Writes()
		if err := opened.(kind.Applier).Apply(t.Context(), "example.test.", changes); err != nil {
			t.Fatal(err)
		}
		if n := d.Writes() - writes; n != 1 {
			t.Errorf("%d writes", n)
		}
		want := []string{`_shunt.example.test. 300 TXT "shunt"`, "old.example.test. 300 A 192.0.2.7", "www.example.test. 300 A 192.0.2.3", "www.example.test. 300 A 192.0.2.4"}
		if got := d.Zone("example.test."); !slices.Equal(got, want) {
			t.Errorf("the zone is %q", got)
		}
	})
}

// TestTwoZonesOfOneName: a private zone is not taken for the public one, and
// of two public ones none is guessed.
func TestTwoZonesOfOneName(t *testing.T) {
	for _, name := range []string{"route53", "googleclouddns"} {
		t.Run(name, func(t *testing.T) {
			d, p := play(t, double(t, name))
			d.Edit(func(s *vendortest.State) {
				private := &vendortest.Zone{Origin: "example.test.", ID: s.NewID(), Private: true}
				s.Zones = append([]*vendortest.Zone{private}, s.Zones...)
			})
			if err := apply(t.Context(), p, nil, a(60, "192.0.2.1")); err != nil {
				t.Fatal(err)
			}
			d.Edit(func(s *vendortest.State) {
				if len(s.Zones[0].Records) != 0 || len(s.Zones[1].Records) != 1 {
					t.Error("it went to the private zone")
				}
			})
		})
	}
}

// TestNamedZone: of two public zones the one that the account names counts.
func TestNamedZone(t *testing.T) {
	row := double(t, "route53")
	d, p := play(t, row, "www.example.test. 60 A 192.0.2.1")
	id := ""
	d.Edit(func(s *vendortest.State) {
		id = s.NewID()
		s.Zones = append(s.Zones, &vendortest.Zone{Origin: "example.test.", ID: id})
	})
	if _, err := p.GetRecords(t.Context(), "example.test."); err == nil || !strings.Contains(err.Error(), "hosted_zone_id") || !strings.Contains(err.Error(), id) {
		t.Errorf("two public zones: %v", err)
	}
	account := row.account(d.URL())
	account.Values["hosted_zone_id"] = id
	p, err := kind.Open(config.Provider{Kind: "route53", Account: account}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.GetRecords(t.Context(), "example.test."); err != nil || len(got) != 0 {
		t.Errorf("the zone that was named holds %v, %v", got, err)
	}
}

// TestSpelling: the same data that others spelled otherwise are the same, also
// to providers that want to be told exactly what goes.
func TestSpelling(t *testing.T) {
	for _, c := range []struct{ kind, held, is, to, then string }{
		{"route53", "www.example.test. 60 AAAA 2001:0DB8:0:0::1", "www.example.test. 60 AAAA 2001:db8::1", "www.example.test. 60 AAAA 2001:db8::2", "www.example.test. 60 AAAA 2001:db8::2"},
		{"route53", `www.example.test. 60 TXT "a b" "\303\251"`, `www.example.test. 60 TXT "a b\195\169"`, `www.example.test. 60 TXT "c\195\169"`, `www.example.test. 60 TXT "c\303\251"`},
		{"route53", "*.example.test. 60 CNAME A.Example.NET.", "*.example.test. 60 CNAME a.example.net.", "*.example.test. 60 CNAME b.example.net.", "*.example.test. 60 CNAME b.example.net."},
		{"googleclouddns", "www.example.test. 60 AAAA 2001:0DB8:0:0::1", "www.example.test. 60 AAAA 2001:db8::1", "www.example.test. 60 AAAA 2001:db8::2", "www.example.test. 60 AAAA 2001:db8::2"},
		{"googleclouddns", "www.example.test. 60 TXT shunt", `www.example.test. 60 TXT "shunt"`, `www.example.test. 60 TXT "other"`, `www.example.test. 60 TXT "other"`},
		{"azure", "www.example.test. 60 CNAME A.Example.NET", "www.example.test. 60 CNAME a.example.net.", "www.example.test. 60 CNAME b.example.net.", "www.example.test. 60 CNAME b.example.net"},
		{"cloudflare", "www.example.test. 60 TXT no quotes", `www.example.test. 60 TXT "no quotes"`, `www.example.test. 60 TXT "quotes"`, `www.example.test. 60 TXT "quotes"`},
		{"cloudflare", "www.example.test. 1 A 192.0.2.1", "www.example.test. 300 A 192.0.2.1", "www.example.test. 60 A 192.0.2.1", "www.example.test. 60 A 192.0.2.1"},
		{"cloudflare", "example.test. 60 CNAME a.example.net.", "example.test. 60 ALIAS a.example.net.", "example.test. 60 ALIAS b.example.net.", "example.test. 60 CNAME b.example.net."},
		{"digitalocean", "www.example.test. 60 CNAME example.test.", "www.example.test. 60 CNAME example.test.", "www.example.test. 60 CNAME b.example.net.", "www.example.test. 60 CNAME b.example.net."},
		{"digitalocean", "www.example.test. 60 CAA 0 issue ca.example.net", `www.example.test. 60 CAA 0 issue "ca.example.net"`, `www.example.test. 60 CAA 0 issue ";"`, `www.example.test. 60 CAA 0 issue ;`},
	} {
		d, p := play(t, double(t, c.kind), c.held)
		if err := p.(kind.Applier).Apply(t.Context(), "example.test.", []plan.Change{{Before: set(c.is), After: set(c.to)}}); err != nil {
			t.Errorf("%s, %s: %v", c.kind, c.held, err)
		}
		if got := d.Zone("example.test."); !slices.Equal(got, []string{c.then}) {
			t.Errorf("%s: %s became %q, want %s", c.kind, c.held, got, c.then)
		}
	}
}

// TestManyRecords: what one request cannot hold goes in several.
func TestManyRecords(t *testing.T) {
	for _, name := range []string{"cloudflare", "route53", "googleclouddns"} {
		d, p := play(t, double(t, name))
		var changes []plan.Change
		for i := range 60 {
			s := plan.RRset{Name: "n" + strconv.Itoa(i) + ".example.test.", Type: "TXT", TTL: 60}
			for j := range 20 {
				s.Data = append(s.Data, plan.Quote(strings.Repeat(string(rune('a'+j)), 100)))
			}
			changes = append(changes, plan.Change{After: &s})
		}
		if err := p.(kind.Applier).Apply(t.Context(), "example.test.", changes); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(d.Zone("example.test.")); n != 1200 || d.Writes() < 2 {
			t.Errorf("%s: %d records by %d writes", name, n, d.Writes())
		}
	}
}

// TestTokens: an access token is kept while it is good, and got anew once it is
// refused.
func TestTokens(t *testing.T) {
	for _, name := range []string{"googleclouddns", "azure"} {
		t.Run(name, func(t *testing.T) {
			d, p := play(t, double(t, name), "www.example.test. 60 A 192.0.2.1")
			logins := func() (n int) {
				for _, r := range d.Requests() {
					if strings.HasSuffix(r, "(login)") {
						n++
					}
				}
				return n
			}
			_, _ = www(t, p), www(t, p)
			if n := logins(); n != 1 {
				t.Errorf("%d logins for two calls", n)
			}
			d.Fail(vendortest.Fault{Do: vendortest.Deny, On: vendortest.Read, Count: 1})
			if _, err := p.GetRecords(t.Context(), "example.test."); !errors.Is(err, kind.ErrDenied) {
				t.Errorf("an expired token: %v", err)
			}
			if got := www(t, p); got != "60 192.0.2.1" || logins() != 2 {
				t.Errorf("then %s after %d logins", got, logins())
			}
		})
	}
}

// TestZoneMovesAway: the id of a zone is not kept beyond the zone.
func TestZoneMovesAway(t *testing.T) {
	for _, name := range []string{"cloudflare", "route53", "googleclouddns"} {
		d, p := play(t, double(t, name), "www.example.test. 60 A 192.0.2.1")
		_ = www(t, p)
		d.Edit(func(s *vendortest.State) { s.Zones = nil })
		if _, err := p.GetRecords(t.Context(), "example.test."); !errors.Is(err, kind.ErrNoZone) {
			t.Errorf("%s: %v", name, err)
		}
		d.Load("example.test.", "www.example.test. 60 A 192.0.2.2")
		if got := www(t, p); got != "60 192.0.2.2" {
			t.Errorf("%s: once it is back, %s", name, got)
		}
	}
}

// TestBadAccounts: an account that cannot be opened is refused with what is
// wrong with it, and without its secrets.
func TestBadAccounts(t *testing.T) {
	for text, want := range map[string]string{
		"t0ken":                    "no JSON",
		`{"type": "external"}`:     "not the key of a service account",
		`{"private_key": "t0ken"}`: "not the key of a service account",
	} {
		account := config.Account{Values: map[string]string{"project": "x"}, Secrets: map[string]config.Secret{"credentials": config.NewSecret(text)}}
		_, err := kind.Open(config.Provider{Kind: "googleclouddns", Account: account}, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestUnreadable: a record that cannot be read keeps no other from being read
// or changed, and is itself left alone.
func TestUnreadable(t *testing.T) {
	for _, name := range []string{"cloudflare", "route53", "googleclouddns", "digitalocean"} {
		d, p := play(t, double(t, name), "www.example.test. 60 A 192.0.2.1", "odd.example.test. 60 A 192.0.2.7", "odd.example.test. 60 A 192.0.2.300")
		if err := apply(t.Context(), p, a(60, "192.0.2.1"), a(60, "192.0.2.2")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := p.GetRecords(t.Context(), "example.test.")
		if err != nil || len(got) != 1 || got[0].RR().Data != "192.0.2.2" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		err = p.(kind.Applier).Apply(t.Context(), "example.test.", []plan.Change{{Before: set("odd.example.test. 60 A 192.0.2.7"), After: set("odd.example.test. 60 A 192.0.2.8")}})
		if foreign := (kind.Foreign{}); !errors.As(err, &foreign) {
			t.Errorf("%s: %v", name, err)
		}
		want := []string{"odd.example.test. 60 A 192.0.2.300", "odd.example.test. 60 A 192.0.2.7", "www.example.test. 60 A 192.0.2.2"}
		if lines := d.Zone("example.test."); !slices.Equal(lines, want) {
			t.Errorf("%s: %q", name, lines)
		}
	}
}

// TestText: a text that is long, quoted, escaped and not ASCII comes back.
func TestText(t *testing.T) {
	text := strings.Repeat("a", 300) + ` "quoted" \ back é`
	for _, name := range []string{"cloudflare", "route53", "googleclouddns", "azure", "digitalocean"} {
		d, p := play(t, double(t, name))
		if _, err := p.SetRecords(t.Context(), "example.test.", []libdns.Record{libdns.TXT{Name: "*", TTL: time.Minute, Text: text}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := p.GetRecords(t.Context(), "example.test.")
		if err != nil || len(got) != 1 || got[0].RR().Data != text || got[0].RR().Name != "*" {
			t.Errorf("%s: %v, %v of %q", name, err, got, d.Zone("example.test."))
		}
		writes := d.Writes()
		if _, err := p.SetRecords(t.Context(), "example.test.", got); err != nil || d.Writes() != writes {
			t.Errorf("%s: what is as it should be was written again: %v", name, err)
		}
	}
}
