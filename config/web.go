package config

import (
	"strconv"
	"strings"
)

// web reads the listeners of HTTP, and who may use them.
//
//	address        tokens   tls   what
//	loopback       -        any   everybody on this machine may read, nobody may change anything
//	loopback       file     any   who has a token, by its rights
//	any other      -        any   a problem: everybody could read
//	any other      file     -     a problem: tokens would go over the wire in clear
//	any other      file     set   who has a token, by its rights
//
// Loopback speaks HTTP, any other address HTTPS.
func (r *reader) web(l *Listen, raw *rawSettings, dir string) {
	p, list, _ := r.some("listen.web", raw.Listen.Web)
	l.Web = r.sockets(p, list, 8053, true)
	r.distinct(p, list, l.Web, "listen.dns", l.DNS)
	r.distinct(p, list, l.Web, "listen.dot", l.DoT)
	r.distinct(p, list, l.Web, "listen.doh", l.DoH)
	p2, s := r.one("listen.tokens", raw.Listen.Tokens)
	if l.Tokens = r.filePath(p2, s, dir); s.text == "" {
		l.Tokens = ""
	}
	if len(l.Web) != len(list) {
		return // some are wrong, which has been reported
	}
	for i, a := range l.Web {
		if a.Addr().IsLoopback() {
			continue
		}
		var missing []string
		if l.Tokens == "" {
			missing = append(missing, "tokens (listen.tokens: a file, which shunt token new writes)")
		}
		if l.TLS.Certificate == "" {
			missing = append(missing, "a certificate (listen.tls)")
		}
		if len(missing) > 0 {
			r.problem(p.item(i), list[i], a.String()+" can be reached from elsewhere, which needs tokens and a certificate",
				"set "+strings.Join(missing, " and ")+", or write 127.0.0.1:"+strconv.Itoa(int(a.Port()))+" and let a proxy or ssh lead there")
		}
	}
}
