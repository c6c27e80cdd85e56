package dashboard

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/internal/admin"
)

const no = "www.example.com. would be left with 0 pools"

// refusing has the API refuse what is not forced.
func (s *stage) refusing() *stage {
	s.says = func(method, _ string) (int, any) {
		if method != "GET" && !strings.Contains(s.asked[len(s.asked)-1], `"anyway":true`) {
			return http.StatusConflict, map[string]any{"error": no, "refused": true}
		}
		return 200, struct{}{}
	}
	return s
}

var override = []string{"pool", "fastly", "force", "drain", "for", "1h30m", "reason", "ticket 4711"}

// Nothing is done before it was shown and meant.
func TestConfirm(t *testing.T) {
	s := well()
	b := s.open(t)
	says(t, post(b, "/do/override", override...), 200, "Force fastly drain for 1h30m?", "Reason: ticket 4711", "It answers for 3 services now.")
	if len(s.asked) > 0 {
		t.Fatalf("it was done at once: %v", s.asked)
	}
	w := post(b, "/do/override", append(override, "confirm", "yes")...)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/pools/fastly?done=override" {
		t.Errorf("status %d, to %s", w.Code, w.Header().Get("Location"))
	}
	if want := []string{`PUT /v1/overrides/fastly {"for":"1h30m0s","force":"drain","reason":"ticket 4711"}`}; !slices.Equal(s.asked, want) {
		t.Errorf("asked\n%v, want\n%v", s.asked, want)
	}
	says(t, get(b, "/pools/fastly?done=override"), 200, "The override is set.")
}

// Each action is one request of the API.
func TestActions(t *testing.T) {
	for _, c := range []struct {
		action string
		fields []string
		want   string
	}{
		{"clear", []string{"pool", "a/b"}, `DELETE /v1/overrides/a%2Fb null`},
		{"failback", []string{"pool", "fastly"}, `POST /v1/pools/fastly/failback {}`},
		{"freeze", []string{"for", "3d", "reason", "r"}, `PUT /v1/freeze {"for":"72h0m0s","reason":"r"}`},
		{"unfreeze", nil, `DELETE /v1/freeze null`},
		{"stop", []string{"id", "d-1"}, `DELETE /v1/drills/d-1 null`},
		{"reload", nil, `POST /v1/reload {}`},
		{"drill", []string{"pool", "fastly, bunny", "for", "30m", "reason", "r", "share", "25 %", "clients", "DE AS64500", "abort_if", "probe latency > 800ms\r\npool x down"},
			`POST /v1/drills {"abort_if":["probe latency \u003e 800ms","pool x down"],"clients":["DE","AS64500"],"for":"30m","pools":["fastly","bunny"],"reason":"r","share":0.25}`},
	} {
		s := well()
		w := post(s.open(t), "/do/"+c.action, append(c.fields, "confirm", "yes")...)
		if w.Code != http.StatusSeeOther {
			t.Errorf("%s: status %d: %s", c.action, w.Code, plain(w.Body.String()))
		}
		if !slices.Equal(s.asked, []string{c.want}) {
			t.Errorf("%s: asked\n%v, want\n%v", c.action, s.asked, c.want)
		}
	}
}

// What is incomplete is not sent, and the form comes back as it was.
func TestIncomplete(t *testing.T) {
	for _, c := range []struct {
		action string
		fields []string
		want   string
	}{
		{"override", []string{"pool", "fastly", "force", "drain", "for", "1h"}, "a reason"},
		{"override", []string{"pool", "fastly", "force", "sideways", "for", "1h", "reason", "r"}, "up, down or drain"},
		{"override", []string{"pool", "fastly", "force", "drain", "for", "soon", "reason", "r"}, "for how long"},
		{"override", []string{"pool", "fastly", "force", "drain", "for", "4d", "reason", "r"}, "at most 3d"},
		{"drill", []string{"for", "1h", "reason", "r"}, "a pool to take away"},
		{"drill", []string{"pool", "fastly", "for", "1h", "reason", "r", "share", "most", "confirm", "yes"}, "no percentage"},
		{"stop", nil, "a drill is missing"},
		{"dance", nil, "nothing called"},
	} {
		s := well()
		says(t, post(s.open(t), "/do/"+c.action, append(c.fields, "confirm", "yes")...), 400, "Not done", c.want)
		if len(s.asked) > 0 {
			t.Errorf("%s %v: sent all the same: %v", c.action, c.fields, s.asked)
		}
	}
}

// A refusal is broken only by who saw it and meant it.
func TestForce(t *testing.T) {
	yes := append(slices.Clone(override), "confirm", "yes")
	for _, c := range []struct {
		name   string
		fields []string
		code   int
		asked  int // requests
	}{
		{"not forced", nil, 409, 1},
		{"meant, but what it breaks was not shown", []string{"anyway", "yes"}, 409, 1},
		{"shown, but not meant", []string{"breaks", no}, 409, 1},
		{"what was shown is not what it breaks", []string{"anyway", "yes", "breaks", "something smaller"}, 409, 1},
		{"shown and meant", []string{"anyway", "yes", "breaks", no}, 303, 2},
	} {
		s := well().refusing()
		w := post(s.open(t), "/do/override", append(slices.Clone(yes), c.fields...)...)
		if w.Code != c.code || len(s.asked) != c.asked {
			t.Errorf("%s: status %d after %d requests, want %d after %d", c.name, w.Code, len(s.asked), c.code, c.asked)
		}
		if c.code == 409 {
			says(t, w, 409, "Refused", "I break this on purpose: "+no, "Force fastly drain all the same")
		}
	}
}

