package peertest

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// A Primary is where secondaries take zones, and which.
type Primary struct {
	Addr    netip.AddrPort
	TLS     bool     // BIND takes zones over TLS
	Zones   []string // with the dot at the end
	Catalog string   // that BIND, Knot and PowerDNS follow in place of Zones; "": none
}

// Secondary configures one kind of server in dir, which is there and empty. It
// answers at at, takes zones from p, and is told of changes by p's address
// with the key of its kind.
func Secondary(kind, dir string, at netip.AddrPort, p Primary) (*Server, error) {
	s := &Server{Kind: kind, Dir: dir, At: at, Key: KeyOf(kind)}
	switch kind {
	case "bind":
		return s, s.bind(p)
	case "knot":
		return s, s.knot(p)
	case "nsd":
		return s, s.nsd(p)
	case "pdns":
		return s, s.pdns(p)
	}
	return nil, fmt.Errorf("no secondary is called %q", kind)
}

// bind configures BIND.
func (s *Server) bind(p Primary) error {
	var more, catalog strings.Builder
	from := fmt.Sprintf("%s port %d key %q", p.Addr.Addr(), p.Addr.Port(), s.Key)
	if p.TLS {
		from += " tls ephemeral"
	}
	zones := p.Zones
	if p.Catalog != "" {
		fmt.Fprintf(&catalog, "catalog-zones { zone %q default-masters { %s; } min-update-interval 1; };", p.Catalog, from)
		zones = []string{p.Catalog}
	}
	for _, z := range zones {
		fmt.Fprintf(&more, "zone %q { type secondary; file %q; primaries { %s; }; };\n", z, filepath.Join(s.Dir, z+"db"), from)
	}
	s.Argv = []string{"named", "-g", "-c", filepath.Join(s.Dir, "named.conf")}
	return s.write("named.conf", `
key %q { algorithm hmac-sha256; secret %q; };
options {
	directory %q; pid-file none; session-keyfile none; lock-file none;
	listen-on port %d { %s; }; listen-on-v6 { none; };
	recursion no; dnssec-validation no; notify no; allow-transfer { none; };
	serial-query-rate 200;
	%s
};
controls {};
%s`, s.Key, Secret, s.Dir, s.At.Port(), s.At.Addr(), &catalog, &more)
}

// knot configures Knot DNS.
func (s *Server) knot(p Primary) error {
	var zones strings.Builder
	if p.Catalog != "" {
		fmt.Fprintf(&zones, "  - domain: %s\n    catalog-role: interpret\n    catalog-template: member\n", p.Catalog)
	} else {
		for _, z := range p.Zones {
			fmt.Fprintf(&zones, "  - domain: %s\n", z)
		}
	}
	if err := os.Mkdir(filepath.Join(s.Dir, "db"), 0o755); err != nil {
		return err
	}
	s.Argv = []string{"knotd", "-c", filepath.Join(s.Dir, "knot.conf")}
	return s.write("knot.conf", `
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
%s`, s.At.Addr(), s.At.Port(), s.Dir, s.Dir, s.Key, Secret, p.Addr.Addr(), p.Addr.Port(), s.Key, p.Addr.Addr(), s.Key, s.Dir, s.Dir, &zones)
}

// nsd configures NSD, which knows no catalogs in this version.
func (s *Server) nsd(p Primary) error {
	var zones strings.Builder
	for _, z := range p.Zones {
		fmt.Fprintf(&zones, "zone:\n\tname: %s\n\tzonefile: %szone\n\tallow-notify: %s %s\n\trequest-xfr: %s@%d %s\n",
			z, z, p.Addr.Addr(), s.Key, p.Addr.Addr(), p.Addr.Port(), s.Key)
	}
	s.Argv = []string{"nsd", "-d", "-c", filepath.Join(s.Dir, "nsd.conf")}
	return s.write("nsd.conf", `
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
%s`, s.At.Addr(), s.At.Port(), s.Dir, s.Dir, s.Dir, s.Dir, s.Dir, s.Dir, s.Key, Secret, &zones)
}

// pdns configures PowerDNS, whose zones and keys are in a database. It signs no
// questions for zones that it knows from a catalog, so that it goes by its
// address then.
func (s *Server) pdns(p Primary) error {
	err := s.write("pdns.conf", `
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
`, filepath.Join(s.Dir, "pdns.sqlite3"), s.At.Addr(), s.At.Port(), s.At.Addr(), s.Dir)
	if err != nil {
		return err
	}
	s.Argv = []string{"pdns_server", "--config-dir=" + s.Dir}
	if err := Schema(s.Dir); err != nil {
		return err
	}
	for _, words := range s.util(p) {
		if err := Tool("pdnsutil", append([]string{"--config-dir=" + s.Dir}, words...)...); err != nil {
			return err
		}
	}
	return nil
}

// util returns what pdnsutil is to do for a secondary.
func (s *Server) util(p Primary) [][]string {
	key := strings.TrimSuffix(s.Key, ".")
	all := [][]string{{"import-tsig-key", key, "hmac-sha256", Secret}}
	zones := p.Zones
	if p.Catalog != "" {
		zones = []string{p.Catalog}
	}
	for _, z := range zones {
		z = strings.TrimSuffix(z, ".")
		all = append(all, []string{"create-secondary-zone", z, p.Addr.String()})
		if p.Catalog != "" {
			all = append(all, []string{"set-kind", z, "consumer"}) // which it cannot take by IXFR
		} else {
			all = append(all, []string{"set-meta", z, "IXFR", "1"}, []string{"activate-tsig-key", z, key, "secondary"})
		}
	}
	return all
}
