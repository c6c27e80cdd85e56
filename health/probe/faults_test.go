package probe_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/cdntest"
)

// faultCases say what each kind of probe makes of each fault of an edge at
// 127.0.0.2: the class, and the reason as a person reads it.
var faultCases = []struct {
	kind   config.Kind
	fault  cdntest.Fault
	class  health.Class
	reason string
}{
	{config.HTTP, cdntest.Healthy(), health.None, ""},
	{config.HTTP, cdntest.Status(500), health.Edge5xx, "HTTP 500 from 127.0.0.2 (edge)"},
	{config.HTTP, cdntest.Status(503), health.Edge5xx, "HTTP 503 from 127.0.0.2 (edge)"},
	{config.HTTP, cdntest.Status(502), health.Origin5xx, "HTTP 502 from 127.0.0.2 (its origin failed)"},
	{config.HTTP, cdntest.Status(504), health.Origin5xx, "HTTP 504 from 127.0.0.2 (its origin failed)"},
	{config.HTTP, cdntest.Status(522), health.Edge5xx, "HTTP 522 from 127.0.0.2 (edge)"},
	{config.HTTP, cdntest.Status(404), health.Status, "HTTP 404 from 127.0.0.2"},
	{config.HTTP, cdntest.Status(403), health.Status, "HTTP 403 from 127.0.0.2"},
	{config.HTTP, cdntest.Hang(), health.Slow, "connected to 127.0.0.2, but no answer came within 400ms"},
	{config.HTTP, cdntest.SlowHeaders(time.Minute), health.Slow, "connected to 127.0.0.2, but no answer came within 400ms"},
	{config.HTTP, cdntest.Stall(), health.Slow, "the answer of 127.0.0.2 began, but did not end within 400ms"},
	{config.HTTP, cdntest.Refuse(), health.Refused, "127.0.0.2 refused the connection"},
	{config.HTTP, cdntest.Reset(), health.Refused, "127.0.0.2 reset the connection before it answered"},
	{config.HTTP, cdntest.WrongBody(), health.WrongBody, `HTTP 200 from 127.0.0.2, but the body lacks "shunt-ok": it begins “<html><title>Welcome to nginx!</title></html>”`},
	{config.HTTP, cdntest.Challenge(), health.Challenge, "HTTP 403 from 127.0.0.2 is a bot challenge (Cloudflare)"},
	{config.HTTP, cdntest.ChallengeOf("akamai"), health.Challenge, "HTTP 403 from 127.0.0.2 is a bot challenge (Akamai)"},
	{config.HTTP, cdntest.ChallengeOf("aws"), health.Challenge, "HTTP 202 from 127.0.0.2 is a bot challenge (AWS WAF)"},
	{config.HTTP, cdntest.ChallengeOf("datadome"), health.Challenge, "HTTP 403 from 127.0.0.2 is a bot challenge (DataDome)"},
	{config.HTTP, cdntest.ChallengeOf("imperva"), health.Challenge, "HTTP 200 from 127.0.0.2 is a bot challenge (Imperva)"},
	{config.HTTP, cdntest.ChallengeOf("fastly"), health.Challenge, "HTTP 403 from 127.0.0.2 is a bot challenge (Fastly)"},
	{config.HTTP, cdntest.Redirect(301, "https://www.example.test/in?token=abc"), health.Status, "HTTP 301 from 127.0.0.2 redirects to https://www.example.test/in"},

	{config.HTTPS, cdntest.Healthy(), health.None, ""},
	{config.HTTPS, cdntest.Status(500), health.Edge5xx, "HTTP 500 from 127.0.0.2 (edge)"},
	{config.HTTPS, cdntest.Status(502), health.Origin5xx, "HTTP 502 from 127.0.0.2 (its origin failed)"},
	{config.HTTPS, cdntest.Status(404), health.Status, "HTTP 404 from 127.0.0.2"},
	{config.HTTPS, cdntest.Hang(), health.Slow, "connected to 127.0.0.2, but TLS was not ready within 400ms"},
	{config.HTTPS, cdntest.SlowHeaders(time.Minute), health.Slow, "connected to 127.0.0.2, but no answer came within 400ms"},
	{config.HTTPS, cdntest.Stall(), health.Slow, "the answer of 127.0.0.2 began, but did not end within 400ms"},
	{config.HTTPS, cdntest.Refuse(), health.Refused, "127.0.0.2 refused the connection"},
	{config.HTTPS, cdntest.Reset(), health.Refused, "127.0.0.2 reset the connection before it answered"},
	{config.HTTPS, cdntest.WrongCert(), health.TLSFailure, "TLS with 127.0.0.2: the certificate is for edge.cdn.invalid, *.cdn.invalid, not for www.example.test"},
	{config.HTTPS, cdntest.ExpiredCert(), health.TLSFailure, "TLS with 127.0.0.2: the certificate ended on YESTERDAY"},
	{config.HTTPS, cdntest.NoCert(), health.TLSFailure, "TLS with 127.0.0.2: the handshake was refused with the TLS alert unrecognized name"},
	{config.HTTPS, cdntest.WrongBody(), health.WrongBody, `HTTP 200 from 127.0.0.2, but the body lacks "shunt-ok": it begins “<html><title>Welcome to nginx!</title></html>”`},
	{config.HTTPS, cdntest.Challenge(), health.Challenge, "HTTP 403 from 127.0.0.2 is a bot challenge (Cloudflare)"},

	{config.TLS, cdntest.Healthy(), health.None, ""},
	{config.TLS, cdntest.Status(500), health.None, ""},
	{config.TLS, cdntest.Hang(), health.Slow, "connected to 127.0.0.2, but TLS was not ready within 400ms"},
	{config.TLS, cdntest.Refuse(), health.Refused, "127.0.0.2 refused the connection"},
	{config.TLS, cdntest.WrongCert(), health.TLSFailure, "TLS with 127.0.0.2: the certificate is for edge.cdn.invalid, *.cdn.invalid, not for www.example.test"},
	{config.TLS, cdntest.ExpiredCert(), health.TLSFailure, "TLS with 127.0.0.2: the certificate ended on YESTERDAY"},
	{config.TLS, cdntest.NoCert(), health.TLSFailure, "TLS with 127.0.0.2: the handshake was refused with the TLS alert unrecognized name"},

	{config.TCP_, cdntest.Healthy(), health.None, ""},
	{config.TCP_, cdntest.Hang(), health.None, ""},
	{config.TCP_, cdntest.Refuse(), health.Refused, "127.0.0.2 refused the connection"},
}

