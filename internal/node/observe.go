package node

import (
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/alert"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/internal/metrics"
	"github.com/shunt-dns/shunt/internal/tap"
	"github.com/shunt-dns/shunt/internal/trace"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/resolver/xfr"
)

// observability makes what looks on: it needs everything else to be there, and
// nothing needs it.
func (n *Node) observability() {
	n.taps = tap.New(n.dns.SetTap, n.cfg.Node.Name, n.opts.Version, n.opts.Log)
	n.taps.Adopt(n.cfg.Taps)
	n.traces = trace.New(n.cfg.Node.Name, n.opts.Version, n.opts.Log)
	n.traces.Adopt(n.cfg.Traces)
	n.metrics = metrics.New(metrics.Sources{
		Version:     n.opts.Version,
		DNS:         n.dns,
		Node:        n.ctl,
		Secondaries: n.primary.Status,
		Providers:   n.providers.Status,
		Alerts:      n.routes,
		Certificate: n.certificateEnd,
		Taps:        n.tapped,
	}, n.opts.Log)
}

// observe hears of the result of each probe.
func (n *Node) observe(t health.Target, r health.Result) {
	n.metrics.Observe(t, r)
	n.machine.observe(t, r)
	n.traces.Probe(t, r)
}

// reloaded hears of each reload.
func (n *Node) reloaded(began time.Time, err error) {
	s := trace.Span{Name: "reload", Began: began, Ended: time.Now()}
	if err != nil {
		s.Failure = err.Error()
	}
	n.traces.Send(s)
}

// pushed hears of each push to a provider.
func (n *Node) pushed(p providers.Pushed) {
	n.metrics.Pushed(p)
	n.traces.Send(trace.Span{Name: "push", Began: p.Began, Ended: p.Ended, Failure: p.Why,
		Attributes: []string{"shunt.provider", p.Provider, "shunt.provider.kind", p.Kind, "shunt.result", string(p.Result)}})
}

// transferred hears of each transfer to a secondary.
func (n *Node) transferred(who string, t xfr.Transfer, err error) { n.metrics.Transferred(who, t, err) }

// say hears of what happens.
func (n *Node) say(e event.Event) {
	n.events.Say(e)
	if n.metrics != nil { // what a start takes up, as drills, is said before there is anybody to count
		n.metrics.Event(e)
	}
}

// certificateEnd returns when the certificate of the node's own listeners
// ends; zero where there is none.
func (n *Node) certificateEnd() time.Time { return n.certificate().Ends }

// tapped returns what the taps count.
func (n *Node) tapped() []metrics.Tap {
	var list []metrics.Tap
	for _, c := range n.taps.Counts() {
		list = append(list, metrics.Tap(c))
	}
	return list
}

// routes is how the routes of alerts go.
func (n *Node) routes() []alert.Status { return n.teller.Status() }
