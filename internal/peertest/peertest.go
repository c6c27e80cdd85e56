// Package peertest configures real name servers on loopback, from their Debian
// packages: BIND, Knot, NSD and PowerDNS as secondaries of shunt, and BIND,
// Knot and PowerDNS as DNS providers that records are pushed to. Tests and
// benchmarks run them.
//
// It writes files and says what to start. It starts no server, and stops none.
package peertest

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Secret is the secret of every key, in base64.
const Secret = "c2h1bnQgdGVzdHMgdHJhbnNmZXJzIHdpdGggdGhpcyE="

// KeyOf returns the name of the TSIG key (hmac-sha256) of one kind of server.
func KeyOf(kind string) string { return kind + ".keys.example.net." }

// A Server is a name server that is configured, in a folder of its own.
type Server struct {
	Kind string // bind, knot, nsd or pdns
	Dir  string
	At   netip.AddrPort // where it answers
	API  netip.AddrPort // of PowerDNS as a provider
	Key  string         // name of its TSIG key
	Argv []string       // starts it, in the foreground
}

// write makes the file name in the folder of s.
func (s *Server) write(name, format string, args ...any) error {
	return os.WriteFile(filepath.Join(s.Dir, name), fmt.Appendf(nil, format, args...), 0o644)
}

// schema is where Debian has the tables of PowerDNS.
const schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

// Missing returns what this machine lacks to run a kind of server, as words
// for people; "" where it has all.
func Missing(kind string) string {
	programs := map[string][]string{"bind": {"named"}, "knot": {"knotd"}, "nsd": {"nsd"}, "pdns": {"pdns_server", "pdnsutil", "python3"}}
	for _, p := range programs[kind] {
		if _, err := exec.LookPath(p); err != nil {
			return p
		}
	}
	if _, err := os.Stat(schema); kind == "pdns" && err != nil {
		return "the SQLite backend of PowerDNS"
	}
	return ""
}

// Schema makes an empty database for PowerDNS, pdns.sqlite3, in dir.
func Schema(dir string) error {
	script := "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(open(sys.argv[2]).read()); c.commit()"
	return Tool("python3", "-c", script, filepath.Join(dir, "pdns.sqlite3"), schema)
}

// Tool runs a program; its error has what the program said.
func Tool(program string, args ...string) error {
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, out)
	}
	return nil
}
