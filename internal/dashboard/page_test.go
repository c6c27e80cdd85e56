package dashboard

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/resolver"
)

// every page there is.
var everyPage = []string{"/", "/services", "/services?q=www", "/services/www.example.com", "/pools", "/pools/fastly", "/operate", "/explain", "/drills", "/drills/d-1", "/log"}

// answering has the API answer what pages ask it.
func (s *stage) answering() *stage {
	s.says = func(method, path string) (int, any) {
		switch {
		case path == "/v1/drills" && method == "GET":
			return 200, []*drill.Report{report}
		case path == "/v1/log":
			return 200, []admin.Deed{{At: noon, Who: "ada", Via: "web 127.0.0.1", What: "override.set", Subject: "fastly", Why: "ticket 4711", Outcome: admin.Refused, Error: "a rule says no", After: []byte(`{"force":"down"}`)}}
		case strings.HasPrefix(path, "/v1/drills"):
			return 200, report
		}
		return 200, struct{}{}
	}
	return s
}

// TestPages draws every page of a node that is well, of one that is ill, and
// of one that has not begun. None has a script or a style of its own, which
// the policy would refuse, and none loads anything from elsewhere.
func TestPages(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|<script>|<script [^>]*>[^<]|\son[a-z]+=|\sstyle=|javascript:`)
	elsewhere := regexp.MustCompile(`(?i)(?:src|href|action)="(?:https?:)?//`)
	starting := well()
	starting.status = &controller.Status{Node: "starting"}
	starting.services = nil
	for name, s := range map[string]*stage{"well": well(), "ill": ill(), "starting": starting} {
		b := s.answering().open(t)
		for _, path := range everyPage {
			w := get(b, path)
			want := http.StatusOK
			if name == "starting" && (path == "/services/www.example.com" || path == "/pools/fastly") {
				want = http.StatusNotFound
			}
			if w.Code != want {
				t.Errorf("%s, %s: status %d: %s", name, path, w.Code, plain(w.Body.String()))
			}
			text := w.Body.String()
			for _, wrong := range []*regexp.Regexp{inline, elsewhere} {
				if found := wrong.FindString(text); found != "" {
					t.Errorf("%s, %s: %q", name, path, found)
				}
			}
			if got := w.Header().Get("Content-Security-Policy"); got != policy {
				t.Errorf("%s: policy %q", path, got)
			}
			ids := map[string]bool{}
			for _, id := range regexp.MustCompile(` id="[^"]*"`).FindAllString(text, -1) {
				if ids[id] {
					t.Errorf("%s, %s: two elements with%s", name, path, id)
				}
				ids[id] = true
			}
			if n := strings.Count(text, "<h1"); n != 1 {
				t.Errorf("%s, %s: %d headings of the first order", name, path, n)
			}
		}
	}
}

func TestOverview(t *testing.T) {
	says(t, get(well().open(t), "/"), 200, "All is well: all 3 pools are up, every service answers.", "www.example.com", "by decision: nobody asked", "static.example.com", "fastly 95 %", "bunny 5 %",
		"up for 3h00m", "12 ms", "61 days", "1 of 1 up", "pool bunny is down (connection refused)", "automation is on")
	says(t, get(ill().open(t), "/"), 200, "One thing is wrong: www.example.com answers though nothing is up.", "Fail open www.example.com for 10s", "Mend: shunt probe fastly shows each endpoint",
		"Automation is off for another 50m", "bunny is forced drain for another 2h00m", "really it is up", "ticket <4711>", "25 % of origin taken away from 2 services",
		"down for 42s", "answered 503 (status: want 200); 2 successes in a row; held down for 30s", "0 of 1 up")
}

