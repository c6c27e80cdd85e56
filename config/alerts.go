package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Alert is a route by which people hear of alarms.
type Alert struct {
	Name string
	Kind AlertKind

	URL      Secret   // of kinds that speak HTTP; that of a webhook and of Slack is a credential itself
	Key      Secret   // that signs webhooks, PagerDuty's routing key, Alertmanager's bearer token, the mail server's password; may be empty
	To       []string // of email: addresses
	From     string   // of email
	Server   string   // of email: host:port
	User     string   // of email: "" sends without a log-in
	Security MailTLS  // of email

	Severity string        // least that is told: warning (default) or critical
	Codes    []string      // alarms that are told; empty: all
	Group    time.Duration // how long alarms gather for one message; 0–10m, default 10s
	Repeat   time.Duration // how long until what lasts is told again; 0: never; 1m–7d, default 4h
	Resolved bool          // also tell of ends; default true
}

// An AlertKind says how a route delivers.
type AlertKind string

// The kinds of route.
const (
	Webhook      AlertKind = "webhook"      // JSON, signed by HMAC-SHA256 where there is a key
	Slack        AlertKind = "slack"        // an incoming webhook of Slack, or of who speaks like it
	PagerDuty    AlertKind = "pagerduty"    // Events API v2
	Email        AlertKind = "email"        // SMTP
	Alertmanager AlertKind = "alertmanager" // API v2
)

// A MailTLS says how a connection to a mail server is protected.
type MailTLS string

// The ways.
const (
	MailStartTLS MailTLS = "starttls" // RFC 3207, required
	MailImplicit MailTLS = "tls"      // RFC 8314
	MailPlain    MailTLS = "none"     // to loopback only
)

// An alertFile is where a secret of a route is to be read from.
type alertFile struct {
	route int // index in Config.Alerts
	key   string
	at    path
	s     scalar // its text is the file, absolute
}

type rawAlert struct {
	Line int32

	Name         scalar           `key:"name"`
	Webhook      *rawWebhook      `key:"webhook"`
	Slack        *rawSlack        `key:"slack"`
	PagerDuty    *rawPagerDuty    `key:"pagerduty"`
	Email        *rawEmail        `key:"email"`
	Alertmanager *rawAlertmanager `key:"alertmanager"`

	Severity scalar   `key:"severity"`
	Codes    []scalar `key:"codes"`
	Group    scalar   `key:"group"`
	Repeat   scalar   `key:"repeat"`
	Resolved scalar   `key:"resolved"`
}

type rawWebhook struct {
	Line int32

	URL     scalar `key:"url"`
	URLFile scalar `key:"url_file"`
	KeyFile scalar `key:"key_file"`
}

type rawSlack struct {
	Line int32

	URL     scalar `key:"url"`
	URLFile scalar `key:"url_file"`
}

type rawPagerDuty struct {
	Line int32

	URL     scalar `key:"url"`
	KeyFile scalar `key:"key_file"`
}

type rawAlertmanager struct {
	Line int32

	URL       scalar `key:"url"`
	TokenFile scalar `key:"token_file"`
}

type rawEmail struct {
	Line int32

	To           []scalar `key:"to"`
	From         scalar   `key:"from"`
	Server       scalar   `key:"server"`
	User         scalar   `key:"user"`
	PasswordFile scalar   `key:"password_file"`
	TLS          scalar   `key:"tls"`
}

// pagerDutyURL is where PagerDuty takes events.
const pagerDutyURL = "https://events.pagerduty.com"

// alertPrefix begins the variables that hold secrets of routes.
const alertPrefix = "SHUNT_ALERT_"

// AlertVariable returns the variable of the environment that holds a secret of
// a route: SHUNT_ALERT_ONCALL_URL for the URL of oncall.
func AlertVariable(route, key string) string {
	return secretVariable(alertPrefix, route, key)
}

// An alertReader makes the routes of one file.
type alertReader struct {
	*reader
	dir string
	env variables // of secrets of routes
	i   int       // index of the route in Config.Alerts
}

