package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/cdntest"
	"github.com/shunt-dns/shunt/internal/controller"
)

// A site is a node with two CDNs in front of it, all on loopback.
type site struct {
	*testing.T
	dir   string
	edges map[string]*cdntest.Edge
	node  *Node
	hup   chan os.Signal
	stop  func()
	api   *admin.Client
}

const siteConfig = `node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock}
monitors:
  - name: web
    http: {host: www.example.test, port: PORT, body: shunt-ok}
    interval: 200ms
    timeout: 200ms
    recheck: 20ms
    rise: 2
    hold_down: 100ms
pools:
  - {name: alpha, addresses: [127.0.0.21], monitors: [web]}
  - {name: beta, addresses: [127.0.0.22], monitors: [web]}
zones:
  - name: example.test
    services:
      - {name: www, pools: [alpha, beta], policy: failover, ttl: 5s}
`

func newSite(t *testing.T) *site {
	s := &site{T: t, dir: t.TempDir(), edges: map[string]*cdntest.Edge{}}
	addrs := map[string]netip.Addr{"alpha": netip.MustParseAddr("127.0.0.21"), "beta": netip.MustParseAddr("127.0.0.22")}
	port, err := cdntest.FreePort(addrs["alpha"], addrs["beta"])
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range addrs {
		if s.edges[name], err = cdntest.Start(netip.AddrPortFrom(a, port), cdntest.Options{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.edges[name].Close)
	}
	s.write(strings.ReplaceAll(siteConfig, "PORT", fmt.Sprint(port)))
	return s
}

func (s *site) path() string { return filepath.Join(s.dir, "shunt.yaml") }

func (s *site) write(text string) {
	s.Helper()
	if err := os.WriteFile(s.path(), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// start opens a node on the site's configuration and waits until it answers.
func (s *site) start() {
	s.Helper()
	load := func() (*config.Config, error) { return config.Load(s.path(), config.Overrides{}) }
	cfg, err := load()
	if err != nil {
		s.Fatal(err)
	}
	l, err := controller.Load(cfg, nil)
	if err != nil {
		s.Fatal(err)
	}
	if s.node, err = Open(l, Options{Load: load, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "test"}); err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s.hup = make(chan os.Signal, 1)
	go func() { ended <- s.node.Run(ctx, s.hup) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				s.Error(err)
			}
		case <-time.After(5 * time.Second):
			s.Error("the node does not stop within 5 s")
		}
	})
	s.Cleanup(s.stop)
	s.api = admin.NewClient(cfg.Listen.Control)
	select {
	case <-s.node.Serving():
	case <-time.After(10 * time.Second):
		s.Fatal("the node does not answer within 10 s")
	}
}

