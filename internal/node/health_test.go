package node

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// health asks the node how it is.
func (s *site) health(path string) (code int, reasons string) {
	s.Helper()
	w := httptest.NewRecorder()
	s.node.healthHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	var h Health
	if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil {
		s.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	if h.OK != (w.Code == http.StatusOK) || h.OK != (len(h.Reasons) == 0) {
		s.Errorf("%s: %d with %s", path, w.Code, w.Body)
	}
	return w.Code, strings.Join(h.Reasons, "; ")
}

// is waits until path is answered with code and a reason that has why.
func (s *site) is(path string, code int, why string) {
	s.Helper()
	var got int
	var reasons string
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got, reasons = s.health(path); got == code && strings.Contains(reasons, why) {
			return
		}
	}
	s.Fatalf("%s: %d, %q, want %d, %q", path, got, reasons, code, why)
}

// TestHealth: what a load balancer is told of a node that is well, of one whose
// controller hangs, and of one that does not answer.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start()
	s.is("/healthz", 200, "")
	s.is("/readyz", 200, "")

	s.node.machine.mu.Lock() // the controller wants it each second
	s.is("/readyz", 503, "nothing has been decided for")
	if code, why := s.health("/healthz"); code != 200 {
		t.Errorf("/healthz: %d, %s, while queries are answered and the controller is late for 5 s only", code, why)
	}
	s.is("/healthz", 503, "nothing has been decided for")
	if a := s.node.ctl.Glance().Alarms; len(a) == 0 || a[0].Code != "decisions-old" || a[0].Severity != "critical" {
		t.Errorf("alarms of a controller that hangs: %+v", a)
	}
	s.leads("127.0.0.21")
	s.node.machine.mu.Unlock()
	s.is("/healthz", 200, "")
	s.is("/readyz", 200, "")
	if a := s.node.ctl.Glance().Alarms; len(a) != 0 {
		t.Errorf("alarms of one that is back: %+v", a)
	}
}

// TestAskSelf: what has an answer counts, and a server that is silent does not.
func TestAskSelf(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	deaf, dns := netip.MustParseAddrPort(silent.LocalAddr().String()), s.node.Addrs()[0]
	any := netip.AddrPortFrom(netip.IPv4Unspecified(), dns.Port())
	apex, escaped := "example.test.", `a\.b.example.`
	for _, tt := range []struct {
		addrs []netip.AddrPort
		apex  *string
		want  string
	}{
		{[]netip.AddrPort{dns}, &apex, "<nil>"},
		{[]netip.AddrPort{any}, &apex, "<nil>"},
		{[]netip.AddrPort{dns}, nil, "<nil>"},
		{[]netip.AddrPort{dns}, &escaped, "<nil>"},
		{nil, &apex, "there is no listener"},
		{[]netip.AddrPort{deaf}, &apex, deaf.String() + ": no answer"},
		{[]netip.AddrPort{deaf, dns}, &apex, "<nil>"},
		{[]netip.AddrPort{dns, deaf}, &apex, "<nil>"},
	} {
		began := time.Now()
		if err := fmt.Sprint(askAll(tt.addrs, tt.apex)); err != tt.want || time.Since(began) > 2*time.Second {
			t.Errorf("%v: got %s after %v, want %s", tt.addrs, err, time.Since(began), tt.want)
		}
	}
}

// TestWatchdog: systemd is told that the node is well while it answers, and no
// longer.
func TestWatchdog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "200000")
	heard := func(within time.Duration) (n int) { // how often
		buf := make([]byte, 100)
		for end := time.Now().Add(within); ; {
			_ = conn.SetReadDeadline(end)
			m, err := conn.Read(buf)
			if err != nil {
				return n
			}
			if string(buf[:m]) == "WATCHDOG=1" {
				n++
			}
		}
	}
	s := newSite(t)
	s.start()
	if n := heard(2 * time.Second); n < 5 {
		t.Errorf("heard %d times in 2 s, want about 20", n)
	}
	elsewhere := "example.org."
	s.node.apex.Store(&elsewhere)
	s.is("/healthz", 503, "our own question is not answered: "+s.node.Addrs()[0].String()+": it says Refused")
	heard(100 * time.Millisecond)
	if n := heard(2 * time.Second); n > 0 {
		t.Errorf("heard %d times of a node that does not answer", n)
	}
}
