//go:build peers

package peers

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/internal/cdntest"
)

// keySecret is the secret of every key.
const keySecret = "c2h1bnQgdGVzdHMgdHJhbnNmZXJzIHdpdGggdGhpcyE="

// keyOf returns the name of a secondary's key.
func keyOf(kind string) string { return kind + ".keys.example.net." }

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

// A primaryAt is where secondaries take zones, and which.
type primaryAt struct {
	addr    netip.AddrPort
	tls     bool // BIND takes zones over TLS
	zones   []string
	catalog string // that BIND, Knot and PowerDNS follow in place of zones; "": none
}

// newSecondary writes the configuration of one kind of server, which listens
// on at.
func newSecondary(t testing.TB, kind string, at netip.AddrPort, p primaryAt) *secondary {
	t.Helper()
	dir, err := os.MkdirTemp("", "shunt-"+kind+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &secondary{name: kind, dir: dir, at: at}
	switch kind {
	case "bind":
		s.bind(t, p)
	case "knot":
		s.knot(t, p)
	case "nsd":
		s.nsd(t, p)
	case "pdns":
		s.pdns(t, p)
	}
	return s
}

// bind configures BIND.
func (s *secondary) bind(t testing.TB, p primaryAt) {
	keyName := keyOf(s.name)
	var more, catalog strings.Builder
	from := fmt.Sprintf("%s port %d key %q", p.addr.Addr(), p.addr.Port(), keyName)
	if p.tls {
		from += " tls ephemeral"
	}
	zones := p.zones
	if p.catalog != "" {
		fmt.Fprintf(&catalog, "catalog-zones { zone %q default-masters { %s; } min-update-interval 1; };", p.catalog, from)
		zones = []string{p.catalog}
	}
	for _, z := range zones {
		fmt.Fprintf(&more, "zone %q { type secondary; file %q; primaries { %s; }; };\n", z, filepath.Join(s.dir, z+"db"), from)
	}
	write(t, filepath.Join(s.dir, "named.conf"), fmt.Sprintf(`
key %q { algorithm hmac-sha256; secret %q; };
options {
	directory %q; pid-file none; session-keyfile none; lock-file none;
	listen-on port %d { %s; }; listen-on-v6 { none; };
	recursion no; dnssec-validation no; notify no; allow-transfer { none; };
	serial-query-rate 200;
	%s
};
controls {};
%s`, keyName, keySecret, s.dir, s.at.Port(), s.at.Addr(), &catalog, &more))
	s.argv = []string{"named", "-g", "-c", filepath.Join(s.dir, "named.conf")}
}

// knot configures Knot DNS.
func (s *secondary) knot(t testing.TB, p primaryAt) {
	keyName := keyOf(s.name)
	var zones strings.Builder
	if p.catalog != "" {
		fmt.Fprintf(&zones, "  - domain: %s\n    catalog-role: interpret\n    catalog-template: member\n", p.catalog)
	} else {
		for _, z := range p.zones {
			fmt.Fprintf(&zones, "  - domain: %s\n", z)
		}
	}
	write(t, filepath.Join(s.dir, "knot.conf"), fmt.Sprintf(`
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
remote:
  - id: shunt
    address: %s@%d
    key: %s
acl:
  - id: told
    address: %s
    key: %s
    action: notify
template:
  - id: default
    storage: %s
    master: shunt
    acl: told
  - id: member
    storage: %s
    master: shunt
    acl: told
zone:
%s`, s.at.Addr(), s.at.Port(), s.dir, s.dir, keyName, keySecret, p.addr.Addr(), p.addr.Port(), keyName, p.addr.Addr(), keyName, s.dir, s.dir, &zones))
	if err := os.Mkdir(filepath.Join(s.dir, "db"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.argv = []string{"knotd", "-c", filepath.Join(s.dir, "knot.conf")}
}

// nsd configures NSD, which knows no catalogs in this version.
func (s *secondary) nsd(t testing.TB, p primaryAt) {
	keyName := keyOf(s.name)
	var zones strings.Builder
	for _, z := range p.zones {
		fmt.Fprintf(&zones, "zone:\n\tname: %s\n\tzonefile: %szone\n\tallow-notify: %s %s\n\trequest-xfr: %s@%d %s\n",
			z, z, p.addr.Addr(), keyName, p.addr.Addr(), p.addr.Port(), keyName)
	}
	write(t, filepath.Join(s.dir, "nsd.conf"), fmt.Sprintf(`
server:
	ip-address: %s@%d
	username: ""
	database: ""
	zonesdir: %s
	pidfile: %s/nsd.pid
	xfrdfile: %s/xfrd.state
	xfrdir: %s
	zonelistfile: %s/zone.list
	cookie-secret-file: %s/none
	server-count: 1
	verbosity: 2
	xfrd-reload-timeout: 0
remote-control:
	control-enable: no
key:
	name: %s
	algorithm: hmac-sha256
	secret: %s
%s`, s.at.Addr(), s.at.Port(), s.dir, s.dir, s.dir, s.dir, s.dir, s.dir, keyName, keySecret, &zones))
	s.argv = []string{"nsd", "-d", "-c", filepath.Join(s.dir, "nsd.conf")}
}

// schema is where Debian has the tables of PowerDNS.
const schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

// pdns configures PowerDNS, whose zones and keys are in a database. It signs no
// questions for zones that it knows from a catalog, so that it goes by its
// address then.
func (s *secondary) pdns(t testing.TB, p primaryAt) {
	keyName := keyOf(s.name)
	database := filepath.Join(s.dir, "pdns.sqlite3")
	write(t, filepath.Join(s.dir, "pdns.conf"), fmt.Sprintf(`
launch=gsqlite3
gsqlite3-database=%s
local-address=%s
local-port=%d
query-local-address=%s
secondary=yes
xfr-cycle-interval=5
retrieval-threads=1
cache-ttl=1
query-cache-ttl=1
socket-dir=%s
guardian=no
daemon=no
security-poll-suffix=
disable-syslog=yes
loglevel=5
`, database, s.at.Addr(), s.at.Port(), s.at.Addr(), s.dir))
	s.schema(t)
	util := func(args ...string) { s.tool(t, "pdnsutil", append([]string{"--config-dir=" + s.dir}, args...)...) }
	util("import-tsig-key", strings.TrimSuffix(keyName, "."), "hmac-sha256", keySecret)
	zones := p.zones
	if p.catalog != "" {
		zones = []string{p.catalog}
	}
	for _, z := range zones {
		z = strings.TrimSuffix(z, ".")
		util("create-secondary-zone", z, p.addr.String())
		if p.catalog != "" {
			util("set-kind", z, "consumer") // which it cannot take by IXFR
		} else {
			util("set-meta", z, "IXFR", "1")
			util("activate-tsig-key", z, strings.TrimSuffix(keyName, "."), "secondary")
		}
	}
	s.argv = []string{"pdns_server", "--config-dir=" + s.dir}
}

// schema makes the tables of PowerDNS.
func (s *secondary) schema(t testing.TB) {
	t.Helper()
	script := "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(open(sys.argv[2]).read()); c.commit()"
	s.tool(t, "python3", "-c", script, filepath.Join(s.dir, "pdns.sqlite3"), schema)
}

// tool runs a program that must succeed.
func (s *secondary) tool(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
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
		s.schema(t)
		for line := range strings.Lines(fill.Replace(documentBlock(t, "pdnsutil "))) {
			words := strings.Fields(line)
			s.tool(t, words[0], append([]string{"--config-dir=" + dir}, words[1:]...)...)
		}
	}
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