// leads waits until www leads to addr, as a client sees it, and returns how
// long that took.
func (s *site) leads(addr string) time.Duration {
	s.Helper()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.node.Addrs()[0].String())
	}}
	begin := time.Now()
	var got []string
	var err error
	for time.Since(begin) < 10*time.Second {
		if got, err = r.LookupHost(s.Context(), "www.example.test."); err != nil {
			s.Fatalf("a moment without an answer: %v", err) // invariant 1
		}
		if len(got) == 1 && got[0] == addr {
			return time.Since(begin)
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.Fatalf("www leads to %v, not to %s", got, addr)
	return 0
}

func (s *site) set(edge string, f cdntest.Fault) {
	s.Helper()
	if err := s.edges[edge].Set(f); err != nil {
		s.Fatal(err)
	}
}

// TestFailoverAndBack is the main job, end to end, under the race detector.
func TestFailoverAndBack(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := newSite(t)
	s.start()
	s.leads("127.0.0.21")
	s.set("alpha", cdntest.Status(500))
	t.Logf("moved away after %v", s.leads("127.0.0.22"))
	s.set("alpha", cdntest.Healthy())
	t.Logf("came back after %v", s.leads("127.0.0.21"))

	s.set("alpha", cdntest.Refuse())
	s.leads("127.0.0.22")
	s.set("beta", cdntest.Refuse())
	waitFor(t, func() bool { return len(s.status().FailOpen) == 1 })
	s.leads("127.0.0.21") // fail open: the order from when the site was well

	// Cold start with both down: the persisted verdicts count, the answer stays. What was left half written goes.
	s.stop()
	half := filepath.Join(s.dir, "state", "drills", ".state-1")
	if err := errors.Join(os.MkdirAll(filepath.Dir(half), 0o750), os.WriteFile(half, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.leads("127.0.0.21")
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file half written is still there: %v", err)
	}
	s.set("beta", cdntest.Healthy())
	s.leads("127.0.0.22")
	s.stop()
	for _, e := range s.edges {
		e.Close()
	}
}

func (s *site) status() *admin.Status {
	s.Helper()
	st, err := s.api.Status(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return st
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("waited in vain")
		}
	}
}

// TestControl goes through everything that the control socket offers.
func TestControl(t *testing.T) {
	s := newSite(t)
	s.start()
	ctx := t.Context()
	s.leads("127.0.0.21")
	if _, err := s.api.Override(ctx, "alpha", admin.Change{Force: health.ForceDrain, For: "1h", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	s.leads("127.0.0.22")
	if _, err := s.api.Override(ctx, "beta", admin.Change{Force: health.ForceDown, For: "1h", Reason: "test"}); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("the last pool could be taken: %v", err)
	}
	for what, ch := range map[string]admin.Change{
		"no reason":     {Force: health.ForceDown, For: "1h"},
		"too long":      {Force: health.ForceDown, For: "73h", Reason: "test"},
		"no duration":   {Force: health.ForceDown, Reason: "test"},
		"unknown force": {Force: "sideways", For: "1h", Reason: "test"},
	} {
		if _, err := s.api.Override(ctx, "alpha", ch); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	st := s.status()
	o := st.Pools[0].Override
	if o == nil || o.Author == "" || o.Author == "unknown" || st.Pools[0].State != "up" {
		t.Errorf("override in status: %+v", st.Pools[0])
	}
	if err := s.api.ClearOverride(ctx, "alpha"); err != nil {
		t.Fatal(err)
	}
	s.leads("127.0.0.21")

	reports, err := s.api.Probe(ctx, "alpha")
	if err != nil || len(reports) != 1 || !reports[0].OK || reports[0].Total <= 0 {
		t.Errorf("probe: %+v, %v", reports, err)
	}
	if _, err := s.api.Probe(ctx, "nosuch"); err == nil {
		t.Error("a pool that is not there was probed")
	}
	e, err := s.api.Explain(ctx, "www.example.test", "AAAA", admin.Asker{Client: "198.51.100.7"})
	if err != nil || e.Rcode != "NOERROR" || len(e.Steps) == 0 || len(e.Answer) != 0 {
		t.Errorf("explain: %+v, %v", e, err)
	}
	for _, bad := range [][3]string{{"www.example.test", "OPT", ""}, {"www.example.test", "A", "nobody"}, {strings.Repeat("a", 64) + ".test", "A", ""}} {
		if _, err := s.api.Explain(ctx, bad[0], bad[1], admin.Asker{Client: bad[2]}); err == nil {
			t.Errorf("explain %v: no error", bad)
		}
	}
}

// TestReloadKeepsVerdicts reloads by signal: a pool that is down stays down,
// and is not asked for its word anew.
func TestReloadKeepsVerdicts(t *testing.T) {
	s := newSite(t)
	s.start()
	s.set("alpha", cdntest.Status(503))
	s.leads("127.0.0.22")
	since := s.status().Pools[0].Since
	text, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	s.write(strings.Replace(string(text), "ttl: 5s", "ttl: 7s", 1))
	s.hup <- syscall.SIGHUP
	waitFor(t, func() bool { return s.status().Services[0].TTL == 7 || s.status().Services[0].TTL == 3 })
	p := s.status().Pools[0]
	if p.State != "down" || !p.Since.Equal(since) {
		t.Errorf("after the reload: %s since %v, before since %v", p.State, p.Since, since)
	}
	s.leads("127.0.0.22")
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	s := newSite(t)
	s.start()
	cfg, err := config.Load(s.path(), config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := controller.Load(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(l, Options{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "node.state_dir") {
		t.Errorf("a second node on the same state: %v", err)
	}
	cfg.Node.StateDir = filepath.Join(s.dir, "other-state")
	if _, err := Open(l, Options{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "listen.control") {
		t.Errorf("a second node on the same socket: %v", err)
	}
	cfg.Listen.DNS = s.node.Addrs()
	if _, err := Open(l, Options{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "listen.dns") {
		t.Errorf("a second node on the same port: %v", err)
	}
	cfg.Listen.Web, cfg.Listen.DNS = s.node.Addrs(), []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	cfg.Listen.Control = filepath.Join(s.dir, "other.sock")
	if _, err := Open(l, Options{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.HasPrefix(err.Error(), "listen.web: ") || !strings.Contains(err.Error(), "another server has the port") {
		t.Errorf("listen.web on the port of DNS: %v", err)
	}
	if _, err := admin.ListenWeb(netip.MustParseAddrPort("192.0.2.1:0")); err == nil || !strings.Contains(err.Error(), "this machine has no such address") {
		t.Errorf("listen.web on an address of somebody else: %v", err)
	}
	cfg.Listen.Web = nil
	cfg.Node.User, cfg.Listen.DNS, cfg.Listen.Control = "no-such-user", []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, filepath.Join(s.dir, "other.sock")
	if _, err := Open(l, Options{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "node.user") {
		t.Errorf("a user that is not there: %v", err)
	}
}
