package probe_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
	"github.com/shunt-dns/shunt/internal/cdntest"
)

// serve serves h on loopback and returns where.
func serve(t *testing.T, h http.HandlerFunc) netip.AddrPort {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).AddrPort()
}

// speak answers every connection with text and closes it.
func speak(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, text)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

func TestRequestIsTheUsers(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	var got *http.Request
	at := serve(t, func(w http.ResponseWriter, r *http.Request) { got = r })
	m := monitor(config.HTTP, at.Port(), "")
	m.HTTP.Path, m.HTTP.Body = "/a%20b?x=1&y=2", config.Match{}
	m.HTTP.RequestHeaders = []config.Header{{Name: "X-Probe", Value: "a"}, {Name: "x-probe", Value: "b"}, {Name: "Accept", Value: "text/html"}}
	expect(t, run(t, m, at.Addr()), health.None, "")
	if got.Host != host || got.RequestURI != "/a%20b?x=1&y=2" || got.Method != "GET" {
		t.Errorf("asked %s %s of %s", got.Method, got.RequestURI, got.Host)
	}
	if ua := got.UserAgent(); !regexp.MustCompile(`^shunt/\S+ \(\+health probe\)$`).MatchString(ua) {
		t.Errorf("User-Agent %q", ua)
	}
	if v := strings.Join(got.Header.Values("X-Probe"), ","); v != "a,b" {
		t.Errorf("X-Probe %q", v)
	}
	if v := got.Header.Get("Accept"); v != "text/html" {
		t.Errorf("Accept %q", v)
	}
	if got.Header.Get("Accept-Encoding") != "" || !got.Close {
		t.Errorf("asked for %q, close %t", got.Header.Get("Accept-Encoding"), got.Close)
	}
}

