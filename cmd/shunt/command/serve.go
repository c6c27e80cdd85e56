package command

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/node"
)

// keyFlags are the flags of serve that stand for a single key each.
var keyFlags = []struct{ flag, key, help string }{
	{"node-name", "node.name", "name of this node"},
	{"state-dir", "node.state_dir", "folder for verdicts and overrides"},
	{"user", "node.user", "user to become once the sockets are open"},
	{"log-format", "node.log.format", "text or json"},
	{"log-level", "node.log.level", "debug, info, warn or error"},
	{"listen-dns", "listen.dns", "addresses to answer on, as 0.0.0.0:53,[::]:53"},
	{"listen-dot", "listen.dot", "addresses for DNS over TLS, as 0.0.0.0:853"},
	{"listen-doh", "listen.doh", "addresses for DNS over HTTPS, as 0.0.0.0:443"},
	{"listen-doh-path", "listen.doh_path", "path of the URL for DNS over HTTPS"},
	{"tls-certificate", "listen.tls.certificate", "PEM file of the certificate that both show"},
	{"tls-key", "listen.tls.key", "PEM file of its key"},
	{"listen-control", "listen.control", "path of the control socket"},
	{"listen-web", "listen.web", "addresses for dashboard, API and metrics, as 127.0.0.1:8053"},
	{"listen-tokens", "listen.tokens", "file of who may use them"},
}

// newServe is `shunt serve`.
func newServe(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve zones, check pools, steer answers",
		Long: `Serve the zones of the configuration. SIGHUP reads the configuration again,
SIGTERM and Ctrl-C stop within five seconds. Each flag below overrides the key
of the same name, and so does SHUNT_ with the key's path in the environment, as
SHUNT_NODE_NAME; flags win.`,
		Example: `  shunt serve -c /etc/shunt/shunt.yaml
  SHUNT_NODE_LOG_LEVEL=debug shunt serve --listen-dns 127.0.0.1:5300`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			var flags []config.Setting
			for _, k := range keyFlags {
				if f := c.Flags().Lookup(k.flag); f.Changed {
					flags = append(flags, config.Setting{Key: k.key, Value: f.Value.String(), From: "--" + k.flag})
				}
			}
			return serve(c, g, flags)
		},
	}
	for _, k := range keyFlags {
		cmd.Flags().String(k.flag, "", k.help)
	}
	return cmd
}

// serve runs a node until the command's context ends.
func serve(c *cobra.Command, g *global, flags []config.Setting) error {
	hup := make(chan os.Signal, 1) // from the first moment on: a reload that comes while we load must not end us
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	load := func() (*config.Config, error) { return g.load(flags, nil) }
	cfg, err := load()
	if err != nil {
		return err
	}
	log := node.Logger(cfg.Node.Log, c.ErrOrStderr())
	known, err := node.Recall(cfg, 0, log)
	if err != nil {
		return err
	}
	defer known.Close()
	cfg = known.Start(cfg, func(instead map[string]string) (*config.Config, error) { return g.load(flags, instead) })
	l, err := controller.Load(cfg, progress(c.ErrOrStderr(), "percent of the zones loaded"))
	if err != nil {
		return err
	}
	n, err := node.Open(l, node.Options{
		Load:     load,
		Log:      log,
		Known:    known,
		Version:  g.built,
		Custom:   g.custom,
		Progress: progress(c.ErrOrStderr(), "first probes done"),
	})
	if err != nil {
		return err
	}
	return n.Run(c.Context(), hup)
}

// newCheck is `shunt check`.
func newCheck(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and its zone files, and list every problem",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := g.check(progress(c.ErrOrStderr(), "percent of the zones checked"))
			if err == nil {
				return g.print(c.OutOrStdout(), checked(l, nil), func() { writeChecked(c.OutOrStdout(), l) })
			}
			if !g.json {
				return err
			}
			g.print(c.OutOrStdout(), checked(nil, err), nil)
			return fmt.Errorf("the configuration cannot be used")
		},
	}
}

// check does what serve does before it opens a socket.
func (g *global) check(progress func(done, all int)) (*controller.Loaded, error) {
	cfg, err := g.load(nil, nil)
	if err != nil {
		return nil, err
	}
	l, err := controller.Load(cfg, progress)
	zones, ok := config.IsProblems(err)
	if err != nil && !ok {
		return nil, err
	}
	rest, ok := config.IsProblems(node.Check(cfg, g.custom))
	if !ok && err == nil {
		return l, nil
	}
	return nil, append(zones, rest...)
}

// A Checked is the outcome of `shunt check --json`.
type Checked struct {
	OK       bool             `json:"ok"`
	Zones    int              `json:"zones"`
	Names    int              `json:"names"`
	Services int              `json:"services"`
	Pools    int              `json:"pools"`
	Problems []config.Problem `json:"problems"`
}

// writeChecked says what a good configuration holds.
func writeChecked(w io.Writer, l *controller.Loaded) {
	c := checked(l, nil)
	fmt.Fprintf(w, "%s is fine: %s, %s, %s, %s, %s\n", l.Config.Path, count(c.Zones, "zone"), count(c.Names, "name"),
		count(c.Services, "service"), count(c.Pools, "pool"), count(len(l.Config.Monitors), "monitor"))
}

// checked sums up a configuration, or what is wrong with it.
func checked(l *controller.Loaded, err error) Checked {
	c := Checked{OK: err == nil, Problems: []config.Problem{}}
	switch ps, ok := err.(config.Problems); {
	case ok:
		c.Problems = ps
	case err != nil:
		c.Problems = []config.Problem{{What: err.Error()}}
	}
	if l == nil {
		return c
	}
	c.Zones, c.Names, c.Pools = len(l.Config.Zones), l.Set.Names(), len(l.Config.Pools)
	for _, z := range l.Config.Zones {
		c.Services += len(z.Services)
	}
	return c
}

// progress returns a function that tells w how far long work is: on a
// terminal in one line that redraws itself, elsewhere in a plain line every
// few seconds, and nothing at all about work that is done at once.
func progress(w io.Writer, what string) func(done, all int) {
	tty := terminal(w)
	start, every := time.Now(), 5*time.Second
	if tty {
		every = 200 * time.Millisecond
	}
	last, drawn := start, false
	return func(done, all int) {
		now := time.Now()
		if done == all && drawn && tty {
			fmt.Fprintf(w, "\r\x1b[K")
			return
		}
		if now.Sub(last) < every {
			return
		}
		last, drawn = now, true
		if tty {
			fmt.Fprintf(w, "\r\x1b[K%s: %d of %d", what, done, all)
		} else {
			fmt.Fprintf(w, "%s: %d of %d after %v\n", what, done, all, now.Sub(start).Round(time.Second))
		}
	}
}

// terminal reports whether people watch w as it is written.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
