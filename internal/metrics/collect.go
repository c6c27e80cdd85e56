package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shunt-dns/shunt/internal/controller"
)

// A collector reads the sources when it is scraped.
type collector struct {
	s      Sources
	probes *probes
	out    *out
	descs  map[string]*prometheus.Desc

	mu      sync.Mutex // guards what follows, and has scrapes take turns
	answers ledger
	rest    map[string]uint64 // answers of pools beyond the ledger, as last shown
}

func newCollector(s Sources, p *probes, o *out) *collector {
	c := &collector{s: s, probes: p, out: o, descs: map[string]*prometheus.Desc{}, rest: map[string]uint64{}}
	for _, f := range Families() {
		if !kept(f.Name) {
			c.descs[f.Name] = prometheus.NewDesc(f.Name, f.Help, f.Labels, nil)
		}
	}
	return c
}

// kept reports whether the series of a family are kept as they are counted,
// instead of read.
func kept(name string) bool {
	switch name {
	case "shunt_events_total", "shunt_probe_results_total", "shunt_probe_phase_duration_seconds", "shunt_lookup_results_total", "shunt_lookup_duration_seconds",
		"shunt_provider_pushes_total", "shunt_provider_push_duration_seconds":
		return true
	}
	return false
}

// rowOf returns the family called name, which there is.
func rowOf(name string) Family {
	for _, f := range Families() {
		if f.Name == name {
			return f
		}
	}
	panic("there is no family " + name)
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := scrape{c.descs, ch}
	out.gauge("shunt_build_info", 1, c.s.Version, goVersion())
	if c.s.DNS != nil {
		c.dns(out)
	}
	if c.s.Node != nil {
		status := c.s.Node.Glance()
		c.node(out, status)
		c.pools(out, status)
		c.services(out)
	}
	if c.s.Secondaries != nil {
		c.secondaries(out)
	}
	if c.s.Providers != nil {
		c.providers(out)
	}
	if c.s.Alerts != nil {
		c.alerts(out)
	}
	if c.s.Certificate != nil {
		out.moment("shunt_certificate_end_timestamp_seconds", c.s.Certificate())
	}
	if c.s.Taps != nil {
		for _, t := range c.s.Taps() {
			out.count("shunt_tap_queries_total", t.Written, t.Name)
			out.count("shunt_tap_dropped_total", t.Dropped, t.Name, "full")
			out.count("shunt_tap_dropped_total", t.Lost, t.Name, "lost")
		}
	}
}

// A scrape is where the series of one scrape go. Labels come in the order of
// their family.
type scrape struct {
	descs map[string]*prometheus.Desc
	ch    chan<- prometheus.Metric
}

func (s scrape) count(name string, n uint64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(s.descs[name], prometheus.CounterValue, float64(n), labels...)
}

func (s scrape) seconds(name string, d time.Duration, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(s.descs[name], prometheus.CounterValue, d.Seconds(), labels...)
}

func (s scrape) gauge(name string, v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(s.descs[name], prometheus.GaugeValue, v, labels...)
}

// yes is a gauge of 1 or 0.
func (s scrape) yes(name string, is bool, labels ...string) {
	v := 0.0
	if is {
		v = 1
	}
	s.gauge(name, v, labels...)
}

// moment is a gauge of the seconds since 1970; there is none for the zero t.
func (s scrape) moment(name string, t time.Time, labels ...string) {
	if !t.IsZero() {
		s.gauge(name, float64(t.UnixMilli())/1000, labels...)
	}
}

// histogram makes a series of counts by bucket, the last of which is of what
// is above all bounds.
func (s scrape) histogram(name string, bounds []time.Duration, counts []uint64, sum time.Duration, labels ...string) {
	total, buckets := uint64(0), make(map[float64]uint64, len(bounds))
	for i, n := range counts {
		total += n
		if i < len(bounds) {
			buckets[bounds[i].Seconds()] = total
		}
	}
	s.ch <- prometheus.MustNewConstHistogram(s.descs[name], total, sum.Seconds(), buckets, labels...)
}

// node is what concerns the node as a whole.
func (c *collector) node(out scrape, s *controller.Status) {
	n := c.s.Node.Counts()
	out.gauge("shunt_snapshot_generation", float64(s.Generation))
	out.histogram("shunt_snapshot_compile_duration_seconds", n.Compiles.Bounds(), n.Compiles.Counts[:], n.Compiles.Sum)
	out.gauge("shunt_zones", float64(s.Zones))
	out.gauge("shunt_names", float64(s.Names))
	out.count("shunt_config_reloads_total", n.Taken, "taken")
	out.count("shunt_config_reloads_total", n.Refused, "refused")
	out.yes("shunt_config_last_reload_successful", s.Reload.OK)
	out.moment("shunt_config_last_reload_timestamp_seconds", s.Reload.At)
	out.yes("shunt_frozen", s.Frozen != nil)
	if s.Frozen != nil {
		out.moment("shunt_freeze_end_timestamp_seconds", s.Frozen.Until)
	}
	out.yes("shunt_blind", s.Blind != "")
	out.gauge("shunt_drills", float64(len(s.Drills)))
	forces := map[string]int{"up": 0, "down": 0, "drain": 0}
	for _, p := range s.Pools {
		if p.Override != nil {
			forces[string(p.Override.Force)]++
		}
	}
	for f, n := range forces {
		out.gauge("shunt_overrides", float64(n), f)
	}
	alarms := map[[2]string]int{}
	for _, a := range s.Alarms {
		alarms[[2]string{a.Code, a.Severity}]++
	}
	for a, n := range alarms {
		out.gauge("shunt_alarms", float64(n), a[0], a[1])
	}
	out.seconds("shunt_fail_open_seconds_total", n.FailOpen)
	for service, d := range n.FailOpenBy {
		out.seconds("shunt_service_fail_open_seconds_total", d, service)
	}
	out.count("shunt_service_moves_total", n.Moves)
}
