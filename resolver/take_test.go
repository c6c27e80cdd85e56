package resolver

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
)

// serveAside is serve with an Aside, over TCP of the test's choice and TLS.
func serveAside(t *testing.T, u *usher, c config.DNS, newTCP tcpMaker) (s *Server, v *vault, stop func()) {
	t.Helper()
	s, err := listen([]netip.AddrPort{addrPort("127.0.0.1:0")}, c, quiet(), newUDP, newTCP)
	if err != nil {
		t.Fatal(err)
	}
	v = newVault(t)
	k := v.read(t)
	if err := s.ListenTLS([]netip.AddrPort{addrPort("127.0.0.1:0")}, k); err != nil {
		t.Fatal(err)
	}
	if err := s.ListenHTTPS([]netip.AddrPort{addrPort("127.0.0.1:0")}, "/dns-query", k); err != nil {
		t.Fatal(err)
	}
	s.Swap(snapshotForTest(t))
	s.SetAside(u)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(stopGrace + 3*time.Second):
			t.Error("Serve did not end")
		}
	})
	t.Cleanup(func() {
		stop()
		u.mu.Lock()
		for _, c := range u.conns {
			c.Close()
		}
		u.mu.Unlock()
		u.takes.Wait()
	})
	return s, v, stop
}

// eachTake runs a test over both ways of serving TCP and over TLS.
func eachTake(t *testing.T, c config.DNS, test func(t *testing.T, s *Server, u *usher, dial func(t *testing.T) net.Conn, stop func())) {
	for _, kind := range []string{"native", "plain", "tls"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			maker := newTCP
			if kind == "plain" {
				maker = newPlainTCP
			}
			u := &usher{}
			s, v, stop := serveAside(t, u, c, maker)
			test(t, s, u, func(t *testing.T) net.Conn {
				if kind == "tls" {
					return dialTLS(t, s.AddrsTLS()[0], v.client("dot"))
				}
				return dial(t, s)
			}, stop)
		})
	}
}

// lines reads n replies.
func lines(t *testing.T, c net.Conn, n int) (out []string) {
	t.Helper()
	for range n {
		reply, err := dnstest.ReadFrame(c)
		if err != nil {
			t.Fatalf("after %q: %v", out, err)
		}
		out = append(out, dnstest.Line(reply))
	}
	return out
}

// until waits for what comes soon.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 5 s: ", what)
		}
	}
}

const streamLine = "NOERROR qr | ? stream.example.test. IN AXFR"

