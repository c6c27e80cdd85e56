package resolver

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
)

// TestRateLimit asks questions at given moments and writes one letter for each
// reply: s sent, t truncated and empty, - dropped.
func TestRateLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		rate  int
		slip  int
		asks  string // client, question, moments: each a number of ms and how often
		reply string
	}{
		{"off", 0, 2, "192.0.2.1 www.example.test. A; 0×6", "ssssss"},
		{"a second's worth, then every second one truncated", 3, 2, "192.0.2.1 www.example.test. A; 0×8", "sss-t-t-"},
		{"slip 1 truncates all", 3, 1, "192.0.2.1 www.example.test. A; 0×6", "sssttt"},
		{"slip 0 drops all", 3, 0, "192.0.2.1 www.example.test. A; 0×6", "sss---"},
		{"slip 3", 1, 3, "192.0.2.1 www.example.test. A; 0×7", "s--t--t"},
		{"it fills at the rate", 2, 0, "192.0.2.1 www.example.test. A; 0×3 499×1 500×2 1000×2", "ss--s-s-"},
		{"and never beyond a second's worth", 2, 0, "192.0.2.1 www.example.test. A; 0×3 3600000×4", "ss-ss--"},
		{"time that stands still fills nothing", 2, 0, "192.0.2.1 www.example.test. A; 7×4 7×2", "ss----"},
		{"one network", 2, 0, "192.0.2.1 www.example.test. A; 0×2 | 192.0.2.254 www.example.test. A; 0×2", "ss--"},
		{"two networks", 2, 0, "192.0.2.1 www.example.test. A; 0×2 | 192.0.3.1 www.example.test. A; 0×2", "ssss"},
		{"IPv6 networks are /56", 1, 0, "2001:db8::1 www.example.test. A; 0×1 | 2001:db8:0:ff::1 www.example.test. A; 0×1 | 2001:db8:0:100::1 www.example.test. A; 0×1", "s-s"},
		{"types are apart", 1, 0, "192.0.2.1 www.example.test. A; 0×2 | 192.0.2.1 www.example.test. AAAA; 0×2", "s-s-"},
		{"names that exist are apart", 1, 0, "192.0.2.1 www.example.test. A; 0×2 | 192.0.2.1 ns1.example.test. A; 0×2", "s-s-"},
		{"case is not", 1, 0, "192.0.2.1 www.example.test. A; 0×1 | 192.0.2.1 WWW.example.test. A; 0×1", "s-"},
		{"names that do not exist are one", 1, 0, "192.0.2.1 a.example.test. A; 0×1 | 192.0.2.1 b.example.test. A; 0×1", "s-"},
		{"names below a wildcard are one", 1, 0, "192.0.2.1 a.wild.example.test. A; 0×1 | 192.0.2.1 b.wild.example.test. A; 0×1 | 192.0.2.1 missing.example.test. A; 0×1", "s-s"},
		{"so are names below a DNAME", 1, 0, "192.0.2.1 a.renamed.example.test. A; 0×1 | 192.0.2.1 b.renamed.example.test. A; 0×1", "s-"},
		{"truncated answers are apart", 1, 0, "192.0.2.1 big.example.test. TXT; 0×1 | 192.0.2.1 missing.example.test. A; 0×1", "ts"},
		{"names outside our zones are one", 1, 0, "192.0.2.1 a.example. A; 0×1 | 192.0.2.1 b.example. A; 0×1", "s-"},
		{"malformed queries are one", 1, 0, "192.0.2.1 a.example.test. A +tail=00; 0×1 | 192.0.2.1 b.example.test. A +tail=00; 0×1", "s-"},
		{"errors and answers are apart", 1, 0, "192.0.2.1 a.example. A; 0×1 | 192.0.2.1 www.example.test. A; 0×1 | 192.0.2.1 www.example.test. A +edns=1; 0×1", "sss"},
		{"exempt networks", 1, 0, "127.0.0.1 www.example.test. A; 0×4", "ssss"},
		{"a cookie that we did not make exempts nobody", 1, 0, "192.0.2.1 www.example.test. A +cookie; 0×2", "s-"},
	} {
		set := settingsForTest()
		set.RateLimit.Responses, set.RateLimit.Slip = c.rate, c.slip
		set.RateLimit.Exempt = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		_, w := workerForTest(t, set)
		if got := history(t, w, c.asks); got != c.reply {
			t.Errorf("%s: %s\ngot  %s\nwant %s", c.name, c.asks, got, c.reply)
		}
	}
}