// What is measured counts before what is decided.
func TestMeasured(t *testing.T) {
	s := well()
	b := s.open(t)
	count := func(after time.Duration, fastly, bunny uint64) {
		b.samples.add(noon.Add(after), resolver.Stats{UDP: fastly + bunny, TCP: 10, Steered: []resolver.SteeredCount{
			{Service: "static.example.com.", Pool: "fastly", Answers: fastly}, {Service: "static.example.com.", Pool: "bunny", Answers: bunny}}})
	}
	count(0, 1000, 0)
	count(time.Second, 1060, 40)
	r := b.samples.rates()
	if r.Seconds != 1 || r.Queries != 100 || r.Steered["static.example.com."]["fastly"] != 60 {
		t.Errorf("measured %+v", r)
	}
	says(t, get(b, "/"), 200, "static.example.com weighted fastly 60 % bunny 40 % 100 30 s", "100 queries/s", "measured over 10 s")
	for i := range 30 {
		count(time.Duration(i+2)*time.Second, 1060, 40)
	}
	if r := b.samples.rates(); len(r.Steered) != 0 || r.Seconds != window {
		t.Errorf("half a minute later: %+v", r)
	}
	// A counter that begins anew is no rate.
	count(40*time.Second, 5, 0)
	if r := b.samples.rates(); r.Queries < 0 || r.Queries > 1e6 || len(r.Steered) != 0 {
		t.Errorf("after a restart of the counters: %+v", r)
	}
}

func TestTrend(t *testing.T) {
	var s sampler
	pools := well().status.Pools
	for i := range 3 * latencies {
		s.watch(noon.Add(time.Duration(i)*latencyGap), pools)
		s.watch(noon.Add(time.Duration(i)*latencyGap+time.Second), pools) // too soon
	}
	if got := s.trend("fastly"); len(got) != latencies || got[0] != 12.4 {
		t.Errorf("%d latencies: %v", len(got), got[:1])
	}
	s.watch(noon.Add(time.Hour*24), pools[1:])
	if s.trend("fastly") != nil {
		t.Error("a pool that is gone is remembered")
	}
	for in, want := range map[string]int{"": 0, "5": 0, "5 6": 1, "5 6 0 7 8": 2} {
		var ms []float32
		for _, f := range strings.Fields(in) {
			ms = append(ms, float32(f[0]-'0'))
		}
		if got := strings.Count(string(spark(ms)), "<polyline"); got != want {
			t.Errorf("latencies %q: %d lines, want %d", in, got, want)
		}
	}
}

// The notation is a letter for each minute: U up, D down, - unknown.
func TestStretches(t *testing.T) {
	for _, c := range []struct {
		name    string
		state   string
		since   int // minutes before now
		changes string
		want    string
	}{
		{"always so", "up", 60, "", "UUUUUUUUUU"},
		{"since we look", "up", 4, "", "-UUUUUUUUU"},
		{"fell", "down", 3, "up>down@3", "-UUUUUUDDD"},
		{"fell and came back", "up", 2, "up>down@6 down>up@2", "-UUUDDDDUU"},
		{"fell long ago", "up", 2, "up>down@60 down>up@2", "DDDDDDDDUU"},
		{"was unknown", "up", 5, "unknown>down@8 down>up@5", "--DDDUUUUU"},
		{"changes in the same moment", "down", 4, "up>down@4 down>down@4", "-UUUUUDDDD"},
		{"of another process", "down", 1, "up>down@10", "DDDDDDDDDD"},
	} {
		from := noon.Add(-10 * time.Minute)
		p := controller.PoolStatus{State: c.state, Since: noon.Add(-time.Duration(c.since) * time.Minute)}
		got := []byte(strings.Repeat("-", 10))
		for _, s := range stretches(&p, changes(c.changes), from, noon.Add(-9*time.Minute), noon) {
			letter := map[string]byte{"up": 'U', "down": 'D', "unknown": '-', "": '-'}[s.state]
			for i := int(s.from.Sub(from) / time.Minute); i < int(s.to.Sub(from)/time.Minute); i++ {
				got[i] = letter
			}
		}
		if string(got) != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWorld(t *testing.T) {
	seen := map[string]bool{}
	for _, code := range strings.Fields(tiles) {
		if code == ".." {
			continue
		}
		if seen[code] {
			t.Errorf("%s has two tiles", code)
		}
		if seen[code] = true; continent(code) == "" {
			t.Errorf("there is no country %s", code)
		}
	}
	for _, row := range strings.Split(strings.TrimSpace(tiles), "\n") {
		if n := len(strings.Fields(row)); n != 28 {
			t.Errorf("a row of %d tiles: %s", n, row)
		}
	}
	s := well()
	s.regions = []controller.Region{{Countries: []string{"DE", "FR"}, Shares: []controller.Share{{Pool: "bunny", Percent: 60}, {Pool: "fastly", Percent: 40}}}, {Countries: []string{"US"}, FailOpen: true}}
	w := get(s.open(t), "/services/www.example.com")
	says(t, w, 200, "By country", "bunny 60 % fastly 40 % DE, FR 2 countries", "fails open US 1 country")
	var rest []string
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if code := string([]rune{a, b}); strings.Contains("AF SA", continent(code)) && continent(code) != "" || code == "DE" {
				rest = append(rest, code)
			}
		}
	}
	if got := strings.Join(places(rest), ", "); got != "all of Africa, all of South America, DE" {
		t.Errorf("%d countries in words: %s", len(rest), got)
	}
	if !strings.Contains(w.Body.String(), `<rect class="p1" x="260" y="40"`) {
		t.Error("Germany has not the color of its pool")
	}
}

