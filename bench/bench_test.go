//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// TestQuestions: each work asks what its title says, within the zone that
// writeZone writes, and all queries of a work are equally long.
func TestQuestions(t *testing.T) {
	want := map[string]string{
		"static": "h0000042. A", "5k": "h0000042. A", "20k": "h0000042. A", "tcp": "h0000042. A", "tcp1": "h0000042. A",
		"nxdomain": "x0000042. A", "nodata": "h0000042. TXT", "wildcard": "w0000042.wild. A",
		"referral": "www.d0000042. A", "refused": "x0000042.elsewhere.test. A", "failover": "fo. A", "weighted": "we. A", "geo": "ge. A",
	}
	for _, w := range works(10_000) {
		buf := make([]byte, packet)
		n := w.ask.write(buf, 0xbeef, 42)
		var m dns.Msg
		if err := m.Unpack(buf[:n]); err != nil {
			t.Fatalf("%s: %v", w.key, err)
		}
		got := strings.Replace(m.Question[0].Name, origin, "", 1) + " " + dns.TypeToString[m.Question[0].Qtype]
		if got != want[w.key] {
			t.Errorf("%s asks %s, not %s", w.key, got, want[w.key])
		}
		if opt := m.IsEdns0(); m.Id != 0xbeef || opt == nil || opt.UDPSize() != 1232 {
			t.Errorf("%s: %v", w.key, &m)
		}
		if n != len(w.ask.packet) {
			t.Errorf("%s: %d octets, not %d", w.key, n, len(w.ask.packet))
		}
		if w.ask.at > 0 {
			w.ask.write(buf, 1, w.ask.span+3)
			if digit := buf[w.ask.at+digits-1]; digit != '3' {
				t.Errorf("%s: a number beyond the span ends in %c", w.key, digit)
			}
		}
	}
}

// TestPlaces: half of the clients come from networks that are known, which are
// those that orderOf knows.
func TestPlaces(t *testing.T) {
	w := pick(works(10_000), "geo")[0]
	buf := make([]byte, packet)
	var orders [3]int
	for n := range uint32(6000) {
		var m dns.Msg
		if err := m.Unpack(buf[:w.ask.write(buf, 1, n)]); err != nil {
			t.Fatal(err)
		}
		s := m.IsEdns0().Option[0].(*dns.EDNS0_SUBNET)
		if s.SourceNetmask != 24 || s.Family != 1 {
			t.Fatalf("client %d: %v", n, s)
		}
		a := s.Address.To4()
		orders[orderOf(uint32(a[0])<<16|uint32(a[1])<<8|uint32(a[2]))]++
	}
	if orders[1] < 900 || orders[2] < 900 {
		t.Errorf("of 6000 clients by order: %v", orders)
	}
	count := 0
	known(func(p netip.Prefix, order int) {
		a := p.Addr().As4()
		if got := orderOf(uint32(a[0])<<16 | uint32(a[1])<<8 | uint32(a[2])); got != order {
			t.Errorf("%s: order %d, not %d", p, got, order)
		}
		count++
	})
	if count != networks || orderOf(1<<4) != 0 {
		t.Errorf("%d networks", count)
	}
}

// TestZone: the zone is one that miekg/dns reads, with the serial and the
// marker by which a reload is seen.
func TestZone(t *testing.T) {
	var b bytes.Buffer
	if err := writeZone(&b, 300, 7, 300, "fo 30 A 127.0.0.2\n"); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	p := dns.NewZoneParser(&b, origin, "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		_, data, _ := strings.Cut(rr.String(), "\tIN\t")
		found[strings.TrimSuffix(rr.Header().Name, "."+origin)] = data
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"now": "A\t192.0.2.8", "h0000000": "A\t10.0.0.0", "h0000299": "A\t10.0.1.43", "*.wild": "A\t192.0.2.80",
		"d0000999": "NS\tns1.d0000999.bench.test.", "fo": "A\t127.0.0.2",
	} {
		if found[name] != want {
			t.Errorf("%s: %q, not %q", name, found[name], want)
		}
	}
	if marker(7) == marker(8) {
		t.Error("two serials have the same marker")
	}
}

