package probe_test

import (
	"context"
	"net/http"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health/probe"
	"github.com/shunt-dns/shunt/internal/cdntest"
)

// BenchmarkHTTPProbe opens a new connection for every probe. cpu-µs/op is
// user and system time of the whole process, the server on loopback included;
// the budget of the design is 400.
func BenchmarkHTTPProbe(b *testing.B) { benchmark(b, config.HTTP, false) }

func BenchmarkHTTPProbeKeptAlive(b *testing.B) { benchmark(b, config.HTTP, true) }

// BenchmarkHTTPSProbe shakes hands in full for every probe.
func BenchmarkHTTPSProbe(b *testing.B) { benchmark(b, config.HTTPS, false) }

func BenchmarkHTTPSProbeKeptAlive(b *testing.B) { benchmark(b, config.HTTPS, true) }

func benchmark(b *testing.B, kind config.Kind, keep bool) {
	o := cdntest.Options{Host: "www.example.test"}
	file := filepath.Join(b.TempDir(), "ca.pem")
	if kind == config.HTTPS {
		ca, err := cdntest.NewCA()
		if err != nil {
			b.Fatal(err)
		}
		if err := ca.WriteFile(file); err != nil {
			b.Fatal(err)
		}
		o.CA = ca
	} else {
		file = ""
	}
	e, err := cdntest.Start(netip.MustParseAddrPort("127.0.0.7:0"), o)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	p, err := probe.New(config.Monitor{
		Name: "web", Kind: kind, Timeout: 3 * time.Second, Interval: 5 * time.Second,
		HTTP: config.HTTPCheck{
			Host: o.Host, Port: e.Addr().Port(), Path: "/healthz", Method: http.MethodGet,
			Body: config.Match{Text: "shunt-ok"}, KeepAlive: keep, RootCAs: file,
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	addr := e.Addr().Addr()
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		if r := p(context.Background(), addr); !r.OK {
			b.Fatal(r.Reason)
		}
	}
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// cpu returns the time that this process has had on a processor.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
