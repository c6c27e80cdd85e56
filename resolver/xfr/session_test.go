package xfr

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// dialed is a connection to w.
func (w *world) dialed() *dns.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr.String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return &dns.Conn{Conn: c}
}

// TestOneConnection: questions, IXFR, AXFR and questions again are answered on
// one connection, in their order, though they come at once.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), open(10))
	set := zone.NewSet([]*zone.Zone{testZone(t, "example.test.", "")})
	w.publishSet(set, 1, 10)
	w.publishSet(set, 2, 11)
	c := w.dialed()
	soa := new(dns.Msg).SetQuestion("example.test.", dns.TypeSOA)
	ixfr := new(dns.Msg).SetIxfr("example.test.", 10, "ns.", "hm.")
	axfr := new(dns.Msg).SetAxfr("example.test.")
	a := new(dns.Msg).SetQuestion("www.example.test.", dns.TypeA)
	var all []byte
	for _, m := range []*dns.Msg{soa, ixfr, a, axfr, soa} {
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(wire))), wire...)
	}
	if _, err := c.Conn.Write(all); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 6, 1, 5, 1} {
		m, err := c.ReadMsg()
		if err != nil || len(m.Answer) != want {
			t.Fatalf("answer %d: %v, %v; want %d records", i, m, err, want)
		}
	}
}

// TestIxfrOverUDP: the answer is the present SOA, and AXFR has none.
func TestIxfrOverUDP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), open(10))
	w.publish([]*zone.Zone{testZone(t, "example.test.", "")}, 1, 10)
	m, err := dns.Exchange(new(dns.Msg).SetIxfr("example.test.", 9, "ns.", "hm."), w.addr.String())
	if err != nil || len(m.Answer) != 1 || !m.Authoritative || m.Answer[0].(*dns.SOA).Serial != 10 {
		t.Errorf("%v, %v", m, err)
	}
	if m, err = dns.Exchange(new(dns.Msg).SetAxfr("example.test."), w.addr.String()); err != nil || m.Rcode != dns.RcodeRefused {
		t.Errorf("%v, %v", m, err)
	}
	if m, err = dns.Exchange(new(dns.Msg).SetIxfr("other.test.", 9, "ns.", "hm."), w.addr.String()); err != nil || m.Rcode != dns.RcodeNotAuth {
		t.Errorf("%v, %v", m, err)
	}
}

// TestSlowReader: a secondary that reads nothing keeps neither another, nor a
// question, nor a change from going on.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), open(10))
	var text strings.Builder
	for i := range 6_000 { // 12 MB: more than the sockets' buffers hold
		fmt.Fprintf(&text, "h%d TXT%s\n", i, strings.Repeat(" \""+strings.Repeat("z", 200)+"\"", 10))
	}
	set := zone.NewSet([]*zone.Zone{testZone(t, "example.test.", text.String())})
	w.publishSet(set, 1, 10)
	slow := w.dialed()
	if err := slow.WriteMsg(new(dns.Msg).SetAxfr("example.test.")); err != nil {
		t.Fatal(err)
	}
	head, err := slow.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for serial := uint32(11); serial < 14; serial++ {
		w.publishSet(set, int(serial), serial)
		if rrs, err := w.take("example.test.", nil, false); err != nil || len(rrs) != 6_000+5 {
			t.Errorf("%d records, %v", len(rrs), err)
		}
		if m, err := dns.Exchange(new(dns.Msg).SetQuestion("www.example.test.", dns.TypeA), w.addr.String()); err != nil || len(m.Answer) != 1 {
			t.Errorf("%v, %v", m, err)
		}
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("beside a slow reader, all took %v", took)
	}
	// What it reads in the end is the zone of when it asked, from end to end.
	slow.Conn.SetDeadline(time.Now().Add(20 * time.Second))
	rrs := head.Answer
	for len(rrs) < 6_000+5 {
		m, err := slow.ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, m.Answer...)
	}
	for _, rr := range rrs {
		a, ok := rr.(*dns.A)
		if soa, is := rr.(*dns.SOA); is && soa.Serial != 10 || ok && a.Hdr.Name == "www.example.test." && a.A.String() != "192.0.2.1" {
			t.Errorf("in the transfer of serial 10: %v", rr)
		}
	}
}

// TestSignedSmall: a signed answer that its TSIG record leaves no room for goes
// out truncated, and over TCP whole.
func TestSignedSmall(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{Keys: []config.Key{testKey("hmac-sha256")}, Secondaries: []config.Secondary{{Name: "a", Address: netip.MustParseAddrPort("127.0.0.2:9"), Key: "k.test."}}}
	w := newWorld(t, t.TempDir(), cfg)
	w.publish([]*zone.Zone{testZone(t, "example.test.", "big TXT "+strings.Repeat("\""+strings.Repeat("x", 44)+"\" ", 10)+"\n")}, 1, 5)
	for network, want := range map[string]int{"udp": 0, "tcp": 1} {
		m := new(dns.Msg).SetQuestion("big.example.test.", dns.TypeTXT)
		m.SetTsig("k.test.", dns.HmacSHA256, 300, time.Now().Unix())
		c := dns.Client{Net: network, TsigSecret: tsigSecrets}
		r, _, err := c.Exchange(m, w.addr.String())
		if err != nil || len(r.Answer) != want || r.Truncated != (want == 0) || r.IsTsig() == nil {
			t.Errorf("%s: %v, %v", network, r, err)
		}
	}
}

