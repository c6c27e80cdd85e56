//go:build peers

package peers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libdns/libdns/libdnstest"
	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/kindtest"
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
	switch kind {
	case "bind":
		h.updatedBIND(t)
	case "knot":
		h.updatedKnot(t)
	case "pdns":
		h.spokenTo(t)
	}
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

// emptyZone is what each zone begins with.
const emptyZone = "$TTL 300\n@ IN SOA ns.host.test. hostmaster.host.test. 1 3600 600 86400 60\n@ IN NS ns.host.test.\n"

// updatedBIND configures BIND as the primary that takes updates.
func (h *host) updatedBIND(t testing.TB) {
	var zones strings.Builder
	for _, z := range h.zones {
		file := write(t, filepath.Join(h.dir, z+"db"), emptyZone)
		fmt.Fprintf(&zones, "zone %q { type primary; file %q; allow-update { key %q; }; allow-transfer { key %q; }; check-integrity no; };\n", z, file, keyOf(h.name), keyOf(h.name))
	}
	write(t, filepath.Join(h.dir, "named.conf"), fmt.Sprintf(`
key %q { algorithm hmac-sha256; secret %q; };
options {
	directory %q; pid-file none; session-keyfile none; lock-file none;
	listen-on port %d { %s; }; listen-on-v6 { none; };
	recursion no; dnssec-validation no; notify no;
};
controls {};
%s`, keyOf(h.name), keySecret, h.dir, h.at.Port(), h.at.Addr(), &zones))
	h.argv = []string{"named", "-g", "-c", filepath.Join(h.dir, "named.conf")}
}

// updatedKnot configures Knot DNS as the primary that takes updates.
func (h *host) updatedKnot(t testing.TB) {
	var zones strings.Builder
	for _, z := range h.zones {
		write(t, filepath.Join(h.dir, z+"zone"), emptyZone)
		fmt.Fprintf(&zones, "  - domain: %s\n", z)
	}
	write(t, filepath.Join(h.dir, "knot.conf"), fmt.Sprintf(`
server:
    listen: %s@%d
    rundir: %s
database:
    storage: %s/db
log:
  - target: stdout
    any: info
key:
  - id: %s
    algorithm: hmac-sha256
    secret: %s
acl:
  - id: pushes
    key: %s
    action: [update, transfer]
template:
  - id: default
    storage: %s
    acl: pushes
zone:
%s`, h.at.Addr(), h.at.Port(), h.dir, h.dir, keyOf(h.name), keySecret, keyOf(h.name), h.dir, &zones))
	if err := os.Mkdir(filepath.Join(h.dir, "db"), 0o755); err != nil {
		t.Fatal(err)
	}
	h.argv = []string{"knotd", "-c", filepath.Join(h.dir, "knot.conf")}
}

// spokenTo configures PowerDNS with its API.
func (h *host) spokenTo(t testing.TB) {
	database := filepath.Join(h.dir, "pdns.sqlite3")
	h.api = place(t, "127.0.3.16")
	write(t, filepath.Join(h.dir, "pdns.conf"), fmt.Sprintf(`
launch=gsqlite3
gsqlite3-database=%s
local-address=%s
local-port=%d
api=yes
api-key=%s
webserver-address=%s
webserver-port=%d
webserver-allow-from=127.0.0.0/8
socket-dir=%s
guardian=no
daemon=no
security-poll-suffix=
disable-syslog=yes
loglevel=5
`, database, h.at.Addr(), h.at.Port(), keySecret, h.api.Addr(), h.api.Port(), h.dir))
	script := "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(open(sys.argv[2]).read()); c.commit()"
	h.tool(t, "python3", "-c", script, database, schema)
	for _, z := range h.zones {
		h.tool(t, "pdnsutil", "--config-dir="+h.dir, "create-zone", strings.TrimSuffix(z, "."), "ns.host.test")
	}
	h.argv = []string{"pdns_server", "--config-dir=" + h.dir}
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
	if h.name == "pdns" {
		return fmt.Sprintf("  - {name: pdns, powerdns: {endpoint: \"http://%s\", key_file: push.key}, servers: [%q]%s}\n", h.api, h.at, more)
	}
	return fmt.Sprintf("  - {name: %s, rfc2136: {endpoint: %q, key: %s, secret_file: push.key}, servers: [%q]%s}\n", h.name, h.at, h.signer(), h.at, more)
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
