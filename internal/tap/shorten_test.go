package tap

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// Clients are shortened to their networks, without port.
func TestShorten(t *testing.T) {
	for _, c := range []struct{ client, want string }{
		{"192.0.2.77:5300", "192.0.2.0:0"},
		{"[2001:db8:1:2f3:4:5:6:7]:53", "[2001:db8:1:200::]:0"},
		{"[fe80::1%eth0]:53", "[fe80::]:0"},
	} {
		if got := shorten(netip.MustParseAddrPort(c.client)).String(); got != c.want {
			t.Errorf("%s is shortened to %s, want %s", c.client, got, c.want)
		}
	}
}

// Messages lose the bits of their client's address, and cookies, and nothing
// else.
func TestMask(t *testing.T) {
	for _, c := range []struct{ ask, want string }{
		{"www.example.test. A", ""},
		{"www.example.test. A +edns", ""},
		{"www.example.test. A +subnet=192.0.2.77/32", "192.0.2.0/32"},
		{"www.example.test. A +subnet=192.0.2.0/24", "192.0.2.0/24"},
		{"www.example.test. A +subnet=2001:db8:1:2f3:4::/128", "2001:db8:1:200::/128"},
		{"www.example.test. A +cookie", ""},
	} {
		msg := dnstest.Ask(t, c.ask)
		before := bytes.Clone(msg)
		mask(msg)
		if len(msg) != len(before) || !bytes.Equal(msg[:12+len("\x03www\x07example\x04test\x00")+4], before[:12+len("\x03www\x07example\x04test\x00")+4]) {
			t.Errorf("%s: more than options changed", c.ask)
		}
		text := dnstest.Text(msg)
		if c.want != "" && !strings.Contains(text, c.want) {
			t.Errorf("%s: the message is\n%s\nwant %s", c.ask, text, c.want)
		}
		changes := strings.Contains(c.ask, "cookie") || !strings.Contains(c.ask, c.want)
		if changes == bytes.Equal(msg, before) {
			t.Errorf("%s: the message is\n%s", c.ask, text)
		}
	}
}

// FuzzMask: no message, however broken, is read beyond its end, nor made
// longer.
func FuzzMask(f *testing.F) {
	f.Add(dnstest.Ask(f, "www.example.test. A +subnet=192.0.2.77/32 +cookie"))
	f.Add(dnstest.Ask(f, ". TXT"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		mask(msg)
		question(msg)
	})
}
