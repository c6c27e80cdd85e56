package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/config"
)

const (
	maxHops    = 5 // redirects that are followed
	maxInterim = 5 // 1xx answers before the real one (RFC 9110 §15.2)
)

// errHeaders is the failure of an answer whose fields do not end.
var errHeaders = errors.New("the header fields exceed 64 KiB")

// An httpProbe is an http or https monitor made ready. It writes a request
// that was rendered once, by net/http, and reads the answer on a connection of
// its own: so the phases are exact, a probe starts no goroutine, and the
// endpoint's address is the only one it can reach. Plain good answers, which
// nearly all are, it reads by itself; net/http reads all others.
type httpProbe struct {
	check   config.HTTPCheck
	secure  bool
	tls     *tls.Config // for redirects to https also in a probe of http
	request *http.Request
	wire    []byte // request as written; it is the same for every endpoint
	header  http.Header
	firsts  sync.Pool // of *[]byte, firstRead long
	bodies  sync.Pool // of *[]byte, maxRead long
	idle    *idleConns
	resume  *sessions // nil: each handshake is a full one
}

func newHTTP(m config.Monitor, idle *idleConns) (ask, error) {
	h := m.HTTP
	p := &httpProbe{check: h, secure: m.Kind == config.HTTPS, idle: idle}
	p.firsts.New = newFirst
	p.bodies.New = func() any { b := make([]byte, maxRead); return &b }
	if p.secure || h.FollowRedirects {
		cfg, err := tlsConfig(h.Host, h.RootCAs)
		if err != nil {
			return nil, err
		}
		cfg.NextProtos = []string{"http/1.1"}
		p.tls = cfg
		p.resume = newSessions(cfg, h.Resume)
	}
	target, err := url.ParseRequestURI(h.Path)
	if err != nil {
		return nil, fmt.Errorf("path %q is not one: %w (it begins with /)", h.Path, err)
	}
	target.Scheme, target.Host = scheme(p.secure), h.Host
	if err := p.fields(); err != nil {
		return nil, err
	}
	if p.request, p.wire, err = p.render(target); err != nil {
		return nil, fmt.Errorf("the request cannot be written: %w", err)
	}
	return p.ask, nil
}

// fields collects what the request says beside its first line and Host.
func (p *httpProbe) fields() error {
	p.header = http.Header{"User-Agent": {userAgent()}, "Accept": {"*/*"}}
	for _, f := range p.check.RequestHeaders {
		switch http.CanonicalHeaderKey(f.Name) {
		case "Host":
			return errors.New("request_headers may not hold Host (use the key host)")
		case "Connection", "Content-Length", "Transfer-Encoding", "Trailer":
			return fmt.Errorf("request_headers may not hold %s (it belongs to the connection; see keep_alive)", f.Name)
		}
		p.header.Del(f.Name)
	}
	for _, f := range p.check.RequestHeaders {
		p.header.Add(f.Name, f.Value)
	}
	return nil
}

// render returns the request for target and its octets. The Host field is the
// customer's name as configured, whatever the port.
func (p *httpProbe) render(target *url.URL) (*http.Request, []byte, error) {
	method := p.check.Method
	if method == "" {
		method = http.MethodGet
	}
	r := &http.Request{
		Method: method, URL: target, Host: p.check.Host, Header: p.header,
		ProtoMajor: 1, ProtoMinor: 1, Close: p.idle == nil,
	}
	var b bytes.Buffer
	err := r.Write(&b)
	return r, b.Bytes(), err
}

// ask asks, and follows redirects where the monitor says so.
func (p *httpProbe) ask(ctx context.Context, at *attempt) {
	at.host = p.check.Host
	q := question{port: p.check.Port, secure: p.secure, request: p.request, wire: p.wire}
	body := scratch{pool: &p.bodies}
	defer body.release()
	defer p.distrust(at)
	for hop := 0; ; hop++ {
		resp, err := p.exchange(ctx, at, q, &body)
		if at.err = err; err != nil {
			return
		}
		if resp == nil {
			return
		}
		next, why := p.redirect(resp, q)
		if next == nil || hop == maxHops {
			if next != nil {
				why = fmt.Sprintf("redirected more than %d times", maxHops)
			}
			at.redirect = why
			// The scratch body goes back to the pool; classify needs its own.
			at.body = bytes.Clone(at.body)
			return
		}
		q = *next
	}
}

