package peertest

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Provider configures one kind of server, in dir, as a provider of zones that
// have SOA and NS and nothing else: BIND and Knot take dynamic updates with the
// key of their kind, PowerDNS has its API at api. It answers at at.
func Provider(kind, dir string, at, api netip.AddrPort, zones []string) (*Server, error) {
	s := &Server{Kind: kind, Dir: dir, At: at, API: api, Key: KeyOf(kind)}
	switch kind {
	case "bind":
		return s, s.updatedBIND(zones)
	case "knot":
		return s, s.updatedKnot(zones)
	case "pdns":
		return s, s.spokenTo(zones)
	}
	return nil, fmt.Errorf("no provider is called %q", kind)
}

// Described returns s as a provider in a configuration of shunt, named by its
// kind, with [Secret] in the file push.key; more are further keys, as ", ttl: 60s".
func (s *Server) Described(more string) string {
	if s.Kind == "pdns" {
		return fmt.Sprintf("  - {name: pdns, powerdns: {endpoint: \"http://%s\", key_file: push.key}, servers: [%q]%s}\n", s.API, s.At, more)
	}
	return fmt.Sprintf("  - {name: %s, rfc2136: {endpoint: %q, key: %s, secret_file: push.key}, servers: [%q]%s}\n", s.Kind, s.At, s.Key, s.At, more)
}

// EmptyZone is the master file that each zone of a provider begins with.
const EmptyZone = "$TTL 300\n@ IN SOA ns.host.test. hostmaster.host.test. 1 3600 600 86400 60\n@ IN NS ns.host.test.\n"

// updatedBIND configures BIND as the primary that takes updates.
func (s *Server) updatedBIND(zones []string) error {
	var list strings.Builder
	for _, z := range zones {
		if err := s.write(z+"db", EmptyZone); err != nil {
			return err
		}
		fmt.Fprintf(&list, "zone %q { type primary; file %q; allow-update { key %q; }; allow-transfer { key %q; }; check-integrity no; };\n", z, filepath.Join(s.Dir, z+"db"), s.Key, s.Key)
	}
	s.Argv = []string{"named", "-g", "-c", filepath.Join(s.Dir, "named.conf")}
	return s.write("named.conf", `
key %q { algorithm hmac-sha256; secret %q; };
options {
	directory %q; pid-file none; session-keyfile none; lock-file none;
	listen-on port %d { %s; }; listen-on-v6 { none; };
	recursion no; dnssec-validation no; notify no;
};
controls {};
%s`, s.Key, Secret, s.Dir, s.At.Port(), s.At.Addr(), &list)
}

// updatedKnot configures Knot DNS as the primary that takes updates.
func (s *Server) updatedKnot(zones []string) error {
	var list strings.Builder
	for _, z := range zones {
		if err := s.write(z+"zone", EmptyZone); err != nil {
			return err
		}
		fmt.Fprintf(&list, "  - domain: %s\n", z)
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
acl:
  - id: pushes
    key: %s
    action: [update, transfer]
template:
  - id: default
    storage: %s
    acl: pushes
zone:
%s`, s.At.Addr(), s.At.Port(), s.Dir, s.Dir, s.Key, Secret, s.Key, s.Dir, &list)
}

// spokenTo configures PowerDNS with its API.
func (s *Server) spokenTo(zones []string) error {
	err := s.write("pdns.conf", `
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
`, filepath.Join(s.Dir, "pdns.sqlite3"), s.At.Addr(), s.At.Port(), Secret, s.API.Addr(), s.API.Port(), s.Dir)
	if err != nil {
		return err
	}
	s.Argv = []string{"pdns_server", "--config-dir=" + s.Dir}
	if err := Schema(s.Dir); err != nil {
		return err
	}
	for _, z := range zones {
		if err := Tool("pdnsutil", "--config-dir="+s.Dir, "create-zone", strings.TrimSuffix(z, "."), "ns.host.test"); err != nil {
			return err
		}
	}
	return nil
}