// history asks what asks says and returns a letter for each reply.
func history(t *testing.T, w *Worker, asks string) string {
	t.Helper()
	var out strings.Builder
	for ask := range strings.SplitSeq(asks, " | ") {
		line, times, _ := strings.Cut(ask, "; ")
		from, question, _ := strings.Cut(line, " ")
		query := dnstest.Ask(t, question)
		for at := range strings.FieldsSeq(times) {
			var ms, n int
			if _, err := fmt.Sscanf(at, "%d×%d", &ms, &n); err != nil {
				t.Fatal(at, err)
			}
			now := moment.Add(time.Duration(ms) * time.Millisecond)
			for range n {
				reply := w.Answer(make([]byte, 0, maxTCP), query, netip.AddrPortFrom(netip.MustParseAddr(from), 53), now, UDP)
				out.WriteString(letter(reply))
			}
		}
	}
	return out.String()
}

func letter(reply []byte) string {
	switch {
	case len(reply) == 0:
		return "-"
	case reply[2]&2 != 0 && reply[7] == 0 && reply[9] == 0:
		return "t"
	}
	return "s"
}

// TestRateLimitSparesTheProven: TCP, and whoever returns our cookie.
func TestRateLimitSparesTheProven(t *testing.T) {
	set := settingsForTest()
	set.RateLimit.Responses, set.RateLimit.Slip = 1, 0
	a, w := workerForTest(t, set)
	buf := make([]byte, 0, maxTCP)
	first := w.Answer(buf, dnstest.Ask(t, "www.example.test. A +cookie"), client, moment, UDP)
	server := fmt.Sprintf("%x", first[len(first)-serverCookieLen:])
	good := dnstest.Ask(t, "www.example.test. A +cookie=0102030405060708"+server)
	plain := dnstest.Ask(t, "www.example.test. A")
	for i := range 5 {
		if len(w.Answer(buf, good, client, moment, UDP)) == 0 {
			t.Fatalf("query %d with our cookie was dropped", i)
		}
		if len(w.Answer(buf, plain, client, moment, TCP)) == 0 {
			t.Fatalf("query %d over TCP was dropped", i)
		}
		if len(w.Answer(buf, plain, client, moment, UDP)) != 0 {
			t.Fatalf("query %d without proof was answered", i)
		}
	}
	if s := a.Stats(); s.Limited != 5 || s.Slipped != 0 {
		t.Errorf("limited %d, slipped %d; want 5, 0", s.Limited, s.Slipped)
	}
}

// TestRateLimitMemory floods a limiter with networks: its memory stays, and
// one that keeps asking stays limited among them.
func TestRateLimitMemory(t *testing.T) {
	rule := newRateRule(config.RateLimit{Responses: 1, IPv4Prefix: 32, IPv6Prefix: 128}, 1)
	var l limiter
	like := likeness{kind: likeRcode, which: rcodeRefused}
	victim := netip.MustParseAddr("2001:db8::1")
	passed := 0
	for i := range uint32(4 * limiterSets * 8) {
		a := netip.AddrFrom4([4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		now := moment.Add(time.Duration(i) * time.Microsecond)
		l.take(&rule, a, like, now)
		if i%64 == 0 && l.take(&rule, victim, like, now) == send {
			passed++
		}
	}
	if len(l.sets) != limiterSets {
		t.Errorf("%d sets", len(l.sets))
	}
	if passed > 10 {
		t.Errorf("the victim got %d responses in half a second at a rate of 1", passed)
	}
}

// TestRateIsDivided: the workers of an address share the rate, rounded up.
func TestRateIsDivided(t *testing.T) {
	for _, c := range []struct{ rate, workers, want int }{
		{0, 4, 0}, {1, 4, 1}, {200, 1, 200}, {200, 4, 50}, {200, 3, 67}, {200, 0, 200},
	} {
		r := newRateRule(config.RateLimit{Responses: c.rate}, c.workers)
		if int(r.rate) != c.want {
			t.Errorf("%d a second among %d workers: %d, want %d", c.rate, c.workers, r.rate, c.want)
		}
	}
}
