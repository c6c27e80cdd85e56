package resolver

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
)

// bothSides runs a test with each way of reading UDP. On Linux they are the
// batches and package net; elsewhere they are the same.
func bothSides(t *testing.T, test func(t *testing.T, serve func(c config.DNS, addrs ...string) *Server)) {
	t.Helper()
	for _, side := range []struct {
		name   string
		newUDP func(*Answerer, int) (udpSide, error)
	}{{"native", newUDP}, {"plain", newPlainUDP}} {
		t.Run(side.name, func(t *testing.T) {
			test(t, func(c config.DNS, addrs ...string) *Server { return serveBy(t, side.newUDP, c, addrs...) })
		})
	}
}

// TestSameOctets asks every question of the corpus through sockets. The reply
// is, octet for octet, one that Answer gives in this second or the next, which the
// cookie tells.
func TestSameOctets(t *testing.T) {
	bothSides(t, func(t *testing.T, serve func(config.DNS, ...string) *Server) {
		s := serve(settingsForTest(), "127.0.0.1:0", "[::1]:0")
		w := s.answerer.Worker()
		for _, to := range s.Addrs() {
			c := dialUDP(t, to)
			from := c.LocalAddr().(*net.UDPAddr).AddrPort()
			for _, line := range questionsOf(t) {
				query := dnstest.Ask(t, strings.TrimPrefix(line, "tcp "))
				began := time.Now()
				got := exchangeUDP(t, c, query)
				if !given(w, query, got, from, began) {
					t.Errorf("%v: %s: %s", to, line, dnstest.Line(got))
				}
			}
		}
	})
}

// given reports whether Answer gives this reply, nil for silence.
func given(w *Worker, query, reply []byte, from netip.AddrPort, began time.Time) bool {
	buf := make([]byte, 0, udpReply)
	for second := range time.Duration(2) {
		if bytes.Equal(w.Answer(buf, query, from, began.Add(second*time.Second), UDP), reply) {
			return true
		}
	}
	return false
}

