package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A place is where something with a name was first written, for problems that
// need both lines.
type place struct {
	i    int // index in its list
	line int32
}

// named notes that s, the i-th of its list, has its name, and reports one
// that stands there already.
func (r *reader) named(p path, s scalar, seen map[string]place, name string, i int) {
	if name == "" {
		return
	}
	if first, ok := seen[name]; ok {
		r.problem(p.sub("name"), s, fmt.Sprintf("%q stands in line %d already", clip(s.text), first.line), "give one of them another name")
		return
	}
	seen[name] = place{i, s.line}
}

// monitors makes the monitors. What is wrong in one hides nothing in another.
func (r *reader) monitors(list []rawMonitor, dir string) ([]Monitor, map[string]place) {
	out, seen := make([]Monitor, 0, len(list)), make(map[string]place, len(list))
	for i := range list {
		p, raw := top("monitors").item(i), &list[i]
		if raw.Line == 0 {
			out = append(out, Monitor{})
			continue
		}
		m := r.monitor(p, raw, dir)
		r.named(p, raw.Name, seen, m.Name, len(out))
		out = append(out, m)
	}
	return out, seen
}

func (r *reader) monitor(p path, raw *rawMonitor, dir string) Monitor {
	m := Monitor{Name: r.label(p.sub("name"), raw.Name, "")}
	if raw.Name.missing() {
		r.problem(p, at(raw.Line), "the monitor has no name", "write name: NAME, by which pools refer to it")
	}
	r.timing(p, raw, &m)
	r.thresholds(p, raw, &m)

	var kinds []string
	has := func(k Kind, set bool) bool {
		if set {
			kinds = append(kinds, string(k))
			m.Kind = k
		}
		return set
	}
	if has(HTTPS, raw.HTTPS != nil) {
		m.HTTP = r.httpCheck(p.sub("https"), raw.HTTPS, 443, dir)
	}
	if has(HTTP, raw.HTTP != nil) {
		m.HTTP = r.httpCheck(p.sub("http"), raw.HTTP, 80, dir)
		r.noTLS(p.sub("http"), raw.HTTP)
	}
	if has(TLS, raw.TLS != nil) {
		m.TLS = r.tlsCheck(p.sub("tls"), raw.TLS, dir)
	}
	if has(TCP_, raw.TCP != nil) {
		m.TCP = r.tcpCheck(p.sub("tcp"), raw.TCP)
	}
	if has(DNS_, raw.DNS != nil) {
		m.Ask = r.dnsCheck(p.sub("dns"), raw.DNS)
	}
	has(ICMP, raw.ICMP != nil)
	m.Watch = r.yes(p.sub("watch"), raw.Watch, false)
	if m.Watch && (m.Kind == DNS_ || m.Kind == ICMP) {
		r.problem(p.sub("watch"), raw.Watch, "a check by "+string(m.Kind)+" has no connection that could be watched", "remove it, or write https, http, tls or tcp")
	}
	if len(kinds) == 0 {
		r.problem(p, at(raw.Line), "the monitor does not say what to check", "write one of https, http, tls, tcp, dns, icmp")
	}
	if len(kinds) > 1 {
		r.problem(p, at(raw.Line), "a monitor checks one thing, not "+strings.Join(kinds, " and "), "write a monitor for each; a pool may list several")
	}
	return m
}

func (r *reader) timing(p path, raw *rawMonitor, m *Monitor) {
	m.Interval = r.span(p.sub("interval"), raw.Interval, defaultInterval, 100*time.Millisecond, time.Hour)
	m.Timeout = r.span(p.sub("timeout"), raw.Timeout, defaultTimeout, 10*time.Millisecond, time.Minute)
	m.Recheck = r.span(p.sub("recheck"), raw.Recheck, defaultRecheck, 0, time.Hour)
	if m.Timeout > m.Interval+10*time.Second {
		r.problem(p.sub("timeout"), raw.Timeout, fmt.Sprintf("a timeout of %s lets probes every %s pile up", formatSpan(m.Timeout), formatSpan(m.Interval)),
			"write at most the interval and 10s: "+formatSpan(m.Interval+10*time.Second))
	}
	if m.Recheck != 0 && (m.Recheck < 10*time.Millisecond || m.Recheck > m.Interval) {
		r.problem(p.sub("recheck"), raw.Recheck, formatSpan(m.Recheck)+" is out of range", "write 10ms to the interval, "+formatSpan(m.Interval)+", or 0 for no burst")
	}
}

