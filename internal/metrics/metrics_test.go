package metrics

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/alert"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/resolver"
	"github.com/shunt-dns/shunt/resolver/xfr"
)

// A fakeNode is a server and a controller in one.
type fakeNode struct {
	stats  resolver.Stats
	status controller.Status
	groups []controller.GroupStatus
	counts controller.Counts
}

func (f *fakeNode) Stats() resolver.Stats               { return f.stats }
func (f *fakeNode) Glance() *controller.Status          { return &f.status }
func (f *fakeNode) Counts() controller.Counts           { return f.counts }
func (f *fakeNode) Groups(int) []controller.GroupStatus { return f.groups }
func (f *fakeNode) Durations(tr resolver.Transport) resolver.Durations {
	d := resolver.Durations{Bounds: []time.Duration{time.Millisecond, time.Second}, Counts: make([]uint64, 3)}
	if tr == resolver.UDP {
		d.Counts, d.Sum = []uint64{5, 2, 1}, 3*time.Second
	}
	return d
}

// busy is a node on a bad day: every family has a series.
func busy() *fakeNode {
	end := time.Unix(1900000000, 0)
	return &fakeNode{
		stats: resolver.Stats{
			UDP: 10, TCP: 2, TLS: 1, HTTPS: 3,
			Rcodes: map[string]uint64{"NOERROR": 12, "REFUSED": 4}, Types: map[string]uint64{"A": 11, "other": 1},
			Pools:   map[string]uint64{"alpha": 9, "gone": 4},
			Steered: []resolver.SteeredCount{{Service: "www.example.test.", Pool: "alpha", Answers: 7}},
			Limited: 5, Slipped: 2, Truncated: 6, Malformed: 7, Silent: 8, Panics: 1, SendErrors: 2, Connections: 3, Accepted: 9, Refused: 1, Evicted: 2,
		},
		status: controller.Status{
			Node: "ns1", Generation: 42, Zones: 2, Names: 30, Blind: "the controls do not answer",
			Frozen: &controller.Frozen{Until: end},
			Drills: []controller.DrillStatus{{}},
			Alarms: []controller.Alarm{{Code: "pool-down", Severity: "warning", Subject: "alpha"}, {Code: "pool-down", Severity: "warning", Subject: "beta"}, {Code: "blind", Severity: "critical"}},
			Reload: controller.Reload{At: end},
			Pools: []controller.PoolStatus{
				{Name: "alpha", Operator: "cloudflare", State: "up", Since: end, Waits: "by a person", Held: "blind", Drill: "1",
					Feeds:     []controller.FeedStatus{{Source: "rum", Part: "a", Says: "up"}, {Source: "rum", Part: "b", Says: "down"}, {Source: "logs", Says: "silent"}},
					Endpoints: []controller.EndpointStatus{{Addr: "192.0.2.1", State: "up", CertEnd: &end}, {Addr: "192.0.2.2", State: "down"}}},
				{Name: "beta", Operator: "self", State: "down", Since: end, Override: &health.Override{Pool: "beta", Force: health.ForceDrain, Expires: end}},
			},
		},
		groups: []controller.GroupStatus{{Service: "www.example.test.", Services: 3, FailOpen: true, Shares: []controller.Share{{Pool: "alpha", Percent: 25}, {Pool: "beta", Percent: 75}}}},
		counts: controller.Counts{
			Transitions: map[controller.Transition]uint64{{Pool: "beta", To: health.Down}: 2, {Pool: "gone", To: health.Up}: 1}, Moves: 3, Taken: 4, Refused: 1,
			FailOpen: 90 * time.Second, FailOpenBy: map[string]time.Duration{"www.example.test.": 90 * time.Second},
		},
	}
}

