package trace

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A receiver is one of OTLP over HTTP, which keeps what it gets.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	spans   []*otlp.Span
	from    map[string]string // attributes of the resource
	headers http.Header
	hang    chan struct{} // requests wait until it is closed; nil: they do not
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{from: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if r.hang != nil {
			<-r.hang
		}
		body, err := gzip.NewReader(q.Body)
		if err != nil || q.URL.Path != "/v1/traces" {
			http.Error(w, "what is this?", http.StatusBadRequest)
			return
		}
		text, err := io.ReadAll(body)
		var m collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(text, &m) != nil {
			http.Error(w, "not OTLP", http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.headers = q.Header
		for _, rs := range m.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				r.from[a.Key] = a.Value.GetStringValue()
			}
			for _, ss := range rs.ScopeSpans {
				r.spans = append(r.spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// await waits until n spans are there.
func (r *receiver) await(t *testing.T, n int) []*otlp.Span {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		r.mu.Lock()
		spans := slices.Clone(r.spans)
		r.mu.Unlock()
		if len(spans) >= n {
			return spans
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d spans came", len(spans), n)
		}
	}
}

func said(s *otlp.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

var (
	edge = health.Target{Pool: "alpha", Monitor: "web", Addr: netip.MustParseAddr("192.0.2.1")}
	at   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	good = health.Result{At: at, OK: true, Phases: health.Phases{Connect: 10 * time.Millisecond, TLS: 20 * time.Millisecond, Processing: 30 * time.Millisecond, Transfer: 5 * time.Millisecond, Total: 70 * time.Millisecond}}
)

// TestProbes: a probe is a span with its phases as events, and says why it
// failed.
func TestProbes(t *testing.T) {
	r := receive(t)
	tr := New("ns1.example.test", "1.2.3", slog.New(slog.DiscardHandler))
	defer tr.Close()
	tr.Probe(edge, good) // nobody is there yet
	tr.Adopt(config.Traces{Endpoint: r.URL + "/v1/traces", Sample: 1, Headers: []config.Secret{config.NewSecret("Authorization: Bearer abc")}})
	tr.Probe(edge, good)
	tr.Probe(health.Target{Pool: "beta"}, health.Result{At: at, Class: health.ProviderDNS, Reason: "SERVFAIL", Phases: health.Phases{Total: time.Second}})
	tr.Send(Span{Name: "reload", Began: at, Ended: at.Add(time.Second), Failure: "no such file", Attributes: []string{"k", "v"}})
	tr.Close()
	spans := r.await(t, 3)
	if len(spans) != 3 || r.headers.Get("Authorization") != "Bearer abc" || r.from["service.name"] != "shunt" || r.from["service.instance.id"] != "ns1.example.test" || r.from["service.version"] != "1.2.3" {
		t.Fatalf("%d spans of %v, with %v", len(spans), r.from, r.headers)
	}
	probe, lookup, reload := spans[0], spans[1], spans[2]
	if probe.Name != "probe" || said(probe, "shunt.pool") != "alpha" || said(probe, "shunt.monitor") != "web" || said(probe, "server.address") != "192.0.2.1" || probe.Status.GetCode() != 0 {
		t.Errorf("%v", probe)
	}
	if int64(probe.EndTimeUnixNano) != at.UnixNano() || probe.EndTimeUnixNano-probe.StartTimeUnixNano != uint64(70*time.Millisecond) {
		t.Errorf("the probe lasted from %d to %d", probe.StartTimeUnixNano, probe.EndTimeUnixNano)
	}
	var steps []string
	for _, e := range probe.Events {
		steps = append(steps, e.Name+" "+time.Duration(e.TimeUnixNano-probe.StartTimeUnixNano).String())
	}
	if got := strings.Join(steps, ", "); got != "connected 10ms, TLS handshake done 30ms, first byte 60ms, answer read 65ms" {
		t.Errorf("its phases are %s", got)
	}
	if lookup.Name != "look-up" || lookup.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR || lookup.Status.Message != "provider-dns: SERVFAIL" || said(lookup, "error.type") != "provider-dns" || len(lookup.Events) != 0 {
		t.Errorf("%v", lookup)
	}
	if reload.Name != "reload" || reload.Status.Message != "no such file" || said(reload, "k") != "v" {
		t.Errorf("%v", reload)
	}
}

// TestSample: about the share of probes that is asked for, and all else.
func TestSample(t *testing.T) {
	r := receive(t)
	tr := New("n", "v", slog.New(slog.DiscardHandler))
	tr.Adopt(config.Traces{Endpoint: r.URL + "/v1/traces", Sample: 0.1})
	for range 1000 {
		tr.Probe(edge, good)
	}
	tr.Send(Span{Name: "reload", Began: at, Ended: at})
	tr.Close()
	if n := len(r.spans); n < 50 || n > 200 {
		t.Errorf("%d of 1000 probes were traced, want about 100", n)
	}
}

// TestAdopt: spans go to the receiver in force; what waits for the one before
// still goes there; without one nothing is sent.
func TestAdopt(t *testing.T) {
	a, b := receive(t), receive(t)
	tr := New("n", "v", slog.New(slog.DiscardHandler))
	to := func(r *receiver) config.Traces { return config.Traces{Endpoint: r.URL + "/v1/traces", Sample: 1} }
	tr.Adopt(to(a))
	tr.Probe(edge, good)
	tr.Adopt(to(b))
	tr.Probe(edge, good)
	tr.Probe(edge, good)
	tr.Adopt(config.Traces{})
	tr.Probe(edge, good)
	tr.Close()
	tr.Probe(edge, good)
	if len(a.spans) != 1 || len(b.spans) != 2 {
		t.Errorf("%d and %d spans came, want 1 and 2", len(a.spans), len(b.spans))
	}
}

// TestReceiverThatHangs: probes do not wait for it, the end waits two seconds
// at most, and one that cannot be reached is logged once.
func TestReceiverThatHangs(t *testing.T) {
	r := receive(t)
	r.hang = make(chan struct{})
	defer close(r.hang)
	tr := New("n", "v", slog.New(slog.DiscardHandler))
	tr.Adopt(config.Traces{Endpoint: r.URL + "/v1/traces", Sample: 1})
	began := time.Now()
	for range 50_000 {
		tr.Probe(edge, good)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("50,000 probes waited for %v", took)
	}
	began = time.Now()
	tr.Close()
	if took := time.Since(began); took > farewell+time.Second {
		t.Errorf("the end took %v", took)
	}

	var log bytes.Buffer
	gone := httptest.NewServer(nil)
	gone.Close()
	tr = New("n", "v", slog.New(slog.NewTextHandler(&log, nil)))
	tr.Adopt(config.Traces{Endpoint: gone.URL + "/v1/traces", Sample: 1})
	for range 2 * batch {
		tr.Probe(edge, good)
	}
	tr.Close()
	if n := strings.Count(log.String(), "traces cannot be sent"); n != 1 {
		t.Errorf("%d lines:\n%s", n, &log)
	}
}

// BenchmarkProbe is what a traced probe costs beside the probe, and one that
// is not.
func BenchmarkProbe(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { io.Copy(io.Discard, q.Body) }))
	defer sink.Close()
	for _, c := range []struct {
		name string
		cfg  config.Traces
	}{{"off", config.Traces{}}, {"one in a hundred", config.Traces{Endpoint: sink.URL + "/v1/traces", Sample: 0.01}}, {"all", config.Traces{Endpoint: sink.URL + "/v1/traces", Sample: 1}}} {
		b.Run(c.name, func(b *testing.B) {
			tr := New("n", "v", slog.New(slog.DiscardHandler))
			tr.Adopt(c.cfg)
			b.ReportAllocs()
			for b.Loop() {
				tr.Probe(edge, good)
			}
			b.StopTimer()
			tr.Close()
		})
	}
}