// TestShuntConfiguration: what the benchmark gives shunt is a configuration.
func TestShuntConfiguration(t *testing.T) {
	s := site{dir: t.TempDir(), port: 5300, web: 8080, zone: "bench.test"}
	cfg, err := config.Parse([]byte(shuntPeer("shunt").files(s)["shunt.yaml"]), "shunt.yaml", config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(cfg.Zones[0].Services); n != 3 {
		t.Errorf("%d services", n)
	}
}

// TestFaults: an answer of each work, and what verify says of it.
func TestFaults(t *testing.T) {
	const (
		soa  = "bench.test. 300 SOA ns1.bench.test. host.bench.test. 1 2 3 4 5"
		ns   = "d0000017.bench.test. 300 NS ns1.d0000017.bench.test."
		glue = "ns1.d0000017.bench.test. 300 A 203.0.113.18"
	)
	for _, c := range []struct {
		work, rcode, flags string // flags: a for AA, e for EDNS
		answer, ns, extra  string
		want               string
	}{
		{"static", "NOERROR", "ae", "h0000017.bench.test. 300 A 10.0.0.17", "", "", ""},
		{"static", "NOERROR", "ae", "h0000017.bench.test. 300 A 10.0.0.18", "", "", "10.0.0.18, not [10.0.0.17]"},
		{"static", "NOERROR", "ae", "h0000018.bench.test. 300 A 10.0.0.17", "", "", "another record"},
		{"static", "NOERROR", "ae", "", soa, "", "0 answers, not 1"},
		{"static", "NOERROR", "e", "h0000017.bench.test. 300 A 10.0.0.17", "", "", "AA is false"},
		{"static", "NOERROR", "a", "h0000017.bench.test. 300 A 10.0.0.17", "", "", "no OPT record"},
		{"static", "SERVFAIL", "ae", "", "", "", "rcode SERVFAIL"},
		{"nxdomain", "NXDOMAIN", "ae", "", soa, "", ""},
		{"nxdomain", "NXDOMAIN", "ae", "", "", "", "no SOA"},
		{"nodata", "NOERROR", "ae", "", soa, "", ""},
		{"wildcard", "NOERROR", "ae", "w0000017.wild.bench.test. 300 A 192.0.2.80", "", "", ""},
		{"referral", "NOERROR", "e", "", ns, glue, ""},
		{"referral", "NOERROR", "e", "", ns, "", "no glue"},
		{"referral", "NOERROR", "e", "", soa, glue, "no NS"},
		{"referral", "NOERROR", "ae", "", ns, glue, "AA is true"},
		{"failover", "NOERROR", "ae", "fo.bench.test. 30 A 127.0.0.2", "", "", ""},
		{"failover", "NOERROR", "ae", "fo.bench.test. 30 A 127.0.0.3", "", "", "127.0.0.3, not [127.0.0.2]"},
		{"weighted", "NOERROR", "ae", "we.bench.test. 30 A 127.0.0.3", "", "", ""},
		{"geo", "NOERROR", "ae", "ge.bench.test. 30 A 127.0.0.2", "", "", ""},
		{"geo", "NOERROR", "ae", "ge.bench.test. 30 A 127.0.0.3", "", "", "127.0.0.3, not [127.0.0.2]"},
	} {
		w := pick(works(10_000), c.work)[0]
		buf := make([]byte, packet)
		m := new(dns.Msg)
		if err := m.Unpack(buf[:w.ask.write(buf, 1, 17)]); err != nil {
			t.Fatal(err)
		}
		r := new(dns.Msg).SetReply(m)
		r.Rcode, r.Authoritative = dns.StringToRcode[c.rcode], strings.Contains(c.flags, "a")
		r.Answer, r.Ns, r.Extra = records(t, c.answer), records(t, c.ns), records(t, c.extra)
		if strings.Contains(c.flags, "e") {
			r.SetEdns0(1232, false)
		}
		if got := faults(w, r, 17); got != c.want {
			t.Errorf("%s %s %s: %q, not %q", c.work, c.rcode, c.answer, got, c.want)
		}
	}
}

func records(t *testing.T, line string) []dns.RR {
	t.Helper()
	if line == "" {
		return nil
	}
	rr, err := dns.NewRR(line)
	if err != nil {
		t.Fatal(err)
	}
	return []dns.RR{rr}
}

// respond answers on a port of loopback until the test ends. reply turns the
// nth query into its answer, nil for silence.
func respond(t *testing.T, reply func(n int, p []byte) []byte) (port int) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, packet)
		for n := 1; ; n++ {
			size, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if p := reply(n, buf[:size]); p != nil {
				conn.WriteToUDPAddrPort(p, from)
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// answered makes an answer with one record out of a query, as far as a sender looks.
func answered(p []byte) []byte {
	p[2] |= 0x80
	p[7] = 1
	return p
}

// TestSender: every query is answered, lost or wrong, and the counts are those
// of the server.
func TestSender(t *testing.T) {
	w := work{title: "test", ask: ask("h%d."+origin, 1000, typeA, 0, 1)}
	for _, c := range []struct {
		title       string
		rate        int
		reply       func(n int, p []byte) []byte
		lost, wrong int // of 10 queries
	}{
		{"all right", 0, func(_ int, p []byte) []byte { return answered(p) }, 0, 0},
		{"all right at a rate", 2000, func(_ int, p []byte) []byte { return answered(p) }, 0, 0},
		{"each tenth lost", 2000, func(n int, p []byte) []byte {
			if n%10 == 0 {
				return nil
			}
			return answered(p)
		}, 1, 0},
		{"each fifth SERVFAIL", 2000, func(n int, p []byte) []byte {
			answered(p)
			if n%5 == 0 {
				p[3] |= 2
			}
			return p
		}, 0, 2},
	} {
		t.Run(c.title, func(t *testing.T) {
			w := w
			w.rate = c.rate
			got, err := run(w, respond(t, c.reply), 200*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if got.sent == 0 || got.sent != got.answered+got.lost+got.wrong {
				t.Errorf("%d sent, %d answered, %d lost, %d wrong", got.sent, got.answered, got.lost, got.wrong)
			}
			if lost := got.sent * c.lost / 10; got.lost != lost {
				t.Errorf("%d of %d lost, not %d", got.lost, got.sent, lost)
			}
			if wrong := got.sent * c.wrong / 10; got.wrong != wrong {
				t.Errorf("%d of %d wrong, not %d", got.wrong, got.sent, wrong)
			}
			if c.rate > 0 && (got.sent > c.rate/5+1 || got.quantile(0.5) <= 0) {
				t.Errorf("%d sent in 200 ms, half within %v", got.sent, got.quantile(0.5))
			}
		})
	}
	if _, err := run(w, respond(t, func(int, []byte) []byte { return nil }), 50*time.Millisecond); err == nil {
		t.Error("silence passes")
	}
}

// TestTCP: both loads of TCP, against the server of miekg/dns.
func TestTCP(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := records(t, "x. 1 A 192.0.2.1")
	srv := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg).SetReply(m)
		r.Answer = a
		w.WriteMsg(r)
	}), MaxTCPQueries: -1}
	go srv.ActivateAndServe()
	t.Cleanup(func() { ln.Close() })
	for _, tcp := range []transport{pipelined, single} {
		w := work{ask: ask("h%d."+origin, 1000, typeA, 0, 1), tcp: tcp}
		got, err := run(w, ln.Addr().(*net.TCPAddr).Port, 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if got.answered == 0 || got.wrong > 0 || got.sent < got.answered {
			t.Errorf("%d sent, %d answered, %d wrong", got.sent, got.answered, got.wrong)
		}
	}
}

