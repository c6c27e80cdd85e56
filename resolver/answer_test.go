package resolver

import (
	"bytes"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// hotQuestions are what the benchmarks ask and what must not allocate.
var hotQuestions = []struct{ name, ask string }{
	{"static", "www.example.test. A"},
	{"edns", "www.example.test. A +edns"},
	{"steered", "share.example.test. A +edns"},
	{"cname", "svc.example.test. AAAA +edns"},
	{"nxdomain", "missing.example.test. A +edns"},
	{"refused", "nowhere.example. A +edns"},
	{"formerr", "www.example.test. A +tail=00"},
	{"tsig", "www.example.test. A +tsig=key."},
	{"ecs+cookie", "share.example.test. A +do +subnet=198.51.100.0/24 +cookie"},
}

func TestAnswerAllocatesNothing(t *testing.T) {
	set := settingsForTest()
	set.RateLimit.Responses = 1 << 20
	_, w := workerForTest(t, set)
	buf := make([]byte, 0, udpReply)
	for _, q := range hotQuestions {
		query := dnstest.Ask(t, q.ask)
		w.Answer(buf, query, client, moment, UDP)
		if n := testing.AllocsPerRun(200, func() { w.Answer(buf, query, client, moment, UDP) }); n != 0 {
			t.Errorf("%s: %v allocations", q.name, n)
		}
	}
}

func TestNotReady(t *testing.T) {
	a := NewAnswerer(settingsForTest(), 1, quiet())
	w := a.Worker()
	const want = "SERVFAIL qr rd | ? www.example.test. IN A | opt 1232 ede=14"
	query := dnstest.Ask(t, "www.example.test. A +rd +edns")
	if got := dnstest.Line(w.Answer(make([]byte, 0, 512), query, client, moment, UDP)); got != want {
		t.Errorf("before the first snapshot: %s", got)
	}
	a.Swap(snapshotForTest(t))
	if got := dnstest.Line(w.Answer(make([]byte, 0, 512), query, client, moment, UDP)); !strings.HasPrefix(got, "NOERROR") {
		t.Errorf("with a snapshot: %s", got)
	}
	a.Swap(nil)
	if got := dnstest.Line(w.Answer(make([]byte, 0, 512), query, client, moment, UDP)); got != want {
		t.Errorf("without it again: %s", got)
	}
	a.Swap(snapshotForTest(t).Set().Snapshot(2, nil, nil))
	query = dnstest.Ask(t, "svc.example.test. A +rd +edns")
	if got := dnstest.Line(w.Answer(make([]byte, 0, 512), query, client, moment, UDP)); got != strings.Replace(want, "www", "svc", 1) {
		t.Errorf("a service without anything to answer with: %s", got)
	}
}

// TestPanic: a query that panics gets SERVFAIL and ends nothing; each kind is
// logged once.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	a := NewAnswerer(settingsForTest(), 1, slog.New(slog.NewTextHandler(&log, nil)))
	a.view.Store(nil) // a bug, played
	w := a.Worker()
	query := dnstest.Ask(t, "www.example.test. A +rd +edns")
	for range 3 {
		if got := dnstest.Line(w.Answer(make([]byte, 0, 512), query, client, moment, UDP)); got != "SERVFAIL qr rd" {
			t.Errorf("reply: %s", got)
		}
	}
	if s := a.Stats(); s.Panics != 3 || s.Rcodes["SERVFAIL"] != 3 {
		t.Errorf("stats: %+v", s)
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d lines in the log:\n%s", n, &log)
	}
}

// TestSilence: some messages must not be answered, whatever they say.
func TestSilence(t *testing.T) {
	a, w := workerForTest(t, settingsForTest())
	query := dnstest.Ask(t, "www.example.test. A")
	buf := make([]byte, 0, 512)
	from := client
	for _, c := range []struct {
		name  string
		reply []byte
	}{
		{"nothing", w.Answer(buf, nil, from, moment, UDP)},
		{"eleven octets", w.Answer(buf, query[:11], from, moment, UDP)},
		{"a reply", w.Answer(buf, dnstest.Ask(t, "www.example.test. A +qr"), from, moment, UDP)},
		{"from port 0", w.Answer(buf, query, addrPort("192.0.2.1:0"), moment, UDP)},
		{"no room", w.Answer(make([]byte, 0, 100), query, from, moment, UDP)},
	} {
		if c.reply != nil {
			t.Errorf("%s: %s", c.name, dnstest.Line(c.reply))
		}
	}
	if s := a.Stats(); s.Silent != 5 || s.UDP != 5 {
		t.Errorf("stats: %+v", s)
	}
}

// TestWeights: each client network draws for itself, by the weights of the
// service, and is counted.
func TestWeights(t *testing.T) {
	a, w := workerForTest(t, settingsForTest())
	query := dnstest.Ask(t, "share.example.test. A")
	const n = 20000
	for i := range n {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(i >> 8), byte(i), 1}), 5353)
		w.Answer(make([]byte, 0, 512), query, from, moment, UDP)
	}
	got := map[string]uint64{}
	for _, c := range a.Stats().Steered {
		got[c.Service+" "+c.Pool] = c.Answers
	}
	beta, gamma := got["share.example.test. beta"], got["share.example.test. gamma"]
	if beta+gamma != n {
		t.Fatalf("counted %v of %d", got, n)
	}
	// 1 to 3: 5000 expected, standard deviation √(n·¼·¾) = 61; five of them.
	if math.Abs(float64(beta)-n/4) > 5*61 {
		t.Errorf("beta answered %d of %d, want about a quarter", beta, n)
	}
}

