package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/providers/kind"
)

// A usageError is a command line that cannot be understood: exit code 2.
type usageError struct{ error }

// global are the flags of every command.
type global struct {
	config string
	socket string
	json   bool

	built  string                 // which version this build is
	custom map[string]kind.Opener // modules for DNS providers that it brings along
}

// The places where a configuration is looked for, in this order.
var defaultPaths = []string{"shunt.yaml", "/etc/shunt/shunt.yaml"}

// newRoot returns the whole command tree.
func newRoot(options ...Option) *cobra.Command {
	g := &global{built: "dev"}
	for _, o := range options {
		o(g)
	}
	var asked bool // for the version
	root := &cobra.Command{
		Use:   "shunt",
		Short: "Authoritative DNS that steers around a failing CDN",
		Long: `shunt serves your zones, checks every CDN and origin path to your site, and
moves its answers away from a path that fails, within seconds.

  shunt demo                     watch it happen, on loopback, with nothing to set up
  shunt check                    is the configuration right?
  shunt serve                    run
  shunt status                   what answers now, and why`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if asked {
				return g.version(c)
			}
			return c.Help()
		},
	}
	root.Flags().BoolVar(&asked, "version", false, "print the version of this program")
	f := root.PersistentFlags()
	f.StringVarP(&g.config, "config", "c", os.Getenv("SHUNT_CONFIG"), "configuration `file` (default ./shunt.yaml, then /etc/shunt/shunt.yaml)")
	f.StringVar(&g.socket, "socket", "", "control socket `path` of the running node (default listen.control of the configuration)")
	f.BoolVar(&g.json, "json", false, "print JSON instead of text")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	root.AddCommand(newServe(g), newCheck(g), newReload(g), newStatus(g), newExplain(g), newProbe(g),
		newOverride(g), newFailback(g), newFreeze(g), newUnfreeze(g), newRehearse(g), newDrill(g), newPlan(g), newPublish(g), newAudit(g), newDemo(g), newVersion(g),
		newToken(g), newLog(g), newEvents(g), newAlert(g))
	return root
}

// usage makes a wrong number of arguments a usageError. Of a command that only
// has subcommands the argument is one that does not exist.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err == nil {
			return nil
		}
		if c.SuggestionsMinimumDistance = 2; c.HasSubCommands() && len(args) > 0 {
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				return usageError{fmt.Errorf("%w (did you mean %s?)", err, strings.Join(near, " or "))}
			}
		}
		return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	}
}

// takes wants from least to most arguments, which Use names.
func takes(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if n := len(args); n < least || n > most {
			_, what, _ := strings.Cut(c.Use, " ")
			return usageError{fmt.Errorf("%s takes %s, not %s (see %s --help)", c.CommandPath(), what, count(n, "argument"), c.CommandPath())}
		}
		return nil
	}
}

// need returns a usageError for the first of the named flags that is not set.
func need(c *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if !c.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s is required (see %s --help)", name, c.CommandPath())}
		}
	}
	return nil
}

// path returns the configuration file to use.
func (g *global) path() (string, error) {
	if g.config != "" {
		return g.config, nil
	}
	for _, p := range defaultPaths {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("no configuration: looked for ./%s (name one with -c)", strings.Join(defaultPaths, " and "))
}

// load reads the configuration, with what flags and environment override, and
// other files instead of those that it names.
func (g *global) load(flags []config.Setting, instead map[string]string) (*config.Config, error) {
	path, err := g.path()
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname() // without one, the configuration must name the node or accept the default
	return config.Load(path, config.Overrides{Env: os.Environ(), Flags: flags, Hostname: host, Instead: instead, Modules: g.modules()})
}

// modules lists the names of the modules that this build brings along.
func (g *global) modules() []string {
	list := slices.AppendSeq([]string{}, maps.Keys(g.custom))
	slices.Sort(list)
	return list
}

// control returns the path of the control socket and who named it: the flag,
// else the environment or the configuration, else the default. Mistakes in the
// configuration do not matter here; a file that was named and is not there does.
func (g *global) control() (socket, from string, err error) {
	if g.socket != "" {
		return g.socket, "--socket", nil
	}
	path, err := g.path()
	if err != nil {
		path = "" // none was named, and none is in the usual places
	}
	socket, from, err = config.ControlSocket(path, config.Overrides{Env: os.Environ()})
	if err != nil && g.config == "" {
		return config.ControlSocket("", config.Overrides{Env: os.Environ()}) // one that only root may read, perhaps
	}
	return socket, from, err
}

// ask makes a command of f, which talks to the running node. Where nobody
// answers, its error says who named the socket.
func (g *global) ask(f func(c *cobra.Command, node *admin.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		socket, from, err := g.control()
		if err != nil {
			return err
		}
		err = f(c, admin.NewClient(socket), args)
		var errno syscall.Errno // only a socket's here: nothing else of the system is used
		if errors.As(err, &errno) && c.Context().Err() == nil {
			return fmt.Errorf("%w; the socket was named by %s", err, from)
		}
		return err
	}
}

// print writes v as JSON where that is asked for, and calls text otherwise.
func (g *global) print(w io.Writer, v any, text func()) error {
	if !g.json {
		text()
		return nil
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
