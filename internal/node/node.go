// Package node puts one running shunt together: sockets, monitors, the
// controller and the control socket, under one context.
//
// It wires and orders, and decides nothing: verdicts are settled in
// health/monitor, answers in internal/controller.
package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/monitor"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/alert"
	"github.com/shunt-dns/shunt/internal/audit/look"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/internal/metrics"
	"github.com/shunt-dns/shunt/internal/tap"
	"github.com/shunt-dns/shunt/internal/trace"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/resolver"
	"github.com/shunt-dns/shunt/resolver/xfr"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// Options are what a node needs beside its configuration.
type Options struct {
	Load     func() (*config.Config, error) // reads the configuration again
	Log      *slog.Logger
	Version  string
	Progress func(done, all int)    // told how many pools are known while the first probes run; may be nil
	Custom   map[string]kind.Opener // modules for DNS providers that this build brings along, by name; may be nil
	Known    *Known                 // holds the state directory, and keeps what has proven itself; nil: the node takes the directory itself, and keeps nothing
}

// A Node is one shunt whose sockets are open. Make it with Open, then call
// Run once.
type Node struct {
	opts      Options
	cfg       *config.Config
	dns       *resolver.Server
	keypair   *resolver.Keypair // that TLS and HTTPS show; nil: neither is spoken
	control   net.Listener
	web       []web
	tokens    *admin.Keyring // who may use web; nil: listen.tokens names no file
	audit     *admin.Audit
	lock      *os.File // the state directory, taken for as long as the node lives; nil where Options.Known has it
	runner    *monitor.Runner
	ctl       *controller.Controller
	teller    *alert.Teller
	events    *event.Log
	primary   *xfr.Primary      // hands zones to secondaries
	providers *providers.Keeper // keeps DNS providers in step
	metrics   *metrics.Metrics
	taps      *tap.Taps
	traces    *trace.Traces
	set       atomic.Pointer[zone.Set] // in force; pool names inside our own zones are followed in it
	apex      atomic.Pointer[string]   // of the first zone in force; nil: there is none
	pulse     pulse
	machine   machine

	first   sync.Once
	decided chan struct{} // closed with the first snapshot
	serving chan struct{} // closed when queries are answered
}