// TestStats: what is asked is what is counted.
func TestStats(t *testing.T) {
	a, w := workerForTest(t, settingsForTest())
	for _, q := range []string{
		"www.example.test. A", "www.example.test. AAAA", "big.example.test. TXT", "missing.example.test. MX",
		"nowhere.example. A", "www.example.test. A +tail=00", "www.example.test. +type=65280", "svc.example.test. HTTPS",
	} {
		w.Answer(make([]byte, 0, 512), dnstest.Ask(t, q), client, moment, UDP)
	}
	w.Answer(make([]byte, 0, 512), dnstest.Ask(t, "www.example.test. A"), client, moment, TCP)
	s := a.Stats()
	if s.UDP != 8 || s.TCP != 1 || s.Malformed != 1 || s.Truncated != 1 {
		t.Errorf("stats: %+v", s)
	}
	for _, c := range []struct {
		in   map[string]uint64
		key  string
		want uint64
	}{
		{s.Rcodes, "NOERROR", 6}, {s.Rcodes, "NXDOMAIN", 1}, {s.Rcodes, "REFUSED", 1}, {s.Rcodes, "FORMERR", 1},
		{s.Types, "A", 3}, {s.Types, "AAAA", 1}, {s.Types, "TXT", 1}, {s.Types, "MX", 1}, {s.Types, "other", 1}, {s.Types, "HTTPS", 1},
	} {
		if c.in[c.key] != c.want {
			t.Errorf("%s: %d, want %d", c.key, c.in[c.key], c.want)
		}
	}
}

// TestSetDNS: settings change between two queries of one worker, and the
// cookies of the secret before stay valid.
func TestSetDNS(t *testing.T) {
	a, w := workerForTest(t, settingsForTest())
	ask := func(q string) string {
		t.Helper()
		return dnstest.Line(w.Answer(make([]byte, 0, maxTCP), dnstest.Ask(t, q), client, moment, UDP))
	}
	c := settingsForTest()
	c.NSID, c.UDPSize, c.Cookies = "other", 4096, false
	a.SetDNS(c)
	const want = "NOERROR qr aa | ? www.example.test. IN A | an www.example.test. 300 IN A 192.0.2.1 | opt 4096 nsid=other"
	if got := ask("www.example.test. A +nsid +cookie"); got != want {
		t.Errorf("with cookies off: %s", got)
	}
	if got := ask("+cookie"); got != "FORMERR qr | opt 4096" {
		t.Errorf("a lone cookie with cookies off: %s", got)
	}
}

func TestSecretRollsOver(t *testing.T) {
	old := newSettings(settingsForTest(), 1, nil)
	c := settingsForTest()
	c.Secret = []byte("fedcba9876543210")
	next := newSettings(c, 1, old)
	after := newSettings(c, 1, next)
	c.Secret = nil
	kept := newSettings(c, 1, after)
	e := edns{cookie: true, client: []byte("12345678")}
	made, _ := old.checkCookie(&e, client.Addr(), moment)
	e.server = made[:]
	for name, s := range map[string]*settings{"changed": next, "reloaded": after, "no secret given": kept} {
		renewed, valid := s.checkCookie(&e, client.Addr(), moment)
		if !valid || renewed == made {
			t.Errorf("%s: valid %v, renewed %v", name, valid, renewed != made)
		}
	}
	if _, valid := newSettings(c, 1, nil).checkCookie(&e, client.Addr(), moment); valid {
		t.Error("a random secret takes the cookies of another")
	}
}

// TestCookieAge: an hour, five minutes ahead, and a new one after half of it.
func TestCookieAge(t *testing.T) {
	s := newSettings(settingsForTest(), 1, nil)
	e := edns{cookie: true, client: []byte("12345678")}
	made, _ := s.checkCookie(&e, client.Addr(), moment)
	e.server = made[:]
	for _, c := range []struct {
		seconds        int
		valid, renewed bool
	}{
		{-301, false, true}, {-300, true, true}, {0, true, false}, {1799, true, false},
		{1800, true, true}, {3600, true, true}, {3601, false, true},
	} {
		got, valid := s.checkCookie(&e, client.Addr(), moment.Add(time.Duration(c.seconds)*time.Second))
		if valid != c.valid || (got != made) != c.renewed {
			t.Errorf("after %d s: valid %v, renewed %v", c.seconds, valid, got != made)
		}
	}
	if _, valid := s.checkCookie(&e, addrPort("192.0.2.201:1").Addr(), moment); valid {
		t.Error("another address may use the cookie")
	}
}

// TestTypeNames: every bucket has the name of the type that is counted in it.
func TestTypeNames(t *testing.T) {
	for i, name := range typeNames {
		if got := bucketOf(dns.StringToType[name]); got != i {
			t.Errorf("%s is counted as %s", name, typeNames[got])
		}
	}
	for _, rare := range []uint16{0, 99, 258, 65280, 65535} {
		if got := typeNames[bucketOf(rare)]; got != "other" {
			t.Errorf("type %d is counted as %s", rare, got)
		}
	}
}