// dialUDP returns a socket that is closed with the test.
func dialUDP(t *testing.T, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// probeID is the ID of a question whose reply ends a wait.
const probeID = 0xbeef

// exchangeUDP sends query and, behind it, a question that is answered for
// sure. It returns the reply to query, nil if the other came alone: one socket
// reads both, in order.
func exchangeUDP(t *testing.T, c *net.UDPConn, query []byte) (reply []byte) {
	t.Helper()
	probe := dnstest.Ask(t, "www.example.test. A")
	probe[0], probe[1] = probeID>>8, probeID&0xff
	for _, q := range [][]byte{query, probe} {
		if _, err := c.Write(q); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 65535)
	for {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n > 2 && buf[0] == probeID>>8 && buf[1] == probeID&0xff {
			return reply
		}
		reply = bytes.Clone(buf[:n])
	}
}

// TestOddDatagrams: none at all, and ones longer than is read, even if what
// was read would make a sound query.
func TestOddDatagrams(t *testing.T) {
	sound := dnstest.Ask(t, "www.example.test. A +edns")
	padded := dnstest.Ask(t, "www.example.test. A +opt=65001:"+strings.Repeat("00", udpQuery-len(sound)-4))
	cases := []struct {
		name, want string
		query      []byte
	}{
		{"empty", "", nil},
		{"one octet", "", []byte{0}},
		{"the longest", "NOERROR qr aa | ? www.example.test. IN A | an www.example.test. 300 IN A 192.0.2.1 | opt 1232", padded},
		{"one more", "FORMERR qr", append(bytes.Clone(padded), 0)},
		{"the longest datagram", "FORMERR qr", append(bytes.Clone(padded), make([]byte, 65507-udpQuery)...)},
	}
	bothSides(t, func(t *testing.T, serve func(config.DNS, ...string) *Server) {
		c := dialUDP(t, serve(settingsForTest(), "127.0.0.1:0").Addrs()[0])
		for _, k := range cases {
			got := exchangeUDP(t, c, k.query)
			if line := dnstest.Line(got); len(got) > 0 && line != k.want || len(got) == 0 && k.want != "" {
				t.Errorf("%s: %q, want %q", k.name, line, k.want)
			}
		}
	})
}

// TestFlood sends a flood of mutated questions and of noise, as fast as it
// can, and questions between: they are answered, and nothing panics.
func TestFlood(t *testing.T) {
	const packets = 100_000
	bothSides(t, func(t *testing.T, serve func(config.DNS, ...string) *Server) {
		s := serve(settingsForTest(), "127.0.0.1:0")
		var seeds [][]byte
		for _, line := range questionsOf(t) {
			seeds = append(seeds, dnstest.Ask(t, strings.TrimPrefix(line, "tcp ")))
		}
		r := rand.New(rand.NewPCG(3, 4))
		flood := dialUDP(t, s.Addrs()[0])
		ask := dnstest.Ask(t, "www.example.test. A")
		buf := make([]byte, 0, 2048)
		for i := range packets {
			flood.Write(mutate(r, append(buf, seeds[r.IntN(len(seeds))]...)))
			if i%(packets/20) == 0 {
				if got := insist(t, s.Addrs()[0], ask); got != wwwLine {
					t.Fatalf("after %d packets: %s", i, got)
				}
			}
		}
		st := s.Stats()
		if st.Panics != 0 || st.UDP < packets/100 || st.Malformed == 0 || st.Silent == 0 {
			t.Errorf("stats: %+v", st)
		}
	})
}

// insist asks as resolvers do, again when nothing comes: the flood fills the
// socket's buffer, and the kernel drops whose turn it is.
func insist(t *testing.T, to netip.AddrPort, query []byte) string {
	t.Helper()
	buf := make([]byte, 65535)
	for range 50 {
		c := dialUDP(t, to)
		c.SetDeadline(time.Now().Add(200 * time.Millisecond))
		c.Write(query)
		n, err := c.Read(buf)
		c.Close()
		if err == nil {
			return dnstest.Line(buf[:n])
		}
	}
	return "nothing"
}

// mutate changes some octets of msg, cuts it, lets it grow, or makes it noise.
func mutate(r *rand.Rand, msg []byte) []byte {
	switch r.IntN(8) {
	case 0:
		return msg[:r.IntN(len(msg)+1)]
	case 1:
		for range r.IntN(200) {
			msg = append(msg, byte(r.Uint32()))
		}
	case 2:
		for i := range msg {
			msg[i] = byte(r.Uint32())
		}
	default:
		for range 1 + r.IntN(6) {
			if len(msg) > 0 {
				msg[r.IntN(len(msg))] = byte(r.Uint32())
			}
		}
	}
	return msg
}

// TestWildcardRepliesFromTheAddressAsked: a client drops a reply that comes
// from elsewhere, and a connected socket never sees it.
func TestWildcardRepliesFromTheAddressAsked(t *testing.T) {
	if !reusePort {
		t.Log("this system chooses the source address itself")
		return
	}
	query := dnstest.Ask(t, "www.example.test. A")
	bothSides(t, func(t *testing.T, serve func(config.DNS, ...string) *Server) {
		s := serve(settingsForTest(), "0.0.0.0:0", "[::]:0")
		v4, v6 := s.Addrs()[0].Port(), s.Addrs()[1].Port()
		for _, to := range []string{
			fmt.Sprintf("127.0.0.1:%d", v4), fmt.Sprintf("127.0.0.77:%d", v4),
			fmt.Sprintf("127.1.2.3:%d", v4), fmt.Sprintf("[::1]:%d", v6),
		} {
			if got := dnstest.Line(dnstest.UDP(t, addrPort(to), query)); got != wwwLine {
				t.Errorf("%s: %s", to, got)
			}
		}
	})
}

// TestManyAddresses: one thread, many sockets.
func TestManyAddresses(t *testing.T) {
	query := dnstest.Ask(t, "www.example.test. A")
	bothSides(t, func(t *testing.T, serve func(config.DNS, ...string) *Server) {
		var addrs []string
		for i := range 20 {
			addrs = append(addrs, fmt.Sprintf("127.0.1.%d:0", i+1))
		}
		s := serve(settingsForTest(), addrs...)
		for range 3 {
			for _, to := range s.Addrs() {
				if got := dnstest.Line(dnstest.UDP(t, to, query)); got != wwwLine {
					t.Errorf("%v: %s", to, got)
				}
			}
			time.Sleep(20 * time.Millisecond) // longer than the short wait
		}
	})
}

// TestCores: there are as many workers as the environment allows, and never
// more than CPUs.
func TestCores(t *testing.T) {
	was := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(was)
	for _, c := range []struct{ allowed, want int }{{1, 1}, {4 * runtime.NumCPU(), runtime.NumCPU()}} {
		runtime.GOMAXPROCS(c.allowed)
		if got := cores(); got != c.want {
			t.Errorf("GOMAXPROCS=%d: %d workers an address, want %d", c.allowed, got, c.want)
		}
	}
}
