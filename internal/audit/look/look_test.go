package look_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe/probetest"
	"github.com/shunt-dns/shunt/internal/audit/look"
	"github.com/shunt-dns/shunt/internal/cdntest"
	"github.com/shunt-dns/shunt/internal/controller"
)

// stage plays a resolver, and two edges on one port, the second of which shows
// the certificate of another name.
func stage(t *testing.T) (resolver *probetest.DNS, port uint16, ca string) {
	t.Helper()
	resolver, err := probetest.Start(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resolver.Close)
	authority, err := cdntest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := authority.WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.31"), netip.MustParseAddr("127.0.0.32")}
	if port, err = cdntest.FreePort(addrs...); err != nil {
		t.Fatal(err)
	}
	for i, host := range []string{"www.example.test", "else.example.test"} {
		e, err := cdntest.Start(netip.AddrPortFrom(addrs[i], port), cdntest.Options{Host: host, CA: authority})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
	}
	return resolver, port, ca
}

func set(t *testing.T, d *probetest.DNS, owner string, mode probetest.Mode, records ...string) {
	t.Helper()
	if err := d.Set(owner, mode, records...); err != nil {
		t.Fatal(err)
	}
}

// TestLive follows host names through CNAMEs to their zones, finds the name
// servers of our own zone, and shakes hands with each endpoint for the name of
// the service.
func TestLive(t *testing.T) {
	t.Parallel()
	d, port, ca := stage(t)
	chain := []string{"a.fast.test. 60 IN CNAME edge.cdn.test.", "edge.cdn.test. 60 IN A 127.0.0.31"}
	set(t, d, "a.fast.test.", probetest.Answer, chain...)
	set(t, d, "edge.cdn.test.", probetest.Answer, chain[1], "edge.cdn.test. 60 IN TXT x")
	set(t, d, "fast.test.", probetest.Answer, "fast.test. 60 IN NS ns1.a.test.", "fast.test. 60 IN NS NS2.b.test.")
	set(t, d, "cdn.test.", probetest.Truncate, "cdn.test. 60 IN NS ns1.a.test.")
	set(t, d, "example.test.", probetest.Answer, "example.test. 60 IN NS ns1.example.test.", "example.test. 60 IN NS ns2.gone.test.")
	set(t, d, "ns1.example.test.", probetest.Answer, "ns1.example.test. 60 IN A 192.0.2.53", "ns1.example.test. 60 IN AAAA 2001:db8::53")
	set(t, d, "ns2.gone.test.", probetest.ServFail)
	l := load(t, fmt.Sprintf(`
node: {name: ns1.example.test, state_dir: %s}
resolvers: ["127.0.0.1:9", %q]
monitors: [{name: web, https: {host: www.example.test, port: %d, root_cas: %s}}]
pools:
  - {name: fast, cname: a.fast.test, monitors: [web]}
  - {name: other, addresses: [127.0.0.32], monitors: [web]}
  - {name: unused, cname: nowhere.test, monitors: [web]}
zones: [{name: example.test, services: [{name: www, pools: [fast, other]}]}]
`, t.TempDir(), d.Addr(), port, ca))
	f := look.Live(t.Context(), l.Config, l.Set, "")

	h := f.Hosts["a.fast.test."]
	if got := fmt.Sprint(h.Chain, h.Cuts, h.Addrs); got != "[a.fast.test. edge.cdn.test.] [{fast.test. [ns1.a.test. ns2.b.test.]} {cdn.test. [ns1.a.test.]}] [127.0.0.31]" {
		t.Error(got)
	}
	if _, ok := f.Hosts["nowhere.test."]; ok {
		t.Error("a pool that answers for nothing was looked up")
	}
	own := f.Delegations["example.test."]
	if got := fmt.Sprint(own.NS, own.Addrs); got != "[ns1.example.test. ns2.gone.test.] map[ns1.example.test.:[192.0.2.53 2001:db8::53]]" {
		t.Error(got)
	}
	if len(f.Missing) != 1 || !strings.Contains(f.Missing[0].Why, "ns2.gone.test. AAAA cannot be looked up (127.0.0.1:9: ") || !strings.Contains(f.Missing[0].Why, "SERVFAIL") {
		t.Error(f.Missing)
	}
	var seen []string
	for _, s := range f.Handshakes {
		seen = append(seen, fmt.Sprintf("%s %s %s %s %v", s.Pool, s.Addr.Addr(), s.Name, s.Result.Class, s.Result.OK))
		if s.Result.OK && time.Until(s.Result.CertEnd) < 24*time.Hour {
			t.Errorf("%s ends at %v", s.Pool, s.Result.CertEnd)
		}
	}
	if want := []string{"fast 127.0.0.31 www.example.test  true", "other 127.0.0.32 www.example.test tls false"}; !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

// TestLiveSaysWhatIsMissing: resolvers that are deaf, and a zone that nobody
// delegates, give no fact and say so; what is known of a host counts.
func TestLiveSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	d, port, ca := stage(t)
	set(t, d, "a.fast.test.", probetest.Answer, "a.fast.test. 60 IN A 127.0.0.31")
	set(t, d, "fast.test.", probetest.Refuse)
	l := load(t, fmt.Sprintf(`
node: {name: ns1.example.test, state_dir: %s}
resolvers: [%q]
monitors: [{name: web, https: {host: www.example.test, port: %d, root_cas: %s}}]
pools: [{name: fast, cname: a.fast.test, monitors: [web]}, {name: void, cname: void.test, monitors: [web]}]
zones: [{name: example.test, services: [{name: "*", pools: [fast, void]}]}]
`, t.TempDir(), d.Addr(), port, ca))
	f := look.Live(t.Context(), l.Config, l.Set, "example.test.")
	if got := fmt.Sprint(f.Hosts); got != "map[a.fast.test.:{[a.fast.test.] [] [127.0.0.31]}]" || len(f.Delegations) != 0 || len(f.Handshakes) != 1 {
		t.Errorf("%+v", f)
	}
	var said []string
	for _, m := range f.Missing {
		said = append(said, m.Subject+": "+m.Why)
	}
	for i, want := range []string{"a.fast.test.: fast.test. NS cannot be looked up", "example.test.: the resolvers find no name servers", "void.test.: void.test. has no addresses"} {
		if i >= len(said) || !strings.HasPrefix(said[i], want) {
			t.Errorf("no %q in %q", want, said)
		}
	}
}

