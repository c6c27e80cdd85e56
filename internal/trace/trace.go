// Package trace sends spans of what a node does, over OTLP/HTTP, to the
// receiver that the section traces of the configuration names: of a sample of
// the probes, of reloads, and of pushes to providers.
//
// Nothing waits for it: spans that the receiver does not take in time are
// dropped. Without a receiver it does nothing at all.
package trace

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

const (
	queued     = 2048            // spans that wait to be sent; more are dropped
	every      = 2 * time.Second // they are sent so often, or when a batch is full
	batch      = 512
	patience   = 5 * time.Second // for one request
	farewell   = 2 * time.Second // for what is left when it ends
	scope      = "github.com/shunt-dns/shunt"
	complaints = time.Minute // at most one line of the log in this time
)

// Traces are those of one node. Make them with New, and end them with Close;
// all methods may be called from any goroutine.
type Traces struct {
	node, version string
	log           *slog.Logger
	now           atomic.Pointer[sending] // nil: there is no receiver

	mu      sync.Mutex // guards what follows
	cfg     config.Traces
	closing sync.WaitGroup // of those that were replaced
}

// A sending is one receiver at work.
type sending struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	probes   uint64 // a probe is traced where a draw of 32 bits is below this
}

// New returns traces without a receiver; node and version are what spans say
// that they are from.
func New(node, version string, log *slog.Logger) *Traces {
	return &Traces{node: node, version: version, log: log}
}

// Adopt has c in force. What the receiver before has not been sent yet still
// goes out, aside.
func (t *Traces) Adopt(c config.Traces) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if reflect.DeepEqual(t.cfg, c) {
		return
	}
	t.cfg = c
	var next *sending
	if c.Endpoint != "" {
		var err error
		if next, err = t.begin(c); err != nil { // no input is known to bring this about
			t.log.Error("traces are not sent", "error", err)
		}
	}
	t.replace(next)
}

// replace puts next, which may be nil, in place of what sends now.
func (t *Traces) replace(next *sending) {
	old := t.now.Swap(next)
	if old == nil {
		return
	}
	t.closing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		_ = old.provider.Shutdown(ctx) // what did not go out is lost, as any other
	})
}

// Close sends what is left, for two seconds at most.
func (t *Traces) Close() {
	t.mu.Lock()
	t.cfg = config.Traces{}
	t.replace(nil)
	t.mu.Unlock()
	t.closing.Wait()
}

// begin makes the way to the receiver of c. It speaks to nobody yet.
func (t *Traces) begin(c config.Traces) (*sending, error) {
	headers := map[string]string{}
	for _, h := range c.Headers {
		name, value, _ := strings.Cut(h.Reveal(), ": ")
		headers[name] = value
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(c.Endpoint),
		otlptracehttp.WithHeaders(headers),
		otlptracehttp.WithTimeout(patience),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}), // the next batch is news enough
		otlptracehttp.WithHTTPClient(&http.Client{Timeout: patience, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxIdleConns: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		}}),
	)
	if err != nil {
		return nil, err
	}
	p := sdk.NewTracerProvider(
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "shunt"), attribute.String("service.version", t.version), attribute.String("service.instance.id", t.node))),
		sdk.WithSampler(sdk.AlwaysSample()),
		sdk.WithRawSpanLimits(sdk.SpanLimits{AttributeValueLengthLimit: 1024, AttributeCountLimit: 32, EventCountLimit: 32, LinkCountLimit: 1, AttributePerEventCountLimit: 8, AttributePerLinkCountLimit: 1}),
		sdk.WithBatcher(&grumbling{SpanExporter: exporter, log: t.log},
			sdk.WithMaxQueueSize(queued), sdk.WithMaxExportBatchSize(batch), sdk.WithBatchTimeout(every), sdk.WithExportTimeout(patience)),
	)
	return &sending{provider: p, tracer: p.Tracer(scope), probes: uint64(c.Sample * (1 << 32))}, nil
}

// A grumbling exporter logs that it fails, now and then.
type grumbling struct {
	sdk.SpanExporter
	log  *slog.Logger
	last time.Time
}

// ExportSpans implements the SDK's SpanExporter, which calls it from one
// goroutine at a time.
func (g *grumbling) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := g.SpanExporter.ExportSpans(ctx, spans)
	if now := time.Now(); err != nil && now.Sub(g.last) >= complaints {
		g.last = now
		g.log.Warn("traces cannot be sent, and are dropped", "spans", len(spans), "error", err)
	}
	return nil // said; the SDK would say it again, to the standard error
}

// A Span is one thing that was done. Attributes come in pairs of key and
// value.
type Span struct {
	Name       string
	Began      time.Time
	Ended      time.Time
	Failure    string // "" where it went well
	Attributes []string
}

// Send sends s, where there is a receiver.
func (t *Traces) Send(s Span) {
	if to := t.now.Load(); to != nil {
		to.send(s, nil)
	}
}

// send sends s with its steps.
func (to *sending) send(s Span, steps []step) {
	attributes := make([]attribute.KeyValue, 0, len(s.Attributes)/2)
	for i := 0; i+1 < len(s.Attributes); i += 2 {
		attributes = append(attributes, attribute.String(s.Attributes[i], s.Attributes[i+1]))
	}
	_, span := to.tracer.Start(context.Background(), s.Name, trace.WithTimestamp(s.Began), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	for _, e := range steps {
		span.AddEvent(e.name, trace.WithTimestamp(e.at))
	}
	if s.Failure != "" {
		span.SetStatus(codes.Error, s.Failure)
	}
	span.End(trace.WithTimestamp(s.Ended))
}

// A step is the end of a phase.
type step struct {
	name string
	at   time.Time
}

// Probe sends a span of one probe, or of a look-up where the target has no
// address, of as large a share of them as is sampled.
func (t *Traces) Probe(id health.Target, r health.Result) {
	to := t.now.Load()
	if to == nil || uint64(rand.Uint32()) >= to.probes {
		return
	}
	s := Span{Name: "probe", Began: r.At.Add(-r.Phases.Total), Ended: r.At, Attributes: []string{"shunt.pool", id.Pool}}
	if id.Addr.IsValid() {
		s.Attributes = append(s.Attributes, "shunt.monitor", id.Monitor, "server.address", id.Addr.String())
	} else {
		s.Name = "look-up"
	}
	if !r.OK {
		s.Failure = string(r.Class) + ": " + r.Reason
		s.Attributes = append(s.Attributes, "error.type", string(r.Class))
	}
	to.send(s, steps(s.Began, r.Phases))
}

// steps returns the ends of the phases that were reached, one after the other.
func steps(at time.Time, p health.Phases) (out []step) {
	for _, phase := range []struct {
		name string
		took time.Duration
	}{{"connected", p.Connect}, {"TLS handshake done", p.TLS}, {"first byte", p.Processing}, {"answer read", p.Transfer}} {
		if phase.took > 0 {
			at = at.Add(phase.took)
			out = append(out, step{phase.name, at})
		}
	}
	return out
}
