package dashboard

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/resolver"
)

// noon is when the tests take place.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A world of tests: what there is to see, and what was asked of the API.
type stage struct {
	status   *controller.Status
	services []controller.Listed
	regions  []controller.Region
	viewer   admin.Who
	now      time.Time

	asked []string                             // of the API: method, path and body
	says  func(method, path string) (int, any) // its answer; nil: an empty object
}

func (s *stage) Glance() *controller.Status { return s.status }

func (s *stage) List(w controller.Want) controller.List {
	l := controller.List{All: len(s.services), Services: []controller.Listed{}}
	for _, v := range s.services {
		if strings.Contains(v.Name, w.Text) && (w.Like == "" || v.Like == w.Like) && (w.Pool == "" || strings.Contains(strings.Join(v.Answering, " "), w.Pool)) && (!w.Trouble || v.FailOpen) {
			if l.Found++; l.Found > w.From && len(l.Services) < w.Most {
				l.Services = append(l.Services, v)
			}
		}
	}
	return l
}

func (s *stage) Regions(string) []controller.Region { return s.regions }

// ServeHTTP is the API.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body any
	json.NewDecoder(r.Body).Decode(&body)
	text, _ := json.Marshal(body)
	s.asked = append(s.asked, fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), text))
	code, answer := http.StatusOK, any(struct{}{})
	if s.says != nil {
		code, answer = s.says(r.Method, r.URL.Path)
	}
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(answer)
}

// well returns a stage on which all is well.
func well() *stage {
	ends := noon.Add(61 * 24 * time.Hour)
	endpoint := func(addr string, ms float64) controller.EndpointStatus {
		return controller.EndpointStatus{Addr: addr, State: "up", Since: noon.Add(-3 * time.Hour), Latency: ms, CertEnd: &ends}
	}
	pool := func(name, operator, addr string, ms float64) controller.PoolStatus {
		return controller.PoolStatus{Name: name, Operator: operator, State: "up", Since: noon.Add(-3 * time.Hour), Endpoints: []controller.EndpointStatus{endpoint(addr, ms)}}
	}
	service := func(name, policy, why string, shares ...controller.Share) controller.Listed {
		l := controller.Listed{ServiceStatus: controller.ServiceStatus{Name: name, Policy: policy, TTL: 30, Why: why, Shares: shares, Places: 1}, Like: name}
		for _, s := range shares {
			l.Answering = append(l.Answering, s.Pool)
		}
		return l
	}
	return &stage{
		now: noon, viewer: admin.Who{Name: "ada", Rights: admin.Rights{Read: true, Write: true}},
		status: &controller.Status{Node: "ns1.example.net", Generation: 4711, At: noon, Zones: 2, Names: 40, FailOpen: []string{}, Drills: []controller.DrillStatus{}, Reload: controller.Reload{OK: true, At: noon.Add(-time.Hour)},
			Pools: []controller.PoolStatus{pool("fastly", "fastly", "192.0.2.1", 12.4), pool("bunny", "bunny", "192.0.2.2", 31), pool("origin", "self", "2001:db8::10", 88.2)}},
		services: []controller.Listed{
			service("www.example.com.", "failover", "fastly is the first of the pools that are up", controller.Share{Pool: "fastly", Percent: 100}),
			service("example.com.", "failover", "fastly is the first of the pools that are up", controller.Share{Pool: "fastly", Percent: 100}),
			service("static.example.com.", "weighted", "2 pools share the answers", controller.Share{Pool: "fastly", Percent: 95}, controller.Share{Pool: "bunny", Percent: 5}),
		},
	}
}

// ill returns a stage on which much is wrong, and in force.
func ill() *stage {
	s := well()
	p := &s.status.Pools[0]
	p.State, p.Since, p.Reason = "down", noon.Add(-42*time.Second), "answered 503 (status: want 200)"
	p.Endpoints[0].State, p.Endpoints[0].Reason = "down", p.Reason
	hold := noon.Add(30 * time.Second)
	p.HoldUntil, p.Rising = &hold, 2
	s.status.Alarms = []controller.Alarm{
		{Code: "fail-open", Severity: "critical", Subject: "www.example.com.", Since: noon.Add(-10 * time.Second), What: "nothing is up: fastly answers, which was last good", Mend: "every pool is down; look at each pool's reason"},
		{Code: "pool-down", Severity: "warning", Subject: "fastly", Since: noon.Add(-42 * time.Second), What: "answered 503 (status: want 200)", Mend: "shunt probe fastly shows each endpoint"},
	}
	s.services[0].FailOpen = true
	s.status.Frozen = &controller.Frozen{Until: noon.Add(50 * time.Minute), Reason: "probes flap", Author: "grace"}
	s.status.Pools[1].Override = &health.Override{Pool: "bunny", Force: health.ForceDrain, Reason: "ticket <4711>", Author: "ada", Set: noon, Expires: noon.Add(2 * time.Hour)}
	s.status.Drills = []controller.DrillStatus{{ID: "d-1", Pools: []string{"origin"}, Services: 2, Percent: 25, Began: noon, Ends: noon.Add(30 * time.Minute), Reason: "exercise", Author: "ada"}}
	s.status.Pools[2].Drill = "d-1"
	return s
}