// TestOwnNames: a host name that our own zone holds is followed there, a
// wildcard is asked for by its monitor's name, and a standby that is not there
// was not seen.
func TestOwnNames(t *testing.T) {
	t.Parallel()
	d, port, ca := stage(t)
	dir := t.TempDir()
	master := "$TTL 600\n@ SOA ns1 hostmaster 1 3600 600 86400 300\n NS ns1\nns1 A 192.0.2.53\nalpha A 127.0.0.31\ngone A 127.0.0.33\nold 7200 CNAME www\n$INCLUDE more.zone\n"
	if err := os.WriteFile(filepath.Join(dir, "example.test.zone"), []byte(master), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "more.zone"), []byte("more CNAME old\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	l := load(t, fmt.Sprintf(`
node: {name: ns1.example.test, state_dir: %s}
resolvers: [%q]
monitors: [{name: web, tls: {host: www.example.test, port: %d, root_cas: %s}}]
pools: [{name: alpha, cname: alpha.example.test, monitors: [web]}, {name: gone, cname: gone.example.test, monitors: [web]}]
zones: [{name: example.test, file: %s, services: [{name: www, pools: [alpha]}, {name: "*", pools: [gone]}]}]
`, dir, d.Addr(), port, ca, filepath.Join(dir, "example.test.zone")))
	f := look.Live(t.Context(), l.Config, l.Set, "")
	if got := fmt.Sprint(f.Hosts["alpha.example.test."]); got != "{[alpha.example.test.] [] [127.0.0.31]}" {
		t.Error(got)
	}
	if got := fmt.Sprint(f.Zones["example.test."]); got != "{5m0s [ns1.example.test.] [{old.example.test. www.example.test. 2h0m0s} {more.example.test. old.example.test. 10m0s}]}" {
		t.Error(got)
	}
	if len(f.Handshakes) != 2 || !f.Handshakes[0].Result.OK || f.Handshakes[1].Result.Class != health.Refused || f.Handshakes[1].Name != "www.example.test" {
		t.Errorf("%+v", f.Handshakes)
	}
	if off := look.Offline(l.Config, "else."); len(off.Zones) != 0 || len(off.Missing) != 0 {
		t.Errorf("%+v", off)
	}
}

func load(t *testing.T, text string) *controller.Loaded {
	t.Helper()
	cfg, err := config.Parse([]byte(text), filepath.Join(t.TempDir(), "shunt.yaml"), config.Overrides{Hostname: "ns1"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := controller.Load(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