// TestProcess: the CPU time of children counts, and stop ends them too.
func TestProcess(t *testing.T) {
	p, err := start(0, t.TempDir(), t.TempDir()+"/log", []string{"/bin/sh", "-c", "(while :; do :; done) & echo up; wait"})
	if err != nil {
		t.Fatal(err)
	}
	before := p.cpu()
	end := time.Now().Add(5 * time.Second)
	for spent(before, p.cpu()) < 20*time.Millisecond && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
	}
	if used := spent(before, p.cpu()); used < 20*time.Millisecond {
		t.Errorf("%v of CPU in a busy loop", used)
	}
	pids := p.tree()
	if len(pids) != 2 || p.memory() == 0 || p.tail() != "up" {
		t.Errorf("processes %v, %d octets, log %q", pids, p.memory(), p.tail())
	}
	p.stop()
	for _, pid := range pids {
		// A child without a parent is a zombie until process 1 has seen it.
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(stat), ") Z ") {
			t.Errorf("process %d lives on: %s", pid, stat)
		}
	}
}

// TestJudge: what fails a run.
func TestJudge(t *testing.T) {
	rated, flooded := work{key: "5k", title: "5k", rate: 5000}, work{key: "s", title: "s"}
	one := func(server string, f figure) cell { return cell{server: {f}} }
	for _, c := range []struct {
		title string
		work  work
		cell  cell
		again reload
		fails bool
	}{
		{"nothing lost", rated, one("shunt", figure{tally: tally{sent: 9, answered: 9}}), reload{}, false},
		{"shunt loses at a rate", rated, one("shunt", figure{tally: tally{sent: 9, lost: 1}}), reload{}, true},
		{"shunt loses at saturation", flooded, one("shunt", figure{tally: tally{sent: 9, lost: 1}}), reload{}, false},
		{"another loses at a rate", rated, one("knot", figure{tally: tally{sent: 9, lost: 1}}), reload{}, false},
		{"another answers wrong", flooded, one("knot", figure{tally: tally{sent: 9, wrong: 1}}), reload{}, true},
		{"shunt loses in a reload", rated, cell{}, reload{lost: map[string][]int{"shunt": {0, 1}}, after: map[string][]time.Duration{"shunt": {1, 1}}, limit: 9}, true},
		{"another loses in a reload", rated, cell{}, reload{lost: map[string][]int{"knot": {1}}, after: map[string][]time.Duration{"knot": {1}}, limit: 9}, false},
		{"shunt does not reload", rated, cell{}, reload{lost: map[string][]int{"shunt": {0}}, after: map[string][]time.Duration{"shunt": {9}}, limit: 9}, true},
	} {
		r := &report{peers: []peer{{name: "shunt"}, {name: "knot"}}, works: []work{c.work}, cells: map[string]cell{c.work.key: c.cell}, reloads: []reload{c.again}}
		if err := r.judge(); (err != nil) != c.fails {
			t.Errorf("%s: %v", c.title, err)
		}
	}
}