// distrust has the next probe of an endpoint that failed shake hands in full.
func (p *httpProbe) distrust(at *attempt) {
	if p.resume != nil && (at.err != nil || !at.accepted || at.missing != "" || at.lapsed) {
		p.resume.forget(at.addr)
	}
}

// A scratch is the memory that a body is read into. It is taken when an answer
// has begun: thousands of probes of edges that hang must not hold 64 KiB each.
type scratch struct {
	pool *sync.Pool // of *[]byte, maxRead long
	b    *[]byte    // nil until it is taken
}

func (s *scratch) bytes() []byte {
	if s.b == nil {
		s.b = s.pool.Get().(*[]byte)
	}
	return *s.b
}

func (s *scratch) release() {
	if s.b != nil {
		s.pool.Put(s.b)
	}
}

// A question is one request of a probe; redirects make for more than one.
type question struct {
	port    uint16
	secure  bool
	request *http.Request
	wire    []byte
}

// exchange asks q on an idle connection where the probe keeps one, else on a
// new one. An idle connection that the edge has closed meanwhile says nothing
// about the edge, so one that fails before the first octet is replaced.
func (p *httpProbe) exchange(ctx context.Context, at *attempt, q question, body *scratch) (*http.Response, error) {
	if p.idle != nil && q.port == p.check.Port && q.secure == p.secure {
		if c := p.idle.take(at.addr); c != nil {
			_ = c.tcp.SetDeadline(at.deadline)
			at.certEnd = c.certEnd
			resp, err := p.converse(ctx, at, c, q, body)
			if err == nil || at.stage != waiting || isTimeout(err) || ctx.Err() != nil {
				return resp, err
			}
		}
	}
	var cfg *tls.Config
	switch {
	case q.secure && p.secure && q.port == p.check.Port && p.resume != nil:
		cfg = p.resume.config(at.addr)
	case q.secure:
		cfg = p.tls
	}
	c, err := connect(ctx, at, q.port, cfg)
	if err != nil {
		return nil, err
	}
	return p.converse(ctx, at, c, q, body)
}

// converse writes q to c, reads the answer and judges it. It keeps c for the
// next probe where that is wanted and nothing has failed, and else closes it.
// The answer is nil for one that fulfils every condition and was too plain to
// need net/http.
func (p *httpProbe) converse(ctx context.Context, at *attempt, c *conn, q question, body *scratch) (*http.Response, error) {
	stop := c.obey(ctx)
	resp, open, err := p.read(at, c, q, body)
	keep := stop() && err == nil && open && p.idle != nil &&
		q.port == p.check.Port && q.secure == p.secure && at.accepted && at.missing == "" && !at.lapsed
	if keep {
		p.idle.put(at.addr, c)
	} else {
		c.abort()
	}
	return resp, err
}

// read writes the request, reads the answer and judges it. open reports that
// nothing of the answer is left on the connection, and that the server keeps
// it open.
func (p *httpProbe) read(at *attempt, c *conn, q question, body *scratch) (resp *http.Response, open bool, err error) {
	at.stage = waiting
	begin := time.Now()
	if _, err := c.Write(q.wire); err != nil {
		at.phases.Processing = time.Since(begin)
		return nil, false, err
	}
	first := p.firsts.Get().(*[]byte)
	defer p.firsts.Put(first)
	var n int
	var s shape
	for s == partial && err == nil && n < len(*first) {
		var m int
		m, err = c.Read((*first)[n:])
		if n == 0 {
			at.phases.Processing = time.Since(begin)
			if m == 0 && err != nil {
				return nil, false, err
			}
			at.stage = reading
			begin = time.Now()
			defer func() { at.phases.Transfer = time.Since(begin) }()
		}
		n += m
		var a plainAnswer
		if a, s = p.plain((*first)[:n]); s == whole {
			if p.fulfils(at, a) {
				return nil, !a.close, nil
			}
		}
	}
	return p.readSlowly(at, c.resume((*first)[:n], err), q, body)
}

// plain reads an answer of the plainest form where that is enough to judge it.
func (p *httpProbe) plain(b []byte) (plainAnswer, shape) {
	if p.request.Method != http.MethodGet || len(p.check.Headers) > 0 {
		return plainAnswer{}, other
	}
	return readPlain(b)
}

