package node

import (
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/internal/metrics"
	"github.com/shunt-dns/shunt/internal/tap"
)

// observability makes what looks on: it needs everything else to be there, and
// nothing needs it.
func (n *Node) observability() {
	n.taps = tap.New(n.dns.SetTap, n.cfg.Node.Name, n.opts.Version, n.opts.Log)
	n.taps.Adopt(n.cfg.Taps)
	n.metrics = metrics.New(metrics.Sources{
		Version:     n.opts.Version,
		DNS:         n.dns,
		Node:        n.ctl,
		Certificate: n.certificateEnd,
		Taps:        n.tapped,
	}, n.opts.Log)
}

// observe hears of the result of each probe.
func (n *Node) observe(t health.Target, r health.Result) { n.metrics.Observe(t, r) }

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
