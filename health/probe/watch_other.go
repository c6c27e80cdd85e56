//go:build !linux

package probe

import (
	"context"
	"fmt"

	"github.com/shunt-dns/shunt/config"
)

// A Watch makes probes. On this system it watches nothing.
type Watch struct{}

// NewWatch returns a Watch.
func NewWatch() *Watch { return &Watch{} }

// New is like [New]. It refuses monitors with watch.
func (w *Watch) New(m config.Monitor) (Probe, error) { return newProbe(m, w) }

func (w *Watch) supported(m config.Monitor) error {
	return fmt.Errorf("monitor %s: watch needs Linux (leave it out)", m.Name)
}

// Run waits until ctx ends.
func (w *Watch) Run(ctx context.Context, _ func([]Hint)) { <-ctx.Done() }

func (w *Watch) add(watched) bool { return false }

func (w *Watch) drop(*conn) {}
