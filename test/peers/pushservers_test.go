//go:build peers

package peers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"

	"github.com/libdns/libdns/libdnstest"
	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/kindtest"
	"github.com/shunt-dns/shunt/internal/peertest"
	"github.com/shunt-dns/shunt/providers/kind"
)

// A host is a real name server that records are pushed to: BIND and Knot by
// dynamic update, PowerDNS by its API.
type host struct {
	*secondary
	api   netip.AddrPort // of PowerDNS
	key   string         // name of its TSIG key; "": keyOf its name
	zones []string
}

// hostAddrs are where hosts answer, as secondaryAddrs.
var hostAddrs = map[string]string{"bind": "127.0.0.1", "knot": "127.0.3.13", "pdns": "127.0.3.15"}

// newHost writes the configuration of one kind of server with zones that have
// SOA and NS and nothing else, and starts it.
func newHost(t testing.TB, kind string, zones ...string) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "shunt-host-"+kind+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &host{secondary: &secondary{name: kind, dir: dir, at: place(t, hostAddrs[kind])}, zones: zones}
	if kind == "pdns" {
		h.api = place(t, "127.0.3.16")
	}
	conf, err := peertest.Provider(kind, dir, h.at, h.api, zones)
	if err != nil {
		t.Fatal(err)
	}
	h.argv = conf.Argv
	h.launch(t)
	return h
}

// launch starts h, or starts it again, and waits until it answers.
func (h *host) launch(t testing.TB) {
	t.Helper()
	h.process = start(t, h.dir, h.name, h.argv...)
	h.until("it answers", func() bool {
		r, err := h.exchange(new(dns.Msg).SetQuestion(h.zones[len(h.zones)-1], dns.TypeSOA))
		return err == nil && len(r.Answer) == 1
	})
}

// signer returns the name of the key that updates are signed with.
func (h *host) signer() string { return cmp.Or(h.key, keyOf(h.name)) }

// account returns what the kind of h is told of it.
func (h *host) account() config.Provider {
	if h.name == "pdns" {
		return config.Provider{Name: h.name, Kind: "powerdns", Account: config.Account{Endpoint: "http://" + h.api.String(),
			Values: map[string]string{"server_id": "localhost"}, Secrets: map[string]config.Secret{"key": config.NewSecret(keySecret)}}}
	}
	return config.Provider{Name: h.name, Kind: "rfc2136", Account: config.Account{Endpoint: h.at.String(),
		Values: map[string]string{"key": h.signer(), "algorithm": "hmac-sha256"}, Secrets: map[string]config.Secret{"secret": config.NewSecret(keySecret)}}}
}

// described returns h as a provider in a configuration; more are further keys.
func (h *host) described(more string) string {
	return (&peertest.Server{Kind: h.name, At: h.at, API: h.api, Key: h.signer()}).Described(more)
}

// open opens the kind of h.
func (h *host) open(t testing.TB) kind.Provider {
	t.Helper()
	p, err := kind.Open(h.account(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRealKinds plays the scenes that all kinds must pass, and libdns' own
// tests, against real servers: each with a zone of its own.
func TestRealKinds(t *testing.T) {
	const most = 120
	zones := make([]string, most)
	for i := range zones {
		zones[i] = fmt.Sprintf("z%d.host.test.", i)
	}
	for name := range hostAddrs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, name, zones...)
			p := h.open(t)
			next := 0
			t.Run("scenes", func(t *testing.T) {
				kindtest.Run(t, func(t *testing.T) kindtest.Stage {
					next++
					return kindtest.Stage{Provider: p, Zone: zones[next], Unknown: "unknown.test.", Low: 1}
				})
			})
			t.Run("libdns", func(t *testing.T) {
				libdnstest.NewTestSuite(libdnstest.WrapNoZoneLister(p.(libdnstest.RecordProvider)), zones[0]).RunTests(t)
			})
			t.Run("denied", func(t *testing.T) {
				wrong := h.account()
				for key := range wrong.Account.Secrets {
					wrong.Account.Secrets[key] = config.NewSecret("d3Jvbmcga2V5IGZvciBhIHRlc3Q=")
				}
				denied, err := kind.Open(wrong, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := denied.GetRecords(context.Background(), zones[0]); !isDenied(err) {
					t.Errorf("reading with a wrong key: %v", err)
				}
			})
		})
	}
}

func isDenied(err error) bool { return errors.Is(err, kind.ErrDenied) }
