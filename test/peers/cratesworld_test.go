//go:build peers

package peers

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/health/probe/probetest"
	"github.com/shunt-dns/shunt/internal/cdntest"
)

// Where the CDNs of examples/crates-io are played, and the origin behind them.
var (
	cloudfrontAddr = netip.MustParseAddr("127.0.1.1")
	fastlyAddr     = netip.MustParseAddr("127.0.1.2")
	originAddr     = netip.MustParseAddr("127.0.1.3")
)

// crates is the world of crates.io on loopback, steered by the files of
// examples/crates-io.
type crates struct {
	*node
	cloudfront, fastly, origin *web
	public                     *probetest.DNS // plays the public resolvers
	unbound                    *resolver
}

// An edit is a change to the example's configuration, without which it would
// not run on one machine. Old must be there.
type edit struct{ old, new string }

// edits are all changes: where things are, and how long they take.
func edits(port uint16, public netip.AddrPort) []edit {
	return []edit{
		{"state_dir: /var/lib/shunt", "state_dir: state"},
		{`dns: ["0.0.0.0:53", "[::]:53"]`, `dns: ["127.0.0.1:0"]`},
		{"control: /run/shunt/shunt.sock", "control: shunt.sock"},
		{`resolvers: ["9.9.9.9:53", "1.1.1.1:53", "8.8.8.8:53"]`, fmt.Sprintf("resolvers: [%q]", public)},
		{`controls: ["9.9.9.9:443", "1.1.1.1:443", "8.8.8.8:443"]`, fmt.Sprintf("controls: [%q]", public)},
		{"    https:\n", fmt.Sprintf("    https:\n      port: %d\n      root_cas: ca.pem\n", port)},
		{"interval: 5s", "interval: 500ms"},
		{"timeout: 3s", "timeout: 1s"},
		{"rise: 5", "rise: 2"},
		{"hold_down: 5m", "hold_down: 500ms\n    hold_down_max: 1s"},
		{"ttl: 300s", "ttl: 300s\n        moves: 0"}, // an hour of moves in a minute
		{"# origin: heroku", "origin: heroku"},
		{"# - {name: heroku", "- {name: heroku"},
	}
}

// newCrates starts the whole world.
func newCrates(t *testing.T) *crates {
	t.Helper()
	ca, err := cdntest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	port, err := cdntest.FreePort(cloudfrontAddr, fastlyAddr, originAddr)
	if err != nil {
		t.Fatal(err)
	}
	c := &crates{public: publicDNS(t)}
	sites := []string{"static.crates.io", "index.crates.io", "crates.io"}
	at := func(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, port) }
	proxy := fmt.Sprintf("proxy_pass https://%s; proxy_set_header Host $host;", at(originAddr))
	c.origin = startWeb(t, "origin", at(originAddr), ca, fmt.Sprintf("root %s/$host;", content(t)), sites...)
	c.cloudfront = startWeb(t, "cloudfront", at(cloudfrontAddr), ca, proxy, sites...)
	c.fastly = startWeb(t, "fastly", at(fastlyAddr), ca, proxy, sites...)

	dir := t.TempDir()
	text := example(t, "shunt.yaml")
	for _, e := range edits(port, c.public.Addr()) {
		if !strings.Contains(text, e.old) {
			t.Fatalf("the example has no %q any more", e.old)
		}
		text = strings.ReplaceAll(text, e.old, e.new)
	}
	write(t, filepath.Join(dir, "shunt.yaml"), text)
	write(t, filepath.Join(dir, "crates.io.zone"), example(t, "crates.io.zone"))
	if err := ca.WriteFile(filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	c.node = serve(t, dir)
	c.unbound = startUnbound(t, "crates.io", c.node.addr, c.public.Addr(), "cloudfront.net", "fastly.net")
	return c
}

// example returns a file of examples/crates-io.
func example(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "crates-io", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// publicDNS plays the resolvers of the world: where each CDN's own names live.
func publicDNS(t testing.TB) *probetest.DNS {
	t.Helper()
	d, err := probetest.Start(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	set := func(name string, a netip.Addr) {
		if err := d.Set(name, probetest.Answer, fmt.Sprintf("%s 60 IN A %s", name, a)); err != nil {
			t.Fatal(err)
		}
	}
	for _, site := range []string{"static", "index", "app"} {
		set(site+".example.cloudfront.net.", cloudfrontAddr)
		set(site+".example.fastly.net.", fastlyAddr)
	}
	set("crates-io.herokuapp.com.", originAddr)
	return d
}

// content makes what the origin serves, a folder for each site.
func content(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	var crate bytes.Buffer
	z := gzip.NewWriter(&crate)
	fmt.Fprintln(z, "no crate at all")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/static.crates.io/crates/serde/serde-1.0.0.crate", crate.String())
	write(t, dir+"/index.crates.io/config.json", `{"dl":"https://static.crates.io/crates","api":"https://crates.io"}`)
	write(t, dir+"/crates.io/api/v1/site_metadata", `{"deployed_sha":"0123456789abcdef"}`)
	return dir
}