func (r *reader) thresholds(p path, raw *rawMonitor, m *Monitor) {
	m.Fall = r.count(p.sub("fall"), raw.Fall, defaultFall, 1, 100)
	m.Rise = r.count(p.sub("rise"), raw.Rise, defaultRise, 1, 100)
	window := max(defaultWindow, m.Fall)
	if window > 64 {
		window = 0
	}
	m.Window = r.count(p.sub("window"), raw.Window, window, 0, 64)
	m.WindowFall = r.share(p.sub("window_fall"), raw.WindowFall, defaultWindowFall, 1, 100)
	if m.Window != 0 && m.Window < m.Fall {
		r.problem(p.sub("window"), raw.Window, fmt.Sprintf("a window of %d is full before fall, %d, is reached", m.Window, m.Fall), "write 0 for no window, or at least as many as fall")
	}
	if m.Window == 0 && raw.WindowFall.set() {
		r.problem(p.sub("window_fall"), raw.WindowFall, "there is no window for it", "remove it, or write window: 10")
	}
	m.HoldDown = r.span(p.sub("hold_down"), raw.HoldDown, defaultHoldDown, 0, day)
	m.HoldDownMax = r.span(p.sub("hold_down_max"), raw.HoldDownMax, max(defaultHoldDownMax, m.HoldDown), 0, 7*day)
	if m.HoldDownMax < m.HoldDown {
		r.problem(p.sub("hold_down_max"), raw.HoldDownMax, fmt.Sprintf("%s is less than hold_down, %s", formatSpan(m.HoldDownMax), formatSpan(m.HoldDown)), "write at least as much")
	}
}

func (r *reader) httpCheck(p path, raw *rawHTTP, port uint16, dir string) HTTPCheck {
	c := HTTPCheck{
		Host:            r.site(p, raw.Host, raw.Line),
		Port:            r.port(p.sub("port"), raw.Port, port),
		Path:            raw.Path.or("/"),
		Method:          r.word(p.sub("method"), raw.Method, "GET", "HEAD"),
		Status:          r.statuses(p.sub("status"), raw.Status),
		Body:            r.match(p.sub("body"), raw.Body),
		Headers:         r.headers(p.sub("headers"), raw.Headers),
		RequestHeaders:  r.headers(p.sub("request_headers"), raw.RequestHeaders),
		FollowRedirects: r.yes(p.sub("follow_redirects"), raw.FollowRedirects, false),
		KeepAlive:       r.yes(p.sub("keep_alive"), raw.KeepAlive, false),
		Resume:          r.span(p.sub("resume"), raw.Resume, 0, 0, day),
		RootCAs:         r.filePath(p.sub("root_cas"), raw.RootCAs, dir),
		CertWarn:        r.certWarn(p, raw.CertWarn),
	}
	if !strings.HasPrefix(c.Path, "/") || strings.ContainsFunc(c.Path, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }) {
		r.problem(p.sub("path"), raw.Path, fmt.Sprintf("%q is not a path", clip(c.Path)), "begin it with / and escape what is not printing ASCII, as in /health%20check")
	}
	if c.Method == "HEAD" && raw.Body.text != "" {
		r.problem(p.sub("body"), raw.Body, "the answer to HEAD has no body", "write method: GET, or remove body")
	}
	for i, h := range c.RequestHeaders {
		if reserved(h.Name) {
			r.problem(p.sub("request_headers").item(i), raw.RequestHeaders[min(i, len(raw.RequestHeaders)-1)], h.Name+" is set by the probe itself", "for Host, write host: NAME")
		}
	}
	return c
}

// noTLS reports keys that have no effect without TLS.
func (r *reader) noTLS(p path, raw *rawHTTP) {
	for _, k := range []struct {
		key string
		s   scalar
	}{{"root_cas", raw.RootCAs}, {"cert_warn", raw.CertWarn}, {"resume", raw.Resume}} {
		if k.s.set() {
			r.problem(p.sub(k.key), k.s, "plain HTTP has no certificate", "remove it, or write https: instead of http:")
		}
	}
}

func reserved(header string) bool {
	switch strings.ToLower(header) {
	case "host", "content-length", "transfer-encoding", "connection":
		return true
	}
	return false
}

func (r *reader) tlsCheck(p path, raw *rawTLS, dir string) TLSCheck {
	return TLSCheck{
		Host:     r.site(p, raw.Host, raw.Line),
		Port:     r.port(p.sub("port"), raw.Port, 443),
		RootCAs:  r.filePath(p.sub("root_cas"), raw.RootCAs, dir),
		CertWarn: r.certWarn(p, raw.CertWarn),
	}
}

