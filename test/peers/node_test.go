//go:build peers

package peers

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// A node is one shunt serve.
type node struct {
	*process
	dir    string // holds shunt.yaml; relative paths begin here
	socket string
	addr   netip.AddrPort // where it answers
}

// serving is the line of the log with which the program begins to answer.
var serving = regexp.MustCompile(`msg=serving .*dns="?\[([0-9.]+:[0-9]+)`)

// serve runs shunt serve with dir/shunt.yaml until it answers. The
// configuration must name shunt.sock as its control socket.
func serve(t testing.TB, dir string, flags ...string) *node {
	t.Helper()
	argv := append([]string{shunt, "serve", "-c", filepath.Join(dir, "shunt.yaml")}, flags...)
	n := &node{dir: dir, socket: filepath.Join(dir, "shunt.sock")}
	n.process = start(t, dir, "shunt", argv...)
	n.until("it answers queries", func() bool {
		m := serving.FindStringSubmatch(n.text())
		if m == nil {
			return false
		}
		n.addr = netip.MustParseAddrPort(m[1])
		return true
	})
	return n
}

// try runs a command of the program against n, and returns its exit code, and
// what it said.
func (n *node) try(args ...string) (code int, stdout, stderr string) {
	n.t.Helper()
	var out, err bytes.Buffer
	cmd := exec.Command(shunt, append(args, "--socket", n.socket)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = n.dir, &out, &err
	failure := cmd.Run()
	var exit *exec.ExitError
	if failure != nil && !errors.As(failure, &exit) {
		n.t.Fatal(failure)
	}
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

// run runs a command that must succeed, and returns its output.
func (n *node) run(args ...string) string {
	n.t.Helper()
	code, stdout, stderr := n.try(args...)
	if code != 0 {
		n.t.Fatalf("shunt %s: exit code %d: %s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// A report is what the tests look at in shunt status --json.
type report struct {
	Generation uint64 `json:"generation"`
	Frozen     *struct{ Reason, Author string }
	FailOpen   []string `json:"fail_open"`
	Alarms     []struct{ Code, Subject, What string }
	Pools      []poolReport
	Services   []struct {
		Name, Policy, Why string
		Answering         []string
		TTL               int
	}
	Reload struct {
		OK      bool
		Problem string
	}
}

// A poolReport is one pool of it.
type poolReport struct {
	Name, State, Class, Reason, Held string
	Override                         *struct{ Force, Reason, Author string }
}

func (n *node) status() report {
	n.t.Helper()
	var r report
	if err := json.Unmarshal([]byte(n.run("status", "--json")), &r); err != nil {
		n.t.Fatal(err)
	}
	return r
}

// pool returns the named pool of the status.
func (n *node) pool(name string) poolReport {
	n.t.Helper()
	for _, p := range n.status().Pools {
		if p.Name == name {
			return p
		}
	}
	n.t.Fatalf("there is no pool %s in the status", name)
	return poolReport{}
}

// ask asks n one question over UDP.
func (n *node) ask(name string, qtype uint16) *dns.Msg {
	n.t.Helper()
	m, err := dns.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype), n.addr.String())
	if err != nil {
		n.t.Fatalf("%s %s: %v", name, dns.Type(qtype), err)
	}
	return m
}
