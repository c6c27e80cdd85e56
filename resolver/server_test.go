package resolver

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves the test's snapshot on the addresses until the test ends.
func serve(t *testing.T, c config.DNS, addrs ...string) *Server {
	t.Helper()
	return serveBy(t, newUDP, c, addrs...)
}

// serveBy is serve with a side of the test's choice.
func serveBy(t *testing.T, newUDP udpMaker, c config.DNS, addrs ...string) *Server {
	t.Helper()
	return serveWith(t, newUDP, newTCP, c, addrs...)
}

// serveWith is serve with both sides of the test's choice.
func serveWith(t *testing.T, newUDP udpMaker, newTCP tcpMaker, c config.DNS, addrs ...string) *Server {
	t.Helper()
	var on []netip.AddrPort
	for _, a := range addrs {
		on = append(on, addrPort(a))
	}
	s, err := listen(on, c, quiet(), newUDP, newTCP)
	if err != nil {
		t.Fatal(err)
	}
	s.Swap(snapshotForTest(t))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(stopGrace + 3*time.Second):
			t.Error("Serve did not end")
		}
	})
	return s
}

const wwwLine = "NOERROR qr aa | ? www.example.test. IN A | an www.example.test. 300 IN A 192.0.2.1"

func TestServeBothFamiliesAndTransports(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0", "[::1]:0")
	query := dnstest.Ask(t, "www.example.test. A")
	for _, addr := range s.Addrs() {
		if got := dnstest.Line(dnstest.UDP(t, addr, query)); got != wwwLine {
			t.Errorf("%s/udp: %s", addr, got)
		}
		if got := dnstest.Line(dnstest.TCP(t, addr, query)[0]); got != wwwLine {
			t.Errorf("%s/tcp: %s", addr, got)
		}
	}
	if st := s.Stats(); st.UDP != 2 || st.TCP != 2 || st.Accepted != 2 {
		t.Errorf("stats: %+v", st)
	}
}

// TestWorkersShareThePort: queries from many ports reach several sockets, and
// all of them answer.
func TestWorkersShareThePort(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0")
	query := dnstest.Ask(t, "www.example.test. A")
	for range 64 {
		if got := dnstest.Line(dnstest.UDP(t, s.Addrs()[0], query)); got != wwwLine {
			t.Fatal(got)
		}
	}
	if n := s.Stats().UDP; n != 64 {
		t.Errorf("%d counted", n)
	}
	if want := cores(); reusePort && busy(s) != want {
		t.Errorf("%d of %d workers answered", busy(s), want)
	}
}

// busy counts the workers that had a UDP query.
func busy(s *Server) (n int) {
	for _, w := range s.answerer.workers {
		if w.n.queries[UDP].Load() > 0 {
			n++
		}
	}
	return n
}

// TestListenTellsWhatToDo: an address in use, and one that is not ours.
func TestListenTellsWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).AddrPort()
	for _, c := range []struct {
		addr netip.AddrPort
		want string
	}{
		{taken, "is another DNS server running?"},
		{addrPort("192.0.2.1:0"), "cannot assign requested address; this machine has no such address"},
	} {
		s, err := Listen([]netip.AddrPort{addrPort("127.0.0.1:0"), c.addr}, settingsForTest(), quiet())
		if err == nil {
			s.Close()
			t.Errorf("%s: no error", c.addr)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.addr.String()) {
			t.Errorf("%s: %v", c.addr, err)
		}
	}
	if _, err := Listen(nil, settingsForTest(), quiet()); err == nil {
		t.Error("nothing to listen on: no error")
	}
}

// TestTruncatedAnswerComesWholeOverTCP is the retry of RFC 7766 §5.
func TestTruncatedAnswerComesWholeOverTCP(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0")
	query := dnstest.Ask(t, "big.example.test. TXT")
	if got := dnstest.Line(dnstest.UDP(t, s.Addrs()[0], query)); got != "NOERROR qr aa tc | ? big.example.test. IN TXT" {
		t.Errorf("udp: %s", got)
	}
	if got := dnstest.Line(dnstest.TCP(t, s.Addrs()[0], query)[0]); strings.Count(got, "| an ") != 6 {
		t.Errorf("tcp: %s", got)
	}
}

// TestStop: idle connections and half queries do not delay the end, and what
// was asked before it is answered.
func TestStop(t *testing.T) {
	s, err := Listen([]netip.AddrPort{addrPort("127.0.0.1:0")}, settingsForTest(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	s.Swap(snapshotForTest(t))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	query := dnstest.Frames(dnstest.Ask(t, "www.example.test. A"))
	idle, half := dial(t, s), dial(t, s)
	roundTrip(t, idle, query)
	roundTrip(t, half, query)
	half.Write(query[:7])
	begin := time.Now()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %v", took)
	}
	for _, c := range []net.Conn{idle, half} {
		if !closed(t, c, nil) {
			t.Error("a connection is open after the end")
		}
	}
	if c, err := net.Dial("tcp", s.Addrs()[0].String()); err == nil {
		c.Close()
		t.Error("the listener is open after the end")
	}
}

// TestSwapUnderLoad: no query is lost or wrong while snapshots and settings
// change and the counters are read. The race detector is the judge.
func TestSwapUnderLoad(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0")
	next := snapshotForTest(t)
	stop := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.Swap(next)
				s.SetDNS(settingsForTest())
				s.Stats()
			}
		}
	})
	query := dnstest.Ask(t, "addr.example.test. A")
	const want = "NOERROR qr aa | ? addr.example.test. IN A | an addr.example.test. 30 IN A 203.0.113.1"
	for range 100 {
		if got := dnstest.Line(dnstest.UDP(t, s.Addrs()[0], query)); got != want {
			t.Fatal(got)
		}
		if got := dnstest.Line(dnstest.TCP(t, s.Addrs()[0], query)[0]); got != want {
			t.Fatal(got)
		}
	}
	close(stop)
	changing.Wait()
	if st := s.Stats(); st.UDP != 100 || st.TCP != 100 || st.Rcodes["NOERROR"] != 200 {
		t.Errorf("stats: %+v", st)
	}
}

// TestReloadKeepsConnections: new settings reach open connections.
func TestReloadKeepsConnections(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0")
	c := dial(t, s)
	ask := dnstest.Frames(dnstest.Ask(t, "www.example.test. A +nsid"))
	for _, name := range []string{"first", "second"} {
		set := settingsForTest()
		set.NSID = name
		s.SetDNS(set)
		if got := roundTrip(t, c, ask); !strings.HasSuffix(got, "nsid="+name) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestLimitedClientRetriesOverTCP: what a real client sees of rate limiting.
func TestLimitedClientRetriesOverTCP(t *testing.T) {
	set := settingsForTest()
	set.RateLimit.Responses, set.RateLimit.Slip = 1, 1
	s := serve(t, set, "127.0.0.1:0")
	query := dnstest.Ask(t, "www.example.test. A")
	truncated := 0
	for range 20 {
		if dnstest.UDP(t, s.Addrs()[0], query)[2]&2 != 0 {
			truncated++
		}
	}
	if truncated == 0 {
		t.Error("no reply was truncated")
	}
	if got := dnstest.Line(dnstest.TCP(t, s.Addrs()[0], query)[0]); got != wwwLine {
		t.Errorf("over TCP: %s", got)
	}
}
