package config

import (
	"net/netip"
	"slices"
	"strings"
)

// encrypted reads the listeners of DNS over TLS and HTTPS, and the certificate
// that they show.
func (r *reader) encrypted(l *Listen, raw *rawSettings, dir string) {
	p, list, dot := r.some("listen.dot", raw.Listen.DoT)
	l.DoT = r.sockets(p, list, 853, true)
	r.distinct(p, list, l.DoT, "listen.dns", l.DNS)
	p, list, doh := r.some("listen.doh", raw.Listen.DoH)
	l.DoH = r.sockets(p, list, 443, true)
	r.distinct(p, list, l.DoH, "listen.dns", l.DNS)
	r.distinct(p, list, l.DoH, "listen.dot", l.DoT)

	p, s := r.one("listen.doh_path", raw.Listen.DoHPath)
	l.DoHPath = s.text
	if !strings.HasPrefix(s.text, "/") || strings.ContainsFunc(s.text, notInPath) {
		r.problem(p, s, "this is not the path of a URL", "write one that begins with / and needs no escapes, without the {?dns} of templates, as in /dns-query")
	}

	p, cert := r.one("listen.tls.certificate", raw.Listen.TLS.Certificate)
	l.TLS.Certificate = r.filePath(p, cert, dir)
	p2, key := r.one("listen.tls.key", raw.Listen.TLS.Key)
	l.TLS.Key = r.filePath(p2, key, dir)
	const mend = "name both PEM files, listen.tls.certificate and listen.tls.key"
	switch {
	case cert.text == "" && key.text != "":
		r.problem(p2, key, "a key needs its certificate", mend)
	case cert.text != "" && key.text == "":
		r.problem(p, cert, "a certificate needs its key", mend)
	case cert.text == "" && len(l.DoT) > 0:
		r.problem(top("listen.dot"), dot, "DNS over TLS needs a certificate", mend)
	case cert.text == "" && len(l.DoH) > 0:
		r.problem(top("listen.doh"), doh, "DNS over HTTPS needs a certificate", mend)
	}
}

// distinct reports the addresses of list that another key has for TCP too.
func (r *reader) distinct(p path, list []scalar, addrs []netip.AddrPort, other string, others []netip.AddrPort) {
	if len(list) != len(addrs) {
		return // some are wrong, which has been reported
	}
	for i, a := range addrs {
		if a.Port() != 0 && slices.Contains(others, a) {
			r.problem(p.item(i), list[i], a.String()+" stands under "+other+" too", "write another port or address")
		}
	}
}

// notInPath reports whether c would be escaped in the path of a URL
// (RFC 3986 §3.3).
func notInPath(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"#%<>?[\]^`+"`{|}", c)
}
