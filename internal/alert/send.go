package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/PagerDuty/go-pagerduty"
	"github.com/slack-go/slack"

	"github.com/shunt-dns/shunt/config"
)

// A Sender delivers messages. The zero value is not ready: see [NewSender].
type Sender struct {
	client *http.Client
	roots  *x509.CertPool // of mail servers; nil: the system's
}

// NewSender returns a Sender that follows no redirect: a message is for the
// receiver that was named.
func NewSender() *Sender {
	return &Sender{client: &http.Client{Transport: brief{http.DefaultTransport}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// longestAnswer is how many octets of an answer are read. What receivers have to
// say is shorter.
const longestAnswer = 64 << 10

// A brief transport cuts answers off: the libraries read all of them.
type brief struct{ http.RoundTripper }

func (b brief) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, longestAnswer), resp.Body}
	}
	return resp, err
}

// Send delivers m by r. Its error names no credential, and is a [Later] where
// the receiver says when to try again.
func (s *Sender) Send(ctx context.Context, r *config.Alert, m Message) error {
	var err error
	switch r.Kind {
	case config.Webhook:
		err = s.webhook(ctx, r, m)
	case config.Slack:
		err = s.slack(ctx, r, m)
	case config.PagerDuty:
		err = s.pagerDuty(ctx, r, m)
	case config.Alertmanager:
		err = s.alertmanager(ctx, r, m)
	case config.Email:
		err = s.mail(ctx, r, m)
	}
	return discreet(err, r)
}

// discreet returns err without the URL that it may be about, which may be a
// credential, and without the key; also where a receiver says them again.
func discreet(err error, r *config.Alert) error {
	var about *url.Error
	if errors.As(err, &about) {
		err = about.Err
	}
	if err == nil {
		return nil
	}
	var later Later
	if errors.As(err, &later) {
		later.Why = veil(later.Why, r)
		return later
	}
	if text := veil(err.Error(), r); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// veil blots out of text what is secret of r: key and URL, and of that what a
// receiver sees of it.
func veil(text string, r *config.Alert) string {
	secrets := []string{r.URL.Reveal(), r.Key.Reveal()}
	if u, err := url.Parse(r.URL.Reveal()); err == nil {
		secrets = append(secrets, u.RequestURI(), u.Path)
	}
	for _, secret := range secrets {
		if len(secret) > 1 { // "/" alone is none
			text = strings.ReplaceAll(text, secret, r.URL.String())
		}
	}
	return text
}

// A Hook is the body of a webhook.
type Hook struct {
	Message
	Text string `json:"text"` // all of it, for people
}

// webhook posts m as JSON, signed as the Standard Webhooks specification has it
// (standardwebhooks.com): over id, time and body by HMAC-SHA256.
func (s *Sender) webhook(ctx context.Context, r *config.Alert, m Message) error {
	body, err := json.Marshal(Hook{m, Text(m)})
	if err != nil {
		return err
	}
	header := http.Header{"Webhook-Id": {m.ID}, "Webhook-Timestamp": {strconv.FormatInt(time.Now().Unix(), 10)}}
	if !r.Key.Empty() {
		header.Set("Webhook-Signature", Sign(r.Key.Reveal(), m.ID, header.Get("Webhook-Timestamp"), body))
	}
	return s.post(ctx, r.URL.Reveal(), header, body)
}

// Sign returns the signature of a webhook's body under key: what stands behind
// "whsec_" in base64, or the octets of any other text.
func Sign(key, id, timestamp string, body []byte) string {
	octets := []byte(key)
	if encoded, ok := strings.CutPrefix(key, "whsec_"); ok {
		if decoded, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			octets = decoded
		}
	}
	mac := hmac.New(sha256.New, octets)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// post sends a body of JSON, and wants an answer of 2xx.
func (s *Sender) post(ctx context.Context, to string, header http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "shunt")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	why := fmt.Sprintf("%s: %s", resp.Status, strings.Join(strings.Fields(strings.ToValidUTF8(string(said), "?")), " "))
	return Later{retryAfter(resp.Header.Get("Retry-After"), time.Now()), strings.TrimSuffix(why, ": ")}
}

// retryAfter reads the field of RFC 9110 §10.2.3; 0 where it says nothing.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

func (s *Sender) slack(ctx context.Context, r *config.Alert, m Message) error {
	safe := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;") // all that Slack asks for
	err := slack.PostWebhookCustomHTTPContext(ctx, r.URL.Reveal(), s.client, &slack.WebhookMessage{Text: "*" + safe.Replace(Subject(m)) + "*\n" + safe.Replace(Text(m))})
	var limited *slack.RateLimitedError
	if errors.As(err, &limited) {
		return Later{limited.RetryAfter, "the receiver has had enough for now"}
	}
	return err
}

// pagerDuty sends an event for each item: an incident is one alarm. What was
// sent before a failure is sent again, and is the same incident by its key.
func (s *Sender) pagerDuty(ctx context.Context, r *config.Alert, m Message) error {
	client := pagerduty.NewClient("", pagerduty.WithV2EventsAPIEndpoint(strings.TrimSuffix(r.URL.Reveal(), "/")))
	client.HTTPClient = s.client
	for _, i := range m.Items {
		e := &pagerduty.V2Event{RoutingKey: r.Key.Reveal(), Action: "trigger", DedupKey: clip("shunt "+m.Node+" "+i.key(), 255), Client: "shunt"}
		if i.State == Ended {
			e.Action = "resolve"
		} else {
			e.Payload = &pagerduty.V2Payload{Summary: clip(line(i), 1024), Source: m.Node, Severity: i.Severity, Timestamp: i.Since.UTC().Format(time.RFC3339),
				Component: i.Subject, Class: i.Code, Details: map[string]string{"mend": i.Mend}}
		}
		if _, err := client.ManageEventWithContext(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// clip cuts text to n octets.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// forget is how long Alertmanager keeps an alert that it does not hear of
// again.
const forget = 5 * time.Minute

// A posted is one alert as Alertmanager's API v2 takes it.
type posted struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

func (s *Sender) alertmanager(ctx context.Context, r *config.Alert, m Message) error {
	var list []posted
	for _, i := range m.Items {
		p := posted{
			Labels:      map[string]string{"alertname": i.Code, "severity": i.Severity, "node": m.Node, "job": "shunt"},
			Annotations: map[string]string{"summary": i.What, "mend": i.Mend},
			StartsAt:    i.Since, EndsAt: m.At.Add(forget),
		}
		if i.Subject != "" {
			p.Labels["subject"] = i.Subject
		}
		if i.Ended != nil {
			p.EndsAt = *i.Ended
		}
		list = append(list, p)
	}
	body, err := json.Marshal(list)
	if err != nil {
		return err
	}
	header := http.Header{}
	if !r.Key.Empty() {
		header.Set("Authorization", "Bearer "+r.Key.Reveal())
	}
	return s.post(ctx, strings.TrimSuffix(r.URL.Reveal(), "/")+"/api/v2/alerts", header, body)
}
