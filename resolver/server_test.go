package resolver

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
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
	var on []netip.AddrPort
	for _, a := range addrs {
		on = append(on, addrPort(a))
	}
	s, err := Listen(on, c, quiet())
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

// tcpSettings are short enough to wait for.
func tcpSettings(change func(*config.TCP)) config.DNS {
	c := settingsForTest()
	c.TCP.Idle = time.Second
	change(&c.TCP)
	return c
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

// TestWildcardRepliesFromTheAddressAsked: a client drops a reply that comes
// from elsewhere, and a connected socket never sees it.
func TestWildcardRepliesFromTheAddressAsked(t *testing.T) {
	if !reusePort {
		t.Log("this system chooses the source address itself")
		return
	}
	s := serve(t, settingsForTest(), "0.0.0.0:0", "[::]:0")
	query := dnstest.Ask(t, "www.example.test. A")
	v4, v6 := s.Addrs()[0].Port(), s.Addrs()[1].Port()
	for _, to := range []string{
		fmt.Sprintf("127.0.0.1:%d", v4), fmt.Sprintf("127.0.0.77:%d", v4),
		fmt.Sprintf("127.1.2.3:%d", v4), fmt.Sprintf("[::1]:%d", v6),
	} {
		if got := dnstest.Line(dnstest.UDP(t, addrPort(to), query)); got != wwwLine {
			t.Errorf("%s: %s", to, got)
		}
	}
}

// TestWorkersShareThePort: queries from many ports reach several sockets, and
// all of them answer.
func TestWorkersShareThePort(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0")
	if want := runtime.GOMAXPROCS(0); reusePort && len(s.udp) != want {
		t.Fatalf("%d sockets, want %d", len(s.udp), want)
	}
	query := dnstest.Ask(t, "www.example.test. A")
	for range 64 {
		if got := dnstest.Line(dnstest.UDP(t, s.Addrs()[0], query)); got != wwwLine {
			t.Fatal(got)
		}
	}
	if n := s.Stats().UDP; n != 64 {
		t.Errorf("%d counted", n)
	}
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
		{addrPort("192.0.2.1:0"), "cannot assign requested address"},
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

// TestPipelining: 100 queries in one write get 100 replies in their order.
func TestPipelining(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0")
	var queries [][]byte
	for i := range 100 {
		q := dnstest.Ask(t, []string{"www.example.test. A", "big.example.test. TXT", "missing.example.test. A"}[i%3])
		binary.BigEndian.PutUint16(q, uint16(i))
		queries = append(queries, q)
	}
	for i, reply := range dnstest.TCP(t, s.Addrs()[0], queries...) {
		if id := binary.BigEndian.Uint16(reply); int(id) != i {
			t.Fatalf("reply %d has ID %d", i, id)
		}
	}
}

// TestOctetByOctet: a query that trickles in is a query.
func TestOctetByOctet(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0")
	c := dial(t, s)
	for _, b := range dnstest.Frames(dnstest.Ask(t, "www.example.test. A"), dnstest.Ask(t, "www.example.test. A")) {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if reply, err := dnstest.ReadFrame(c); err != nil || dnstest.Line(reply) != wwwLine {
			t.Fatal(dnstest.Line(reply), err)
		}
	}
}

// TestTCPEnds: what ends a connection, how soon, and what it got until then.
func TestTCPEnds(t *testing.T) {
	www := dnstest.Ask(t, "www.example.test. A")
	frame := dnstest.Frames(www)
	long := dnstest.Ask(t, "www.example.test. A +opt=100:"+strings.Repeat("00", 700))
	for _, c := range []struct {
		name    string
		set     func(*config.TCP)
		send    []byte
		replies int
		atLeast time.Duration // open this long
	}{
		{"idle from the start", func(*config.TCP) {}, nil, 0, 900 * time.Millisecond},
		{"idle after a query", func(*config.TCP) {}, frame, 1, 900 * time.Millisecond},
		{"half a length", func(*config.TCP) {}, []byte{0}, 0, 900 * time.Millisecond},
		{"half a query", func(*config.TCP) {}, frame[:20], 0, 900 * time.Millisecond},
		{"a query and a half", func(*config.TCP) {}, append(frame[:len(frame):len(frame)], frame[:5]...), 1, 900 * time.Millisecond},
		{"too long a query", func(c *config.TCP) { c.MessageSize = 512; c.Idle = time.Minute }, dnstest.Frames(www, long), 1, 0},
		{"its length is enough", func(c *config.TCP) { c.Idle = time.Minute }, []byte{0xff, 0xff, 0}, 0, 0},
		{"not DNS", func(c *config.TCP) { c.Idle = time.Minute }, []byte("GET / HTTP/1.1\r\nHost: www.example.test\r\n\r\n"), 0, 0},
		{"an empty query", func(c *config.TCP) { c.Idle = time.Minute }, append(frame[:len(frame):len(frame)], 0, 0), 1, 0},
		{"a reply", func(c *config.TCP) { c.Idle = time.Minute }, dnstest.Frames(dnstest.Ask(t, "www.example.test. A +qr"), www), 0, 0},
		{"as many as it may", func(c *config.TCP) { c.Queries = 3; c.Idle = time.Minute }, dnstest.Frames(www, www, www, www, www), 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tcpSettings(c.set), "127.0.0.1:0")
			conn := dial(t, s)
			begin := time.Now()
			if _, err := conn.Write(c.send); err != nil {
				t.Fatal(err)
			}
			for i := range c.replies {
				if reply, err := dnstest.ReadFrame(conn); err != nil || dnstest.Line(reply) != wwwLine {
					t.Fatalf("reply %d: %s, %v", i, dnstest.Line(reply), err)
				}
			}
			if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("read %d octets more, %v", n, err)
			}
			if open := time.Since(begin); open < c.atLeast {
				t.Errorf("closed after %v", open)
			}
		})
	}
}

