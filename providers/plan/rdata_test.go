package plan_test

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/providers/plan"
)

// TestCanonical: RDATA that mean the same are written the same.
func TestCanonical(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ typ, given, want string }{
		{"A", " 192.0.2.1 ", "192.0.2.1"},
		{"AAAA", "2001:DB8:0:0::1", "2001:db8::1"},
		{"CNAME", "WWW.Example.NET.", "www.example.net."},
		{"CNAME", `a\.b.example.`, `a\.b.example.`},
		{"CNAME", `\119ww.example.`, "www.example."},
		{"TXT", `"a" "b"`, `"ab"`},
		{"TXT", `plain`, `"plain"`},
		{"TXT", `"quote \" and \\ and \200"`, `"quote \" and \\ and \200"`},
		{"TXT", `"` + long + `"`, `"` + long[:255] + `" "` + long[255:] + `"`},
		{"TXT", `""`, `""`},
		{"HTTPS", `1 . ipv4hint=192.0.2.1 alpn=h3,h2 port=8443`, `1 . alpn="h3,h2" port="8443" ipv4hint="192.0.2.1"`},
		{"HTTPS", `0 CDN.example.net.`, `0 cdn.example.net.`},
		{"MX", `10  Mail.Example.NET.`, `10 mail.example.net.`},
		{"TYPE65280", `\# 3 abcDEF`, `\# 3 abcdef`},
		{"CAA", `0 issue "ca.example"`, `0 issue "ca.example"`},
	} {
		got, err := plan.Canonical(c.typ, c.given)
		if err != nil || got != c.want {
			t.Errorf("%s %s → %s (%v), want %s", c.typ, c.given, got, err, c.want)
		}
		if again, err := plan.Canonical(c.typ, got); err != nil || again != got {
			t.Errorf("%s %s is written %s the second time (%v)", c.typ, got, again, err)
		}
	}
	for _, c := range []struct{ typ, given string }{
		{"A", "2001:db8::1"}, {"AAAA", "192.0.2.1"}, {"A", ""}, {"CNAME", "relative"}, {"CNAME", "a..b."}, {"TXT", `"open`}, {"TXT", `"\2`}, {"MX", "ten mail."}, {"NOSUCH", "x"},
	} {
		if got, err := plan.Canonical(c.typ, c.given); err == nil {
			t.Errorf("%s %q is taken for %q", c.typ, c.given, got)
		}
	}
}

// TestTexts: what is quoted is read as it was, here and by the DNS library.
func TestTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := string(rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "text"))
		quoted := plan.Quote(raw)
		if got, err := plan.TXT(quoted); err != nil || got != raw {
			t.Fatalf("%q → %s → %q (%v)", raw, quoted, got, err)
		}
		rr, err := dns.NewRR(". 0 IN TXT " + quoted)
		if err != nil {
			t.Fatal(err)
		}
		s, err := plan.Of([]dns.RR{rr})
		if err != nil || s.Data[0] != quoted {
			t.Fatalf("%s over the wire is %v (%v)", quoted, s.Data, err)
		}
	})
}

// TestNew: an RRset does not depend on the order and the spelling of what it
// was made of.
func TestNew(t *testing.T) {
	s, err := plan.New("WWW.Example.com", "aaaa", 30, []string{"2001:db8::2", "2001:DB8::1", "2001:db8:0::2"})
	if err != nil || s.Name != "www.example.com." || s.Type != "AAAA" || strings.Join(s.Data, " ") != "2001:db8::1 2001:db8::2" {
		t.Errorf("%+v, %v", s, err)
	}
}
