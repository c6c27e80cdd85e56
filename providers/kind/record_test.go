package kind_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// TestRRsets: records as providers spell them make RRsets that can be
// compared, and those make records that make the same RRsets.
func TestRRsets(t *testing.T) {
	got, err := kind.RRsets("Example.com.", []libdns.Record{
		libdns.Address{Name: "www", TTL: 60 * time.Second, IP: netip.MustParseAddr("192.0.2.2")},
		libdns.RR{Name: "WWW", Type: "a", TTL: 30 * time.Second, Data: "192.0.2.1"},
		libdns.RR{Name: "@", Type: "MX", TTL: time.Hour, Data: "10 Mail.example.net"},
		libdns.CNAME{Name: "cdn", TTL: time.Minute, Target: "Edge.example.net"},
		libdns.TXT{Name: "_shunt-www", TTL: time.Minute, Text: `say "hi" \ there`},
		libdns.ServiceBinding{Scheme: "https", Name: "@", TTL: time.Minute, Priority: 1, Target: ".", Params: libdns.SvcParams{"port": {"8443"}, "alpn": {"h3", "h2"}}},
		libdns.RR{Name: "_sip._tcp", Type: "SRV", TTL: time.Minute, Data: "1 2 5060 sip.example.net."},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []plan.RRset{
		{Name: "_shunt-www.example.com.", Type: "TXT", TTL: 60, Data: []string{`"say \"hi\" \\ there"`}},
		{Name: "_sip._tcp.example.com.", Type: "SRV", TTL: 60, Data: []string{"1 2 5060 sip.example.net."}},
		{Name: "cdn.example.com.", Type: "CNAME", TTL: 60, Data: []string{"edge.example.net."}},
		{Name: "example.com.", Type: "HTTPS", TTL: 60, Data: []string{`1 . alpn="h3,h2" port="8443"`}},
		{Name: "example.com.", Type: "MX", TTL: 3600, Data: []string{"10 mail.example.net."}},
		{Name: "www.example.com.", Type: "A", TTL: 30, Data: []string{"192.0.2.1", "192.0.2.2"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	var back []libdns.Record
	for _, s := range got {
		back = append(back, kind.Records("example.com.", s)...)
	}
	again, err := kind.RRsets("example.com.", back)
	if diff := cmp.Diff(want, again); err != nil || diff != "" {
		t.Errorf("there and back: %v\n%s", err, diff)
	}
	if _, err := kind.RRsets("example.com.", []libdns.Record{libdns.RR{Name: "www", Type: "A", Data: "no address"}}); err == nil {
		t.Error("a record that cannot be read was left out in silence")
	}
}

// TestNames: names relative to a zone, and back.
func TestNames(t *testing.T) {
	for _, c := range []struct{ name, zone, want string }{
		{"@", "example.com.", "example.com."},
		{"", "example.com.", "example.com."},
		{"www", "example.com", "www.example.com."},
		{"*.Shop", "example.com.", "*.shop.example.com."},
		{"www.example.com.", "example.com.", "www.example.com."},
		{"www", ".", "www."},
	} {
		got := kind.Absolute(c.name, c.zone)
		if got != c.want {
			t.Errorf("%q in %s is %q, want %q", c.name, c.zone, got, c.want)
		}
		if again := kind.Absolute(kind.Relative(got, c.zone), c.zone); again != got {
			t.Errorf("%q comes back as %q", got, again)
		}
	}
	if got := kind.Relative("notexample.com.", "example.com."); got != "notexample.com." {
		t.Errorf("a name outside of the zone became %q", got)
	}
}
