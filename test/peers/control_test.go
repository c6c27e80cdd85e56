//go:build peers

package peers

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/internal/cdntest"
)

// alphaAddr and betaAddr are where the two CDNs of the tests below are played.
var (
	alphaAddr = netip.MustParseAddr("127.0.1.11")
	betaAddr  = netip.MustParseAddr("127.0.1.12")
)

// A stage is a folder with a configuration, and two CDNs.
type stage struct {
	t           *testing.T
	dir         string
	port        uint16
	alpha, beta *cdntest.Edge
}

// newStage writes a configuration that steers www between alpha and beta, in
// a folder that every user may look into. Node are further keys of node.
func newStage(t *testing.T, node string) *stage {
	t.Helper()
	port, err := cdntest.FreePort(alphaAddr, betaAddr)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, port: port}
	s.alpha, s.beta = s.edge(alphaAddr), s.edge(betaAddr)
	if s.dir, err = os.MkdirTemp("", "shunt-stage-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.config(node, "")
	s.zone("mail", "doc", "status", "blog")
	return s
}

func (s *stage) edge(a netip.Addr) *cdntest.Edge {
	s.t.Helper()
	e, err := cdntest.Start(netip.AddrPortFrom(a, s.port), cdntest.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(e.Close)
	return e
}

// fail makes e fail from now on.
func (s *stage) fail(e *cdntest.Edge, f cdntest.Fault) {
	s.t.Helper()
	if err := e.Set(f); err != nil {
		s.t.Fatal(err)
	}
}

// config writes shunt.yaml; more stands at its end.
func (s *stage) config(node, more string) {
	s.t.Helper()
	write(s.t, filepath.Join(s.dir, "shunt.yaml"), fmt.Sprintf(`node: {name: ns1.example.test, state_dir: state%s}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock}
monitors:
  - {name: web, http: {host: www.example.test, port: %d}, interval: 300ms, timeout: 300ms, recheck: 50ms, rise: 3, hold_down: 1s, hold_down_max: 2s}
pools:
  - {name: alpha, addresses: [%s], monitors: [web]}
  - {name: beta, addresses: [%s], monitors: [web]}
zones:
  - name: example.test
    file: example.test.zone
    services:
      - {name: www, pools: [alpha, beta], ttl: 30s}
%s`, node, s.port, alphaAddr, betaAddr, more))
}

// zone writes the zone file with an address for each of names.
func (s *stage) zone(names ...string) {
	s.t.Helper()
	text := "$TTL 300\n@ IN SOA ns1 hostmaster 1 3600 600 86400 60\n@ IN NS ns1\nns1 IN A 192.0.2.53\n"
	for i, name := range names {
		text += fmt.Sprintf("%s IN A 192.0.2.%d\n", name, i+1)
	}
	write(s.t, filepath.Join(s.dir, "example.test.zone"), text)
}

// is reports whether name has exactly the address want now; an empty want is
// for a name that does not exist.
func (n *node) is(name, want string) bool {
	n.t.Helper()
	m := n.ask(name, dns.TypeA)
	if want == "" {
		return m.Rcode == dns.RcodeNameError
	}
	if len(m.Answer) != 1 {
		return false
	}
	a, ok := m.Answer[0].(*dns.A)
	return ok && a.A.String() == want
}

// must fails the test when name is not want; it says what should have kept it.
func (n *node) must(t *testing.T, why, name, want string) {
	t.Helper()
	if !n.is(name, want) {
		t.Errorf("%s: %s is not %q: %v", why, name, want, n.ask(name, dns.TypeA))
	}
}

const www = "www.example.test."

// TestBadReloadChangesNothing reloads what cannot be used.
func TestBadReloadChangesNothing(t *testing.T) {
	s := newStage(t, "")
	n := serve(t, s.dir)
	s.fail(s.alpha, cdntest.Status(503))
	n.until("answers move", func() bool { return n.is(www, betaAddr.String()) })
	for _, bad := range []struct {
		name  string
		spoil func()
		says  string
	}{
		{"an unknown key", func() { s.config("", "      - {name: shop, pool: [alpha]}\n") }, "shunt.yaml:"},
		{"no YAML", func() { s.config("", "\t{") }, "shunt.yaml:"},
		{"a zone file with a typo", func() { s.zone("mail", "doc", "a b") }, "example.test.zone:"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			before := n.status().Generation
			bad.spoil()
			n.signal(syscall.SIGHUP)
			n.until("the status shows it", func() bool { return !n.status().Reload.OK })
			r := n.status()
			if !strings.Contains(r.Reload.Problem, bad.says) {
				t.Errorf("the problem names no place: %s", r.Reload.Problem)
			}
			if len(r.Alarms) == 0 || !strings.Contains(fmt.Sprint(r.Alarms), "reload-refused") {
				t.Errorf("no alarm: %v", r.Alarms)
			}
			if code, _, stderr := n.try("reload"); code != 1 || !strings.Contains(stderr, bad.says) {
				t.Errorf("shunt reload: exit code %d: %s", code, stderr)
			}
			n.must(t, "refused reload", "mail.example.test.", "192.0.2.1")
			n.must(t, "refused reload", www, betaAddr.String())
			if after := n.status().Generation; after != before {
				t.Errorf("generation %d became %d", before, after)
			}
			s.config("", "")
			s.zone("mail", "doc", "status", "blog", "new")
			n.signal(syscall.SIGHUP)
			n.until("the mended one is in force", func() bool { return n.status().Reload.OK })
			n.must(t, "reload", "new.example.test.", "192.0.2.5")
			if !n.is(www, betaAddr.String()) || n.pool("alpha").State != "down" {
				t.Error("a verdict did not survive the reload")
			}
		})
	}
}