// fulfils reports whether a plain answer is one that no more needs to be said
// of, and notes so in at. Of any other, people will want to read more.
func (p *httpProbe) fulfils(at *attempt, a plainAnswer) bool {
	at.status, at.header, at.body = a.status, nil, a.body
	at.clock = clockOf(string(a.date), string(a.age))
	p.judge(at)
	at.body = nil // the memory is lent
	if !at.accepted || at.missing != "" {
		return false
	}
	at.stage = answered
	return true
}

// readSlowly reads the answer by net/http from c, which knows its beginning,
// and its body into body.
func (p *httpProbe) readSlowly(at *attempt, c *conn, q question, body *scratch) (resp *http.Response, open bool, err error) {
	for range maxInterim {
		if resp, err = http.ReadResponse(c.br, q.request); err != nil {
			if c.overran() {
				err = errHeaders
			}
			return nil, false, err
		}
		if resp.StatusCode >= 200 {
			break
		}
	}
	at.status, at.header = resp.StatusCode, resp.Header
	at.clock = clockOf(resp.Header.Get("Date"), resp.Header.Get("Age"))
	c.unlimit()
	buf := body.bytes()
	n, whole, err := readBody(resp.Body, buf)
	at.body = buf[:n]
	if err == nil {
		at.stage = answered
		p.judge(at)
	}
	return resp, whole && !resp.Close && c.br.Buffered() == 0, err
}

// clockOf returns what the clock of who sent an answer showed: when it was
// made, and how long a cache has had it (RFC 9110 §6.6.1, RFC 9111 §5.1); zero
// where that is not said.
func clockOf(date, age string) time.Time {
	made, err := http.ParseTime(date)
	if err != nil {
		return time.Time{}
	}
	if seconds, err := strconv.ParseUint(age, 10, 31); err == nil {
		made = made.Add(time.Duration(seconds) * time.Second)
	}
	return made
}

// readBody fills buf from r; whole reports that r ended within it.
func readBody(r io.Reader, buf []byte) (n int, whole bool, err error) {
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

// judge notes which of the monitor's conditions the answer fails.
func (p *httpProbe) judge(at *attempt) {
	at.accepted, at.missing = p.accepts(at.status), ""
	// On a kept connection nobody else would notice.
	at.lapsed = !at.certEnd.IsZero() && at.certEnd.Before(time.Now())
	for _, want := range p.check.Headers {
		if !hasField(at.header, want) {
			at.missing = fmt.Sprintf("the header field %s", fieldText(want))
			return
		}
	}
	if !matches(p.check.Body, at.body) {
		at.missing = matchText(p.check.Body)
	}
}

func (p *httpProbe) accepts(status int) bool {
	if len(p.check.Status) == 0 {
		return status == http.StatusOK
	}
	return slices.Contains(p.check.Status, status)
}

// redirect returns the question that the answer to q redirects to. Where it
// may not be followed, why says where it leads. Only the customer's own name
// is followed, and only at the endpoint's own address: anything else would
// probe something else.
func (p *httpProbe) redirect(resp *http.Response, q question) (next *question, why string) {
	switch resp.StatusCode {
	case 301, 302, 303, 307, 308:
	default:
		return nil, ""
	}
	if p.accepts(resp.StatusCode) {
		return nil, ""
	}
	to, err := q.request.URL.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return nil, "redirects to nowhere"
	}
	why = "redirects to " + printable(to.Scheme+"://"+to.Host+to.EscapedPath(), 80)
	if !p.check.FollowRedirects {
		return nil, why
	}
	secure := to.Scheme == "https"
	if (!secure && to.Scheme != "http") || !strings.EqualFold(to.Hostname(), p.check.Host) {
		return nil, why + ", which is not followed"
	}
	port := redirectPort(to, q)
	if port == 0 {
		return nil, why + ", which is not followed"
	}
	r, wire, err := p.render(&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path, RawPath: to.RawPath, RawQuery: to.RawQuery})
	if err != nil {
		return nil, why + ", which is not followed"
	}
	return &question{port: port, secure: secure, request: r, wire: wire}, why
}

// redirectPort returns the port that to names: its own, else that of q where
// the scheme stays, else the scheme's.
func redirectPort(to *url.URL, q question) uint16 {
	if to.Port() != "" {
		ap, err := netip.ParseAddrPort("0.0.0.0:" + to.Port())
		if err != nil {
			return 0
		}
		return ap.Port()
	}
	switch {
	case (to.Scheme == "https") == q.secure:
		return q.port
	case to.Scheme == "https":
		return 443
	}
	return 80
}

func scheme(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}