// TestRevoked: a reload decides anew who may transfer, at once; what is
// refused is logged once.
func TestRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), open(10))
	w.publish([]*zone.Zone{testZone(t, "example.test.", "")}, 1, 10)
	w.whole("example.test.")
	other := &config.Config{Transfer: config.Transfer{Content: config.OnePool, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
	if err := w.p.Reload(other); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := w.take("example.test.", nil, false); err == nil {
			t.Error("transferred after it was revoked")
		}
	}
	if n := strings.Count(w.log.String(), "transfer refused"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if err := w.p.Reload(&config.Config{}); err != nil {
		t.Fatal(err)
	}
	w.until("zones are let go", func() bool { return w.p.state.Load().snapshot == nil })
	if err := w.p.Reload(w.cfg); err != nil {
		t.Fatal(err)
	}
	w.until("zones are back", func() bool { return w.p.state.Load().snapshot != nil })
	w.whole("example.test.")
}

// TestCatalogZone: its members are the zones, its serial changes with them
// alone and outlives restarts, and nobody else sees it.
func TestCatalogZone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := open(10)
	cfg.Transfer.Catalog = "catalog.test."
	w := newWorld(t, dir, cfg)
	one, two := testZone(t, "one.test.", ""), testZone(t, "two.test.", "")
	both := zone.NewSet([]*zone.Zone{one, two})
	w.publishSet(both, 1, 10)
	serial := func() uint32 {
		m, err := dns.Exchange(new(dns.Msg).SetQuestion("CATALOG.test.", dns.TypeSOA), w.addr.String())
		if err != nil || len(m.Answer) != 1 {
			t.Fatalf("%v, %v", m, err)
		}
		return m.Answer[0].(*dns.SOA).Serial
	}
	before, first := w.whole("catalog.test."), serial()
	names := map[string]string{}
	for _, l := range before {
		if f := strings.Fields(l); f[3] == "PTR" {
			names[f[4]] = f[0]
		}
	}
	if len(before) != 5 || len(names) != 2 || !slices.Contains(before, `version.catalog.test. 0 IN TXT "2"`) || !slices.Contains(before, "catalog.test. 0 IN NS invalid.") {
		t.Errorf("%s", strings.Join(before, "\n"))
	}
	w.publishSet(both, 2, 11)
	w.publish([]*zone.Zone{testZone(t, "two.test.", "a A 192.0.2.1\n"), one}, 2, 12)
	if serial() != first {
		t.Error("the serial rose without another member")
	}
	w.publish([]*zone.Zone{one}, 2, 12)
	second := serial()
	rrs, err := w.take("catalog.test.", &first, false)
	got, kind, err2 := apply(before, rrs)
	if err != nil || err2 != nil || kind != IXFR || !slices.Equal(got, w.whole("catalog.test.")) || !serialLater(second, first) {
		t.Errorf("%v %v %s %v", err, err2, kind, got)
	}
	if !strings.Contains(strings.Join(got, "\n"), names["one.test."]+" 0 IN PTR one.test.") {
		t.Error("the label of a member changed")
	}
	for question, want := range map[string]int{"none.catalog.test. A": dns.RcodeNameError, "zones.catalog.test. A": dns.RcodeSuccess, "version.catalog.test. TXT": dns.RcodeSuccess, "other.test. A": dns.RcodeRefused} {
		name, typ, _ := strings.Cut(question, " ")
		m, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.StringToType[typ]), w.addr.String())
		if err != nil || m.Rcode != want {
			t.Errorf("%s: %v, %v", question, m, err)
		}
	}
	w.stop()

	w = newWorld(t, dir, cfg)
	w.publish([]*zone.Zone{one}, 2, 12)
	if serial() != second {
		t.Errorf("after a restart the serial is %d, was %d", serial(), second)
	}
	w.publishSet(both, 2, 13)
	if !serialLater(serial(), second) {
		t.Error("the serial did not rise")
	}
	if err := w.p.Reload(&config.Config{Transfer: config.Transfer{Catalog: "catalog.test.", Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}); err != nil {
		t.Fatal(err)
	}
	if m, err := dns.Exchange(new(dns.Msg).SetQuestion("catalog.test.", dns.TypeSOA), w.addr.String()); err != nil || m.Rcode != dns.RcodeRefused {
		t.Errorf("a stranger gets %v, %v", m, err)
	}
}

// TestDamagedStart: a journal that is damaged is set aside, and the node goes
// on without it.
func TestDamagedStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, dir, open(10))
	set := zone.NewSet([]*zone.Zone{testZone(t, "example.test.", "")})
	for serial := uint32(10); serial < 14; serial++ {
		w.publishSet(set, int(serial), serial)
	}
	w.stop()
	path := w.p.shelf.path("example.test.")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)-100] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w = newWorld(t, dir, open(10))
	w.publishSet(set, 13, 13)
	from := uint32(12)
	rrs, err := w.take("example.test.", &from, false)
	if _, kind, err2 := apply(nil, rrs); err != nil || err2 != nil || kind != AXFR {
		t.Errorf("%v %v %s", err, err2, kind)
	}
	if _, err := os.Stat(path + damaged); err != nil || !strings.Contains(w.log.String(), "journal not whole") {
		t.Errorf("%v\n%s", err, w.log)
	}
	w.publishSet(set, 14, 14)
	from = 13
	rrs, err = w.take("example.test.", &from, false)
	if err != nil || len(rrs) != 6 {
		t.Errorf("%v, %v", rrs, err)
	}
}