// TestDestructiveReloadNeedsForce removes most of the zone.
func TestDestructiveReloadNeedsForce(t *testing.T) {
	s := newStage(t, "")
	n := serve(t, s.dir)
	s.zone("mail")
	code, _, stderr := n.try("reload")
	if code != 1 || !strings.Contains(stderr, "--force") || !strings.Contains(stderr, "blog.example.test.") {
		t.Errorf("shunt reload: exit code %d: %s", code, stderr)
	}
	t.Logf("said: %s", strings.TrimSpace(stderr))
	n.must(t, "refused reload", "blog.example.test.", "192.0.2.4")
	n.signal(syscall.SIGHUP)
	n.until("SIGHUP is refused too", func() bool { return strings.Count(n.text(), "reload refused") == 2 })
	n.must(t, "refused SIGHUP", "blog.example.test.", "192.0.2.4")
	n.run("reload", "--force")
	n.must(t, "forced reload", "blog.example.test.", "")
	n.must(t, "forced reload", "mail.example.test.", "192.0.2.1")
}

// TestOverrides sets, lists and clears overrides, over a crash.
func TestOverrides(t *testing.T) {
	s := newStage(t, "")
	n := serve(t, s.dir)
	n.must(t, "healthy", www, alphaAddr.String())
	n.run("override", "set", "alpha", "drain", "--for", "1h", "--reason", "error spike", "--author", "kim")
	n.must(t, "drained", www, betaAddr.String())
	if code, _, stderr := n.try("override", "set", "beta", "down", "--for", "1h", "--reason", "mistake"); code != 1 || !strings.Contains(stderr, "at_least") {
		t.Errorf("the last pool was taken out without --force: exit code %d: %s", code, stderr)
	}
	if code, _, stderr := n.try("override", "set", "alpha", "drain", "--for", "73h", "--reason", "for ever"); code == 0 {
		t.Errorf("an override of 73 hours was taken: %s", stderr)
	}
	if code, _, _ := n.try("override", "set", "alpha", "drain", "--for", "1h"); code != 2 {
		t.Errorf("an override without a reason: exit code %d, want 2", code)
	}
	n.kill()
	n = serve(t, s.dir)
	n.must(t, "drained, after a crash", www, betaAddr.String())
	var list []struct{ Pool, Force, Reason, Author string }
	if err := json.Unmarshal([]byte(n.run("override", "list", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Pool != "alpha" || list[0].Force != "drain" || list[0].Reason != "error spike" || list[0].Author != "kim" {
		t.Errorf("override list: %+v", list)
	}
	if p := n.pool("alpha"); p.State != "up" || p.Override == nil {
		t.Errorf("the real state does not stand beside the forced one: %+v", p)
	}
	n.run("override", "clear", "alpha")
	n.must(t, "cleared", www, alphaAddr.String())
	n.run("override", "set", "alpha", "down", "--for", "2s", "--reason", "short")
	n.must(t, "forced down", www, betaAddr.String())
	took := n.until("the override ends by itself", func() bool { return n.is(www, alphaAddr.String()) })
	t.Logf("an override of 2s ended after %.2fs", took.Seconds())
}

// TestFreezeSurvivesACrash switches automation off, and kills the node.
func TestFreezeSurvivesACrash(t *testing.T) {
	s := newStage(t, "")
	n := serve(t, s.dir)
	n.run("freeze", "--for", "1h", "--reason", "our probes flap")
	n.kill()
	n = serve(t, s.dir)
	if f := n.status().Frozen; f == nil || f.Reason != "our probes flap" {
		t.Fatalf("the freeze is forgotten: %+v", f)
	}
	s.fail(s.alpha, cdntest.Hang())
	n.until("the log shows the verdict", func() bool { return strings.Contains(n.text(), `msg="pool is down" pool=alpha`) })
	time.Sleep(500 * time.Millisecond)
	n.must(t, "frozen", www, alphaAddr.String())
	n.run("unfreeze")
	n.until("answers move", func() bool { return n.is(www, betaAddr.String()) })
	if code, _, _ := n.try("unfreeze"); code != 1 {
		t.Errorf("unfreeze with nothing frozen: exit code %d, want 1", code)
	}
}

// TestColdStart starts a node while a CDN is down: the first answer must be
// right. The saved verdict is told from a fresh one by mending the CDN before
// the start, so that only its memory, and the hold-down, keep the answer.
func TestColdStart(t *testing.T) {
	s := newStage(t, "")
	n := serve(t, s.dir)
	s.fail(s.alpha, cdntest.Hang())
	n.until("answers move", func() bool { return n.is(www, betaAddr.String()) })
	saved := func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "state", "state.json"))
		return err == nil && strings.Contains(string(text), "no answer came")
	}
	n.until("the verdict is saved", saved)
	n.kill()
	for _, state := range []struct {
		name  string
		fault cdntest.Fault
	}{{"still down", cdntest.Hang()}, {"mended meanwhile", cdntest.Healthy()}} {
		s.fail(s.alpha, state.fault)
		began := time.Now()
		n = serve(t, s.dir)
		took := time.Since(began)
		n.must(t, "first answer after a start, alpha "+state.name, www, betaAddr.String())
		t.Logf("alpha %s: answers %.2fs after the start", state.name, took.Seconds())
		if state.fault == cdntest.Healthy() {
			n.until("answers come back", func() bool { return n.is(www, alphaAddr.String()) })
		}
		n.kill()
	}
	os.RemoveAll(filepath.Join(s.dir, "state"))
	s.fail(s.alpha, cdntest.Hang())
	n = serve(t, s.dir)
	n.must(t, "first answer without any memory", www, betaAddr.String())
}