// TestTake: a connection is handed over in the middle of what was pipelined;
// nothing is lost, doubled or out of order, and its seat stays taken until it
// is closed.
func TestTake(t *testing.T) {
	eachTake(t, settingsForTest(), func(t *testing.T, s *Server, u *usher, dial func(t *testing.T) net.Conn, stop func()) {
		www, stream, declined, bye := dnstest.Ask(t, "www.example.test. A"), dnstest.Ask(t, "stream.example.test. +type=252"),
			dnstest.Ask(t, "example.test. +type=252"), dnstest.Ask(t, "bye. A")
		const nx = "NXDOMAIN qr"
		for _, c := range []struct {
			what  string
			parts [][]byte // written one after the other, each after the replies to the one before
			want  [][]string
		}{
			{"first of all", [][]byte{dnstest.Frames(stream)}, [][]string{{streamLine, streamLine}}},
			{"after others", [][]byte{dnstest.Frames(www), dnstest.Frames(stream)}, [][]string{{wwwLine}, {streamLine, streamLine}}},
			{"in one write with others", [][]byte{dnstest.Frames(www, declined, stream, www, www), dnstest.Frames(www)},
				[][]string{{wwwLine, nx, streamLine, streamLine, wwwLine, wwwLine}, {wwwLine}}},
			{"with half of the next", [][]byte{dnstest.Frames(stream, www)[:len(stream)+10], dnstest.Frames(stream, www)[len(stream)+10:]},
				[][]string{{streamLine, streamLine}, {wwwLine}}},
		} {
			conn := dial(t)
			for i, part := range c.parts {
				if _, err := conn.Write(part); err != nil {
					t.Fatal(err)
				}
				if got := lines(t, conn, len(c.want[i])); strings.Join(got, "\n") != strings.Join(c.want[i], "\n") {
					t.Errorf("%s:\n%s\nwant\n%s", c.what, strings.Join(got, "\n"), strings.Join(c.want[i], "\n"))
				}
			}
			if n := s.Stats().Connections; n != 1 {
				t.Errorf("%s: %d connections are counted", c.what, n)
			}
			conn.Write(dnstest.Frames(bye))
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%s: %v", c.what, err)
			}
			until(t, "its seat is free", func() bool { return s.Stats().Connections == 0 })
		}
		if st := s.Stats(); st.Panics != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestTakeBehindSlow: replies that their reader has not taken come first.
func TestTakeBehindSlow(t *testing.T) {
	eachTake(t, settingsForTest(), func(t *testing.T, s *Server, u *usher, dial func(t *testing.T) net.Conn, stop func()) {
		conn := dial(t)
		big, frames := dnstest.Ask(t, "big.example.test. TXT"), []byte(nil)
		const n = 3000 // some 4 MB of replies, more than all the buffers between
		for range n {
			frames = append(frames, dnstest.Frames(big)...)
		}
		frames = append(frames, dnstest.Frames(dnstest.Ask(t, "stream.example.test. +type=252"))...)
		go conn.Write(frames)
		until(t, "the server waits for the reader", func() bool {
			before := s.Stats()
			time.Sleep(50 * time.Millisecond)
			after := s.Stats()
			return before.TCP+before.TLS > 0 && before.TCP+before.TLS == after.TCP+after.TLS
		})
		for i := range n {
			reply, err := dnstest.ReadFrame(conn)
			if err != nil || !strings.HasPrefix(dnstest.Line(reply), "NOERROR qr aa | ? big.example.test.") {
				t.Fatal(i, err)
			}
		}
		if got := lines(t, conn, 2); got[0] != streamLine || got[1] != streamLine {
			t.Error(got)
		}
	})
}

// TestTakenSeats: who has been taken counts towards the limits, and is the
// first to go when it is quiet.
func TestTakenSeats(t *testing.T) {
	set := settingsForTest()
	set.TCP.Connections, set.TCP.PerClient = 2, 2
	eachTake(t, set, func(t *testing.T, s *Server, u *usher, dial func(t *testing.T) net.Conn, stop func()) {
		stream := dnstest.Frames(dnstest.Ask(t, "stream.example.test. +type=252"))
		first, second := dial(t), dial(t)
		for _, c := range []net.Conn{first, second} {
			c.Write(stream)
			lines(t, c, 2)
		}
		refused := s.Stats().Refused
		if third, err := net.Dial("tcp", second.RemoteAddr().String()); err == nil {
			third.SetDeadline(time.Now().Add(5 * time.Second))
			third.Write(stream)
			if _, err := third.Read(make([]byte, 1)); err == nil {
				t.Error("a third of one client is taken in")
			}
			third.Close()
		}
		if s.Stats().Refused == refused {
			t.Error("nobody was refused")
		}
		second.Write(dnstest.Frames(dnstest.Ask(t, "www.example.test. A")))
		lines(t, second, 1)
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.77")}, Timeout: 5 * time.Second}
		other, err := d.Dial("tcp4", s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		other.SetDeadline(time.Now().Add(5 * time.Second))
		if got := roundTrip(t, other, dnstest.Frames(dnstest.Ask(t, "www.example.test. A"))); got != wwwLine {
			t.Error(got)
		}
		if _, err := first.Read(make([]byte, 1)); err == nil {
			t.Error("the one that was quiet for longest is still there")
		}
		second.Write(dnstest.Frames(dnstest.Ask(t, "www.example.test. A")))
		lines(t, second, 1)
		if st := s.Stats(); st.Connections != 2 || st.Evicted != 1 {
			t.Errorf("%d connections, %d evicted", st.Connections, st.Evicted)
		}
	})
}

// TestTakenOutlives: the end of the server neither waits for a connection that
// was taken nor ends it.
func TestTakenOutlives(t *testing.T) {
	eachTake(t, settingsForTest(), func(t *testing.T, s *Server, u *usher, dial func(t *testing.T) net.Conn, stop func()) {
		conn := dial(t)
		conn.Write(dnstest.Frames(dnstest.Ask(t, "stream.example.test. +type=252")))
		lines(t, conn, 2)
		began := time.Now()
		stop()
		if took := time.Since(began); took > stopGrace {
			t.Errorf("the server took %v to end", took)
		}
		conn.Write(dnstest.Frames(dnstest.Ask(t, "www.example.test. A")))
		if got := lines(t, conn, 1); got[0] != wwwLine {
			t.Error(got)
		}
	})
}

// TestTakenIdle: nobody ends a taken connection for being idle.
func TestTakenIdle(t *testing.T) {
	set := tcpSettings(func(c *config.TCP) { c.Idle = 200 * time.Millisecond })
	eachTake(t, set, func(t *testing.T, s *Server, u *usher, dial func(t *testing.T) net.Conn, stop func()) {
		conn := dial(t)
		conn.Write(dnstest.Frames(dnstest.Ask(t, "stream.example.test. +type=252")))
		lines(t, conn, 2)
		time.Sleep(500 * time.Millisecond)
		conn.Write(dnstest.Frames(dnstest.Ask(t, "www.example.test. A")))
		if got := lines(t, conn, 1); got[0] != wwwLine {
			t.Error(got)
		}
	})
}

// TestAsidePanics: what goes wrong in an Aside costs one query or connection.
func TestAsidePanics(t *testing.T) {
	eachTake(t, settingsForTest(), func(t *testing.T, s *Server, u *usher, dial func(t *testing.T) net.Conn, stop func()) {
		conn := dial(t)
		if got := roundTrip(t, conn, dnstest.Frames(dnstest.Ask(t, "panic.invalid. A"))); got != "SERVFAIL qr" {
			t.Error(got)
		}
		if got := roundTrip(t, conn, dnstest.Frames(dnstest.Ask(t, "www.example.test. A"))); got != wwwLine {
			t.Error(got)
		}
		if !closed(t, conn, dnstest.Frames(dnstest.Ask(t, "stream.panic.test. +type=252"))) {
			t.Error("still open")
		}
		if got := roundTrip(t, dial(t), dnstest.Frames(dnstest.Ask(t, "www.example.test. A"))); got != wwwLine {
			t.Error(got)
		}
		until(t, "the seat is free", func() bool { return s.Stats().Connections <= 1 })
	})
}