func TestEveryKindMeetsEveryFault(t *testing.T) {
	ca, file := newCA(t)
	for _, c := range faultCases {
		t.Run(fmt.Sprintf("%s/%s", c.kind, c.fault), func(t *testing.T) {
			t.Parallel()
			with := ca
			if c.kind == config.HTTP || c.kind == config.TCP_ {
				with = nil
			}
			e := startEdge(t, "127.0.0.2", with)
			if err := e.Set(c.fault); err != nil {
				t.Fatal(err)
			}
			m := monitor(c.kind, e.Addr().Port(), file)
			if c.class == health.Slow {
				m.Timeout = short
			}
			r := run(t, m, e.Addr().Addr())
			want := c.reason
			if c.fault.String() == "expired certificate" {
				want = want[:len(want)-len("YESTERDAY")] + r.CertEnd.UTC().Format("2006-01-02 15:04 UTC")
				if d := time.Since(r.CertEnd); d < 24*time.Hour || d > 25*time.Hour {
					t.Errorf("the certificate ended %s ago, not yesterday", d)
				}
			}
			expect(t, r, c.class, want)
			if c.class == health.Slow && r.Phases.Total > short+enough/2 {
				t.Errorf("took %s, timeout %s", r.Phases.Total, short)
			}
			if r.OK && with != nil && time.Until(r.CertEnd) < 24*time.Hour {
				t.Errorf("certificate ends %s", r.CertEnd)
			}
		})
	}
}

// A fault that comes and goes leaves no trace in later probes.
func TestProbeRecoversWithTheEdge(t *testing.T) {
	ca, file := newCA(t)
	e := startEdge(t, "127.0.0.2", ca)
	for _, keep := range []bool{false, true} {
		m := monitor(config.HTTPS, e.Addr().Port(), file)
		m.HTTP.KeepAlive = keep
		history := ""
		for _, f := range []cdntest.Fault{
			cdntest.Healthy(), cdntest.Refuse(), cdntest.Healthy(), cdntest.Reset(), cdntest.Healthy(),
			cdntest.WrongCert(), cdntest.Status(500), cdntest.Healthy(),
		} {
			if err := e.Set(f); err != nil {
				t.Fatal(err)
			}
			if run(t, m, e.Addr().Addr()).OK {
				history += "."
			} else {
				history += "x"
			}
		}
		if want := ".x.x.xx."; history != want {
			t.Errorf("keep_alive %t: %s, want %s", keep, history, want)
		}
	}
}
