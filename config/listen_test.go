package config

import (
	"strings"
	"testing"
)

// TestListen: the listen section in one line, and what comes of it.
func TestListen(t *testing.T) {
	for _, c := range []struct{ listen, want string }{
		{"{}", "dot [] doh [] /dns-query"},
		{"{dot: [192.0.2.1], tls: {certificate: c, key: /k}}", "dot [192.0.2.1:853] doh [] /dns-query /etc/shunt/c /k"},
		{`{doh: ["[::1]", "192.0.2.1:8443"], doh_path: /q, tls: {certificate: c, key: k}}`, "dot [] doh [[::1]:443 192.0.2.1:8443] /q /etc/shunt/c /etc/shunt/k"},
		{`{dns: ["192.0.2.1:0"], dot: ["192.0.2.1:0"], tls: {certificate: c, key: k}}`, "dot [192.0.2.1:0] doh [] /dns-query /etc/shunt/c /etc/shunt/k"},
		{"{tls: {certificate: c, key: k}}", "dot [] doh [] /dns-query /etc/shunt/c /etc/shunt/k"},
		{"{dot: [192.0.2.1]}", "f:1: listen.dot: DNS over TLS needs a certificate"},
		{"{doh: [192.0.2.1]}", "f:1: listen.doh: DNS over HTTPS needs a certificate"},
		{"{dot: [192.0.2.1], tls: {certificate: c}}", "f:1: listen.tls.certificate: a certificate needs its key"},
		{"{tls: {key: k}}", "f:1: listen.tls.key: a key needs its certificate"},
		{"{dot: [example.com], tls: {certificate: c, key: k}}", `f:1: listen.dot[0]: "example.com" is not an address with a port`},
		{`{dns: ["192.0.2.1:853"], dot: [192.0.2.1], tls: {certificate: c, key: k}}`, "f:1: listen.dot[0]: 192.0.2.1:853 stands under listen.dns too"},
		{`{dot: ["192.0.2.1:443"], doh: [192.0.2.1], tls: {certificate: c, key: k}}`, "f:1: listen.doh[0]: 192.0.2.1:443 stands under listen.dot too"},
		{`{doh: [192.0.2.1], doh_path: "/dns-query{?dns}", tls: {certificate: c, key: k}}`, "f:1: listen.doh_path: this is not the path of a URL"},
		{"{doh_path: dns-query}", "f:1: listen.doh_path: this is not the path of a URL"},
		{"{doh_path: /ä}", "f:1: listen.doh_path: this is not the path of a URL"},
	} {
		cfg, err := Parse([]byte("listen: "+c.listen+"\nzones: [{name: example.com, file: z}]\n"), "/etc/shunt/f", referenceNode)
		if err != nil {
			if got := strings.ReplaceAll(err.Error(), "/etc/shunt/f:", "f:"); !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") {
				t.Errorf("%s: %s, want %s", c.listen, got, c.want)
			}
			continue
		}
		words := []string{"dot"}
		add := func(s string) {
			if s != "" {
				words = append(words, s)
			}
		}
		l := cfg.Listen
		add(text(l.DoT))
		add("doh")
		add(text(l.DoH))
		add(l.DoHPath)
		add(l.TLS.Certificate)
		add(l.TLS.Key)
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.listen, got, c.want)
		}
	}
}

// text writes a list as fmt does.
func text[T interface{ String() string }](list []T) string {
	var s []string
	for _, x := range list {
		s = append(s, x.String())
	}
	return "[" + strings.Join(s, " ") + "]"
}
