// Package command is the command line of shunt: subcommands, wiring, exit
// codes. It parses and passes on, and decides nothing.
package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/kind"
)

// An Option is something that a build of shunt has and others have not.
type Option func(*global)

// WithVersion says which version this is; "dev" unless it is said.
func WithVersion(version string) Option { return func(g *global) { g.built = version } }

// WithProvider makes a module for a DNS provider known under a name, which the
// configuration gives as providers[].custom.module. Open is called with what
// the configuration says of an account, when it is loaded and whenever that
// changes; it must not speak to the provider yet.
func WithProvider(module string, open kind.Opener) Option {
	return func(g *global) {
		if g.custom == nil {
			g.custom = map[string]kind.Opener{}
		}
		g.custom[module] = open
	}
}

// Main executes the command line of the process and returns its exit code: 0
// done, 1 refused or failed, 2 wrong usage.
func Main(options ...Option) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := newRoot(options...).ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "shunt: %v\n", err)
		return 2
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return 1
	}
	var problems config.Problems
	if errors.As(err, &problems) && err.Error() == problems.Error() {
		fmt.Fprintln(os.Stderr, err) // each line begins with its file and line, as editors like it
		return 1
	}
	fmt.Fprintf(os.Stderr, "shunt: %v\n", err)
	return 1
}