// answerCases say what is made of an answer, octet by octet.
var answerCases = []struct {
	name   string
	check  func(*config.HTTPCheck)
	answer string
	class  health.Class
	reason string
}{
	{"a status of the list", func(h *config.HTTPCheck) { h.Status, h.Body = []int{200, 204}, config.Match{} },
		"HTTP/1.1 204 No Content\r\n\r\n", health.None, ""},
	{"an accepted 5xx", func(h *config.HTTPCheck) { h.Status, h.Body = []int{503}, config.Match{} },
		"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", health.None, ""},
	{"an early hint before the answer", nil,
		"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\nshunt-ok", health.None, ""},
	{"a regular expression", func(h *config.HTTPCheck) { h.Body = config.Match{Regexp: regexp.MustCompile(`build=\d+`)} },
		"HTTP/1.1 200 OK\r\n\r\nbuild=77", health.None, ""},
	{"a regular expression that fails", func(h *config.HTTPCheck) { h.Body = config.Match{Regexp: regexp.MustCompile(`build=\d+`)} },
		"HTTP/1.1 200 OK\r\n\r\n\x1b[31mold\r\nstock", health.WrongBody, "HTTP 200 from 127.0.0.1, but the body lacks /build=\\d+/: it begins “[31mold stock”"},
	{"an empty body", nil,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", health.WrongBody, `HTTP 200 from 127.0.0.1, but the body lacks "shunt-ok": it is empty`},
	{"HEAD has no body", func(h *config.HTTPCheck) { h.Method, h.Body = "HEAD", config.Match{} },
		"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", health.None, ""},
	{"a header field that is there", func(h *config.HTTPCheck) {
		h.Headers = []config.Header{{Name: "x-app", Value: "storefront"}, {Name: "Age"}}
	}, "HTTP/1.1 200 OK\r\nX-App: storefront\r\nAge: 3\r\n\r\nshunt-ok", health.None, ""},
	{"a header field of another value", func(h *config.HTTPCheck) { h.Headers = []config.Header{{Name: "X-App", Value: "storefront"}} },
		"HTTP/1.1 200 OK\r\nX-App: parking\r\n\r\nshunt-ok", health.WrongBody, "HTTP 200 from 127.0.0.1, but the header field X-App: storefront is not there"},
	{"a header field that is missing", func(h *config.HTTPCheck) { h.Headers = []config.Header{{Name: "X-App"}} },
		"HTTP/1.1 200 OK\r\n\r\nshunt-ok", health.WrongBody, "HTTP 200 from 127.0.0.1, but the header field X-App is not there"},
	{"a body that breaks off", nil,
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshunt-ok", health.Refused, "127.0.0.1 closed the connection in the middle of its answer"},
	{"chunks that break off", nil,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nshunt-ok\r\n", health.Refused, "127.0.0.1 closed the connection in the middle of its answer"},
	{"nothing at all", nil, "", health.Refused, "127.0.0.1 closed the connection before it answered"},
	{"no HTTP", nil, "SSH-2.0-OpenSSH_9.2\r\n", health.WrongBody,
		`127.0.0.1 answered, but not with HTTP: malformed HTTP response "SSH-2.0-OpenSSH_9.2"`},
	{"fields without end", nil, "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: yyyyyyyyyyyyyy\r\n", 5000), health.WrongBody,
		"127.0.0.1 answered, but not with HTTP: the header fields exceed 64 KiB"},
	{"Cloudflare's word on the origin", nil,
		"HTTP/1.1 522 x\r\nServer: cloudflare\r\nContent-Length: 0\r\n\r\n", health.Origin5xx, "HTTP 522 from 127.0.0.1 (its origin failed, says cloudflare)"},
	{"Cloudflare's own failure", nil,
		"HTTP/1.1 500 x\r\nServer: cloudflare\r\nContent-Length: 0\r\n\r\n", health.Edge5xx, "HTTP 500 from 127.0.0.1 (edge, cloudflare)"},
	{"an edge with a long name", nil,
		"HTTP/1.1 500 x\r\nServer: " + strings.Repeat("é", 60) + "\r\nContent-Length: 0\r\n\r\n", health.Edge5xx, "HTTP 500 from 127.0.0.1 (edge, " + strings.Repeat("é", 24) + "…)"},
	{"the site's own 503 with DataDome before it", nil,
		"HTTP/1.1 503 x\r\nX-DataDome: protected\r\nContent-Length: 0\r\n\r\n", health.Edge5xx, "HTTP 503 from 127.0.0.1 (edge)"},
	{"a wrong page that carries Cloudflare's scripts", nil,
		"HTTP/1.1 200 OK\r\n\r\n<script src=/cdn-cgi/challenge-platform/scripts/jsd/main.js>", health.WrongBody,
		`HTTP 200 from 127.0.0.1, but the body lacks "shunt-ok": it begins “<script src=/cdn-cgi/challenge-platform/scripts/jsd/main.js>”`},
	{"a server name from hell", nil,
		"HTTP/1.1 404 x\r\nServer: " + strings.Repeat("é", 60) + "\r\nContent-Length: 0\r\n\r\n", health.Status, "HTTP 404 from 127.0.0.1 (server: " + strings.Repeat("é", 40) + "…)"},
}

func TestAnswers(t *testing.T) {
	for _, c := range answerCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := speak(t, c.answer)
			m := monitor(config.HTTP, at.Port(), "")
			if c.check != nil {
				c.check(&m.HTTP)
			}
			expect(t, run(t, m, at.Addr()), c.class, c.reason)
		})
	}
}

