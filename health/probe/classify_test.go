package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// on wraps an error as the net package does.
func on(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, err)}
}

func TestClassifyError(t *testing.T) {
	timeout := on("read", os.ErrDeadlineExceeded)
	for _, c := range []struct {
		stage stage
		err   error
		class health.Class
	}{
		{connecting, context.Canceled, health.Internal},
		{reading, context.Canceled, health.Internal},
		{connecting, on("socket", syscall.EMFILE), health.Internal},
		{connecting, on("socket", syscall.ENFILE), health.Internal},
		{connecting, on("connect", syscall.EADDRNOTAVAIL), health.Internal},
		{connecting, on("connect", syscall.EACCES), health.Internal},
		{connecting, on("connect", syscall.EPERM), health.Internal},
		{connecting, on("socket", syscall.EAFNOSUPPORT), health.Internal},
		{waiting, on("write", syscall.ENOBUFS), health.Internal},
		{connecting, lackError("no"), health.Internal},

		{asking, timeout, health.Network},
		{connecting, timeout, health.Network},
		{connecting, on("connect", syscall.ETIMEDOUT), health.Network},
		{connecting, context.DeadlineExceeded, health.Network},
		{connecting, on("connect", syscall.EHOSTUNREACH), health.Network},
		{connecting, on("connect", syscall.ENETUNREACH), health.Network},
		{asking, on("write", syscall.ENETUNREACH), health.Network},
		{connecting, on("connect", syscall.EPROTO), health.Network},

		{connecting, on("connect", syscall.ECONNREFUSED), health.Refused},
		{asking, on("read", syscall.ECONNREFUSED), health.Refused},
		{connecting, on("connect", syscall.ECONNRESET), health.Refused},
		{handshaking, on("read", syscall.ECONNRESET), health.Refused},
		{handshaking, io.EOF, health.Refused},
		{waiting, on("write", syscall.EPIPE), health.Refused},
		{waiting, io.EOF, health.Refused},
		{reading, io.ErrUnexpectedEOF, health.Refused},

		{handshaking, timeout, health.Slow},
		{waiting, timeout, health.Slow},
		{reading, timeout, health.Slow},

		{handshaking, errors.New("tls: server selected unsupported curve"), health.TLSFailure},
		{handshaking, &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, health.TLSFailure},
		{waiting, &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, health.TLSFailure},
		{handshaking, errors.New("something else"), health.TLSFailure},
		{reading, errors.New("malformed HTTP response"), health.WrongBody},
	} {
		class, reason := classify(sight{kind: config.HTTPS, from: "192.0.2.1", budget: 3 * time.Second, stage: c.stage, err: c.err})
		if class != c.class || reason == "" {
			t.Errorf("stage %d, %v: %q %s, want %q", c.stage, c.err, class, reason, c.class)
		}
	}
}

func TestClassifyHTTP(t *testing.T) {
	cf := http.Header{"Server": {"cloudflare"}}
	ray := http.Header{"Cf-Ray": {"8a1"}}
	nginx := http.Header{"Server": {"nginx"}}
	for _, c := range []struct {
		status    int
		condition bool
		header    http.Header
		class     health.Class
	}{
		{200, true, nginx, health.None},
		{200, false, nginx, health.WrongBody},
		{500, true, cf, health.Edge5xx},
		{503, false, nginx, health.Edge5xx},
		{520, true, cf, health.Edge5xx},
		{502, true, nginx, health.Origin5xx},
		{504, true, cf, health.Origin5xx},
		{521, true, cf, health.Origin5xx},
		{526, true, ray, health.Origin5xx},
		{530, true, cf, health.Origin5xx},
		{530, true, nginx, health.Edge5xx},
		{522, true, nginx, health.Edge5xx},
		{404, true, nginx, health.Status},
		{429, true, nginx, health.Status},
		{302, true, nginx, health.Status},
		{200, false, http.Header{"Cf-Mitigated": {"challenge"}}, health.Challenge},
		{200, true, http.Header{"Cf-Mitigated": {"challenge"}}, health.None},
		{405, true, http.Header{"X-Amzn-Waf-Action": {"captcha"}}, health.Challenge},
		{503, true, http.Header{"Cf-Mitigated": {"challenge"}}, health.Challenge},
		{403, true, http.Header{"X-Datadome": {"protected"}}, health.Challenge},
		{503, true, http.Header{"X-Datadome": {"protected"}}, health.Edge5xx},
	} {
		s := sight{kind: config.HTTPS, from: "192.0.2.1", stage: answered, status: c.status, accepted: c.status == 200, header: c.header}
		if !c.condition {
			s.missing = `"x"`
		}
		if class, reason := classify(s); class != c.class {
			t.Errorf("%d %v: %q %s, want %q", c.status, c.header, class, reason, c.class)
		}
	}
}

func TestMarks(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		vendor string
	}{
		{403, "<title>Just a moment...</title>", "Cloudflare"},
		{503, "Just a moment...", "Cloudflare"},
		{200, "Just a moment... the shop is loading", ""},
		{403, `<script src="/cdn-cgi/challenge-platform/h/g/orchestrate/chl_page/v1">`, "Cloudflare"},
		{503, `<script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js">`, ""},
		{200, `window._cf_chl_opt={}`, "Cloudflare"},
		{403, "Reference #18.c6a50517.1514639126.176b29a", "Akamai"},
		{503, "Reference #97.c6a50517.1514639126.176b29a", ""},
		{428, `{"sec-cp-challenge": "true","provider":"crypto"}`, "Akamai"},
		{403, "https://geo.captcha-delivery.com/captcha/", "DataDome"},
		{200, "Request unsuccessful. Incapsula incident ID: 1-2", "Imperva"},
		{503, "Request unsuccessful. Incapsula incident ID: 1-2", ""},
		{403, `src="/_Incapsula_Resource?SWJIYLWA=1"`, "Imperva"},
		{200, `src="/_Incapsula_Resource?SWJIYLWA=1"`, ""},
		{406, `<script src="/_fs-ch-1T1wmsGaOgGaSxcX/script.js">`, "Fastly"},
		{403, "Forbidden", ""},
	} {
		if got := challenger(c.status, http.Header{}, []byte(c.body)); got != c.vendor {
			t.Errorf("%d %s: %q, want %q", c.status, c.body, got, c.vendor)
		}
	}
}

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"  a\t\r\n b ", "a b"},
		{"a\x00\x1b[2Jb\u202e", "a[2Jb"},
		{"\xff\xfeok", "ok"},
		{"abcdefghij", "abcdefghij"},
		{"abcdefghijk", "abcdefghij…"},
		{"grüße weit", "grüße weit"},
	} {
		if got := printable(c.in, 10); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

// A certificate that ends while a kept connection lives is seen all the same.
func TestLapsedCertificate(t *testing.T) {
	end := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	class, reason := classify(sight{kind: config.HTTPS, from: "192.0.2.1", stage: answered, status: 200, accepted: true, lapsed: true, certEnd: end})
	if class != health.TLSFailure || reason != "TLS with 192.0.2.1: the certificate ended on 2026-01-02 03:04 UTC" {
		t.Errorf("%q %s", class, reason)
	}
}
