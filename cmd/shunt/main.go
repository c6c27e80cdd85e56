// Command shunt is an authoritative DNS server that steers its answers away
// from failing CDNs. This package parses command lines and wires the pieces
// together; it decides nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/shunt-dns/shunt/config"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() { os.Exit(run()) }

// run executes the command line and returns the exit code: 0 done, 1 refused
// or failed, 2 wrong usage.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := newRoot().ExecuteContext(ctx)
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