func (r *reader) certWarn(p path, s scalar) time.Duration {
	return r.span(p.sub("cert_warn"), s, defaultCertWarn, 0, 398*day)
}

func (r *reader) tcpCheck(p path, raw *rawTCP) TCPCheck {
	if raw.Port.missing() {
		r.problem(p, at(raw.Line), "the check has no port", "write port: NUMBER")
	}
	return TCPCheck{
		Port:   r.port(p.sub("port"), raw.Port, 0),
		Send:   raw.Send.text,
		Expect: r.match(p.sub("expect"), raw.Expect),
	}
}

func (r *reader) dnsCheck(p path, raw *rawDNS) DNSCheck {
	if raw.Name.missing() {
		r.problem(p, at(raw.Line), "the check has no name to ask for", "write name: www.example.com")
	}
	return DNSCheck{
		Name:   r.name(p.sub("name"), raw.Name),
		Type:   r.rrtype(p.sub("type"), raw.Type),
		Port:   r.port(p.sub("port"), raw.Port, 53),
		Expect: raw.Expect.text,
	}
}

// rrtype reads the name of a record type, or TYPEnnn (RFC 3597 §5).
func (r *reader) rrtype(p path, s scalar) uint16 {
	types := []struct {
		name string
		code uint16
	}{
		{"A", 1}, {"AAAA", 28}, {"CNAME", 5}, {"NS", 2}, {"MX", 15}, {"TXT", 16}, {"SOA", 6},
		{"SRV", 33}, {"HTTPS", 65}, {"SVCB", 64}, {"CAA", 257}, {"PTR", 12},
	}
	if !s.set() {
		return 1
	}
	var names []string
	for _, t := range types {
		if strings.EqualFold(t.name, s.text) {
			return t.code
		}
		names = append(names, t.name)
	}
	if len(s.text) > 4 && strings.EqualFold(s.text[:4], "TYPE") {
		n, err := strconv.ParseUint(s.text[4:], 10, 16)
		if err == nil && askable(uint16(n)) {
			return uint16(n)
		}
	}
	r.problem(p, s, fmt.Sprintf("%q is not a record type that can be asked for", clip(s.text)), "write one of "+listed(names)+", or TYPE and its number")
	return 1
}

// askable reports whether a record type may stand in a question: not 0, OPT,
// and not the meta types from TKEY to ANY (RFC 6895 §3.1).
func askable(t uint16) bool { return t != 0 && t != 41 && (t < 128 || t > 255) && t != 65535 }

// site reads the customer's own name, which goes into SNI and Host.
func (r *reader) site(p path, s scalar, line int32) string {
	if s.missing() {
		r.problem(p, at(line), "the check has no host", "write host: www.example.com, the name that users ask for; it is sent as SNI and Host through every pool")
		return ""
	}
	if !s.set() {
		return ""
	}
	if a, err := netip.ParseAddr(s.text); err == nil && a.Zone() == "" {
		return a.String()
	}
	name := strings.TrimSuffix(r.hostName(p.sub("host"), s), ".")
	if name != "" && !plain(name) {
		r.problem(p.sub("host"), s, fmt.Sprintf("%q is not a host name", clip(s.text)), "write letters, digits, hyphens and dots, without port or scheme")
	}
	return name
}

func (r *reader) statuses(p path, list []scalar) []int {
	if len(list) == 0 {
		return []int{200}
	}
	out := make([]int, len(list))
	for i, s := range list {
		out[i] = r.count(p.item(i), s, 200, 200, 599)
	}
	return out
}

var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // RFC 9110 §5.6.2

// headers reads fields written as "Name: value".
func (r *reader) headers(p path, list []scalar) []Header {
	var out []Header
	for i, s := range list {
		if !s.set() {
			continue
		}
		name, value, ok := strings.Cut(s.text, ":")
		value = strings.TrimSpace(value)
		switch {
		case !ok:
			r.problem(p.item(i), s, fmt.Sprintf("%q has no colon", clip(s.text)), `write "Name: value" in quotes, or "Name:" for any value`)
		case !token.MatchString(name) || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 127 }):
			r.problem(p.item(i), s, fmt.Sprintf("%q is not a header", clip(s.text)), `write "Name: value", without control characters`)
		default:
			out = append(out, Header{name, value})
		}
	}
	return out
}
