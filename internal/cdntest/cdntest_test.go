package cdntest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shunt-dns/shunt/internal/cdntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o cdntest.Options) *cdntest.Edge {
	t.Helper()
	e, err := cdntest.Start(netip.MustParseAddrPort("127.0.0.11:0"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// get asks e once, on a connection of its own, and returns the status; 0 with
// an error.
func get(e *cdntest.Edge, ca *cdntest.CA) (int, error) {
	scheme, tr := "http", &http.Transport{DisableKeepAlives: true}
	if ca != nil {
		scheme = "https"
		tr.TLSClientConfig = &tls.Config{RootCAs: ca.Pool(), ServerName: "www.example.test"}
	}
	c := &http.Client{Transport: tr, Timeout: 2 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Get(scheme + "://" + e.Addr().String() + "/")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func TestEdgeDoesAsItIsTold(t *testing.T) {
	ca, err := cdntest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, cdntest.Options{CA: ca, Header: map[string]string{"Server": "alpha"}})
	for _, c := range []struct {
		fault  cdntest.Fault
		status int
		failed func(error) bool
	}{
		{cdntest.Healthy(), 200, nil},
		{cdntest.Status(503), 503, nil},
		{cdntest.Refuse(), 0, func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		{cdntest.Refuse(), 0, func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		{cdntest.WrongBody(), 200, nil},
		{cdntest.Reset(), 0, func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{cdntest.WrongCert(), 0, func(err error) bool { var c *tls.CertificateVerificationError; return errors.As(err, &c) }},
		{cdntest.ExpiredCert(), 0, func(err error) bool { var c *tls.CertificateVerificationError; return errors.As(err, &c) }},
		{cdntest.NoCert(), 0, func(err error) bool { var op *net.OpError; return errors.As(err, &op) && op.Op == "remote error" }},
		{cdntest.Challenge(), 403, nil},
		{cdntest.Redirect(302, "/x"), 302, nil},
		{cdntest.SlowHeaders(10 * time.Millisecond), 200, nil},
		{cdntest.Healthy(), 200, nil},
	} {
		if err := e.Set(c.fault); err != nil {
			t.Fatal(err)
		}
		got, err := get(e, ca)
		if got != c.status || (err != nil) != (c.failed != nil) || err != nil && !c.failed(err) {
			t.Errorf("%s: %d, %v", c.fault, got, err)
		}
	}
	if e.Requests() == 0 || e.Connections() < e.Requests() {
		t.Errorf("%d requests on %d connections", e.Requests(), e.Connections())
	}
}

// A refusing edge keeps its address: it has it again afterwards.
func TestRefuseKeepsTheAddress(t *testing.T) {
	e := start(t, cdntest.Options{})
	at := e.Addr()
	for range 10 {
		if err := e.Set(cdntest.Refuse()); err != nil {
			t.Fatal(err)
		}
		if c, err := net.Dial("tcp", at.String()); err == nil {
			_ = c.Close()
			t.Fatal("connected to a refusing edge")
		}
		if err := e.Set(cdntest.Healthy()); err != nil {
			t.Fatal(err)
		}
		if got, err := get(e, nil); got != 200 {
			t.Fatal(got, err)
		}
	}
	if e.Addr() != at {
		t.Errorf("moved from %s to %s", at, e.Addr())
	}
}

func TestHangEndsWithTheEdge(t *testing.T) {
	e := start(t, cdntest.Options{})
	if err := e.Set(cdntest.Hang()); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("a hanging edge spoke:", err)
	}
	e.Close()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a closed edge still holds the connection:", err)
	}
}

func TestRatio(t *testing.T) {
	e := start(t, cdntest.Options{})
	const n = 400
	for _, c := range []struct {
		share    float64
		from, to int
	}{{0, 0, 0}, {1, n, n}, {0.5, 140, 260}} { // six standard deviations
		if err := e.Set(cdntest.Ratio(c.share, cdntest.Status(500))); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for range n {
			if got, err := get(e, nil); err != nil {
				t.Fatal(err)
			} else if got == 500 {
				failed++
			}
		}
		if failed < c.from || failed > c.to {
			t.Errorf("share %g: %d of %d failed", c.share, failed, n)
		}
	}
	if err := e.Set(cdntest.Ratio(1, cdntest.Refuse())); err != nil {
		t.Fatal(err)
	}
	if got, err := get(e, nil); err == nil {
		t.Error("a refused share answered", got)
	}
}

func TestFlap(t *testing.T) {
	e := start(t, cdntest.Options{})
	for _, f := range []cdntest.Fault{cdntest.Status(500), cdntest.Refuse()} {
		if err := e.Set(cdntest.Flap(200*time.Millisecond, f)); err != nil {
			t.Fatal(err)
		}
		flips, last := 0, 200
		for end := time.Now().Add(900 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			got, _ := get(e, nil)
			if (got == 200) != (last == 200) {
				flips++
			}
			last = got
		}
		if flips < 4 || flips > 12 {
			t.Errorf("%s flipped %d times in 900ms", f, flips)
		}
	}
}

// Faults come at any time, from anywhere.
func TestSetWhileInUse(t *testing.T) {
	e := start(t, cdntest.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = get(e, nil)
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			for _, f := range []cdntest.Fault{cdntest.Refuse(), cdntest.Status(500), cdntest.Reset(), cdntest.Healthy()} {
				if err := e.Set(f); err != nil {
					t.Error(err)
				}
			}
		}
	})
	wg.Wait()
	if got, err := get(e, nil); got != 200 {
		t.Error(got, err)
	}
}

func TestStartNamesWhatItCouldNotHave(t *testing.T) {
	e := start(t, cdntest.Options{})
	if _, err := cdntest.Start(e.Addr(), cdntest.Options{}); err == nil || !bytes.Contains([]byte(err.Error()), []byte(e.Addr().String())) {
		t.Errorf("%v", err)
	}
	e.Close()
	e.Close() // is harmless
	if err := e.Set(cdntest.Healthy()); err != nil {
		t.Error(err)
	}
	if _, err := get(e, nil); err == nil {
		t.Error("a closed edge answered")
	}
}

func TestFreePort(t *testing.T) {
	a, b := netip.MustParseAddr("127.0.0.12"), netip.MustParseAddr("127.0.0.13")
	port, err := cdntest.FreePort(a, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []netip.Addr{a, b} {
		e, err := cdntest.Start(netip.AddrPortFrom(addr, port), cdntest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
	}
	if _, err := cdntest.FreePort(netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Error("a port on an address that is not ours")
	}
}

func TestCAFile(t *testing.T) {
	ca, err := cdntest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := ca.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(text, ca.PEM()) || !bytes.HasPrefix(text, []byte("-----BEGIN CERTIFICATE-----")) {
		t.Errorf("%s, %v", text, err)
	}
	if err := ca.WriteFile(filepath.Join(file, "x")); err == nil {
		t.Error("wrote below a file")
	}
}
