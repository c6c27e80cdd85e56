package node

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/monitor"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// PlanAhead says what the first push to each provider of l, or to the one of
// that name, would change if a node began to serve l now: it probes each pool
// once, decides with the overrides and verdicts that node.state_dir holds, and
// reads the providers. It needs no running node and disturbs none: it opens no
// listening socket, and writes nothing, neither there nor at a provider. Seen is
// how it found the pools.
func PlanAhead(ctx context.Context, l *controller.Loaded, provider string, custom map[string]kind.Opener, log *slog.Logger) (list []providers.Preview, seen *health.Table, err error) {
	cfg := l.Config
	state, err := controller.PeekState(cfg.Node.StateDir)
	if err != nil {
		return nil, nil, err
	}
	keeper, err := providers.New(cfg, providers.Deps{Dir: filepath.Join(cfg.Node.StateDir, providersFolder), Custom: custom, Log: log})
	if err != nil {
		return nil, nil, err
	}
	runner, err := monitor.New(cfg, monitor.Deps{Local: within(func() *zone.Set { return l.Set }), Logger: slog.New(slog.DiscardHandler)}, state.Verdicts)
	if err != nil {
		return nil, nil, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return runner.Run(running) })
	defer func() { stop(); _ = g.Wait() }() // it ends because it was told to
	select {
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	case <-runner.Ready():
	}
	controller.NewManualOf(l, state, controller.Deps{
		Monitor: runner,
		Publish: func(s *zone.Snapshot) { keeper.Publish(s) },
		Load:    func() (*config.Config, error) { return cfg, nil },
		Log:     slog.New(slog.DiscardHandler),
		Now:     time.Now,
	})
	list, err = keeper.PlanAhead(ctx, provider)
	return list, runner.Table(), err
}