// TestStop ends a node with a connection open and a probe under way.
func TestStop(t *testing.T) {
	s := newStage(t, "")
	n := serve(t, s.dir)
	s.fail(s.alpha, cdntest.Hang())
	n.until("answers move", func() bool { return n.is(www, betaAddr.String()) })
	c, err := net.Dial("tcp", n.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	info, err := os.Stat(n.socket)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the control socket: %v, %v, want mode 0660", info.Mode(), err)
	}
	n.run("override", "set", "beta", "up", "--for", "1h", "--reason", "to be kept")
	took := n.stop()
	if took > 5*time.Second || n.err != nil {
		t.Errorf("stopped after %v with %v", took, n.err)
	}
	t.Logf("stopped after %.2fs", took.Seconds())
	n = serve(t, s.dir)
	if o := n.pool("beta").Override; o == nil || o.Reason != "to be kept" {
		t.Errorf("the override is forgotten: %+v", o)
	}
	n.must(t, "after a restart", www, betaAddr.String())
}

// TestPrivileges has a node become another user. Only root can; anyone else
// must be told so.
func TestPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		s := newStage(t, ", user: root")
		p := start(t, s.dir, "shunt", shunt, "serve", "-c", filepath.Join(s.dir, "shunt.yaml"))
		select {
		case <-p.done:
		case <-time.After(patience):
			t.Fatal("shunt serve runs as a user that it cannot become")
		}
		if p.err == nil || !strings.Contains(p.text(), "node.user: only root can become root") {
			t.Errorf("shunt serve: %v: %s", p.err, p.text())
		}
		return
	}
	s := newStage(t, ", user: nobody")
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	n := serve(t, s.dir)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields := strings.Fields(value)
		switch key {
		case "Uid":
			same(t, key, fields, u.Uid, 4)
		case "Gid":
			same(t, key, fields, u.Gid, 4)
		case "Groups":
			same(t, key, fields, u.Gid, 1)
		case "CapEff", "CapPrm":
			same(t, key, fields, "0000000000000000", 1)
		}
	}
	// All that the other user must still be able to do.
	n.run("override", "set", "alpha", "drain", "--for", "1h", "--reason", "as nobody")
	n.must(t, "drained", www, betaAddr.String())
	n.run("reload")
	n.kill()
	n = serve(t, s.dir)
	n.must(t, "drained, after a crash", www, betaAddr.String())
}

// same reports fields that are not n times want.
func same(t *testing.T, key string, fields []string, want string, n int) {
	t.Helper()
	if strings.Join(fields, " ") != strings.TrimSpace(strings.Repeat(want+" ", n)) {
		t.Errorf("%s is %v, want %s", key, fields, want)
	}
}