func TestBodyIsReadTo64KiB(t *testing.T) {
	for _, c := range []struct {
		before int
		class  health.Class
	}{{64<<10 - len("shunt-ok"), health.None}, {64 << 10, health.WrongBody}} {
		at := speak(t, "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("-", c.before)+"shunt-ok"+strings.Repeat("-", 1<<20))
		r := run(t, monitor(config.HTTP, at.Port(), ""), at.Addr())
		if r.Class != c.class {
			t.Errorf("%d octets before the mark: %q %s", c.before, r.Class, r.Reason)
		}
	}
}

func TestRedirects(t *testing.T) {
	ca, file := newCA(t)
	secure := startEdge(t, "127.0.0.1", ca)
	asked := map[string]string{} // path → Host
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked[r.URL.Path] = r.Host
		switch to := r.URL.Query().Get("to"); {
		case r.URL.Path == "/loop":
			w.Header().Set("Location", "/loop")
			w.WriteHeader(302)
		case to != "":
			w.Header().Set("Location", to)
			w.WriteHeader(302)
		default:
			_, _ = io.WriteString(w, "shunt-ok")
		}
	})
	home := fmt.Sprintf("http://%s:%d", host, at.Port())
	for _, c := range []struct {
		path   string
		class  health.Class
		reason string
	}{
		{"/a?to=/b", health.None, ""},
		{"/a?to=//WWW.example.test/c", health.None, ""},
		{"/a?to=" + home + "/d", health.None, ""},
		{"/a?to=https://www.example.test:" + fmt.Sprint(secure.Addr().Port()) + "/e", health.None, ""},
		{"/loop", health.Status, "HTTP 302 from 127.0.0.1 redirected more than 5 times"},
		{"/a?to=http://other.example/x", health.Status, "HTTP 302 from 127.0.0.1 redirects to http://other.example/x, which is not followed"},
		{"/a?to=ftp://www.example.test/x", health.Status, "HTTP 302 from 127.0.0.1 redirects to ftp://www.example.test/x, which is not followed"},
		{"/a?to=http://www.example.test:99999/x", health.Status, "HTTP 302 from 127.0.0.1 redirects to http://www.example.test:99999/x, which is not followed"},
	} {
		m := monitor(config.HTTP, at.Port(), file)
		m.HTTP.Path, m.HTTP.FollowRedirects = c.path, true
		expect(t, run(t, m, at.Addr()), c.class, c.reason)
	}
	for _, path := range []string{"/a", "/b", "/c", "/d", "/loop"} {
		if asked[path] != host {
			t.Errorf("%s asked of %q", path, asked[path])
		}
	}
	if secure.Requests() != 1 {
		t.Errorf("%d requests over TLS", secure.Requests())
	}
}

func TestKeepAliveUsesOneConnection(t *testing.T) {
	ca, file := newCA(t)
	e := startEdge(t, "127.0.0.2", ca)
	for _, keep := range []bool{false, true} {
		m := monitor(config.HTTPS, e.Addr().Port(), file)
		m.HTTP.KeepAlive = keep
		m.Interval = time.Minute
		p, err := probe.New(m)
		if err != nil {
			t.Fatal(err)
		}
		before := e.Connections()
		for range 3 {
			r := p(context.Background(), e.Addr().Addr())
			expect(t, r, health.None, "")
			if r.CertEnd.IsZero() {
				t.Error("no end of the certificate")
			}
		}
		want := uint64(3)
		if keep {
			want = 1
		}
		if got := e.Connections() - before; got != want {
			t.Errorf("keep_alive %t: %d connections, want %d", keep, got, want)
		}
		if !keep {
			continue
		}
		// A failure ends the connection, and the next probe shakes hands anew.
		for _, f := range []cdntest.Fault{cdntest.Status(500), cdntest.WrongBody(), cdntest.Reset()} {
			for _, step := range []cdntest.Fault{cdntest.Healthy(), f, cdntest.WrongCert()} {
				if err := e.Set(step); err != nil {
					t.Fatal(err)
				}
				r := p(context.Background(), e.Addr().Addr())
				if step.String() == "wrong certificate" && r.Class != health.TLSFailure {
					t.Errorf("after %s: %q %s", f, r.Class, r.Reason)
				}
			}
		}
	}
}

// A connection that the edge has closed since is replaced, not held against it.
func TestKeepAliveReplacesAStaleConnection(t *testing.T) {
	e := startEdge(t, "127.0.0.2", nil)
	m := monitor(config.HTTP, e.Addr().Port(), "")
	m.HTTP.KeepAlive, m.Interval = true, time.Minute
	p, err := probe.New(m)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, p(context.Background(), e.Addr().Addr()), health.None, "")
	e.Close()
	again, err := cdntest.Start(e.Addr(), cdntest.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	expect(t, p(context.Background(), e.Addr().Addr()), health.None, "")
}

