//go:build linux

package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/peertest"
)

// TestBesideTables: medians beside goals, and what is left out.
func TestBesideTables(t *testing.T) {
	ms := func(all ...int) (out []time.Duration) {
		for _, n := range all {
			out = append(out, time.Duration(n)*time.Millisecond)
		}
		return out
	}
	r := &report{
		peers: []peer{{name: "shunt"}, {name: "knot"}},
		reaches: []*reach{
			{title: "one", zones: 10, each: 100, served: map[string][]time.Duration{"bind": ms(100, 300, 200), "pdns": ms(400, 2500, 2600)},
				all: ms(400, 2500, 2600), faults: ms(900, 3000, 3100), whole: 4, goal: 2 * time.Second},
			{title: "two", zones: 1, each: 2, served: map[string][]time.Duration{"knot": ms(100)}, all: ms(100), verified: ms(200), faults: ms(300), goal: 3 * time.Second, lacks: []string{"named"}},
			{title: "three", lacks: []string{"all"}},
		},
		axfr:    &axfr{names: 1_000_000, took: map[string][]time.Duration{"shunt": ms(500)}, cpu: map[string][]time.Duration{"shunt": {430}}, octets: map[string]int{"shunt": 25_100_000}},
		cells:   map[string]cell{"failover": {"shunt": {figure{cpu: 2 * time.Microsecond}}}},
		goLines: []string{"BenchmarkRefresh/all-2 1 250000000 ns/op", "BenchmarkDiff-2 7 1500000000 ns/op", "BenchmarkContents-2 1 1 ns/op 99.4 ns/record", "BenchmarkCounting-2 1 10.00 ns/op", "BenchmarkAnswer/steered-2 1 100.0 ns/op"},
	}
	var b strings.Builder
	r.besideTables(&b)
	for _, want := range []string{
		"### A flip of 1,000 services in 10 zones reaches one: seconds from the first failed probe, 3 flips\n",
		"| bind serves all | 0.200 | 0.100 | 0.300 |  |\n", "| pdns serves all | 2.500 | 0.400 | 2.600 |  |\n", "| all of them do | **2.500** | 0.400 | 2.600 | 2.0 |\n",
		"serve all: 3.000 (0.900–3.100). A secondary took its last change as a whole zone 4 times.\n",
		"| all of them do | 0.100 | 0.100 | 0.100 |  |\n| shunt has asked them for every record, and seen it | 0.200 | 0.200 | 0.200 | 3.0 |\n",
		" Missing on this machine: named.\n",
		"### AXFR of 1,000,000 names to one client\n\n| figure | shunt |\n", "| seconds | 0.500 |\n", "| server CPU per record, ns | 430 |\n", "| MB | 25.1 |\n",
		"shall hold at a provider, s | 0.250 |  |\n", "and their marks, s | **1.500** | 1 |\n", "compares them, ns a record | 99 |  |\n", "how long it took, ns | 10.0 |  |\n",
		"of a steered answer over UDP | 0.50 | 3 |\n", "outside the kernel | 10.0 |  |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "three") {
		t.Errorf("a table of nothing:\n%s", &b)
	}
}

// TestReachFiles: what the benchmark gives shunt beside other servers is a
// configuration with all of them.
func TestReachFiles(t *testing.T) {
	at := netip.MustParseAddrPort
	cast := []*member{{Server: &peertest.Server{Kind: "bind", At: at("127.0.0.1:5301"), Key: "a.test."}}, {Server: &peertest.Server{Kind: "knot", At: at("127.0.0.1:5302"), Key: "k.test."}}}
	for _, provider := range []bool{false, true} {
		dir := t.TempDir()
		s := site{dir: dir, port: 5300, web: 8080, zone: filepath.Join(dir, "zones", "bench.test"), others: []string{otherZone(0), otherZone(1)}}
		files := reachFiles(s, &reach{zones: 2, each: 3}, cast, provider)
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cfg, err := config.Parse([]byte(files["shunt.yaml"]), filepath.Join(dir, "shunt.yaml"), config.Overrides{})
		if err != nil {
			t.Error(err)
			continue
		}
		if provider != (len(cfg.Providers) == 2) || provider == (len(cfg.Secondaries) == 2) || len(cfg.Zones) != 2 || len(cfg.Zones[1].Services) != 3 {
			t.Errorf("provider %v: %d providers, %d secondaries, %d zones", provider, len(cfg.Providers), len(cfg.Secondaries), len(cfg.Zones))
		}
	}
}