// A name is text, whatever it contains.
func TestEscapes(t *testing.T) {
	s := ill()
	evil := `"><script>alert(1)</script>`
	s.status.Node, s.status.Pools[0].Reason, s.status.Pools[1].Override.Reason, s.status.Alarms[0].What = evil, evil, evil, evil
	s.status.Pools[2].Name, s.services[0].Name, s.services[0].Why, s.viewer.Name = evil, evil, evil, evil
	s.viewer.Session = true
	b := s.answering().open(t)
	for _, path := range append(everyPage, "/services?q="+template.URLQueryEscaper(evil), "/explain?name="+template.URLQueryEscaper(evil), "/login?next="+template.URLQueryEscaper(evil)) {
		if text := get(b, path).Body.String(); strings.Contains(text, "<script>alert") {
			t.Errorf("%s runs what a name says", path)
		}
	}
}

// The script gets what it asks for, and nothing twice.
func TestLive(t *testing.T) {
	b := well().open(t)
	w := get(b, "/", "X-Live", "1")
	if text := strings.TrimSpace(w.Body.String()); !strings.HasPrefix(text, "<main") || !strings.HasSuffix(text, "</main>") {
		t.Errorf("not the main part alone: %.60s", text)
	}
	if w.Header().Get("X-Stamp") != b.stamp {
		t.Error("it does not say of which program it is")
	}
	if again := get(b, "/", "X-Live", "1", "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("nothing is new: status %d", again.Code)
	}
	if other := get(ill().open(t), "/", "X-Live", "1", "If-None-Match", w.Header().Get("ETag")); other.Code != 200 {
		t.Errorf("all is new: status %d", other.Code)
	}
}

func TestAssets(t *testing.T) {
	b := well().open(t)
	for _, c := range []struct{ path, kind string }{{"app.js", "text/javascript; charset=utf-8"}, {"style.css", "text/css; charset=utf-8"}, {"good.svg", "image/svg+xml"}} {
		w := get(b, "/static/"+c.path+"?v="+b.stamp)
		if w.Code != 200 || w.Header().Get("Content-Type") != c.kind || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", c.path, w.Code, w.Header())
		}
	}
	if w := get(b, "/static/dashboard.go"); w.Code != 404 {
		t.Errorf("a file that is none: %d", w.Code)
	}
}

