package node

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"

	"golang.org/x/sync/errgroup"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/controller"
)

// A web is a listener of HTTP that is open.
type web struct {
	net.Listener
	encrypted bool
}

// listenWeb opens the listeners of dashboard, API and metrics.
func (n *Node) listenWeb(l config.Listen) error {
	for _, addr := range l.Web {
		at, err := admin.ListenWeb(addr)
		if err != nil {
			return err
		}
		n.web = append(n.web, web{at, beyond(addr)})
	}
	return nil
}

// beyond reports whether others than this machine can reach addr: then HTTP goes
// encrypted.
func beyond(addr netip.AddrPort) bool { return !addr.Addr().IsLoopback() }

// AddrsWeb returns where dashboard, API and metrics are served.
func (n *Node) AddrsWeb() []netip.AddrPort {
	out := []netip.AddrPort{}
	for _, w := range n.web {
		if ap, err := netip.ParseAddrPort(w.Addr().String()); err == nil {
			out = append(out, ap)
		}
	}
	return out
}

// keep makes what is noted of those who use the API.
func (n *Node) keep(cfg *config.Config) {
	n.audit = admin.OpenAudit(cfg.Node.StateDir)
	if cfg.Listen.Tokens != "" {
		n.tokens = admin.NewKeyring(cfg.Listen.Tokens)
	}
}

// serveAPI serves the API over the control socket and listen.web, under g.
func (n *Node) serveAPI(ctx context.Context, g *errgroup.Group) {
	api := &admin.Server{Controller: n.ctl, Probe: n.runner.ProbeNow, Queries: n.dns.Stats, Secondaries: n.primary.Status, Providers: n.providers, Alerts: n.teller,
		Version: n.opts.Version, Log: n.opts.Log, Metrics: n.metrics.Handler(), Health: n.healthHandler(), Happens: n.events, Audit: n.audit, Tokens: n.tokens}
	n.dashboard(ctx, g, api)
	g.Go(func() error { return api.Serve(ctx, n.control) })
	for _, w := range n.web {
		var conf *tls.Config
		if w.encrypted {
			conf = n.keypair.ServerConfig("h2", "http/1.1")
		}
		g.Go(func() error { return api.ServeWeb(ctx, w, conf) })
	}
}

// unkept lists what keeps requests from being noted, or tokens from counting.
func (n *Node) unkept() []controller.Condition {
	var list []controller.Condition
	if why := n.audit.Problem(); why != "" {
		list = append(list, controller.Condition{Code: "audit-not-saved", Severity: "warning",
			What: "who changes something is not written down: " + why, Mend: "look at node.state_dir; what waits is written as soon as that works"})
	}
	if why := n.tokens.Problem(); why != "" {
		list = append(list, controller.Condition{Code: "tokens-not-read", Severity: "warning", Subject: "listen.tokens",
			What: why, Mend: "the tokens of before count; mend the file, it is read again by itself"})
	}
	return list
}
