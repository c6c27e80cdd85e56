//go:build peers

package peers

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/internal/cdntest"
	"github.com/shunt-dns/shunt/internal/peertest"
)

// keySecret is the secret of every key.
const keySecret = peertest.Secret

// keyOf returns the name of a secondary's key.
func keyOf(kind string) string { return peertest.KeyOf(kind) }

// A secondary is a real name server that takes zones from shunt.
type secondary struct {
	*process
	name string
	dir  string
	at   netip.AddrPort
	argv []string
}

// begin starts s, or starts it again, and waits until it answers.
func (s *secondary) begin(t testing.TB) {
	t.Helper()
	s.process = start(t, s.dir, s.name, s.argv...)
	s.until("it answers", func() bool {
		_, err := s.exchange(new(dns.Msg).SetQuestion("a.test.", dns.TypeSOA))
		return err == nil
	})
}

// exchange asks s over UDP.
func (s *secondary) exchange(m *dns.Msg) (*dns.Msg, error) {
	c := dns.Client{Timeout: 500 * time.Millisecond}
	r, _, err := c.Exchange(m, s.at.String())
	return r, err
}

// serial returns the serial that s serves; 0: it does not serve the zone.
func (s *secondary) serial(origin string) uint32 {
	r, err := s.exchange(new(dns.Msg).SetQuestion(origin, dns.TypeSOA))
	if err != nil || len(r.Answer) != 1 {
		return 0
	}
	soa, ok := r.Answer[0].(*dns.SOA)
	if !ok {
		return 0
	}
	return soa.Serial
}

// is reports whether s answers name with the address want alone.
func (s *secondary) is(name, want string) bool {
	r, err := s.exchange(new(dns.Msg).SetQuestion(name, dns.TypeA))
	if err != nil || len(r.Answer) != 1 {
		return false
	}
	a, ok := r.Answer[0].(*dns.A)
	return ok && a.A.String() == want
}

// newSecondary writes the configuration of one kind of server, which listens
// on at.
func newSecondary(t testing.TB, kind string, at netip.AddrPort, p peertest.Primary) *secondary {
	t.Helper()
	dir, err := os.MkdirTemp("", "shunt-"+kind+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conf, err := peertest.Secondary(kind, dir, at, p)
	if err != nil {
		t.Fatal(err)
	}
	return &secondary{name: kind, dir: dir, at: at, argv: conf.Argv}
}

// tool runs a program that must succeed.
func tool(t testing.TB, program string, args ...string) {
	t.Helper()
	if err := peertest.Tool(program, args...); err != nil {
		t.Fatal(err)
	}
}

// place returns a free port of a loopback address.
func place(t testing.TB, addr string) netip.AddrPort {
	t.Helper()
	a := netip.MustParseAddr(addr)
	port, err := cdntest.FreePort(a)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(a, port)
}

// documented configures s as docs/beside-your-providers.md says, for
// example.com, but for addresses, the secret, and where s listens and keeps
// its files.
func (s *secondary) documented(t testing.TB, primary netip.AddrPort) {
	t.Helper()
	a, port := primary.Addr().String(), fmt.Sprint(primary.Port())
	fill := strings.NewReplacer("192.0.2.1 port 53", a+" port "+port, "192.0.2.1@53", a+"@"+port, "192.0.2.1:53", a+":"+port, "192.0.2.1", a, "SECRET", keySecret)
	at, dir := fmt.Sprintf("%s@%d", s.at.Addr(), s.at.Port()), s.dir
	switch s.name {
	case "bind":
		own := fmt.Sprintf("options {\n\tdirectory %q; pid-file none; session-keyfile none; listen-on port %d { %s; }; listen-on-v6 { none; };\n", dir, s.at.Port(), s.at.Addr())
		write(t, filepath.Join(dir, "named.conf"), "controls {};\n"+strings.Replace(fill.Replace(documentBlock(t, "// named.conf")), "options {\n", own, 1))
	case "knot":
		own := fmt.Sprintf("server:\n    listen: %s\n    rundir: %s\ndatabase:\n    storage: %s/db\nlog:\n  - target: stdout\n    any: info\n", at, dir, dir)
		write(t, filepath.Join(dir, "knot.conf"), own+fill.Replace(documentBlock(t, "# knot.conf"))+"    storage: "+dir+"\n")
	case "nsd":
		own := fmt.Sprintf("server:\n\tip-address: %s\n\tusername: \"\"\n\tdatabase: \"\"\n\tzonesdir: %s\n\tpidfile: %s/nsd.pid\n\txfrdfile: %s/xfrd.state\n\txfrdir: %s\n\tzonelistfile: %s/zone.list\n\tserver-count: 1\n",
			at, dir, dir, dir, dir, dir)
		write(t, filepath.Join(dir, "nsd.conf"), strings.Replace(fill.Replace(documentBlock(t, "# nsd.conf")), "server:\n", own, 1)+"remote-control:\n\tcontrol-enable: no\n")
	case "pdns":
		own := fmt.Sprintf("gsqlite3-database=%s/pdns.sqlite3\nlocal-address=%s\nlocal-port=%d\nsocket-dir=%s\nsecurity-poll-suffix=\n", dir, s.at.Addr(), s.at.Port(), dir)
		write(t, filepath.Join(dir, "pdns.conf"), documentBlock(t, "# pdns.conf")+own)
		os.Remove(filepath.Join(dir, "pdns.sqlite3"))
		if err := peertest.Schema(dir); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(fill.Replace(documentBlock(t, "pdnsutil "))) {
			words := strings.Fields(line)
			tool(t, words[0], append([]string{"--config-dir=" + dir}, words[1:]...)...)
		}
	}
}

// documentedCatalog configures Knot as docs/beside-your-providers.md says it
// follows a catalog.
func (s *secondary) documentedCatalog(t testing.TB, primary netip.AddrPort) {
	t.Helper()
	a := primary.Addr().String()
	storage := filepath.Join(s.dir, "shunt")
	if err := os.Mkdir(storage, 0o755); err != nil {
		t.Fatal(err)
	}
	above, _, _ := strings.Cut(documentBlock(t, "# knot.conf"), "zone:\n")
	fill := strings.NewReplacer("192.0.2.1@53", fmt.Sprintf("%s@%d", a, primary.Port()), "192.0.2.1", a, "SECRET", keySecret, "/var/lib/knot/shunt", storage)
	own := fmt.Sprintf("server:\n    listen: %s@%d\n    rundir: %s\ndatabase:\n    storage: %s/db\nlog:\n  - target: stdout\n    any: info\n", s.at.Addr(), s.at.Port(), s.dir, s.dir)
	write(t, filepath.Join(s.dir, "knot.conf"), own+fill.Replace(above+documentBlock(t, "# knot.conf: a catalog")))
}

// documentBlock returns the block of docs/beside-your-providers.md that begins
// with start.
func documentBlock(t testing.TB, start string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/beside-your-providers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n```\n"+start)
	block, _, closed := strings.Cut(rest, "\n```\n")
	if !ok || !closed {
		t.Fatalf("no block of the document begins with %q", start)
	}
	return start + block + "\n"
}
