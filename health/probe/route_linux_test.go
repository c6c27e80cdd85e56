package probe_test

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
)

// TestNoRoute probes from a network namespace that has no route to anywhere,
// as a node without IPv6 has none to any IPv6 address: that is the node's
// lack and never counts against the endpoint. The test runs itself again
// inside the namespace.
func TestNoRoute(t *testing.T) {
	if os.Getenv("SHUNT_TEST_NO_ROUTE") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoRoute$", "-test.v")
		cmd.Env = append(os.Environ(), "SHUNT_TEST_NO_ROUTE=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if os.Geteuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "judged") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
		p, err := probe.New(config.Monitor{Name: "m", Kind: config.TCP_, TCP: config.TCPCheck{Port: 80}, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if r := p(context.Background(), netip.MustParseAddr(addr)); r.Class != health.Internal || !r.NoRoute || !strings.Contains(r.Reason, "no route") {
			t.Errorf("%s: %+v", addr, r)
		}
		t.Log("judged", addr)
	}
}