// Open opens the sockets of l's configuration, reads the saved state, and
// drops privileges. Nothing is answered and nothing is probed yet. The error
// says which key is to blame.
func Open(l *controller.Loaded, o Options) (*Node, error) {
	n := &Node{opts: o, cfg: l.Config, decided: make(chan struct{}), serving: make(chan struct{})}
	n.machine.dir = l.Config.Node.StateDir
	n.follow(l)
	if err := n.open(l); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

func (n *Node) open(l *controller.Loaded) (err error) {
	cfg := l.Config
	if err := Check(cfg, n.opts.Custom); err != nil {
		return err
	}
	state, err := controller.ReadState(cfg.Node.StateDir)
	if err != nil {
		return err
	}
	if n.opts.Known == nil {
		if n.lock, err = lock(cfg.Node.StateDir); err != nil {
			return fmt.Errorf("node.state_dir: %w", err)
		}
	}
	sweep(cfg.Node.StateDir)
	if n.dns, err = resolver.Listen(cfg.Listen.DNS, cfg.DNS, n.opts.Log); err != nil {
		return fmt.Errorf("listen.dns: %w", err)
	}
	if err = n.encrypt(cfg.Listen); err != nil {
		return err
	}
	if n.control, err = admin.Listen(cfg.Listen.Control); err != nil {
		return err
	}
	if err = n.listenWeb(cfg.Listen); err != nil {
		return err
	}
	if err = drop(cfg.Node.User, cfg.Node.StateDir, cfg.Listen.Control); err != nil {
		return fmt.Errorf("node.user: %w", err)
	}
	n.runner, err = monitor.New(cfg, monitor.Deps{
		Local:   within(n.set.Load),
		Logger:  n.opts.Log,
		Observe: n.observe,
	}, state.Verdicts)
	if err != nil {
		return err
	}
	n.events = event.Open(filepath.Join(cfg.Node.StateDir, eventsFile))
	n.keep(cfg)
	if err = n.transfers(cfg); err != nil {
		return err
	}
	if err = n.pushes(cfg); err != nil {
		return err
	}
	n.alerts(cfg)
	n.ctl = controller.New(l, state, controller.Deps{
		Monitor: n.runner,
		Publish: n.publish,
		Adopt:   n.adopt,
		Load:    n.opts.Load,
		Log:     n.opts.Log,

		Vet:        n.vet,
		RolledBack: n.opts.Known.RolledBack,

		Certificate: n.certificate,
		Answers:     n.answers,
		Covers:      look.Covers,

		Conditions: n.conditions,
		Event:      n.say,
		Reloaded:   n.reloaded,
	})
	n.observability()
	return nil
}

// encrypt opens the listeners of TLS and HTTPS.
func (n *Node) encrypt(l config.Listen) (err error) {
	if len(l.DoT) == 0 && len(l.DoH) == 0 && !slices.ContainsFunc(l.Web, beyond) {
		return nil
	}
	if n.keypair, err = resolver.ReadKeypair(l.TLS.Certificate, l.TLS.Key, n.opts.Log); err != nil {
		return fmt.Errorf("listen.tls: %w", err)
	}
	if err = n.dns.ListenTLS(l.DoT, n.keypair); err != nil {
		return fmt.Errorf("listen.dot: %w", err)
	}
	if err = n.dns.ListenHTTPS(l.DoH, l.DoHPath, n.keypair); err != nil {
		return fmt.Errorf("listen.doh: %w", err)
	}
	return nil
}

// answers returns how often pools answered for the wanted services.
func (n *Node) answers(want func(service string) bool) []controller.Count {
	var out []controller.Count
	for _, s := range n.dns.Steered(want) {
		out = append(out, controller.Count{Service: s.Service, Pool: s.Pool, Answers: s.Answers})
	}
	return out
}

// certificate says how the node's own certificate is.
func (n *Node) certificate() controller.Certificate {
	if n.keypair == nil {
		return controller.Certificate{}
	}
	ends, ending := n.keypair.Ends(time.Now())
	return controller.Certificate{Problem: n.keypair.Problem(), Ends: ends, Ending: ending}
}

// eventsFile is where the latest events are kept in the state directory.
const eventsFile = "events.jsonl"

// conditions lists what the parts of the node beside the controller alarm
// about.
func (n *Node) conditions() []controller.Condition {
	var list []controller.Condition
	if why := n.events.Problem(); why != "" {
		list = append(list, controller.Condition{Code: "events-not-saved", Severity: "warning",
			What: why, Mend: "a restart forgets the latest events; look at node.state_dir"})
	}
	return slices.Concat(list, n.unfit(), n.unkept(), n.behind(), n.unpushed(), n.untold())
}

// close ends what open opened.
func (n *Node) close() {
	if n.lock != nil {
		n.lock.Close()
	}
	if n.dns != nil {
		n.dns.Close()
	}
	if n.control != nil {
		n.control.Close()
	}
	for _, w := range n.web {
		w.Close()
	}
}

// publish takes a snapshot into service.
func (n *Node) publish(s *zone.Snapshot) {
	n.dns.Swap(s)
	n.primary.Publish(s)
	n.providers.Publish(s)
	n.first.Do(func() { close(n.decided) })
}

// adopt makes a configuration known to those who do not hear of it from the
// controller's snapshot.
func (n *Node) adopt(l *controller.Loaded) {
	n.follow(l)
	n.dns.SetDNS(l.Config.DNS)
	if n.ctl != nil { // a drill that is taken up at the start adopts before those who look on are there
		n.taps.Adopt(l.Config.Taps)
		n.teller.Use(l.Config.Alerts)
		n.traces.Adopt(l.Config.Traces)
	}
	if err := n.primary.Reload(l.Config); err != nil {
		n.opts.Log.Error("secondaries stay as they were", "error", err)
	}
	if err := n.providers.Reload(l.Config); err != nil {
		n.opts.Log.Error("providers stay as they were", "error", err)
	}
	if own := l.Config.Listen.TLS; n.keypair != nil && own.Certificate != "" {
		n.keypair.Use(own.Certificate, own.Key)
	}
}

// follow takes the zones of l for those of the node.
func (n *Node) follow(l *controller.Loaded) {
	n.set.Store(l.Set)
	var apex *string
	if len(l.Config.Zones) > 0 {
		apex = &l.Config.Zones[0].Name
	}
	n.apex.Store(apex)
}

// Addrs returns where the node answers.
func (n *Node) Addrs() []netip.AddrPort { return n.dns.Addrs() }

// Controller returns the node's controller.
func (n *Node) Controller() *controller.Controller { return n.ctl }

// Serving is closed once queries are answered.
func (n *Node) Serving() <-chan struct{} { return n.serving }

// Run probes, decides and answers until ctx ends, and saves the state then.
// Each value from hup reloads the configuration. Queries are answered after
// the first round of probes, which the longest timeout bounds.
func (n *Node) Run(ctx context.Context, hup <-chan os.Signal) error {
	defer n.close()
	defer n.traces.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.events.Run(ctx) })
	g.Go(func() error { return n.runner.Run(ctx) })
	g.Go(func() error { return n.primary.Run(ctx) })
	g.Go(func() error { return n.push(ctx) })
	g.Go(func() error { return n.alarmed(ctx) })
	n.serveAPI(ctx, g)
	g.Go(func() error { return n.taps.Run(ctx) })
	g.Go(func() error { return n.watchSelf(ctx) })
	g.Go(func() error { return n.watchdog(ctx) })
	g.Go(func() error { return n.reloads(ctx, hup) })
	if n.opts.Known != nil {
		g.Go(func() error { return n.opts.Known.Run(ctx) })
	}
	if n.keypair != nil {
		g.Go(func() error { n.keypair.Watch(ctx); return nil })
	}
	g.Go(func() error {
		if !n.firstRound(ctx) {
			return nil
		}
		return n.ctl.Run(ctx)
	})
	g.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-n.decided:
		}
		n.opts.Log.Info("serving", "node", n.cfg.Node.Name, "dns", n.dns.Addrs(), "dot", n.dns.AddrsTLS(), "doh", n.dns.AddrsHTTPS(), "web", n.AddrsWeb(), "control", n.cfg.Listen.Control,
			"zones", len(n.cfg.Zones), "version", n.opts.Version)
		notify(n.opts.Log, daemon.SdNotifyReady)
		close(n.serving)
		return n.dns.Serve(ctx)
	})
	err := g.Wait()
	notify(n.opts.Log, daemon.SdNotifyStopping)
	n.opts.Log.Info("stopped", "node", n.cfg.Node.Name)
	return err
}

