//go:build peers

package peers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/cdntest"
	"github.com/shunt-dns/shunt/internal/peertest"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// documentedHost starts BIND or Knot as docs/beside-your-providers.md configures
// it for a key that may change www and its mark, and nothing else.
func documentedHost(t *testing.T, name, block string, transfers bool) *host {
	t.Helper()
	text, err := os.ReadFile("../../docs/beside-your-providers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "### Credentials")
	if ok {
		_, after, ok = strings.Cut(after, "```\n"+block+"\n")
	}
	conf, _, closed := strings.Cut(after, "```")
	if !ok || !closed {
		t.Fatalf("under Credentials there is no block %s", block)
	}
	dir, err := os.MkdirTemp("", "shunt-least-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &host{secondary: &secondary{name: name, dir: dir, at: place(t, hostAddrs[name])}, zones: []string{"example.com."}, key: "shunt"}
	conf = strings.ReplaceAll(conf, "SECRET", keySecret)
	write(t, filepath.Join(dir, "example.com.db"), peertest.EmptyZone+"* 60 IN A 192.0.2.9\n* 60 IN TXT others\n") // a wildcard is nothing at the names that it covers
	switch name {
	case "bind":
		if !transfers {
			conf = strings.Replace(conf, `allow-transfer { key "shunt"; };`, "allow-transfer { none; };", 1)
		}
		write(t, filepath.Join(dir, "named.conf"), fmt.Sprintf("options { directory %q; pid-file none; session-keyfile none; lock-file none; listen-on port %d { %s; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; notify no; };\ncontrols {};\n%s",
			dir, h.at.Port(), h.at.Addr(), conf))
		h.argv = []string{"named", "-g", "-c", filepath.Join(dir, "named.conf")}
	case "knot":
		acl := "[shunt-changes, shunt-reads]"
		if !transfers {
			acl = "[shunt-changes]"
		}
		write(t, filepath.Join(dir, "knot.conf"), fmt.Sprintf("server:\n    listen: %s@%d\n    rundir: %s\ndatabase:\n    storage: %s\nlog:\n  - target: stdout\n    any: info\nkey:\n  - id: shunt\n    algorithm: hmac-sha256\n    secret: %s\n%szone:\n  - domain: example.com\n    storage: %s\n    file: example.com.db\n    acl: %s\n",
			h.at.Addr(), h.at.Port(), dir, dir, keySecret, conf, dir, acl))
		h.argv = []string{"knotd", "-c", filepath.Join(dir, "knot.conf")}
	}
	h.launch(t)
	return h
}

// TestLeastPrivilege: what the document grants is enough for a push of www,
// with and without the right to transfer, and allows no other name.
func TestLeastPrivilege(t *testing.T) {
	for name, block := range map[string]string{"bind": "// named.conf", "knot": "# knot.conf"} {
		for _, transfers := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, transfers %v", name, transfers), func(t *testing.T) {
				h := documentedHost(t, name, block, transfers)
				s := newStage(t, "")
				write(t, filepath.Join(s.dir, "push.key"), keySecret+"\n")
				write(t, filepath.Join(s.dir, "shunt.yaml"), fmt.Sprintf(`node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock}
monitors:
  - {name: web, http: {host: www.example.com, port: %d}, interval: 300ms, timeout: 300ms, recheck: 50ms}
pools:
  - {name: alpha, cname: alpha.example.com, monitors: [web]}
  - {name: beta, addresses: [%s], monitors: [web]}
zones:
  - {name: example.com, file: example.com.zone, services: [{name: www, pools: [alpha, beta]}]}
providers:
%s`, s.port, betaAddr, h.described(", only: [www.example.com]")))
				write(t, filepath.Join(s.dir, "example.com.zone"), fmt.Sprintf("$TTL 60\n@ IN SOA ns.host.test. hostmaster.host.test. 1 3600 600 86400 60\n@ IN NS ns.host.test.\nalpha IN A %s\n", alphaAddr))
				n := serve(t, s.dir)
				n.until("the CNAME is there", func() bool {
					r, err := h.exchange(new(dns.Msg).SetQuestion("www.example.com.", dns.TypeCNAME))
					return err == nil && len(r.Answer) == 1
				})
				s.fail(s.alpha, cdntest.Status(503))
				n.until("addresses replace the CNAME", func() bool { return h.is("www.example.com.", betaAddr.String()) })
				n.until("the provider is in step", func() bool { return strings.Contains(n.run("status"), "in step") })

				other, err := plan.New("mail.example.com.", "A", 60, []string{"192.0.2.1"})
				if err != nil {
					t.Fatal(err)
				}
				p, err := kind.Open(config.Provider{Kind: "rfc2136", Account: h.account().Account}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := p.(kind.Applier).Apply(t.Context(), "example.com.", []plan.Change{{After: &other}}); !errors.Is(err, kind.ErrDenied) {
					t.Errorf("a name that was not granted: %v", err)
				}
			})
		}
	}
}
