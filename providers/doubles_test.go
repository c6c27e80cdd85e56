package providers_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/vendortest"
	"github.com/shunt-dns/shunt/providers"
)

// TestVendors: a Keeper brings each vendor's zone in step, through flips and
// while its API lags, forgets, throttles and breaks; foreign records stay, and
// what is pushed is published. It leaves out kinds that are paced to few requests
// a second: they do no different, and take their time.
func TestVendors(t *testing.T) {
	token := func(name string) config.Account {
		return config.Account{Secrets: map[string]config.Secret{name: config.NewSecret("t0ken")}}
	}
	ovh := config.Account{
		Values:  map[string]string{"application_key": "app"},
		Secrets: map[string]config.Secret{"application_secret": config.NewSecret("t0ken"), "consumer_key": config.NewSecret("consumer")},
	}
	var all sync.WaitGroup // they wait more than they work
	defer all.Wait()
	for _, c := range []struct {
		kind    string
		vendor  vendortest.Vendor
		account config.Account
	}{
		{"ovh", vendortest.OVH("app", "t0ken", "consumer", true), ovh},
		{"scaleway", vendortest.Scaleway("t0ken"), token("secret_key")},
		{"hetzner", vendortest.Hetzner("t0ken"), token("token")},
		{"gandi", vendortest.Gandi("t0ken"), token("token")},
		{"desec", vendortest.DeSEC("t0ken", 60), token("token")},
		{"bunny", vendortest.Bunny("t0ken"), token("key")},
	} {
		all.Go(func() {
			t.Run(c.kind, func(t *testing.T) {
				d, err := vendortest.Start(c.vendor)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(d.Close)
				foreign := "mail.example.com. 600 A 192.0.2.200"
				d.Load("example.com.", foreign)
				c.account.Endpoint = d.URL()
				playVendor(t, d, config.Provider{Name: c.kind, Kind: c.kind, Account: c.account, Owner: "shunt", Content: config.OnePool, Changes: 1000, Deletes: 10,
					Drift: config.RepairDrift, Every: 10 * time.Minute, Servers: []string{"127.0.0.1:53"}, VerifyFor: 10 * time.Second}, foreign)
			})
		})
	}
}

// playVendor plays the scenes of TestVendors at one double.
func playVendor(t *testing.T, d *vendortest.Double, p config.Provider, foreign string) {
	cfg := conf("www api")
	cfg.Providers = []config.Provider{p}
	keeper, err := providers.New(cfg, providers.Deps{Log: slog.New(slog.DiscardHandler), Ask: func(_ context.Context, _, name string, qtype uint16, _ bool) (*dns.Msg, error) {
		return served(d, name, qtype), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = keeper.Run(ctx)
	}()
	t.Cleanup(func() { end(); <-ended })
	var generation uint64
	for _, scene := range []struct {
		what   string
		faults []vendortest.Fault
		answer string
		want   []string // at www and api
	}{
		{"it comes", nil, "www A 192.0.2.1; api A 192.0.2.5", []string{"api A 192.0.2.5", "www A 192.0.2.1"}},
		{"it flips", nil, "www A 192.0.2.2; api A 192.0.2.5", []string{"api A 192.0.2.5", "www A 192.0.2.2"}},
		{"it becomes a CNAME", nil, "www CNAME cdn.example.net.; api A 192.0.2.5", []string{"api A 192.0.2.5", "www CNAME cdn.example.net."}},
		{"reads lag", []vendortest.Fault{{Do: vendortest.Late, On: vendortest.Write, Count: 2, Reads: 3}}, "www A 192.0.2.3; api A 192.0.2.6", []string{"api A 192.0.2.6", "www A 192.0.2.3"}},
		{"writes are forgotten", []vendortest.Fault{{Do: vendortest.Ignore, On: vendortest.Write, Count: 1}}, "www A 192.0.2.4; api A 192.0.2.6", []string{"api A 192.0.2.6", "www A 192.0.2.4"}},
		{"it throttles", []vendortest.Fault{{Do: vendortest.Throttle, After: time.Second, Count: 1}}, "www A 192.0.2.7; api A 192.0.2.6", []string{"api A 192.0.2.6", "www A 192.0.2.7"}},
		{"it breaks amid a swap", []vendortest.Fault{{Do: vendortest.Break, On: vendortest.Write, Skip: 1, Count: 1}}, "www CNAME cdn.example.net.; api A 192.0.2.6", []string{"api A 192.0.2.6", "www CNAME cdn.example.net."}},
		{"answers are lost", []vendortest.Fault{{Do: vendortest.Lose, On: vendortest.Write, Count: 2}}, "www A 192.0.2.8; api A 192.0.2.9", []string{"api A 192.0.2.9", "www A 192.0.2.8"}},
	} {
		d.Fail(scene.faults...)
		generation++
		keeper.Publish(&source{generation, scene.answer})
		if !within(20*time.Second, func() bool {
			st := keeper.Status()[0]
			return st.State == providers.InStep && st.Verified == generation && slices.Equal(pushed(d), scene.want)
		}) {
			t.Fatalf("%s: %+v\nthere is %q", scene.what, keeper.Status()[0], d.Zone("example.com."))
		}
		if !slices.Contains(d.Zone("example.com."), foreign) {
			t.Errorf("%s: what is not ours is gone: %q", scene.what, d.Zone("example.com."))
		}
	}
	if writes := d.Writes(); writes > 80 {
		t.Errorf("%d writes for eight changes", writes)
	}
}

// within waits until true, and reports whether it came to be in time.
func within(limit time.Duration, is func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if is() {
			return true
		}
	}
	return false
}

// pushed returns what a double has at www and api, as "www A 192.0.2.1".
func pushed(d *vendortest.Double) []string {
	var out []string
	for _, line := range d.Zone("example.com.") {
		f := strings.SplitN(line, " ", 4)
		if name, _, _ := strings.Cut(f[0], "."); name == "www" || name == "api" {
			out = append(out, fmt.Sprintf("%s %s %s", name, f[2], f[3]))
		}
	}
	return out
}

// served is what a double's name servers answer: nothing that is not published.
func served(d *vendortest.Double, name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.Authoritative = true
	pending := false
	d.Edit(func(s *vendortest.State) { pending = s.Zone("example.com.").Pending })
	if pending {
		return m
	}
	for _, line := range d.Zone("example.com.") {
		f := strings.SplitN(line, " ", 4)
		if f[0] != name || f[2] != dns.TypeToString[qtype] && f[2] != "CNAME" || f[2] == "TXT" {
			continue
		}
		rr, err := dns.NewRR(f[0] + " " + f[1] + " IN " + f[2] + " " + f[3])
		if err != nil {
			panic(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	return m
}
