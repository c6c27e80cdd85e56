//go:build linux

package main

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// TestProbeTables: medians, goals that are not reached in bold, and figures of
// Go benchmarks found by name and unit.
func TestProbeTables(t *testing.T) {
	r := &report{
		detected: &detection{after: map[fault][]time.Duration{refuses: {700 * time.Millisecond}, hangs: {time.Second, 2 * time.Second, 3 * time.Second}}},
		probed:   &probing{cores: []float64{0.5, 0.9, 0.6}, each: []time.Duration{50 * time.Microsecond}, rate: []float64{10_000}, memory: []int{5e7}},
		goLines:  []string{"# health/probe", "BenchmarkHTTPProbeKeptAlive-2 9 1 ns/op 9.5 cpu-µs/op", "BenchmarkHTTPProbe-2 9 100 ns/op 80.00 cpu-µs/op 1 B/op", "BenchmarkHTTPSProbe 9 100 ns/op 0.98 ratio"},
	}
	var b strings.Builder
	r.probeTables(&b)
	for _, want := range []string{
		"| connection refused | 0.700 | 0.700 | 0.700 | 0.8 |\n",
		"| hangs | **2.000** | 1.000 | 3.000 | 1.8 |\n",
		"| cores that 10,000 probes take in a second, all of shunt's process included | 0.60 | 0.90 | 0.8 |\n",
		"| HTTP, a new connection each, µs | **80.00** | 70 |\n",
		"| HTTP, kept alive, µs | 9.50 |  |\n",
		"| … over a bare Go client's beside it | 0.98 | 1.1 |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestProbePeers: what the benchmark gives shunt is a configuration.
func TestProbePeers(t *testing.T) {
	s := site{dir: t.TempDir(), port: 5300, web: 8080, zone: "bench.test"}
	for _, p := range []peer{detectionPeer("shunt"), probingPeer("shunt")} {
		cfg, err := config.Parse([]byte(p.files(s)["shunt.yaml"]), "shunt.yaml", config.Overrides{})
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
			continue
		}
		n := 0
		for _, pool := range cfg.Pools {
			n += len(pool.Addresses)
		}
		if want := map[string]int{"shunt detecting": 2*detectedServices + 1, "shunt probing": 10_000}[p.name]; n != want {
			t.Errorf("%s: %d endpoints, want %d", p.name, n, want)
		}
	}
}

// TestEdge: each fault, and its end.
func TestEdge(t *testing.T) {
	e, err := newEdge("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { e.close() }()
	ask := func() string {
		c := http.Client{Timeout: 200 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := c.Get("http://" + e.addr)
		switch {
		case err == nil:
			r.Body.Close()
			return r.Status
		case strings.Contains(err.Error(), "refused"):
			return "refused"
		case strings.Contains(err.Error(), "reset"):
			return "reset"
		}
		return "hangs"
	}
	for f, want := range map[fault]string{refuses: "refused", resets: "reset", fails: "500 Internal Server Error", hangs: "hangs"} {
		e.fail(f)
		if got := ask(); got != want {
			t.Errorf("%s: %s", faultNames[f], got)
		}
		if err := e.mend(); err != nil {
			t.Fatal(err)
		}
		if got := ask(); got != "200 OK" {
			t.Errorf("after %s: %s", faultNames[f], got)
		}
	}
	if got := len(e.failures("127.0.0.1")); got > 1 {
		t.Errorf("%d failures", got)
	}
}

// TestSink answers as a probe expects.
func TestSink(t *testing.T) {
	s, err := newSink(2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, ln := range s.all {
		r, err := http.Get("http://" + ln.Addr().String())
		if err != nil || r.StatusCode != 200 {
			t.Fatal(r, err)
		}
		r.Body.Close()
	}
	if n := s.answers.Load(); n != 2 {
		t.Errorf("%d answers", n)
	}
}

// TestOneAnswer: a pool with any number of endpoints up answers.
func TestOneAnswer(t *testing.T) {
	fo := ask("fo."+origin, 1, typeA, 0, 1)
	for _, c := range []struct {
		rcode   byte
		answers int
		want    bool
	}{{0, 1, true}, {0, 50, true}, {0, 256, true}, {0, 0, false}, {2, 0, false}} {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			buf := make([]byte, packet)
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			buf[2], buf[3], buf[6], buf[7] = 0x84, c.rcode, byte(c.answers>>8), byte(c.answers)
			conn.WriteTo(buf[:n], from)
		}()
		if got := oneAnswer(conn.LocalAddr().(*net.UDPAddr).Port, &fo); got != c.want {
			t.Errorf("rcode %d, %d records: %v", c.rcode, c.answers, got)
		}
		conn.Close()
	}
}
