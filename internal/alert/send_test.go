package alert

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
)

var (
	since = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	over  = since.Add(time.Minute)
	sent  = Message{ID: "ABC", Node: "ns1.example.net", At: over, Items: []Item{
		{Alarm{"fail-open", "critical", "www.example.com.", since, "nothing is up: <fastly> & bunny are down", "look at each pool"}, Raised, nil},
		{Alarm{"pool-down", "warning", "fastly", since, "HTTP 503", ""}, Ended, &over},
	}}
)

// A receiver takes one request, and answers with a status.
type receiver struct {
	*httptest.Server
	requests []*http.Request
	bodies   []string
}

func newReceiver(t *testing.T, status int, header http.Header) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.requests, r.bodies = append(r.requests, req), append(r.bodies, string(body))
		for name, v := range header {
			w.Header()[name] = v
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"status":"x"}`)
	}))
	t.Cleanup(r.Close)
	return r
}

func TestWebhook(t *testing.T) {
	r := newReceiver(t, 204, nil)
	route := &config.Alert{Kind: config.Webhook, URL: config.NewSecret(r.URL + "/hook?x=1"), Key: config.NewSecret("secret")}
	if err := NewSender().Send(t.Context(), route, sent); err != nil {
		t.Fatal(err)
	}
	req := r.requests[0]
	if req.Method != "POST" || req.URL.String() != "/hook?x=1" || req.Header.Get("Webhook-Id") != "ABC" || req.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s %v", req.Method, req.URL, req.Header)
	}
	if want := Sign("secret", "ABC", req.Header.Get("Webhook-Timestamp"), []byte(r.bodies[0])); req.Header.Get("Webhook-Signature") != want {
		t.Errorf("signature %s, want %s", req.Header.Get("Webhook-Signature"), want)
	}
	var got Hook
	if err := json.Unmarshal([]byte(r.bodies[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Node != sent.Node || len(got.Items) != 2 || got.Items[0].Code != "fail-open" || got.Items[1].State != Ended || !strings.Contains(got.Text, "held from 2026-01-05 12:00:00 UTC to 2026-01-05 12:01:00 UTC") {
		t.Errorf("%+v", got)
	}
}

// The example of the Standard Webhooks specification.
func TestSign(t *testing.T) {
	got := Sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSlack(t *testing.T) {
	r := newReceiver(t, 200, nil)
	if err := NewSender().Send(t.Context(), &config.Alert{Kind: config.Slack, URL: config.NewSecret(r.URL + "/T/B/X")}, sent); err != nil {
		t.Fatal(err)
	}
	var got struct{ Text string }
	if err := json.Unmarshal([]byte(r.bodies[0]), &got); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"*ns1.example.net: critical fail-open www.example.com. (and 1 more)*", "&lt;fastly&gt; &amp; bunny", "over pool-down fastly"} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("%q lacks %q", got.Text, want)
		}
	}
}

func TestPagerDuty(t *testing.T) {
	r := newReceiver(t, 202, nil)
	if err := NewSender().Send(t.Context(), &config.Alert{Kind: config.PagerDuty, URL: config.NewSecret(r.URL + "/"), Key: config.NewSecret("R0")}, sent); err != nil {
		t.Fatal(err)
	}
	if len(r.bodies) != 2 || r.requests[0].URL.Path != "/v2/enqueue" {
		t.Fatalf("%q", r.bodies)
	}
	type event struct {
		RoutingKey string `json:"routing_key"`
		Action     string `json:"event_action"`
		DedupKey   string `json:"dedup_key"`
		Payload    *struct{ Summary, Source, Severity, Component, Class string }
	}
	var raised, ended event
	if err := errors.Join(json.Unmarshal([]byte(r.bodies[0]), &raised), json.Unmarshal([]byte(r.bodies[1]), &ended)); err != nil {
		t.Fatal(err)
	}
	if raised.RoutingKey != "R0" || raised.Action != "trigger" || raised.DedupKey != "shunt ns1.example.net fail-open www.example.com." ||
		raised.Payload.Severity != "critical" || raised.Payload.Class != "fail-open" || !strings.HasPrefix(raised.Payload.Summary, "fail-open www.example.com.: nothing is up") {
		t.Errorf("%+v %+v", raised, raised.Payload)
	}
	if ended.Action != "resolve" || ended.DedupKey != "shunt ns1.example.net pool-down fastly" {
		t.Errorf("%+v", ended)
	}
}

func TestAlertmanager(t *testing.T) {
	r := newReceiver(t, 200, nil)
	if err := NewSender().Send(t.Context(), &config.Alert{Kind: config.Alertmanager, URL: config.NewSecret(r.URL), Key: config.NewSecret("tok")}, sent); err != nil {
		t.Fatal(err)
	}
	if r.requests[0].URL.Path != "/api/v2/alerts" || r.requests[0].Header.Get("Authorization") != "Bearer tok" {
		t.Errorf("%s %v", r.requests[0].URL, r.requests[0].Header)
	}
	var got []posted
	if err := json.Unmarshal([]byte(r.bodies[0]), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Labels["alertname"] != "fail-open" || got[0].Labels["subject"] != "www.example.com." || !got[0].EndsAt.Equal(over.Add(forget)) || !got[1].EndsAt.Equal(over) {
		t.Errorf("%+v", got)
	}
}

// What a receiver refuses is told without the URL, which is a credential.
func TestRefused(t *testing.T) {
	for _, kind := range []config.AlertKind{config.Webhook, config.Slack, config.PagerDuty, config.Alertmanager} {
		busy := newReceiver(t, 429, http.Header{"Retry-After": {"77"}})
		gone := newReceiver(t, 404, nil)
		moved := newReceiver(t, 302, http.Header{"Location": {busy.URL}})
		closed := newReceiver(t, 200, nil)
		closed.Close()
		for name, r := range map[string]*receiver{"busy": busy, "gone": gone, "moved": moved, "closed": closed} {
			err := NewSender().Send(t.Context(), &config.Alert{Kind: kind, URL: config.NewSecret(r.URL + "/s3cret"), Key: config.NewSecret("k3y")}, sent)
			if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "k3y") {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
			var later Later
			if name == "busy" && kind != config.PagerDuty && (!errors.As(err, &later) || later.After != 77*time.Second) {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if n := len(busy.requests); n != 1 {
			t.Errorf("%s follows a redirect, or tries again by itself: %d requests", kind, n)
		}
	}
}

// Some receivers say the request again in what they refuse it with.
func TestRefusedWithAnEcho(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "Cannot "+r.Method+" "+r.URL.RequestURI()+" ("+r.URL.Path+") with "+r.Header.Get("Authorization"), 404)
	}))
	defer echo.Close()
	for _, kind := range []config.AlertKind{config.Webhook, config.Slack, config.PagerDuty, config.Alertmanager} {
		err := NewSender().Send(t.Context(), &config.Alert{Kind: kind, URL: config.NewSecret(echo.URL + "/s3cret?t=t0ken"), Key: config.NewSecret("k3y")}, sent)
		if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "t0ken") || strings.Contains(err.Error(), "k3y") {
			t.Errorf("%s: %v", kind, err)
		}
		if kind == config.Webhook && !strings.Contains(err.Error(), "404 Not Found: Cannot POST redacted") {
			t.Errorf("%s: %v does not say what is wrong", kind, err)
		}
	}
}

// A receiver that hangs is given up with the context: at its deadline, and at
// once when the node ends.
func TestHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, route := range []config.Alert{
		{Kind: config.Webhook, URL: config.NewSecret("http://" + l.Addr().String())},
		{Kind: config.Email, From: "a@example.net", To: []string{"b@example.net"}, Server: l.Addr().String(), Security: config.MailPlain},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		if err := NewSender().Send(ctx, &route, sent); err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %v after %v", route.Kind, err, time.Since(began))
		}
		cancel()
		ctx, cancel = context.WithCancel(t.Context())
		began = time.Now()
		time.AfterFunc(100*time.Millisecond, cancel)
		if err := NewSender().Send(ctx, &route, sent); err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("%s, ended from elsewhere: %v after %v", route.Kind, err, time.Since(began))
		}
	}
}

// A receiver that never ends its answer is not listened to for long.
func TestEndlessAnswers(t *testing.T) {
	for _, kind := range []config.AlertKind{config.Webhook, config.Slack, config.PagerDuty, config.Alertmanager} {
		said := make(chan int, 1)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := 0
			for r.Context().Err() == nil && n < 100<<20 {
				more, err := w.Write(make([]byte, 64<<10))
				if n += more; err != nil {
					break
				}
			}
			said <- n
		}))
		_ = NewSender().Send(t.Context(), &config.Alert{Kind: kind, URL: config.NewSecret(s.URL), Key: config.NewSecret("k3y")}, sent)
		if n := <-said; n > 50<<20 {
			t.Errorf("%s listened to %d octets", kind, n)
		}
		s.Close()
	}
}

// A mailServer speaks RFC 5321 to one client. It knows TLS where it has a
// certificate, asks for a log-in then, and hangs up without a word at the end.
type mailServer struct {
	net.Listener
	tls   *tls.Config // nil: it speaks none
	early bool        // TLS from the beginning; else after STARTTLS
	took  chan string // what it heard of one client
}

func newMailServer(t *testing.T, secure *tls.Config, early bool) *mailServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &mailServer{Listener: l, tls: secure, early: early, took: make(chan string, 1)}
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { c.Close() }()
		if early {
			c = tls.Server(c, secure)
		}
		fmt.Fprint(c, "220 mx.example.net\r\n")
		s.hear(c)
	}()
	return s
}

// hear takes one message.
func (s *mailServer) hear(c net.Conn) {
	var all strings.Builder
	in := bufio.NewScanner(c)
	for data := false; in.Scan(); {
		line := in.Text()
		fmt.Fprintln(&all, line)
		_, encrypted := c.(*tls.Conn)
		switch word, _, _ := strings.Cut(line, " "); {
		case data && line == ".":
			data = false
			fmt.Fprint(c, "250 queued\r\n")
		case data:
		case word == "EHLO" && s.tls != nil && encrypted:
			fmt.Fprint(c, "250-mx.example.net\r\n250 AUTH PLAIN LOGIN\r\n")
		case word == "EHLO" && s.tls != nil:
			fmt.Fprint(c, "250-mx.example.net\r\n250 STARTTLS\r\n")
		case word == "EHLO":
			fmt.Fprint(c, "250 mx.example.net\r\n")
		case word == "STARTTLS":
			fmt.Fprint(c, "220 go on\r\n")
			c = tls.Server(c, s.tls)
			in = bufio.NewScanner(c)
		case word == "AUTH":
			fmt.Fprint(c, "235 welcome\r\n")
		case word == "DATA":
			data = true
			fmt.Fprint(c, "354 go on\r\n")
		case word == "QUIT":
			s.took <- all.String()
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
	s.took <- all.String()
}

// TestMail talks to a mail server in its own words.
func TestMail(t *testing.T) {
	s := newMailServer(t, nil, false)
	route := &config.Alert{Kind: config.Email, From: "shunt@example.net", To: []string{"oncall@example.net", "boss@example.net"}, Server: s.Addr().String(), Security: config.MailPlain}
	if err := NewSender().Send(t.Context(), route, sent); err != nil {
		t.Fatal(err)
	}
	got := <-s.took
	for _, want := range []string{"MAIL FROM:<shunt@example.net>", "RCPT TO:<oncall@example.net>", "RCPT TO:<boss@example.net>", "Subject: ns1.example.net: critical fail-open", "Auto-Submitted: auto-generated", "look at each pool"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// Mail goes over TLS that is verified, with a log-in, or not at all.
func TestMailIsEncrypted(t *testing.T) {
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	known := x509.NewCertPool()
	known.AddCert(web.Certificate())
	for _, c := range []struct {
		what  string
		how   config.MailTLS
		early bool
		tls   *tls.Config
		roots *x509.CertPool
		ok    bool
	}{
		{"from the beginning", config.MailImplicit, true, web.TLS, known, true},
		{"after STARTTLS", config.MailStartTLS, false, web.TLS, known, true},
		{"from the beginning, by nobody known", config.MailImplicit, true, web.TLS, x509.NewCertPool(), false},
		{"after STARTTLS, by nobody known", config.MailStartTLS, false, web.TLS, x509.NewCertPool(), false},
		{"from the beginning, to a server without", config.MailImplicit, false, nil, known, false},
		{"after STARTTLS, to a server without", config.MailStartTLS, false, nil, known, false},
	} {
		s := newMailServer(t, c.tls, c.early)
		route := &config.Alert{Kind: config.Email, From: "a@example.net", To: []string{"b@example.net"}, Server: s.Addr().String(), Security: c.how, User: "kim", Key: config.NewSecret("k3y")}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		err := (&Sender{roots: c.roots}).Send(ctx, route, sent)
		cancel()
		got := <-s.took
		if login := strings.Contains(got, "AUTH PLAIN "); (err == nil) != c.ok || login != c.ok || strings.Contains(got, "DATA") != c.ok {
			t.Errorf("%s: %v, after\n%s", c.what, err, got)
		}
	}
}