// events are what happened on the stage.
func (s *stage) events(int) []event.Event {
	return []event.Event{
		{ID: 1, At: noon.Add(-50 * time.Minute), Kind: event.Transition, Subject: "bunny", Before: "up", After: "down", What: "pool bunny is down", Why: "connection refused", Level: event.Warning},
		{ID: 2, At: noon.Add(-45 * time.Minute), Kind: event.Transition, Subject: "bunny", Before: "down", After: "up", What: "pool bunny is up", Level: event.Info},
		{ID: 3, At: noon.Add(-42 * time.Second), Kind: event.Transition, Subject: "fastly", Before: "up", After: "down", What: "pool fastly is down", Why: "answered 503", Level: event.Warning},
	}
}

// open returns the dashboard of s.
func (s *stage) open(t testing.TB) *Dashboard {
	t.Helper()
	b, err := New(Deps{State: s, API: s, Events: s.events, Version: "1.2.3", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Now: func() time.Time { return s.now }, Queries: func() resolver.Stats { return resolver.Stats{} }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// as makes r one of the stage's viewer.
func (s *stage) as(r *http.Request) *http.Request {
	return r.WithContext(admin.WithWho(r.Context(), s.viewer))
}

// get asks for a page, and returns its status and text.
func get(b *Dashboard, path string, headers ...string) *httptest.ResponseRecorder {
	r := b.deps.State.(*stage).as(httptest.NewRequest("GET", path, nil))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

// post sends a form.
func post(b *Dashboard, path string, fields ...string) *httptest.ResponseRecorder {
	v := url.Values{"csrf": {b.sign(httptest.NewRequest("GET", "/", nil))}}
	for i := 0; i+1 < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	r := b.deps.State.(*stage).as(httptest.NewRequest("POST", path, strings.NewReader(v.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

// says checks that a page has all of these, in plain text.
func says(t *testing.T, w *httptest.ResponseRecorder, code int, want ...string) {
	t.Helper()
	if w.Code != code {
		t.Errorf("status %d, want %d: %s", w.Code, code, plain(w.Body.String()))
	}
	text := plain(w.Body.String())
	for _, s := range want {
		if !strings.Contains(text, s) {
			t.Errorf("it does not say %q:\n%s", s, text)
		}
	}
}

// plain returns the words of a page.
func plain(page string) string {
	page = regexp.MustCompile(`(?s)<head>.*</head>`).ReplaceAllString(page, "")
	page = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")
	page = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#39;", "'", "&#34;", `"`, "&amp;", "&", "&#43;", "+").Replace(page)
	return strings.Join(strings.Fields(page), " ")
}

var report = &drill.Report{Plan: drill.Plan{ID: "d-1", Pools: []string{"fastly"}, Share: 1, Reason: "exercise", Author: "ada", Began: noon, Ends: noon.Add(time.Hour)},
	Outcome: drill.Running, Why: "it goes on", Names: []string{"www.example.com."}, Count: 1,
	Forecast: drill.Forecast{Pools: []drill.Portion{{Pool: "fastly", Before: 100}, {Pool: "bunny", After: 100, Rate: 12}}, Notes: []string{"from the decisions: nobody asked"}}}

// changes reads transitions, as "up>down@3" for three minutes before now.
func changes(text string) []event.Event {
	var out []event.Event
	for _, word := range strings.Fields(text) {
		states, at, _ := strings.Cut(word, "@")
		before, after, _ := strings.Cut(states, ">")
		minutes, _ := time.ParseDuration(at + "m")
		out = append(out, event.Event{At: noon.Add(-minutes), Kind: event.Transition, Before: before, After: after})
	}
	return out
}

func continent(code string) string { return config.ContinentOf(code) }
