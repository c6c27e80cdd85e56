// Package metrics tells Prometheus what a node counts: its values are the
// families of [Families], which a scrape reads from where they are counted
// already, and the [Metrics] that serve them.
//
// It decides nothing, never waits for what it reads, and shows no address of
// a client. However many services, pools and monitors there are, the series
// stay within the bounds of limits.go: what is beyond them counts as "other".
package metrics

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/alert"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/resolver"
	"github.com/shunt-dns/shunt/resolver/xfr"
)

// Sources are where the numbers come from. Their methods are called at each
// scrape, from any goroutine. A nil source has no series.
type Sources struct {
	Version string // of the program
	DNS     DNS
	Node    Node

	Secondaries func() []xfr.Secondary
	Providers   func() []providers.Status
	Alerts      func() []alert.Status
	Certificate func() time.Time // end of the certificate that the node's own listeners show; zero: there is none
	Taps        func() []Tap
}

// DNS is what the server counts; resolver.Server is the real one.
type DNS interface {
	Stats() resolver.Stats
	Durations(resolver.Transport) resolver.Durations
}

// A Node is what the controller knows; controller.Controller is the real one.
type Node interface {
	Glance() *controller.Status
	Groups(most int) []controller.GroupStatus
	Counts() controller.Counts
}

// A Tap is one output of sampled queries, with its totals since it began.
type Tap struct {
	Name    string
	Written uint64 // queries handed on
	Dropped uint64 // queries that found the ring full
	Lost    uint64 // queries that were taken, and could not be handed on
}

// Metrics are one node's, in a registry of their own. All methods may be
// called from any goroutine.
type Metrics struct {
	registry *prometheus.Registry
	probes   *probes
	out      *out
	events   *prometheus.CounterVec
	log      *slog.Logger
}

// New returns the metrics of s. What goes wrong in a scrape is logged to log.
func New(s Sources, log *slog.Logger) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), probes: newProbes(), out: newOut(), log: log}
	row := rowOf("shunt_events_total")
	m.events = prometheus.NewCounterVec(prometheus.CounterOpts{Name: row.Name, Help: row.Help}, row.Labels)
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.probes, m.events, m.out.pushes, m.out.durations,
		newCollector(s, m.probes, m.out),
	)
	return m
}

// Handler serves the metrics in the formats of Prometheus. It answers four
// scrapes at once, and more with 503.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(m.log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             30 * time.Second,
	})
}

// Observe counts the result of one probe, or of a look-up where the target has
// no address. It does not wait.
func (m *Metrics) Observe(t health.Target, r health.Result) { m.probes.observe(t, r) }

// Event counts e.
func (m *Metrics) Event(e event.Event) {
	m.events.WithLabelValues(string(e.Kind), e.Level).Inc()
}