// metricsOf returns the metrics of f on the bad day, with probes and events.
func metricsOf(f *fakeNode) *Metrics {
	m := New(Sources{
		Version: "v1.2.3", DNS: f, Node: f,
		Certificate: func() time.Time { return time.Unix(1900000000, 0) },
		Secondaries: func() []xfr.Secondary {
			return []xfr.Secondary{{Name: "nsd", State: xfr.Behind, Zones: 3, Behind: 2, Lag: 12.5}}
		},
		Providers: func() []providers.Status {
			return []providers.Status{{Name: "cf", Kind: "cloudflare", State: providers.InStep, Since: time.Unix(1900000000, 0), Names: 5, Waiting: 1, Drift: 2, Pushed: 42, Verified: 41}}
		},
		Alerts: func() []alert.Status {
			since := time.Unix(1900000000, 0)
			return []alert.Status{{Name: "oncall", Told: 7, Failed: 3, Pending: 2, Since: &since}}
		},
		Taps: func() []Tap { return []Tap{{"farm", 100, 7, 2}} },
	}, slog.New(slog.DiscardHandler))
	edge := health.Target{Pool: "alpha", Monitor: "web", Addr: netip.MustParseAddr("192.0.2.1")}
	m.Observe(edge, health.Result{OK: true, Phases: health.Phases{Connect: time.Millisecond, TLS: 2 * time.Millisecond, Processing: 3 * time.Millisecond, Transfer: time.Millisecond, Total: 7 * time.Millisecond}})
	m.Observe(edge, health.Result{Class: health.Edge5xx, Phases: health.Phases{Connect: time.Millisecond, Total: 2 * time.Millisecond}})
	m.Observe(edge, health.Result{Class: health.Internal, Phases: health.Phases{Total: time.Hour}})
	m.Observe(health.Target{Pool: "alpha"}, health.Result{OK: true, Phases: health.Phases{Total: 20 * time.Millisecond}})
	m.Pushed(providers.Pushed{Provider: "cf", Began: time.Unix(1, 0), Ended: time.Unix(3, 0), Result: providers.Done})
	m.Transferred("nsd", xfr.Transfer{Kind: xfr.IXFR, Octets: 300}, nil)
	m.Transferred("nsd", xfr.Transfer{Kind: xfr.IXFR, Octets: 100}, errors.New("broken off"))
	m.Transferred("192.0.2.7", xfr.Transfer{Kind: xfr.AXFR, Octets: 1000}, nil)
	m.Event(event.Event{Kind: event.Transition, Level: event.Warning})
	return m
}