// A drill is foreseen before it is confirmed, with what guards say.
func TestForesee(t *testing.T) {
	s := well()
	refused := *report
	refused.Refused = []string{"bunny carries 12 answers a second, and may carry 10"}
	s.says = func(string, string) (int, any) { return 200, refused }
	fields := []string{"pool", "fastly", "for", "30m", "reason", "exercise"}
	says(t, post(s.open(t), "/do/drill", fields...), 200, "Take fastly away for 30m, as a drill?", "It would be refused", refused.Refused[0], "bunny 0 % 100 % 12", "from the decisions: nobody asked")
	if want := `POST /v1/drills {"dry_run":true,"for":"30m","pools":["fastly"],"reason":"exercise"}`; !slices.Equal(s.asked, []string{want}) {
		t.Errorf("asked %v", s.asked)
	}
	s.says = func(string, string) (int, any) {
		return 400, map[string]any{"error": "there is no pool \"fastly\""}
	}
	says(t, post(s.open(t), "/do/drill", fields...), 400, "Not done", "there is no pool")
}

// Who may not, does not; and nobody does by accident.
func TestRights(t *testing.T) {
	s := well()
	b := s.open(t)
	yes := append(slices.Clone(override), "confirm", "yes")
	says(t, post(b, "/do/override", append(slices.Clone(yes), "csrf", "guessed")...), 403, "out of date")
	s.viewer.Rights.Write = false
	says(t, post(b, "/do/override", yes...), 403, "You may look")
	for _, path := range everyPage {
		if text := get(b, path).Body.String(); strings.Contains(text, `method="post" action="/do/`) {
			t.Errorf("%s offers what the viewer may not do", path)
		}
	}
	if w := get(b, "/login?next=/pools"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/pools" {
		t.Errorf("one who is logged in logs in: status %d, to %s", w.Code, w.Header().Get("Location"))
	}
	s.viewer, s.asked = admin.Who{}, nil
	for _, path := range everyPage {
		w := get(b, path)
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/login?next=%2F") || strings.Contains(w.Body.String(), "first of the pools") {
			t.Errorf("%s: status %d, to %s", path, w.Code, w.Header().Get("Location"))
		}
	}
	says(t, get(b, "/login?wrong=1&next=/pools"), 200, "Log in", "not known here")
	s.status, s.services = ill().status, ill().services
	for _, told := range []string{sumUp(s.status).Text, "bad.svg", "<title>!", b.deps.Version} {
		if strings.Contains(get(b, "/login").Body.String(), told) {
			t.Errorf("who is not logged in is told %q", told)
		}
	}
	if w := get(b, "/", "X-Live", "1"); w.Code != http.StatusUnauthorized {
		t.Errorf("the script of one who is logged out: %d", w.Code)
	}
	if w := post(b, "/do/override", yes...); w.Code != http.StatusSeeOther || w.Header().Get("Location") == "/pools/fastly?done=override" {
		t.Errorf("one who is not logged in: %d %s", w.Code, w.Header().Get("Location"))
	}
	if len(s.asked) > 0 {
		t.Errorf("the API was asked: %v", s.asked)
	}
}

// A form of another site does nothing.
func TestCrossSite(t *testing.T) {
	s := well()
	r := httptest.NewRequest("POST", "/do/unfreeze", strings.NewReader("confirm=yes"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	s.open(t).ServeHTTP(w, s.as(r))
	if w.Code != http.StatusForbidden || len(s.asked) > 0 {
		t.Errorf("status %d, asked %v", w.Code, s.asked)
	}
}

// Who logs in is led on to a page of ours and nowhere else.
func TestNext(t *testing.T) {
	for next, want := range map[string]string{"": "/", "/pools/a?x=1": "/pools/a?x=1", "https://evil.example/": "/", "//evil.example/": "/", `/\evil.example`: "/", "pools": "/", "javascript:alert(1)": "/", "/%0a": "/%0a"} {
		if got := admin.Local(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

// A probe is run at once, and shown.
func TestProbe(t *testing.T) {
	s := well()
	s.says = func(string, string) (int, any) {
		return 200, []admin.Report{{Monitor: "web", Endpoint: "192.0.2.1", OK: true, Connect: 1.2, Total: 30}, {Monitor: "web", Endpoint: "192.0.2.2", Class: "edge-5xx", Reason: "answered 503", Total: 8}}
	}
	says(t, post(s.open(t), "/do/probe", "pool", "fastly"), 200, "Probe of fastly", "192.0.2.1 web well 1.2 ms", "30 ms", "192.0.2.2 web edge-5xx", "answered 503")
	if want := "POST /v1/pools/fastly/probe null"; !slices.Equal(s.asked, []string{want}) {
		t.Errorf("asked %v", s.asked)
	}
	s.says = func(string, string) (int, any) { return 400, map[string]string{"error": "there is no pool fastly"} }
	says(t, post(s.open(t), "/do/probe", "pool", "fastly"), 400, "there is no pool fastly.")
}
