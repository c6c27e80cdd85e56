package probe_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
	"github.com/shunt-dns/shunt/internal/cdntest"
)

func TestMain(m *testing.M) {
	if how := os.Getenv(serveEnv); how != "" {
		serveEdge(how)
	}
	goleak.VerifyTestMain(m)
}

const host = "www.example.test"

// enough is a timeout that a working probe never needs, short one that a
// hanging probe is waited for.
const (
	enough = 5 * time.Second
	short  = 400 * time.Millisecond
)

// startEdge starts an edge on addr, with TLS where ca is not nil.
func startEdge(t *testing.T, addr string, ca *cdntest.CA) *cdntest.Edge {
	t.Helper()
	e, err := cdntest.Start(netip.AddrPortFrom(netip.MustParseAddr(addr), 0), cdntest.Options{Host: host, CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// newCA returns an authority and the file that holds its certificate.
func newCA(t *testing.T) (*cdntest.CA, string) {
	t.Helper()
	ca, err := cdntest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := ca.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	return ca, file
}

// monitor returns a monitor of kind for an edge at port, as config would.
func monitor(kind config.Kind, port uint16, rootCAs string) config.Monitor {
	m := config.Monitor{Name: "m", Kind: kind, Interval: 100 * time.Millisecond, Timeout: enough}
	switch kind {
	case config.HTTP, config.HTTPS:
		m.HTTP = config.HTTPCheck{
			Host: host, Port: port, Path: "/healthz", Method: "GET", Status: []int{200},
			Body: config.Match{Text: "shunt-ok"}, RootCAs: rootCAs,
		}
	case config.TLS:
		m.TLS = config.TLSCheck{Host: host, Port: port, RootCAs: rootCAs}
	case config.TCP_:
		m.TCP = config.TCPCheck{Port: port}
	case config.DNS_:
		m.Ask = config.DNSCheck{Name: host + ".", Type: 1, Port: port}
	}
	return m
}

// run probes addr once as m says.
func run(t *testing.T, m config.Monitor, addr netip.Addr) health.Result {
	t.Helper()
	p, err := probe.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return p(context.Background(), addr)
}

// expect checks a result's class and reason; OK and the class agree always.
func expect(t *testing.T, r health.Result, class health.Class, reason string) {
	t.Helper()
	if r.Class != class || r.Reason != reason {
		t.Errorf("got  %q: %s\nwant %q: %s", r.Class, r.Reason, class, reason)
	}
	if r.OK != (class == health.None) {
		t.Errorf("OK is %t under class %q", r.OK, class)
	}
	if r.At.IsZero() || r.Phases.Total <= 0 {
		t.Errorf("no time in %+v", r)
	}
}