// Services that move together are one line, and alarms are told elsewhere. The
// notation: subject, kind and what it came to, the oldest first, all in a second.
func TestLatest(t *testing.T) {
	for _, c := range []struct{ name, events, want string }{
		{"nothing", "", ""},
		{"one move", "www>beta", "www is answered by beta"},
		{"three", "www>beta shop>beta api>beta", "www and 2 more are answered by beta"},
		{"elsewhere", "www>beta shop>beta api>origin", "api is answered by origin | www and 1 more are answered by beta"},
		{"with what moved them", "alpha>down www>beta shop>beta", "www and 1 more are answered by beta | alpha is down"},
		{"alarms", "alpha>down !pool-down www>beta", "www is answered by beta | alpha is down"},
		{"the latest only", "a>x b>y c>z d>x", "d is answered by x | c is answered by z | b is answered by y"},
	} {
		var all []event.Event
		for i, word := range strings.Fields(c.events) {
			subject, after, _ := strings.Cut(word, ">")
			e := event.Event{Kind: event.Transition, Subject: subject, After: after, At: noon.Add(time.Duration(i) * time.Millisecond), What: subject + " is answered by " + after}
			if after == "down" {
				e.What = subject + " is down"
			}
			if strings.HasPrefix(word, "!") {
				e.Kind = event.Alarm
			}
			all = append(all, e)
		}
		var got []string
		for _, e := range latest(all, 3) {
			got = append(got, e.What)
		}
		if text := strings.Join(got, " | "); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

// However much there is, a page is short and quick to draw: the first services,
// the worst pools, and of a pool the endpoints that are not up.
func TestMuch(t *testing.T) {
	s := well()
	for i := range 10_000 {
		v := s.services[0]
		v.Name = fmt.Sprintf("s%d.example.com.", i)
		s.services = append(s.services, v)
	}
	p := s.status.Pools[0]
	for i := range 1000 {
		q := p
		q.Name = fmt.Sprintf("pool%d", i)
		if i == 700 {
			q.State = "down"
		}
		s.status.Pools = append(s.status.Pools, q)
	}
	for i := range 50 {
		s.status.Alarms = append(s.status.Alarms, controller.Alarm{Code: "pool-down", Severity: "warning", Subject: fmt.Sprintf("pool%d", i), What: "it fell"})
	}
	many := &s.status.Pools[1]
	for i := range 3000 {
		e := many.Endpoints[0]
		e.Addr = fmt.Sprintf("2001:db8::%x", i)
		if i == 2900 {
			e.State = "down"
		}
		many.Endpoints = append(many.Endpoints, e)
	}
	b := s.open(t)
	w := get(b, "/")
	says(t, w, 200, "All 10,003 services, and search", "All 1,003 pools, and search", "pool700", "Every service answers, but pool0 is down, pool1 is down, pool2 is down, and 47 more.", "and 30 more alarms", "and 991 pools more")
	if n := w.Body.Len(); n > 200_000 {
		t.Errorf("the overview has %d octets", n)
	}
	w = get(b, "/pools?q=bunny")
	says(t, w, 200, "1 pool of 1,003", "3000 of 3001 up", "down 2001:db8::b54", "and 2,981 more")
	says(t, get(b, "/services?q=s99"), 200, "111 services of 10,003", "page 1 of 3", "s99.example.com", "Later")
	says(t, get(b, "/services?q=s99&page=3"), 200, "page 3 of 3", "Earlier", "s9999.example.com")
	says(t, get(b, "/services?q=nothing&page=7"), 200, "0 services of 10,003", "No service is like that.")
	says(t, get(b, "/pools?page=4"), 200, "page 4 of 21")
}

// Run measures each second until it is told to end.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := well()
		asked := uint64(0)
		b, err := New(Deps{State: s, API: s, Queries: func() resolver.Stats { asked += 50; return resolver.Stats{UDP: asked} }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- b.Run(ctx) }()
		time.Sleep(time.Minute + time.Second/2)
		if r := b.samples.rates(); r.Queries != 50 || r.Seconds != window {
			t.Errorf("measured %+v", r)
		}
		if n := len(b.samples.trend("fastly")); n != 13 {
			t.Errorf("%d latencies within a minute", n)
		}
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// What the pool's feeds say is on its page, and what is elsewhere on the overview.
func TestFeedsAndRemotes(t *testing.T) {
	s := well()
	share, at, until := 0.973, noon.Add(-time.Minute), noon.Add(4*time.Minute)
	s.status.Pools[0].Feeds = []controller.FeedStatus{{Source: "rum", Role: "vote", Weight: 2, Says: "down", Availability: &share, Latency: 250, Load: 0.8, Reason: "errors in DE", Since: &at, Until: &until},
		{Source: "alertmanager", Part: "eu", Role: "observe", Says: "silent"}}
	b := s.open(t)
	b.deps.Remote = func() []Remote {
		return []Remote{{Kind: "secondary", Name: "ns2", What: "3 zones", State: "behind", Level: "bad", Since: at, Lag: "1m30s", Why: "refused"}}
	}
	says(t, get(b, "/pools/fastly"), 200, "rum vote, weight 2 down for 60s 97.3 % of requests succeed. 250 ms. 80 % of its capacity in use. for another 4m errors in DE", "alertmanager eu observe silent")
	says(t, get(b, "/"), 200, "Secondaries, providers and alert routes", "ns2 secondary · 3 zones behind for 60s 1m30s refused")
}
