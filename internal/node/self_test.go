package node

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/controller"
)

// TestTry writes where that works, where a process that was killed left its
// file, and where it cannot.
func TestTry(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, trialFile), nil, 0o400); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := try(dir); got.Why != "" {
			t.Errorf("%+v", got)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left there: %v, %v", left, err)
	}
	if got := try(filepath.Join(dir, "nowhere")); got.Why == "" || got.Full {
		t.Errorf("no folder: %+v", got)
	}
	for _, err := range []error{syscall.ENOSPC, &os.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT}} {
		if !isFull(err) {
			t.Errorf("%v is not said to be for want of room", err)
		}
	}
	if isFull(errors.New("read-only")) || isFull(syscall.EROFS) {
		t.Error("a read-only file system is said to be full")
	}
}

// TestMachine looks at the one that the test runs on.
func TestMachine(t *testing.T) {
	if d := diskOf(t.TempDir()); d.Size == 0 || d.Free > d.Size || d.FreeFiles > d.Files {
		t.Errorf("%+v", d)
	}
	if d := diskOf("/nowhere"); d.Size != 0 {
		t.Errorf("nowhere: %+v", d)
	}
	before, limit := descriptors()
	if before < 3 || limit < before {
		t.Fatalf("%d of %d descriptors", before, limit)
	}
	for range 20 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if after, _ := descriptors(); after < before+15 {
		t.Errorf("%d descriptors, and %d after 20 more", before, after)
	}
}

// TestLeap: a wall clock that goes on otherwise than time does.
func TestLeap(t *testing.T) {
	m := machine{dir: t.TempDir()}
	now := time.Now()
	m.look(now, now.Add(-5*time.Second))
	if !m.facts.LeaptAt.IsZero() {
		t.Errorf("leapt by %v", m.facts.Leapt)
	}
	before := now.Add(-5 * time.Second)
	m.leap(now, before, time.Hour+5*time.Second)
	if m.facts.Leapt != time.Hour || !m.facts.LeaptAt.Equal(now) {
		t.Errorf("leapt by %v at %v", m.facts.Leapt, m.facts.LeaptAt)
	}
}

// TestClocks: one endpoint of a pool speaks for it until it falls silent.
func TestClocks(t *testing.T) {
	m := machine{}
	start := time.Now()
	shows := func(pool, addr string, after, behind time.Duration) {
		at := start.Add(after)
		m.observe(health.Target{Pool: pool, Addr: netip.MustParseAddr(addr)}, health.Result{At: at, Clock: at.Round(0).Add(-behind)})
	}
	pools := []controller.PoolStatus{{Name: "a", Operator: "one"}, {Name: "b", Operator: "two"}}
	for i := range 4 {
		after := time.Duration(i) * 10 * time.Second
		shows("a", "127.0.0.1", after, 90*time.Second)
		shows("a", "127.0.0.2", after+time.Second, 0)
		shows("gone", "127.0.0.3", after, 0)
	}
	m.observe(health.Target{Pool: "b"}, health.Result{At: start})
	got := m.clocks(pools, start.Add(30*time.Second))
	if len(got) != 1 || got[0].Of != "one" || got[0].Ahead != 90*time.Second {
		t.Errorf("got %+v", got)
	}
	for i := range 3 { // 127.0.0.1 says nothing any more
		shows("a", "127.0.0.2", 2*time.Minute+time.Duration(i)*10*time.Second, 0)
	}
	if got := m.clocks(pools, start.Add(150*time.Second)); len(got) != 1 || got[0].Ahead != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestClockOff: what edges say in the Date of their answers comes to be an
// alarm where two operators agree, and only there.
func TestClockOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start()
	slow := func(pools ...string) { // what half a minute of probes would leave
		m := &s.node.machine
		m.mu.Lock()
		defer m.mu.Unlock()
		m.seen = map[string]watched{}
		for _, pool := range pools {
			w := watched{addr: netip.MustParseAddr("127.0.0.9")}
			for i := range 3 {
				at := time.Now().Add(time.Duration(i-2) * 10 * time.Second)
				w.hand = w.hand.Next(at.Round(0).Add(-time.Hour), at)
			}
			m.seen[pool] = w
		}
	}
	slow("alpha")
	time.Sleep(1500 * time.Millisecond) // alarms are looked at each second
	if s.alarms("clock-off") {
		t.Error("one operator's clock made an alarm")
	}
	slow("alpha", "beta")
	s.until("clock-off", true)
	slow()
	s.until("clock-off", false)
}

// until waits until the alarm code holds, or does not.
func (s *site) until(code string, holds bool) {
	s.Helper()
	for end := time.Now().Add(10 * time.Second); s.alarms(code) != holds; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("the alarm %s holds: %v; all: %+v", code, !holds, s.node.ctl.Glance().Alarms)
		}
	}
}

// alarms reports whether the alarm code holds.
func (s *site) alarms(code string) bool {
	return slices.ContainsFunc(s.node.ctl.Glance().Alarms, func(a controller.Alarm) bool { return a.Code == code })
}
