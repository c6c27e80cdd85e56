package resolver

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
)

// tcpSettings are short enough to wait for.
func tcpSettings(change func(*config.TCP)) config.DNS {
	c := settingsForTest()
	c.TCP.Idle = time.Second
	change(&c.TCP)
	return c
}

// bothTCP runs a test with each way of serving TCP. On Linux they are epoll and
// package net; elsewhere they are the same.
func bothTCP(t *testing.T, test func(t *testing.T, serve func(t *testing.T, c config.DNS, addrs ...string) *Server)) {
	t.Helper()
	for _, side := range []struct {
		name   string
		newTCP tcpMaker
	}{{"native", newTCP}, {"plain", newPlainTCP}} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			test(t, func(t *testing.T, c config.DNS, addrs ...string) *Server {
				t.Helper()
				return serveWith(t, newUDP, side.newTCP, c, addrs...)
			})
		})
	}
}

// TestPipelining: 100 queries in one write get 100 replies in their order.
func TestPipelining(t *testing.T) {
	bothTCP(t, func(t *testing.T, serve func(*testing.T, config.DNS, ...string) *Server) {
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
	})
}

// TestOctetByOctet: a query that trickles in is a query.
func TestOctetByOctet(t *testing.T) {
	bothTCP(t, func(t *testing.T, serve func(*testing.T, config.DNS, ...string) *Server) {
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
	})
}

// TestTCPEnds: what ends a connection, how soon, and what it got until then.
func TestTCPEnds(t *testing.T) {
	bothTCP(t, func(t *testing.T, serve func(*testing.T, config.DNS, ...string) *Server) {
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
	})
}

// TestTrickleIsNotActivity: octets of a query that never ends do not keep a
// connection open.
func TestTrickleIsNotActivity(t *testing.T) {
	bothTCP(t, func(t *testing.T, serve func(*testing.T, config.DNS, ...string) *Server) {
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
	})
}

// TestConnectionCaps: a client over its cap is refused; one more in all makes
// room by closing the connection that is idle for longest.
func TestConnectionCaps(t *testing.T) {
	bothTCP(t, func(t *testing.T, serve func(*testing.T, config.DNS, ...string) *Server) {
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
	})
}

// TestSlowReader: a client that asks and never reads is given up, and holds up
// nobody.
func TestSlowReader(t *testing.T) {
	bothTCP(t, func(t *testing.T, serve func(*testing.T, config.DNS, ...string) *Server) {
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
	})
}

// TestHeldUpReader: a client that asks much before it reads anything gets
// every reply, in order, and is not read further meanwhile.
func TestHeldUpReader(t *testing.T) {
	bothTCP(t, func(t *testing.T, serve func(*testing.T, config.DNS, ...string) *Server) {
		s := serve(t, settingsForTest(), "127.0.0.1:0")
		const queries = 20_000 // 30 MB of replies
		c := dial(t, s)
		var frames []byte
		for i := range queries {
			q := dnstest.Ask(t, "big.example.test. TXT")
			binary.BigEndian.PutUint16(q, uint16(i))
			frames = append(frames, dnstest.Frames(q)...)
		}
		go c.Write(frames)
		time.Sleep(200 * time.Millisecond)
		if n := s.Stats().TCP; n == queries {
			t.Errorf("%d queries are answered for a client that has read nothing", n)
		}
		for i := range queries {
			reply, err := dnstest.ReadFrame(c)
			if err != nil {
				t.Fatalf("reply %d: %v", i, err)
			}
			if id := binary.BigEndian.Uint16(reply); int(id) != i {
				t.Fatalf("reply %d has ID %d", i, id)
			}
		}
	})
}

// TestHalfClose: a client that has said all it has to say is answered.
func TestHalfClose(t *testing.T) {
	bothTCP(t, func(t *testing.T, serve func(*testing.T, config.DNS, ...string) *Server) {
		s := serve(t, settingsForTest(), "127.0.0.1:0")
		c := dial(t, s)
		c.Write(dnstest.Frames(dnstest.Ask(t, "www.example.test. A"), dnstest.Ask(t, "www.example.test. A")))
		c.CloseWrite()
		for range 2 {
			if reply, err := dnstest.ReadFrame(c); err != nil || dnstest.Line(reply) != wwwLine {
				t.Fatal(dnstest.Line(reply), err)
			}
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
	})
}

// TestManyConnections: one query on each of many connections at once, on every
// address.
func TestManyConnections(t *testing.T) {
	bothTCP(t, func(t *testing.T, serve func(*testing.T, config.DNS, ...string) *Server) {
		s := serve(t, settingsForTest(), "127.0.0.1:0", "[::1]:0", "127.0.0.9:0")
		query := dnstest.Ask(t, "www.example.test. A")
		var asking sync.WaitGroup
		for range 8 {
			asking.Go(func() {
				for i := range 30 {
					if got := dnstest.Line(dnstest.TCP(t, s.Addrs()[i%3], query)[0]); got != wwwLine {
						t.Error(got)
					}
				}
			})
		}
		asking.Wait()
		if st := s.Stats(); st.TCP != 240 || st.Accepted != 240 {
			t.Errorf("stats: %+v", st)
		}
		for end := time.Now().Add(5 * time.Second); s.Stats().Connections > 0; {
			if time.Now().After(end) {
				t.Fatalf("%d connections are counted as open", s.Stats().Connections)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
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