// A warm connection must not hide that nobody accepts any more.
func TestKeepAliveSeesAGoneEdge(t *testing.T) {
	e := startEdge(t, "127.0.0.2", nil)
	m := monitor(config.HTTP, e.Addr().Port(), "")
	m.HTTP.KeepAlive, m.Interval = true, time.Minute
	p, err := probe.New(m)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, p(context.Background(), e.Addr().Addr()), health.None, "")
	if err := e.Set(cdntest.Refuse()); err != nil {
		t.Fatal(err)
	}
	expect(t, p(context.Background(), e.Addr().Addr()), health.Refused, "127.0.0.2 refused the connection")
}

func TestCancelledProbeIsNoVote(t *testing.T) {
	e := startEdge(t, "127.0.0.2", nil)
	if err := e.Set(cdntest.Hang()); err != nil {
		t.Fatal(err)
	}
	p, err := probe.New(monitor(config.HTTP, e.Addr().Port(), ""))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	r := p(ctx, e.Addr().Addr())
	expect(t, r, health.Internal, "could not probe 127.0.0.2: it was cancelled")
	if r.Phases.Total > enough/2 {
		t.Errorf("cancelling took %s", r.Phases.Total)
	}
}

func TestShorterDeadlineOfTheCallerHolds(t *testing.T) {
	e := startEdge(t, "127.0.0.2", nil)
	if err := e.Set(cdntest.Hang()); err != nil {
		t.Fatal(err)
	}
	p, err := probe.New(monitor(config.HTTP, e.Addr().Port(), ""))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	if r := p(ctx, e.Addr().Addr()); r.Class != health.Slow || r.Phases.Total > enough/2 {
		t.Errorf("%q %s after %s", r.Class, r.Reason, r.Phases.Total)
	}
	<-ctx.Done()
	expect(t, p(ctx, e.Addr().Addr()), health.Internal, "could not probe 127.0.0.2: no time was left for it")
}

func TestUntrustedAuthority(t *testing.T) {
	ca, _ := newCA(t)
	_, strange := newCA(t)
	e := startEdge(t, "127.0.0.2", ca)
	expect(t, run(t, monitor(config.HTTPS, e.Addr().Port(), strange), e.Addr().Addr()), health.TLSFailure,
		"TLS with 127.0.0.2: the certificate is signed by an authority that is not trusted here (CN=shunt test authority; the server sends no intermediate certificate)")
	expect(t, run(t, monitor(config.HTTPS, e.Addr().Port(), ""), e.Addr().Addr()), health.TLSFailure,
		"TLS with 127.0.0.2: the certificate is signed by an authority that is not trusted here (CN=shunt test authority; the server sends no intermediate certificate)")
	plain := startEdge(t, "127.0.0.2", nil)
	expect(t, run(t, monitor(config.HTTPS, plain.Addr().Port(), ""), plain.Addr().Addr()), health.TLSFailure,
		"TLS with 127.0.0.2: what answers does not speak TLS")
}

func TestNewSaysWhatToMend(t *testing.T) {
	dir := t.TempDir()
	noCert := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(noCert, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*config.Monitor){
		"(name a readable PEM file": func(m *config.Monitor) { m.HTTP.RootCAs = filepath.Join(dir, "gone.pem") },
		"empty.pem holds no cert":   func(m *config.Monitor) { m.HTTP.RootCAs = noCert },
		"use the key host":          func(m *config.Monitor) { m.HTTP.RequestHeaders = []config.Header{{Name: "host", Value: "x"}} },
		"see keep_alive":            func(m *config.Monitor) { m.HTTP.RequestHeaders = []config.Header{{Name: "connection"}} },
		"it begins with /":          func(m *config.Monitor) { m.HTTP.Path = "a b" },
		`no probe of kind "gopher"`: func(m *config.Monitor) { m.Kind = "gopher" },
	} {
		m := monitor(config.HTTPS, 443, "")
		change(&m)
		_, err := probe.New(m)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "monitor m: ") {
			t.Errorf("%v, want …%s…", err, want)
		}
	}
}