// alerts makes the routes.
func (r *reader) alerts(list []rawAlert, env []string, dir string) []Alert {
	w := &alertReader{reader: r, dir: dir, env: variablesOf(env, alertPrefix)}
	var out []Alert
	seen := map[string]place{}
	for i := range list {
		p, raw := top("alerts").item(i), &list[i]
		if raw.Line == 0 {
			continue
		}
		a := Alert{
			Name:     r.label(p.sub("name"), raw.Name, ""),
			Severity: r.word(p.sub("severity"), raw.Severity, "warning", "critical"),
			Group:    r.span(p.sub("group"), raw.Group, 10*time.Second, 0, 10*time.Minute),
			Repeat:   r.repeat(p.sub("repeat"), raw.Repeat),
			Resolved: r.yes(p.sub("resolved"), raw.Resolved, true),
		}
		for j, s := range raw.Codes {
			if code := r.alarmCode(p.sub("codes").item(j), s); code != "" {
				a.Codes = append(a.Codes, code)
			}
		}
		if raw.Name.missing() {
			r.problem(p, at(raw.Line), "the route has no name", "write name: NAME, by which shunt alert test calls it")
		}
		w.i = len(out)
		w.kind(p, raw, &a)
		r.named(p, raw.Name, seen, a.Name, len(out))
		out = append(out, a)
	}
	r.untaken(w.env, "no route has such a secret", "write "+alertPrefix+", the route's name and the secret's, as in SHUNT_ALERT_ONCALL_URL, or unset it")
	return out
}

// alarmCode reads the code of an alarm; "" for what is none.
func (r *reader) alarmCode(p path, s scalar) string {
	if !s.set() {
		return ""
	}
	codes := alertCodes()
	if i := slices.Index(codes, s.text); i >= 0 {
		return codes[i]
	}
	mend := "docs/operations.md lists the codes"
	if near := nearest(s.text, codes); near != "" {
		mend = "did you mean " + near + "?"
	}
	r.problem(p, s, fmt.Sprintf("there is no alarm %q", clip(s.text)), mend)
	return ""
}

// repeat reads how long until a route tells again; 0 is never.
func (r *reader) repeat(p path, s scalar) time.Duration {
	d := r.span(p, s, 4*time.Hour, 0, 7*day)
	if d > 0 && d < time.Minute {
		r.problem(p, s, clip(s.text)+" is too often", "write 1m or more, or 0 for never")
	}
	return d
}

// kind reads the one kind of a route.
func (w *alertReader) kind(p path, raw *rawAlert, a *Alert) {
	var kinds []string
	given := reflect.ValueOf(raw).Elem()
	shape := w.shape(given.Type())
	for i, key := range shape.names {
		if f := given.Field(shape.field[i]); f.Kind() == reflect.Pointer && !f.IsNil() {
			kinds = append(kinds, key)
		}
	}
	if len(kinds) != 1 {
		what := "the route does not say how it delivers"
		if len(kinds) > 1 {
			what = "a route delivers in one way, not by " + strings.Join(kinds, " and ")
		}
		w.problem(p, at(raw.Line), what, "write one of webhook, slack, pagerduty, email and alertmanager")
		return
	}
	a.Kind = AlertKind(kinds[0])
	q := p.sub(kinds[0])
	switch k := raw; a.Kind {
	case Webhook:
		w.address(q, k.Webhook.Line, k.Webhook.URL, k.Webhook.URLFile, a)
		w.secretOf(q, k.Webhook.Line, "key", k.Webhook.KeyFile, false, a)
	case Slack:
		w.address(q, k.Slack.Line, k.Slack.URL, k.Slack.URLFile, a)
	case PagerDuty:
		a.URL = NewSecret(w.receiver(q.sub("url"), k.PagerDuty.URL, pagerDutyURL))
		w.secretOf(q, k.PagerDuty.Line, "key", k.PagerDuty.KeyFile, true, a)
	case Alertmanager:
		if k.Alertmanager.URL.missing() && k.Alertmanager.Line > 0 {
			w.problem(q, at(k.Alertmanager.Line), "the route has no url", "write url: https://alertmanager.example.net")
		}
		a.URL = NewSecret(w.receiver(q.sub("url"), k.Alertmanager.URL, ""))
		w.secretOf(q, k.Alertmanager.Line, "token", k.Alertmanager.TokenFile, false, a)
	case Email:
		w.email(q, k.Email, a)
	}
}

// address reads a URL that is a credential: from the file, from another file,
// or from the environment.
func (w *alertReader) address(p path, line int32, s, file scalar, a *Alert) {
	if !s.missing() && !file.missing() {
		w.problem(p.sub("url"), s, "url and url_file say the same", "keep one of them")
		return
	}
	if s.missing() {
		w.secretOf(p, line, "url", file, true, a)
		return
	}
	a.URL = NewSecret(w.receiver(p.sub("url"), s, ""))
}

