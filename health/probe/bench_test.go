package probe_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health/probe"
	"github.com/shunt-dns/shunt/internal/cdntest"
)

// serveEnv makes the test program an edge on loopback, so that a benchmark
// does not pay for the other side of its probes. Its value is the file for the
// authority's certificate, or plain.
const serveEnv = "SHUNT_TEST_SERVE"

// Each benchmark reports cpu-µs/op: user and system time of this process for a
// probe. Over loopback the kernel does much of the server's part in our name.

// BenchmarkHTTPProbe opens a new connection for every probe.
func BenchmarkHTTPProbe(b *testing.B) { benchmark(b, config.HTTP, config.HTTPCheck{}) }

func BenchmarkHTTPProbeKeptAlive(b *testing.B) {
	benchmark(b, config.HTTP, config.HTTPCheck{KeepAlive: true})
}

// BenchmarkHTTPSProbe shakes hands in full for every probe. Between them the
// barest client of crypto/tls does the same with the same settings: bare-µs/op
// is what that costs, and ratio ours over it.
func BenchmarkHTTPSProbe(b *testing.B) { benchmark(b, config.HTTPS, config.HTTPCheck{}) }

// BenchmarkHTTPSProbeResumed resumes the session of the probe before.
func BenchmarkHTTPSProbeResumed(b *testing.B) {
	benchmark(b, config.HTTPS, config.HTTPCheck{Resume: time.Hour})
}

func BenchmarkHTTPSProbeKeptAlive(b *testing.B) {
	benchmark(b, config.HTTPS, config.HTTPCheck{KeepAlive: true})
}

func benchmark(b *testing.B, kind config.Kind, check config.HTTPCheck) {
	at, file := startServer(b, kind == config.HTTPS)
	check.Host, check.Port, check.Path, check.Method = host, at.Port(), "/healthz", http.MethodGet
	check.Body, check.RootCAs = config.Match{Text: "shunt-ok"}, file
	p, err := probe.New(config.Monitor{Name: "web", Kind: kind, Timeout: 3 * time.Second, Interval: 5 * time.Second, HTTP: check})
	if err != nil {
		b.Fatal(err)
	}
	ask := func() error {
		if r := p(context.Background(), at.Addr()); !r.OK {
			return fmt.Errorf("%s", r.Reason)
		}
		return nil
	}
	var beside func() error
	if kind == config.HTTPS && !check.KeepAlive && check.Resume == 0 {
		beside = bareClient(b, at, file)
	}
	var ours, bare time.Duration
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		ours += spent(b, ask)
		if beside != nil {
			bare += spent(b, beside)
		}
	}
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "cpu-µs/op")
	if beside != nil {
		b.ReportMetric(float64(bare.Microseconds())/float64(b.N), "bare-µs/op")
		b.ReportMetric(float64(ours)/float64(bare), "ratio")
	}
}

// bareClient returns a request by nothing but crypto/tls and net/http's reader.
func bareClient(b *testing.B, at netip.AddrPort, file string) func() error {
	b.Helper()
	cfg := &tls.Config{
		ServerName: host, RootCAs: poolOf(b, file), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
	}
	request := "GET /healthz HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"
	return func() error {
		c, err := tls.Dial("tcp", at.String(), cfg)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r.Body)
		return err
	}
}

// startServer starts this program as an edge, and returns where it serves and
// the file of its authority.
func startServer(b *testing.B, secure bool) (at netip.AddrPort, file string) {
	b.Helper()
	how := "plain"
	if secure {
		file = filepath.Join(b.TempDir(), "ca.pem")
		how = file
	}
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), serveEnv+"="+how)
	out, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	port, err := strconv.ParseUint(strings.TrimSpace(line), 10, 16)
	if err != nil {
		b.Fatal(err)
	}
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.7"), uint16(port)), file
}

// serveEdge prints the port of an edge and serves until it is killed.
func serveEdge(how string) {
	o := cdntest.Options{Host: host}
	if how != "plain" {
		ca, err := cdntest.NewCA()
		if err == nil {
			err = ca.WriteFile(how)
		}
		if err != nil {
			panic(err)
		}
		o.CA = ca
	}
	e, err := cdntest.Start(netip.MustParseAddrPort("127.0.0.7:0"), o)
	if err != nil {
		panic(err)
	}
	fmt.Println(e.Addr().Port())
	select {}
}

// spent returns the time that this process has on a processor during f.
func spent(b *testing.B, f func() error) time.Duration {
	before := cpu(b)
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return cpu(b) - before
}

// cpu returns the time that this process has had on a processor.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// poolOf reads the authorities in file.
func poolOf(b *testing.B, file string) *x509.CertPool {
	b.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		b.Fatalf("%s holds no certificate", file)
	}
	return pool
}
