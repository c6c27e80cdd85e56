//go:build peers

package peers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/cdntest"
)

// alarms waits until the alarms of codes hold, and none of not does.
func (n *node) alarms(why string, codes, not []string) {
	n.t.Helper()
	n.until(fmt.Sprintf("%s: alarms %v and not %v", why, codes, not), func() bool {
		held := map[string]bool{}
		for _, a := range n.status().Alarms {
			held[a.Code] = true
		}
		return !slices.ContainsFunc(codes, func(c string) bool { return !held[c] }) && !slices.ContainsFunc(not, func(c string) bool { return held[c] })
	})
}

// failsOver takes alpha away and lets it come back, and expects the answers to
// follow.
func (s *stage) failsOver(n *node) {
	s.t.Helper()
	s.fail(s.alpha, cdntest.Status(http.StatusServiceUnavailable))
	away := n.until("www leads to beta", func() bool { return n.is(www, betaAddr.String()) })
	s.fail(s.alpha, cdntest.Healthy())
	n.until("www leads back to alpha", func() bool { return n.is(www, alphaAddr.String()) })
	s.t.Logf("answers moved %.2fs after the failure", away.Seconds())
}

// get asks for path over the control socket.
func (n *node) get(method, path, body string) (int, string) {
	n.t.Helper()
	r, err := http.NewRequest(method, "http://shunt"+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", n.socket)
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// well expects the node to say that it is the one to ask.
func (n *node) well(why string) {
	n.t.Helper()
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, text := n.get("GET", path, ""); code != http.StatusOK {
			n.t.Errorf("%s: %s: %d %s", why, path, code, text)
		}
	}
}

// unsaved runs a command that is done, and says that a restart would forget it.
func (n *node) unsaved(args ...string) {
	n.t.Helper()
	if code, _, stderr := n.try(args...); code != 1 || !strings.Contains(stderr, "done, but it could not be saved") {
		n.t.Errorf("shunt %s: exit code %d: %s", strings.Join(args, " "), code, stderr)
	}
}

// fill makes a file that leaves so many octets of a file system free; 0 takes
// all there is.
func fill(t *testing.T, path string, leave int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &s); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for left := int64(s.Bavail)*s.Bsize - leave; left > 0 || leave == 0; left -= int64(len(zeros)) {
		if _, err := f.Write(zeros); err != nil {
			if leave == 0 {
				return // full
			}
			t.Fatal(err)
		}
	}
}

// TestDisk takes the disk under the state away, bit by bit, and gives it back:
// answers and failover do not need it, and people hear of it.
func TestDisk(t *testing.T) {
	s := newStage(t, "")
	state := filepath.Join(s.dir, "state")
	if err := os.Mkdir(state, 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 { // who may not mount file systems can still lose the right to write
		n := serve(t, s.dir)
		if err := os.Chmod(state, 0o500); err != nil {
			t.Fatal(err)
		}
		n.alarms("read-only", []string{"state-read-only"}, nil)
		s.failsOver(n)
		return
	}
	if err := syscall.Mount("tmpfs", state, "tmpfs", 0, "size=96m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(state, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	all := []string{"disk-full", "disk-nearly-full", "state-read-only", "state-not-saved", "events-not-saved", "audit-not-saved"}
	n := serve(t, s.dir)
	n.alarms("a disk with room", nil, all)
	w := watch(n.addr, www, "mail.example.test.")
	end := sync.OnceFunc(func() { w.end(t) })
	defer end()

	ballast := filepath.Join(state, "ballast")
	fill(t, ballast, 40<<20)
	n.alarms("40 MiB left", []string{"disk-nearly-full"}, []string{"disk-full", "state-not-saved"})

	fill(t, ballast+"2", 0)
	n.alarms("nothing left", []string{"disk-full"}, []string{"disk-nearly-full", "state-read-only"})
	s.failsOver(n)
	n.unsaved("override", "set", "alpha", "drain", "--for", "1h", "--reason", "with a full disk")
	n.must(t, "drained with a full disk", www, betaAddr.String())
	n.alarms("what cannot be saved", []string{"disk-full", "state-not-saved", "events-not-saved"}, nil)
	n.well("a full disk")
	n.unsaved("override", "clear", "alpha")
	n.must(t, "cleared with a full disk", www, alphaAddr.String())
	n.run("reload")

	for _, name := range []string{ballast, ballast + "2"} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	n.alarms("room again", nil, all)

	// The node has a file open for the trace of a crash, so the disk itself
	// cannot become read-only; what lies over it can.
	for _, flags := range []uintptr{syscall.MS_BIND, syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY} {
		if err := syscall.Mount(state, state, "", flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	over := true
	t.Cleanup(func() {
		if over {
			syscall.Unmount(state, syscall.MNT_DETACH)
		}
	})
	n.alarms("read-only", []string{"state-read-only"}, []string{"disk-full"})
	s.failsOver(n)
	n.unsaved("override", "set", "alpha", "drain", "--for", "1h", "--reason", "with a disk that cannot be written")
	n.alarms("what cannot be saved", []string{"state-read-only", "state-not-saved", "events-not-saved"}, nil)
	n.well("a disk that cannot be written")
	over = false
	if err := syscall.Unmount(state, syscall.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	n.alarms("writable again", nil, all)
	end()
	n.kill()
	n = serve(t, s.dir)
	n.must(t, "what could not be saved for a while is known after a crash", www, betaAddr.String())
}

// TestManyEvents makes events as fast as the API takes them: answers, failover
// and the file of events do not suffer. A test of internal/event makes a
// million.
func TestManyEvents(t *testing.T) {
	s := newStage(t, "")
	n := serve(t, s.dir)
	w := watch(n.addr, www, "mail.example.test.")
	defer w.end(t)
	began, changes := time.Now(), 0
	for time.Since(began) < 5*time.Second {
		if code, text := n.get("PUT", "/v1/overrides/beta", `{"force":"up","for":"1h","reason":"one of many"}`); code != http.StatusOK {
			t.Fatalf("override: %d %s", code, text)
		}
		if code, text := n.get("DELETE", "/v1/overrides/beta", ""); code/100 != 2 {
			t.Fatalf("clear: %d %s", code, text)
		}
		changes += 2
	}
	t.Logf("%d changes in %v", changes, time.Since(began).Round(time.Millisecond))
	if changes < 200 {
		t.Errorf("only %d changes: too slow to show anything", changes)
	}
	s.failsOver(n)
	n.well("many events")
	text, err := os.ReadFile(filepath.Join(s.dir, "state", "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(text, []byte("\n")); lines > 2*4096 {
		t.Errorf("%d lines in the file of events", lines)
	}
}