// TestTrickleIsNotActivity: octets of a query that never ends do not keep a
// connection open.
func TestTrickleIsNotActivity(t *testing.T) {
	s := serve(t, tcpSettings(func(*config.TCP) {}), "127.0.0.1:0")
	c := dial(t, s)
	begin := time.Now()
	c.Write([]byte{2, 0})
	for {
		if _, err := c.Write([]byte{0}); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
		if time.Since(begin) > 5*time.Second {
			t.Fatal("still open after 5 s")
		}
	}
}

// TestConnectionCaps: a client over its cap is refused; one more in all makes
// room by closing the connection that is idle for longest.
func TestConnectionCaps(t *testing.T) {
	s := serve(t, tcpSettings(func(c *config.TCP) { c.Connections = 4; c.PerClient = 3; c.Idle = time.Minute }), "127.0.0.1:0")
	query := dnstest.Frames(dnstest.Ask(t, "www.example.test. A"))
	var conns []net.Conn
	for range 3 {
		c := dialFrom(t, s, "127.0.0.2")
		roundTrip(t, c, query)
		conns = append(conns, c)
	}
	if c := dialFrom(t, s, "127.0.0.2"); !closed(t, c, query) {
		t.Error("a fourth connection of one client is open")
	}
	fourth := dialFrom(t, s, "127.0.0.3")
	roundTrip(t, fourth, query)
	roundTrip(t, conns[0], query) // so the second is idle for longest
	fifth := dialFrom(t, s, "127.0.0.4")
	roundTrip(t, fifth, query)
	if !closed(t, conns[1], query) {
		t.Error("the connection that was idle for longest is open")
	}
	for _, c := range []net.Conn{conns[0], conns[2], fourth, fifth} {
		roundTrip(t, c, query)
	}
	if st := s.Stats(); st.Refused != 1 || st.Evicted != 1 || st.Connections != 4 || st.Accepted != 6 {
		t.Errorf("stats: %+v", st)
	}
}

// TestSlowReader: a client that asks and never reads is given up, and holds up
// nobody.
func TestSlowReader(t *testing.T) {
	s := serve(t, tcpSettings(func(*config.TCP) {}), "127.0.0.1:0")
	slow := dial(t, s)
	slow.SetReadBuffer(1 << 10)
	big := dnstest.Ask(t, "big.example.test. TXT")
	var queries [][]byte
	for range 100 {
		queries = append(queries, big)
	}
	frames := dnstest.Frames(queries...)
	end := time.Now().Add(10 * time.Second)
	for {
		if time.Now().After(end) {
			t.Fatal("a client that never reads is still served after 10 s")
		}
		slow.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := slow.Write(frames)
		if got := dnstest.Line(dnstest.TCP(t, s.Addrs()[0], dnstest.Ask(t, "www.example.test. A"))[0]); got != wwwLine {
			t.Fatalf("another client got %s", got)
		}
		if err != nil && !strings.Contains(err.Error(), "timeout") {
			return
		}
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

func dial(t *testing.T, s *Server) *net.TCPConn { return dialFrom(t, s, "127.0.0.1") }

// dialFrom connects from one of the loopback addresses.
func dialFrom(t *testing.T, s *Server, from string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp4", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn)
}

// roundTrip asks once and returns the reply.
func roundTrip(t *testing.T, c net.Conn, frame []byte) string {
	t.Helper()
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
	reply, err := dnstest.ReadFrame(c)
	if err != nil {
		t.Fatal(err)
	}
	return dnstest.Line(reply)
}

// closed reports whether the server has closed c, which it does not answer.
func closed(t *testing.T, c net.Conn, frame []byte) bool {
	t.Helper()
	c.Write(frame)
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF || isReset(err)
}

func isReset(err error) bool {
	op, ok := err.(*net.OpError)
	return ok && strings.Contains(op.Err.Error(), syscall.ECONNRESET.Error())
}
