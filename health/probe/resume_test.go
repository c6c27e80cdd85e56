package probe_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
	"github.com/shunt-dns/shunt/internal/cdntest"
)

// A shaker is an HTTPS server that says how hands were shaken.
type shaker struct {
	at      netip.AddrPort
	cert    atomic.Pointer[tls.Certificate]
	status  atomic.Int64
	version atomic.Uint32
	how     atomic.Value // of the latest request: full, resumed
}

func startShaker(t *testing.T, addr string, cert tls.Certificate) *shaker {
	t.Helper()
	s := &shaker{}
	s.cert.Store(&cert)
	s.status.Store(200)
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s.at = ln.Addr().(*net.TCPAddr).AddrPort()
	keys := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.cert.Load(), nil }}
	keys.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if s.version.Load() == 0 {
			return nil, nil
		}
		older := keys.Clone()
		older.MaxVersion = uint16(s.version.Load())
		older.SetSessionTicketKeys([][32]byte{{1}})
		return older, nil
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.how.Store(map[bool]string{true: "resumed", false: "full"}[r.TLS.DidResume])
		w.WriteHeader(int(s.status.Load()))
		_, _ = io.WriteString(w, "shunt-ok")
	})}
	go func() { _ = srv.Serve(tls.NewListener(ln, keys)) }()
	t.Cleanup(func() { _ = srv.Close() })
	return s
}

func issue(t *testing.T, ca *cdntest.CA, name string) tls.Certificate {
	t.Helper()
	cert, err := ca.Issue(time.Now().Add(time.Hour), name)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// With resume, handshakes are resumed for that long, endpoint by endpoint;
// the end of the certificate is known all the same. Without, each is full.
func TestResume(t *testing.T) {
	ca, file := newCA(t)
	one := startShaker(t, "127.0.0.2:0", issue(t, ca, host))
	two := startShaker(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), one.at.Port()).String(), issue(t, ca, host))
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		one.version.Store(uint32(version))
		two.version.Store(uint32(version))
		for _, resume := range []time.Duration{0, time.Hour} {
			m := monitor(config.HTTPS, one.at.Port(), file)
			m.HTTP.Resume = resume
			p, err := probe.New(m)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range []*shaker{one, two, one, two, one} {
				r := p(context.Background(), s.at.Addr())
				expect(t, r, health.None, "")
				want := "full"
				if resume > 0 && i > 1 {
					want = "resumed"
				}
				if got := s.how.Load(); got != want {
					t.Errorf("%s, resume %v, probe %d: %s, want %s", tls.VersionName(version), resume, i, got, want)
				}
				if time.Until(r.CertEnd) < 50*time.Minute {
					t.Errorf("probe %d: the certificate ends %v", i, r.CertEnd)
				}
			}
		}
	}
}

// A certificate that has become wrong is seen when the time is over, and after
// any failure at once.
func TestResumeSeesTheCertificateAgain(t *testing.T) {
	ca, file := newCA(t)
	good, wrong := issue(t, ca, host), issue(t, ca, "other.example.test")
	s := startShaker(t, "127.0.0.2:0", good)
	m := monitor(config.HTTPS, s.at.Port(), file)
	m.HTTP.Resume = 300 * time.Millisecond
	p, err := probe.New(m)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() health.Class { return p(context.Background(), s.at.Addr()).Class }
	if c := ask(); c != health.None {
		t.Fatal(c)
	}
	s.cert.Store(&wrong)
	for end := time.Now().Add(5 * time.Second); ask() != health.TLSFailure; {
		if time.Now().After(end) {
			t.Fatal("a wrong certificate goes unseen")
		}
	}
	s.cert.Store(&good)
	if c := ask(); c != health.None {
		t.Fatal(c)
	}
	m.HTTP.Resume = time.Hour
	if p, err = probe.New(m); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if c := ask(); c != health.None {
			t.Fatal(c)
		}
	}
	s.status.Store(500)
	s.cert.Store(&wrong)
	if c := ask(); c != health.Edge5xx || s.how.Load() != "resumed" {
		t.Fatal(c, s.how.Load())
	}
	if c := ask(); c != health.TLSFailure {
		t.Errorf("after a failure: %q", c)
	}
}
