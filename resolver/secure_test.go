package resolver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/cdntest"
	"github.com/shunt-dns/shunt/internal/dnstest"
)

const host = "ns1.example.test"

// A vault is a certificate on disk and who trusts it.
type vault struct {
	ca        *cdntest.CA
	cert, key string
}

func newVault(t *testing.T) *vault {
	t.Helper()
	ca, err := cdntest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	v := &vault{ca: ca, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	v.issue(t, time.Now().Add(time.Hour))
	return v
}

// issue writes a new certificate that ends then, and its key.
func (v *vault) issue(t *testing.T, end time.Time) {
	t.Helper()
	pair, err := v.ca.Issue(end, host, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	v.write(t, v.cert, "CERTIFICATE", pair.Certificate[0])
	v.write(t, v.key, "PRIVATE KEY", der)
}

func (v *vault) write(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (v *vault) read(t *testing.T) *Keypair {
	t.Helper()
	k, err := ReadKeypair(v.cert, v.key, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// client returns what a client that trusts v uses.
func (v *vault) client(protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: v.ca.Pool(), ServerName: host, NextProtos: protocols}
}

// serveSecure serves the test's snapshot over all transports.
func serveSecure(t *testing.T, c config.DNS) (*Server, *vault) {
	t.Helper()
	v := newVault(t)
	s, err := Listen([]netip.AddrPort{addrPort("127.0.0.1:0")}, c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	k := v.read(t)
	if err := s.ListenTLS([]netip.AddrPort{addrPort("127.0.0.1:0"), addrPort("[::1]:0")}, k); err != nil {
		t.Fatal(err)
	}
	if err := s.ListenHTTPS([]netip.AddrPort{addrPort("127.0.0.1:0")}, "/dns-query", k); err != nil {
		t.Fatal(err)
	}
	s.Swap(snapshotForTest(t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(stopGrace + 3*time.Second):
			t.Error("Serve did not end")
		}
	})
	return s, v
}

func dialTLS(t *testing.T, to netip.AddrPort, c *tls.Config) *tls.Conn {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", to.String(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

// TestTLS: pipelined queries over TLS, with the protocol's name and without.
func TestTLS(t *testing.T) {
	s, v := serveSecure(t, settingsForTest())
	www := dnstest.Ask(t, "www.example.test. A")
	big := dnstest.Ask(t, "big.example.test. TXT")
	for _, to := range s.AddrsTLS() {
		for _, protocols := range [][]string{{"dot"}, nil} {
			c := dialTLS(t, to, v.client(protocols...))
			if got := c.ConnectionState().NegotiatedProtocol; got != strings.Join(protocols, "") {
				t.Errorf("protocol %q", got)
			}
			c.Write(dnstest.Frames(www, big, www))
			for i, want := range []string{wwwLine, "", wwwLine} {
				reply, err := dnstest.ReadFrame(c)
				if err != nil {
					t.Fatal(err)
				}
				if got := dnstest.Line(reply); want != "" && got != want || i == 1 && (strings.Count(got, "| an ") != 6 || strings.Contains(got, " tc")) {
					t.Errorf("%v: reply %d: %s", to, i, got)
				}
			}
		}
	}
	if st := s.Stats(); st.TLS != 12 || st.TCP != 0 || st.Accepted != 4 {
		t.Errorf("stats: %+v", st)
	}
	old := v.client("dot")
	old.MaxVersion = tls.VersionTLS11
	if c, err := tls.Dial("tcp", s.AddrsTLS()[0].String(), old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	if c, err := tls.Dial("tcp", s.AddrsTLS()[0].String(), v.client("h2")); err == nil {
		c.Close()
		t.Error("HTTP is spoken on the port of DNS over TLS")
	}
}

// TestSameOptions: EDNS options get the same reply over all connections, but
// for keep-alive, which HTTP has its own way for, and padding, which hides
// nothing in the open.
func TestSameOptions(t *testing.T) {
	s, v := serveSecure(t, settingsForTest())
	dot, web := dialTLS(t, s.AddrsTLS()[0], v.client("dot")), v.web()
	for _, ask := range []string{
		"www.example.test. A +nsid +do",
		"www.example.test. A +subnet=192.0.2.0/24",
		"www.example.test. A +cookie=0102030405060708",
		"elsewhere.test. A +edns",
		"missing.example.test. A +edns",
		"www.example.test. A +edns=1",
		"svc.example.test. AAAA",
	} {
		q := dnstest.Ask(t, ask)
		want := withoutCookie(dnstest.Line(dnstest.TCP(t, s.Addrs()[0], q)[0]))
		dot.Write(dnstest.Frames(q))
		reply, err := dnstest.ReadFrame(dot)
		if err != nil {
			t.Fatal(err)
		}
		if got := withoutCookie(dnstest.Line(reply)); got != want {
			t.Errorf("%s over TLS: %s, want %s", ask, got, want)
		}
		status, _, reply := web.post(t, s, q)
		if got := withoutCookie(dnstest.Line(reply)); status != 200 || got != want {
			t.Errorf("%s over HTTPS: %d %s, want %s", ask, status, got, want)
		}
	}
}

// withoutCookie cuts off a cookie, which tells the second.
func withoutCookie(line string) string {
	before, _, _ := strings.Cut(line, " cookie=")
	return before
}

// TestPadding: a padded query gets a padded reply where nobody can read it.
func TestPadding(t *testing.T) {
	_, w := workerForTest(t, settingsForTest())
	buf := make([]byte, 0, maxTCP)
	for _, c := range []struct {
		ask     string
		tr      Transport
		padded  bool
		longest int
	}{
		{"www.example.test. A +opt=12:0000", TLS, true, padBlock},
		{"www.example.test. A +opt=12:", HTTPS, true, padBlock},
		{"big.example.test. TXT +opt=12:00 +nsid", TLS, true, 2 * padBlock},
		{"nothing.example.test. TXT +opt=12:00", TLS, true, padBlock},
		{"www.example.test. A +edns", TLS, false, 100},
		{"www.example.test. A +opt=12:00", TCP, false, 100},
		{"www.example.test. A +opt=12:00", UDP, false, 100},
	} {
		reply := w.Answer(buf, dnstest.Ask(t, c.ask), client, moment, c.tr)
		if got := len(reply)%padBlock == 0; got != c.padded || len(reply) > c.longest || len(reply) == 0 {
			t.Errorf("%s over %v: %d octets", c.ask, c.tr, len(reply))
		}
		if got := strings.Contains(dnstest.Line(reply), "option12"); got != c.padded {
			t.Errorf("%s over %v: %s", c.ask, c.tr, dnstest.Line(reply))
		}
	}
	small := make([]byte, 0, 512)
	if reply := w.Answer(small, dnstest.Ask(t, "big.example.test. TXT +opt=12:"), client, moment, TLS); len(reply) > 512 {
		t.Errorf("%d octets where 512 are room", len(reply))
	}
}

// TestTLSHandshakeIsBounded: who connects and says nothing, or half a hello,
// is let go after the idle time, and counts like everybody.
func TestTLSHandshakeIsBounded(t *testing.T) {
	s, _ := serveSecure(t, tcpSettings(func(c *config.TCP) { c.PerClient = 4 }))
	for _, to := range []netip.AddrPort{s.AddrsTLS()[0], s.AddrsHTTPS()[0]} {
		var conns []net.Conn
		for i := range 2 {
			c, err := net.Dial("tcp", to.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			c.Write([]byte{22, 3, 1, 0, 200}[:5*i])
			conns = append(conns, c)
		}
		for _, c := range conns {
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			if n, err := io.Copy(io.Discard, c); err != nil && !isReset(err) {
				t.Errorf("%v: %d octets, %v", to, n, err)
			}
		}
	}
	for end := time.Now().Add(3 * time.Second); s.Stats().Connections > 0; {
		if time.Now().After(end) {
			t.Fatalf("%d connections are counted as open", s.Stats().Connections)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestLimitsAreShared: a client has so many connections, whatever it speaks.
func TestLimitsAreShared(t *testing.T) {
	set := settingsForTest()
	set.TCP.PerClient = 3
	s, v := serveSecure(t, set)
	query := dnstest.Frames(dnstest.Ask(t, "www.example.test. A"))
	roundTrip(t, dial(t, s), query)
	roundTrip(t, dialTLS(t, s.AddrsTLS()[0], v.client("dot")), query)
	roundTrip(t, dialTLS(t, s.AddrsTLS()[0], v.client("dot")), query)
	if _, err := v.web().client.Get("https://" + s.AddrsHTTPS()[0].String() + "/dns-query"); err == nil {
		t.Error("a fourth connection, over HTTPS, is served")
	}
	if c := dial(t, s); !closed(t, c, query) {
		t.Error("a fourth connection, over TCP, is served")
	}
}