// receiver reads a URL of HTTP.
func (w *alertReader) receiver(p path, s scalar, def string) string {
	if !s.set() {
		return def
	}
	if why := notHTTP(s.text); why != "" {
		w.problem(p, s, why, "write it as in https://example.net/hook")
		return ""
	}
	return strings.Clone(s.text)
}

// notHTTP says why text is no URL that a route can deliver to; "" when it is.
// It does not repeat text, which may be a credential.
func notHTTP(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return "this is not the URL of a receiver"
	}
	return ""
}

// secretOf takes a secret from the environment, or notes the file that it is to
// be read from.
func (w *alertReader) secretOf(p path, line int32, key string, s scalar, required bool, a *Alert) {
	variable := AlertVariable(a.Name, key)
	value, ok := w.env.take(variable)
	switch q := p.sub(key + "_file"); {
	case ok && value == "":
		w.problem(q, scalar{from: source(variable)}, "the variable holds no secret", "set or unset it")
	case ok:
		if why := a.take(key, value); why != "" {
			w.problem(q, scalar{from: source(variable)}, why, "set it to another")
		}
	case s.set() && s.text != "":
		s.text = w.filePath(q, s, w.dir)
		w.alertFiles = append(w.alertFiles, alertFile{w.i, key, q, s})
	case required && (s.missing() || s.text == "") && line > 0:
		w.problem(p, at(line), "the route has no "+key, "write "+key+"_file: FILE, or set "+variable)
	}
}

// take makes value the secret called key, and says why it cannot be; "" when
// it can.
func (a *Alert) take(key, value string) string {
	if key == "url" {
		if why := notHTTP(value); why != "" {
			return why
		}
		a.URL = NewSecret(value)
		return ""
	}
	a.Key = NewSecret(value)
	return ""
}

// email reads a route by mail.
func (w *alertReader) email(p path, raw *rawEmail, a *Alert) {
	if raw.Line == 0 {
		return
	}
	for i, s := range raw.To {
		if to := w.mailbox(p.sub("to").item(i), s); to != "" {
			a.To = append(a.To, to)
		}
	}
	if len(raw.To) == 0 {
		w.problem(p, at(raw.Line), "the route has nobody to write to", "write to: [oncall@example.net]")
	}
	if raw.From.missing() {
		w.problem(p, at(raw.Line), "the route has no from", "write from: shunt@example.net")
	}
	a.From = w.mailbox(p.sub("from"), raw.From)
	a.Security = MailTLS(w.word(p.sub("tls"), raw.TLS, string(MailStartTLS), string(MailImplicit), string(MailPlain)))
	a.User = raw.User.or("")
	host, port, err := net.SplitHostPort(raw.Server.text)
	n, bad := strconv.ParseUint(port, 10, 16)
	switch {
	case raw.Server.missing():
		w.problem(p, at(raw.Line), "the route has no server", "write server: smtp.example.net:587")
	case raw.Server.set() && (err != nil || bad != nil || n == 0 || !validHost(host)):
		w.problem(p.sub("server"), raw.Server, clip(raw.Server.text)+" is not a host with a port", "write it as in smtp.example.net:587")
	case raw.Server.set():
		a.Server = net.JoinHostPort(host, port)
		if ip := net.ParseIP(host); a.Security == MailPlain && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			w.problem(p.sub("tls"), raw.TLS, "mail would cross the network in the clear", "write tls: starttls or tls: tls; none is for servers on loopback")
		}
	}
	w.secretOf(p, raw.Line, "password", raw.PasswordFile, a.User != "", a)
	if a.User == "" && !raw.PasswordFile.missing() {
		w.problem(p.sub("password_file"), raw.PasswordFile, "a password needs its user", "write user: NAME")
	}
}

// mailbox reads an address of mail (RFC 5322 §3.4).
func (w *alertReader) mailbox(p path, s scalar) string {
	if !s.set() {
		return ""
	}
	a, err := mail.ParseAddress(s.text)
	if err != nil || a.Name != "" {
		w.problem(p, s, clip(s.text)+" is not an address of mail", "write it as in oncall@example.net")
		return ""
	}
	return a.Address
}

// alertSecrets reads the files of the secrets.
func (r *reader) alertSecrets(list []Alert) {
	for _, f := range r.alertFiles {
		text, err := readSecret(f.s.text)
		why := ""
		if err != nil {
			why = err.Error()
		} else {
			why = list[f.route].take(f.key, text)
		}
		if why != "" {
			r.problem(f.at, f.s, why, "let it hold the secret and nothing else, mode 0600")
		}
	}
}
