//go:build peers

// Package peers runs the real program among real servers, on loopback alone:
// nginx plays CDNs, Unbound stands in front as a client's resolver, dig and
// kdig ask, and BIND, Knot, NSD and PowerDNS take zones. Everything is started by the tests, with configurations of their
// own, on free ports; nothing needs root.
//
// What a test needs and the machine lacks is a failure, never a skip.
package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shunt is the path of the program under test. TestMain alone writes it.
var shunt string

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run looks for the programs that the tests start, builds shunt, and runs the
// tests.
func run(m *testing.M) int {
	// Debian keeps servers where the PATH of an ordinary user does not lead.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	var missing []string
	for _, program := range []string{"dig", "kdig", "knotd", "named", "nginx", "nsd", "pdns_server", "pdnsutil", "prometheus", "promtool", "python3", "unbound"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if missing != nil {
		fmt.Fprintf(os.Stderr, "missing programs: %s (run test/install-packages)\n", strings.Join(missing, " "))
		return 1
	}
	dir, err := os.MkdirTemp("", "shunt-peers-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // a test runs it as another user
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shunt = filepath.Join(dir, "shunt")
	build := exec.Command("go", "build", "-o", shunt, "github.com/shunt-dns/shunt/cmd/shunt")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