func scrapeOf(t *testing.T, m *Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("GET /metrics: %d %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// The series of the bad day, a line each.
func TestScrape(t *testing.T) {
	text := scrapeOf(t, metricsOf(busy()))
	lines := strings.Split(text, "\n")
	for want := range strings.Lines(`shunt_dns_queries_total{transport="udp"} 10
shunt_dns_queries_total{transport="https"} 3
shunt_dns_questions_total{type="A"} 11
shunt_dns_replies_total{rcode="REFUSED"} 4
shunt_dns_answer_duration_seconds_bucket{transport="udp",le="0.001"} 5
shunt_dns_answer_duration_seconds_bucket{transport="udp",le="1"} 7
shunt_dns_answer_duration_seconds_bucket{transport="udp",le="+Inf"} 8
shunt_dns_answer_duration_seconds_sum{transport="udp"} 3
shunt_dns_steered_answers_total{pool="alpha",service="www.example.test."} 7
shunt_dns_steered_answers_total{pool="alpha",service="other"} 2
shunt_dns_steered_answers_total{pool="gone",service="other"} 4
shunt_dns_rate_limited_total{action="dropped"} 3
shunt_dns_rate_limited_total{action="slipped"} 2
shunt_dns_truncated_total 6
shunt_dns_connections 3
shunt_pools{state="down"} 1
shunt_pools{state="unknown"} 0
shunt_pool_state{operator="cloudflare",pool="alpha",state="up"} 1
shunt_pool_state{operator="cloudflare",pool="alpha",state="down"} 0
shunt_pool_state_since_timestamp_seconds{pool="beta"} 1.9e+09
shunt_pool_transitions_total{pool="beta",to="down"} 2
shunt_pool_endpoints{pool="alpha",state="down"} 1
shunt_pool_override{force="drain",pool="beta"} 1
shunt_pool_override_end_timestamp_seconds{pool="beta"} 1.9e+09
shunt_pool_waiting{pool="alpha"} 1
shunt_pool_votes_void{pool="alpha"} 1
shunt_pool_drilled{pool="beta"} 0
shunt_pool_certificate_end_timestamp_seconds{pool="alpha"} 1.9e+09
shunt_feed_says{pool="alpha",says="down",source="rum"} 1
shunt_feed_says{pool="alpha",says="up",source="rum"} 0
shunt_feed_says{pool="alpha",says="silent",source="logs"} 1
shunt_probe_results_total{monitor="web",pool="alpha",result="ok"} 1
shunt_probe_results_total{monitor="web",pool="alpha",result="edge-5xx"} 1
shunt_probe_results_total{monitor="web",pool="alpha",result="internal"} 1
shunt_probe_phase_duration_seconds_count{monitor="web",phase="connect",pool="alpha"} 2
shunt_probe_phase_duration_seconds_count{monitor="web",phase="first_byte",pool="alpha"} 1
shunt_probe_phase_duration_seconds_count{monitor="web",phase="total",pool="alpha"} 2
shunt_lookup_results_total{pool="alpha",result="ok"} 1
shunt_lookup_duration_seconds_sum{pool="alpha"} 0.02
shunt_services 3
shunt_services_failing_open 3
shunt_service_share_ratio{pool="alpha",service="www.example.test."} 0.25
shunt_service_moves_total 3
shunt_fail_open_seconds_total 90
shunt_service_fail_open_seconds_total{service="www.example.test."} 90
shunt_snapshot_generation 42
shunt_config_reloads_total{result="taken"} 4
shunt_config_reloads_total{result="refused"} 1
shunt_config_last_reload_successful 0
shunt_frozen 1
shunt_blind 1
shunt_drills 1
shunt_overrides{force="drain"} 1
shunt_overrides{force="up"} 0
shunt_alarms{code="pool-down",severity="warning"} 2
shunt_alarms{code="blind",severity="critical"} 1
shunt_events_total{kind="transition",level="warning"} 1
shunt_certificate_end_timestamp_seconds 1.9e+09
shunt_secondary_state{secondary="nsd",state="behind"} 1
shunt_secondary_state{secondary="nsd",state="in_step"} 0
shunt_secondary_zones_behind{secondary="nsd"} 2
shunt_secondary_lag_seconds{secondary="nsd"} 12.5
shunt_transfers_total{kind="ixfr",result="done",secondary="nsd"} 1
shunt_transfers_total{kind="ixfr",result="failed",secondary="nsd"} 1
shunt_transfers_total{kind="axfr",result="done",secondary="other"} 1
shunt_transfer_bytes_total{kind="ixfr",secondary="nsd"} 400
shunt_provider_state{kind="cloudflare",provider="cf",state="in_step"} 1
shunt_provider_state{kind="cloudflare",provider="cf",state="failing"} 0
shunt_provider_names_drifted{provider="cf"} 2
shunt_provider_generation{provider="cf",stage="verified"} 41
shunt_provider_pushes_total{provider="cf",result="done"} 1
shunt_provider_push_duration_seconds_sum{provider="cf"} 2
shunt_alert_deliveries_total{route="oncall"} 7
shunt_alert_failures_total{route="oncall"} 3
shunt_alert_pending{route="oncall"} 2
shunt_alert_failing{route="oncall"} 1
shunt_tap_queries_total{tap="farm"} 100
shunt_tap_dropped_total{reason="full",tap="farm"} 7
shunt_tap_dropped_total{reason="lost",tap="farm"} 2
`) {
		if want = strings.TrimSpace(want); !slices.Contains(lines, want) {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(text, `pool="gone",to`) || strings.Contains(text, "192.0.2.") {
		t.Error("a pool that is not configured, or an address, is shown")
	}
	for _, f := range Families() {
		if !strings.Contains(text, "\n# HELP "+f.Name+" ") || !strings.Contains(text, "\n# TYPE "+f.Name+" "+string(f.Kind)+"\n") {
			t.Errorf("%s has no series, or is no %s", f.Name, f.Kind)
		}
	}
}

// Names and help follow the conventions of Prometheus.
func TestLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(scrapeOf(t, metricsOf(busy())))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, f := range Families() {
		if !strings.HasPrefix(f.Name, "shunt_") || !strings.HasSuffix(f.Help, ".") {
			t.Errorf("%s: %q", f.Name, f.Help)
		}
	}
}

// A node that has just begun can be scraped, and so can one without sources.
func TestScrapeOfNothing(t *testing.T) {
	for _, s := range []Sources{{}, {DNS: &fakeNode{}, Node: &fakeNode{}, Certificate: func() time.Time { return time.Time{} }}} {
		text := scrapeOf(t, New(s, slog.New(slog.DiscardHandler)))
		if !strings.Contains(text, "shunt_build_info{") || !strings.Contains(text, "go_goroutines") || !strings.Contains(text, "process_cpu_seconds_total") {
			t.Error("the scrape lacks what every node has")
		}
		if strings.Contains(text, "shunt_certificate_end") {
			t.Error("a certificate that is not there ends")
		}
	}
}

// Answers by service never fall, and what is beyond the limit is other.
func TestSteeredNeverFalls(t *testing.T) {
	f := busy()
	m := metricsOf(f)
	want := func(lines ...string) {
		t.Helper()
		text := scrapeOf(t, m)
		for _, l := range lines {
			if !strings.Contains(text, "\nshunt_dns_steered_answers_total"+l+"\n") {
				t.Errorf("no line %s", l)
			}
		}
	}
	f.stats.Steered = []resolver.SteeredCount{{Service: "www.example.test.", Pool: "alpha", Answers: 7}}
	want(`{pool="alpha",service="www.example.test."} 7`, `{pool="alpha",service="other"} 2`)
	f.stats.Steered = nil // the service is gone
	want(`{pool="alpha",service="www.example.test."} 7`, `{pool="alpha",service="other"} 2`)
	f.stats.Steered = []resolver.SteeredCount{{Service: "www.example.test.", Pool: "alpha", Answers: 3}}
	f.stats.Pools["alpha"] = 12
	want(`{pool="alpha",service="www.example.test."} 10`, `{pool="alpha",service="other"} 2`)
	for i := range 3 * mostPairs {
		f.stats.Steered = append(f.stats.Steered, resolver.SteeredCount{Service: strings.Repeat("x", i%60) + string(rune('a'+i%26)) + ".test.", Pool: string(rune('a' + i/60%26)), Answers: 1})
	}
	if n := strings.Count(scrapeOf(t, m), "\nshunt_dns_steered_answers_total{"); n > mostPairs+100 {
		t.Errorf("%d series of answers", n)
	}
}

// However many pools there are, the series of their probes are bounded, and
// end with the pool.
func TestProbesAreBounded(t *testing.T) {
	f := &fakeNode{}
	m := New(Sources{Node: f}, slog.New(slog.DiscardHandler))
	addr := netip.MustParseAddr("192.0.2.1")
	for i := range 3 * mostTargets {
		name := "p" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26))
		f.status.Pools = append(f.status.Pools, controller.PoolStatus{Name: name})
		m.Observe(health.Target{Pool: name, Monitor: "web", Addr: addr}, health.Result{OK: true, Phases: health.Phases{Total: time.Second}})
	}
	rec, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range rec {
		switch n := len(family.GetMetric()); family.GetName() {
		case "shunt_probe_results_total":
			if n != mostTargets+1 {
				t.Errorf("%d series of results, want %d", n, mostTargets+1)
			}
		case "shunt_probe_phase_duration_seconds":
			if n != 5*(mostWatched+1) {
				t.Errorf("%d histograms of phases, want %d", n, 5*(mostWatched+1))
			}
		}
	}
	f.status.Pools = nil
	scrapeOf(t, m)
	if text := scrapeOf(t, m); strings.Contains(text, `pool="px`) {
		t.Error("series outlive their pool")
	}
}

// BenchmarkObserve is what a probe's result costs beside the probe.
func BenchmarkObserve(b *testing.B) {
	m := New(Sources{}, slog.New(slog.DiscardHandler))
	edge := health.Target{Pool: "alpha", Monitor: "web", Addr: netip.MustParseAddr("192.0.2.1")}
	r := health.Result{OK: true, Phases: health.Phases{Connect: time.Millisecond, TLS: 2 * time.Millisecond, Processing: 3 * time.Millisecond, Transfer: time.Millisecond, Total: 7 * time.Millisecond}}
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(edge, r)
	}
}

// BenchmarkScrape is a scrape of a thousand pools and as many services.
func BenchmarkScrape(b *testing.B) {
	f := busy()
	for i := range 1000 {
		p := f.status.Pools[0]
		p.Name += strings.Repeat("x", i%30) + string(rune('a'+i/30%26)) + string(rune('a'+i/780))
		f.status.Pools = append(f.status.Pools, p)
		g := f.groups[0]
		g.Service = p.Name
		f.groups = append(f.groups, g)
	}
	h := New(Sources{DNS: f, Node: f}, slog.New(slog.DiscardHandler)).Handler()
	for b.Loop() {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		io.Copy(io.Discard, rec.Body)
	}
}