// firstRound waits until every pool has been probed once, and reports whether
// ctx still lives.
func (n *Node) firstRound(ctx context.Context) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-n.runner.Ready():
			n.tell(len(n.cfg.Pools))
			return true
		case <-tick.C:
			known := 0
			for _, p := range n.runner.Table().Pools {
				if p.State != health.Unknown {
					known++
				}
			}
			n.tell(known)
		}
	}
}

// tell passes on how many pools are known.
func (n *Node) tell(known int) {
	if n.opts.Progress != nil {
		n.opts.Progress(known, len(n.cfg.Pools))
	}
}

// reloads reloads the configuration whenever hup says so. A configuration
// that cannot be used is logged and shown in the status by the controller.
func (n *Node) reloads(ctx context.Context, hup <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			notify(n.opts.Log, daemon.SdNotifyReloading)
			_ = n.ctl.Reload(ctx, false)
			notify(n.opts.Log, daemon.SdNotifyReady)
		}
	}
}

// notify tells systemd, where that started us.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd not told", "state", state, "error", err)
	}
}

// within follows names through our own zones, one step for the monitors.
func within(zones func() *zone.Set) func(name string) (target string, addrs []netip.Addr, ok bool) {
	return func(name string) (target string, addrs []netip.Addr, ok bool) {
		lead := zones().Static(name)
		switch {
		case lead.Ours && len(lead.Addrs) == 0:
			return "", nil, true
		case lead.Ours:
			return lead.Name, lead.Addrs, true
		case lead.Name != name:
			return lead.Name, nil, true // an alias that leads outside
		}
		return "", nil, false
	}
}

// Logger returns the log that l describes, written to w.
func Logger(l config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
