package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/resolver/xfr"
)

// out counts what goes out as it goes: nobody else does.
type out struct {
	pushes    *prometheus.CounterVec
	durations *prometheus.HistogramVec

	mu        sync.Mutex // guards transfers
	transfers map[transferKey]*transferred
}

// A transferKey is a kind of transfer to one secondary, or to whoever is not
// one.
type transferKey struct {
	to   string
	kind xfr.Kind
	ok   bool
}

type transferred struct{ n, octets uint64 }

func newOut() *out {
	pushes, durations := rowOf("shunt_provider_pushes_total"), rowOf("shunt_provider_push_duration_seconds")
	return &out{
		pushes:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: pushes.Name, Help: pushes.Help}, pushes.Labels),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: durations.Name, Help: durations.Help, Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300}}, durations.Labels),
		transfers: map[transferKey]*transferred{},
	}
}

// Pushed counts a push to a provider. It does not wait.
func (m *Metrics) Pushed(p providers.Pushed) {
	m.out.pushes.WithLabelValues(p.Provider, string(p.Result)).Inc()
	m.out.durations.WithLabelValues(p.Provider).Observe(p.Ended.Sub(p.Began).Seconds())
}

// Transferred counts a transfer to who, which may be no secondary of the
// configuration. It does not wait.
func (m *Metrics) Transferred(who string, t xfr.Transfer, err error) {
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	key := transferKey{who, t.Kind, err == nil}
	c := m.out.transfers[key]
	if c == nil {
		if len(m.out.transfers) >= mostTargets {
			key.to = otherLabel
		}
		if c = m.out.transfers[key]; c == nil {
			c = &transferred{}
			m.out.transfers[key] = c
		}
	}
	c.n++
	c.octets += uint64(max(t.Octets, 0))
}

// secondaries is how those are that take zones from us. Whoever else transfers
// is one of the others.
func (c *collector) secondaries(to scrape) {
	list := c.s.Secondaries()
	known := map[string]bool{}
	for _, s := range list {
		known[s.Name] = true
		for _, state := range []string{xfr.InStep, xfr.Behind, xfr.Silent, xfr.Unknown} {
			to.yes("shunt_secondary_state", s.State == state, s.Name, word(state))
		}
		to.gauge("shunt_secondary_zones", float64(s.Zones), s.Name)
		to.gauge("shunt_secondary_zones_behind", float64(s.Behind), s.Name)
		to.gauge("shunt_secondary_lag_seconds", s.Lag, s.Name)
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	sums := map[transferKey]transferred{}
	for key, n := range c.out.transfers {
		if !known[key.to] {
			key.to = otherLabel
		}
		sum := sums[key]
		sums[key] = transferred{sum.n + n.n, sum.octets + n.octets}
	}
	octets := map[transferKey]uint64{}
	for key, n := range sums {
		result := "done"
		if !key.ok {
			result = "failed"
		}
		to.count("shunt_transfers_total", n.n, key.to, string(key.kind), result)
		octets[transferKey{to: key.to, kind: key.kind}] += n.octets
	}
	for key, n := range octets {
		to.count("shunt_transfer_bytes_total", n, key.to, string(key.kind))
	}
}

// providers is how those are that we push to.
func (c *collector) providers(to scrape) {
	for _, p := range c.s.Providers() {
		for _, state := range []providers.State{providers.InStep, providers.Pending, providers.Failing, providers.Denied, providers.Held, providers.Drifted, providers.Unverified} {
			to.yes("shunt_provider_state", p.State == state, p.Name, p.Kind, word(string(state)))
		}
		to.moment("shunt_provider_state_since_timestamp_seconds", p.Since, p.Name)
		to.gauge("shunt_provider_names", float64(p.Names), p.Name)
		to.gauge("shunt_provider_names_waiting", float64(p.Waiting), p.Name)
		to.gauge("shunt_provider_names_drifted", float64(p.Drift), p.Name)
		to.gauge("shunt_provider_names_held", float64(len(p.Held)), p.Name)
		to.gauge("shunt_provider_generation", float64(p.Pushed), p.Name, "pushed")
		to.gauge("shunt_provider_generation", float64(p.Verified), p.Name, "verified")
	}
}

// alerts is how the routes of alerts go.
func (c *collector) alerts(to scrape) {
	for _, r := range c.s.Alerts() {
		to.count("shunt_alert_deliveries_total", r.Told, r.Name)
		to.count("shunt_alert_failures_total", r.Failed, r.Name)
		to.gauge("shunt_alert_pending", float64(r.Pending), r.Name)
		to.yes("shunt_alert_failing", r.Since != nil, r.Name)
	}
}

// word is a state as a label: without spaces.
func word(state string) string {
	if state == xfr.InStep {
		return "in_step"
	}
	return state
}