// TestInStep: when all beside shunt is as it should be, by what shunt says.
func TestInStep(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	var s reached
	s.Providers = append(s.Providers, struct {
		State    string
		Since    time.Time
		Verified uint64
	}{"in step", late, 7}, struct {
		State    string
		Since    time.Time
		Verified uint64
	}{"in step", early, 8})
	if !s.inStep(7) || s.inStep(8) || !s.since().Equal(late) {
		t.Errorf("%v %v %v", s.inStep(7), s.inStep(8), s.since())
	}
	s.Providers[1].State = "pending"
	if s.inStep(7) {
		t.Error("one that is pending is in step")
	}
	s.Providers = nil
	s.Secondaries = append(s.Secondaries, struct {
		State    string
		Transfer *struct{ Kind string } `json:"last_transfer"`
	}{"behind", &struct{ Kind string }{"axfr"}})
	if s.inStep(0) || s.whole() != 1 {
		t.Errorf("%v, %d", s.inStep(0), s.whole())
	}
	if s.Secondaries[0].Transfer.Kind = "ixfr"; s.whole() != 0 {
		t.Error("what changed counts as a whole zone")
	}
}

// handOut serves zones over TCP to one client, as messages of a few records.
func handOut(t *testing.T, messages ...*dns.Msg) int {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		conn := &dns.Conn{Conn: c}
		if q, err := conn.ReadMsg(); err != nil || len(q.Question) != 1 || q.Question[0].Qtype != dns.TypeAXFR {
			return
		}
		for _, m := range messages {
			conn.WriteMsg(m)
		}
		io.Copy(io.Discard, c)
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

// TestTakeZone counts the records of a transfer, however it is cut in messages.
func TestTakeZone(t *testing.T) {
	message := func(rcode int, lines ...string) *dns.Msg {
		m := new(dns.Msg)
		m.SetQuestion(origin, dns.TypeAXFR)
		m.Response, m.Rcode, m.Compress = true, rcode, true
		for _, l := range lines {
			rr, err := dns.NewRR(l)
			if err != nil {
				t.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		return m
	}
	const soa, www, ns = "bench.test. 300 SOA ns1.bench.test. host.bench.test. 1 2 3 4 5", "www.bench.test. 300 A 192.0.2.1", "bench.test. 300 NS ns1.bench.test."
	for _, c := range []struct {
		title    string
		messages []*dns.Msg
		want     int // records; -1: an error
	}{
		{"one message", []*dns.Msg{message(0, soa, ns, www, soa)}, 4},
		{"several", []*dns.Msg{message(0, soa), message(0, ns, www), message(0, www, soa)}, 5},
		{"refused", []*dns.Msg{message(dns.RcodeRefused)}, -1},
	} {
		n, octets, err := takeZone(context.Background(), handOut(t, c.messages...))
		if (err != nil) != (c.want < 0) || err == nil && (n != c.want || octets < 40) {
			t.Errorf("%s: %d records, %d octets, %v", c.title, n, octets, err)
		}
	}
	packed, err := message(0, soa, www).Pack()
	if err != nil {
		t.Fatal(err)
	}
	for cut := range packed {
		if _, _, err := countRecords(packed[:cut]); err == nil {
			t.Errorf("%d of %d octets pass", cut, len(packed))
		}
	}
}
