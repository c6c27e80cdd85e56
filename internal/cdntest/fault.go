package cdntest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// kind is what an edge does wrong.
type kind uint8

const (
	healthy kind = iota
	status
	hang
	refuse
	resets
	wrongCert
	expiredCert
	noCert
	wrongBody
	challenge
	slow
	stall
	redirect
	flap
	ratio
)

// A Fault is the way in which an edge fails. It is a value; the functions of
// this file make it.
type Fault struct {
	kind   kind
	code   int           // of status, redirect
	text   string        // of redirect: the location; of challenge: the vendor
	delay  time.Duration // of slow
	period time.Duration // of flap
	start  time.Time     // of flap
	share  float64       // of ratio
	other  *Fault        // of flap and ratio: the fault that comes and goes
}

// Healthy is no fault: 200 and the edge's body.
func Healthy() Fault { return Fault{} }

// Status answers every request with this HTTP status.
func Status(code int) Fault { return Fault{kind: status, code: code} }

// Hang accepts connections and never says anything on them, TLS included.
func Hang() Fault { return Fault{kind: hang} }

// Refuse closes the listener: the kernel refuses connections.
func Refuse() Fault { return Fault{kind: refuse} }

// Reset accepts a connection, shakes hands, reads the request and resets.
func Reset() Fault { return Fault{kind: resets} }

// WrongCert shows a certificate for another name.
func WrongCert() Fault { return Fault{kind: wrongCert} }

// ExpiredCert shows a certificate that has ended.
func ExpiredCert() Fault { return Fault{kind: expiredCert} }

// NoCert ends the handshake with an alert, as an edge that was never told of
// the name.
func NoCert() Fault { return Fault{kind: noCert} }

// WrongBody answers 200 with another site.
func WrongBody() Fault { return Fault{kind: wrongBody} }

// Challenge answers with a bot challenge as Cloudflare sends it: 403, its
// header field and its page.
func Challenge() Fault { return ChallengeOf("cloudflare") }

// ChallengeOf answers with a bot challenge of vendor: cloudflare, akamai, aws,
// datadome, imperva or fastly.
func ChallengeOf(vendor string) Fault { return Fault{kind: challenge, text: vendor} }

// SlowHeaders answers as a healthy edge, after d.
func SlowHeaders(d time.Duration) Fault { return Fault{kind: slow, delay: d} }

// Stall begins a healthy answer and never ends it.
func Stall() Fault { return Fault{kind: stall} }

// Redirect answers every request with code and this location.
func Redirect(code int, location string) Fault {
	return Fault{kind: redirect, code: code, text: location}
}

// Flap is f for half of every period and healthy for the other, f first.
func Flap(period time.Duration, f Fault) Fault {
	return Fault{kind: flap, period: max(period, 2*time.Millisecond), start: time.Now(), other: &f}
}

// Ratio is f for a share of the connections and requests, drawn at random;
// share is from 0 to 1. A share of Refuse resets what it hits.
func Ratio(share float64, f Fault) Fault {
	if f.kind == refuse {
		f = Reset()
	}
	return Fault{kind: ratio, share: share, other: &f}
}

// at returns the fault that f is at now.
func (f *Fault) at(now time.Time) Fault {
	switch f.kind {
	case flap:
		if now.Sub(f.start)%f.period < f.period/2 {
			return f.other.at(now)
		}
		return Healthy()
	case ratio:
		if rand.Float64() < f.share {
			return f.other.at(now)
		}
		return Healthy()
	}
	return *f
}

// untilFlip returns how long a flap stays as it is at now.
func (f *Fault) untilFlip(now time.Time) time.Duration {
	half := f.period / 2
	return half - now.Sub(f.start)%half + time.Millisecond
}

// challenge writes what the vendor's challenge is known by.
func (f Fault) challenge(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	code, page := http.StatusForbidden, ""
	switch f.text {
	case "akamai":
		h.Set("Server", "AkamaiGHost")
		page = `<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY><H1>Access Denied</H1>You don't have permission to access "http&#58;&#47;&#47;www&#46;example&#46;test&#47;" on this server.<P>Reference&#32;&#35;18&#46;5e3c1202&#46;1718000000&#46;1a2b3c</BODY></HTML>`
	case "aws":
		h.Set("Server", "CloudFront")
		h.Set("X-Amzn-Waf-Action", "challenge")
		code = http.StatusAccepted
	case "datadome":
		h.Set("Server", "DataDome")
		h.Set("X-Datadome", "protected")
		page = `<html><head><title>example.test</title></head><body><p id="cmsg">Please enable JS and disable any ad blocker</p><script src="https://ct.captcha-delivery.com/c.js"></script></body></html>`
	case "imperva":
		h.Set("X-Iinfo", "9-1234567-0 0NNN RT(1718000000000 0) q(0 -1 -1 0) r(0 -1) B12")
		code = http.StatusOK
		page = `<html><head><meta name="robots" content="noindex, nofollow"></head><body><iframe src="/_Incapsula_Resource?SWUDNSAI=31&amp;xinfo=9-1234567-0">Request unsuccessful. Incapsula incident ID: 100000000000000000-000000000000000000</iframe></body></html>`
	case "fastly":
		h.Set("Set-Cookie", "_fs_ch_st_1T1wmsGaOgGaSxcX=AbCd; Path=/; HttpOnly")
		page = `<html><head><title>Client Challenge</title><script src="/_fs-ch-1T1wmsGaOgGaSxcX/script.js"></script></head><body></body></html>`
	default:
		h.Set("Server", "cloudflare")
		h.Set("Cf-Mitigated", "challenge")
		page = `<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head><body><script>window._cf_chl_opt = {cvId: '3', cType: 'managed'};</script><script src="/cdn-cgi/challenge-platform/h/b/orchestrate/chl_page/v1"></script></body></html>`
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, page)
}

// String returns f for people, as "status 503" or "flap 2s (hang)".
func (f Fault) String() string {
	name := [...]string{"healthy", "status", "hang", "refuse", "reset", "wrong certificate", "expired certificate",
		"no certificate", "wrong body", "challenge", "slow headers", "stall", "redirect", "flap", "ratio"}[f.kind]
	switch f.kind {
	case status:
		return fmt.Sprintf("%s %d", name, f.code)
	case challenge, redirect:
		return name + " " + f.text
	case slow:
		return name + " " + f.delay.String()
	case flap:
		return fmt.Sprintf("%s %s (%s)", name, f.period, *f.other)
	case ratio:
		return fmt.Sprintf("%s %g (%s)", name, f.share, *f.other)
	}
	return name
}
