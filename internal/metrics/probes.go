package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shunt-dns/shunt/health"
)

// probes count results as they come: nobody else does.
type probes struct {
	results, lookups  *prometheus.CounterVec
	phases, durations *prometheus.HistogramVec

	mu   sync.RWMutex // guards seen
	seen map[watched]*meters
}

// A watched pair of pool and monitor has its own meters; without monitor it is
// the look-up of the pool's host name.
type watched struct{ pool, monitor string }

// Meters are the series of one pair.
type meters struct {
	pool, monitor                             string              // as labels of results
	connect, tls, firstByte, transfer, finish prometheus.Observer // of a probe
	good                                      prometheus.Counter  // the result of nearly all
}

func newProbes() *probes {
	p := &probes{seen: map[watched]*meters{}}
	counter := func(name string) *prometheus.CounterVec {
		r := rowOf(name)
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: r.Name, Help: r.Help}, r.Labels)
	}
	histogram := func(name string) *prometheus.HistogramVec {
		r := rowOf(name)
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: r.Name, Help: r.Help, Buckets: phaseBuckets()}, r.Labels)
	}
	p.results, p.lookups = counter("shunt_probe_results_total"), counter("shunt_lookup_results_total")
	p.phases, p.durations = histogram("shunt_probe_phase_duration_seconds"), histogram("shunt_lookup_duration_seconds")
	return p
}

// phaseBuckets reach from a loopback to a timeout.
func phaseBuckets() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
}

// Describe implements prometheus.Collector.
func (p *probes) Describe(ch chan<- *prometheus.Desc) {
	p.each(func(c prometheus.Collector) { c.Describe(ch) })
}

// Collect implements prometheus.Collector.
func (p *probes) Collect(ch chan<- prometheus.Metric) {
	p.each(func(c prometheus.Collector) { c.Collect(ch) })
}

func (p *probes) each(f func(prometheus.Collector)) {
	for _, c := range []prometheus.Collector{p.results, p.lookups, p.phases, p.durations} {
		f(c)
	}
}

// observe counts r.
func (p *probes) observe(t health.Target, r health.Result) {
	m := p.of(watched{t.Pool, t.Monitor})
	switch {
	case r.OK:
		m.good.Inc()
	case t.Addr.IsValid():
		p.results.WithLabelValues(m.pool, m.monitor, resultOf(r)).Inc()
	default:
		p.lookups.WithLabelValues(m.pool, resultOf(r)).Inc()
	}
	if r.Class == health.Internal {
		return // it says how long we took to fail
	}
	note(m.connect, r.Phases.Connect)
	note(m.tls, r.Phases.TLS)
	note(m.firstByte, r.Phases.Processing)
	note(m.transfer, r.Phases.Transfer)
	note(m.finish, r.Phases.Total)
}

// note counts a phase that was reached and is watched.
func note(o prometheus.Observer, d time.Duration) {
	if o != nil && d > 0 {
		o.Observe(d.Seconds())
	}
}

// resultOf is the label of r: ok or the class of the failure.
func resultOf(r health.Result) string {
	if r.OK {
		return "ok"
	}
	return string(r.Class)
}

// of returns the meters of w, which are made the first time.
func (p *probes) of(w watched) *meters {
	p.mu.RLock()
	m := p.seen[w]
	p.mu.RUnlock()
	if m != nil {
		return m
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m = p.seen[w]; m == nil {
		m = p.make(w, len(p.seen))
		p.seen[w] = m
	}
	return m
}

// make makes the meters of w, which is the nth: in its own name, or among the
// others.
func (p *probes) make(w watched, nth int) *meters {
	m := &meters{pool: w.pool, monitor: w.monitor}
	histograms := w
	if nth >= mostTargets {
		m.pool, m.monitor = otherLabel, otherLabel
	}
	if nth >= mostWatched {
		histograms = watched{otherLabel, otherLabel}
	}
	if w.monitor == "" { // a look-up
		m.good = p.lookups.WithLabelValues(m.pool, "ok")
		m.finish = p.durations.WithLabelValues(histograms.pool)
		return m
	}
	m.good = p.results.WithLabelValues(m.pool, m.monitor, "ok")
	phase := func(name string) prometheus.Observer {
		return p.phases.WithLabelValues(histograms.pool, histograms.monitor, name)
	}
	m.connect, m.tls, m.firstByte, m.transfer, m.finish = phase("connect"), phase("tls"), phase("first_byte"), phase("transfer"), phase("total")
	return m
}

// forget drops the series of pools that are not known any longer.
func (p *probes) forget(known map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.seen {
		if known[w.pool] {
			continue
		}
		delete(p.seen, w)
		of := prometheus.Labels{"pool": w.pool}
		p.results.DeletePartialMatch(of)
		p.lookups.DeletePartialMatch(of)
		p.phases.DeletePartialMatch(of)
		p.durations.DeletePartialMatch(of)
	}
}