// TestMarkdown: medians, ratios round by round, and columns that are left out.
func TestMarkdown(t *testing.T) {
	f := func(cpu ...int) (all []figure) {
		for _, us := range cpu {
			all = append(all, figure{cpu: time.Duration(us) * time.Microsecond, tally: tally{sent: 10, answered: 10, elapsed: time.Second}})
		}
		return all
	}
	r := &report{about: []string{"Machine: test"}, peers: []peer{{name: "shunt"}, {name: "knot"}, {name: "bind"}}, cells: map[string]cell{}}
	r.add([]work{{key: "s", title: "names"}}, map[string]cell{"s": {"shunt": f(4, 1, 3), "knot": f(8, 1, 4)}})
	got := r.markdown()
	for _, want := range []string{
		"- Machine: test\n",
		"| work | shunt | knot |\n|---|---:|---:|\n| names | 3.00 | 4.00 |\n", // medians
		"| work | knot |\n|---|---:|\n| names | 0.75 |\n",                     // of 0.5, 1, 0.75
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "bind") || strings.Contains(got, "fixed rate") {
		t.Errorf("columns or tables without a value in\n%s", got)
	}
}

// TestBetween: the table is replaced, the text around it stays.
func TestBetween(t *testing.T) {
	doc := "before\n" + tableBegin + "\nold\n" + tableEnd + "\nafter\n"
	got, err := between(doc, "new\n")
	if want := strings.Replace(doc, "old", "new", 1); err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := between("no markers", "new"); err == nil {
		t.Error("a document without markers is overwritten")
	}
	text, err := os.ReadFile("../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := between(string(text), "new"); err != nil {
		t.Error(err)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	if got := median([]int{5, 1, 4, 2}); got != 2 {
		t.Errorf("median %d", got)
	}
	if got := ratio([]float64{0.00423}); got != "0.0042" {
		t.Errorf("ratio %s", got)
	}
}
