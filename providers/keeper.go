// Package providers keeps DNS providers in step with what shunt answers. Each
// provider has a goroutine of its own, which reads what is there, has package
// plan say what must change, has an adapter of package kind change it, and then
// asks the provider's own servers until they serve it.
//
// It decides nothing about answers, and nothing waits for it: an API that
// hangs, fails or refuses delays neither the server, nor the steering, nor
// another provider. It never takes what it could not read for empty.
package providers

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/durable"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A Source is what is answered at one moment, as *zone.Snapshot has it.
type Source interface {
	Generation() uint64
	Service(name string, c config.Content) []zone.RRset // nil: nothing to answer with yet
}

// Deps are what a Keeper works with.
type Deps struct {
	Dir    string                 // folder for what was pushed, made when it is needed; "": nothing outlives the process
	Custom map[string]kind.Opener // modules of the user's own build; may be nil
	Log    *slog.Logger
	Event  event.Sink   // hears when a provider is in step, and when it is not
	Pushed func(Pushed) // hears of each push that ended; must not wait; may be nil

	Open func(config.Provider) (kind.Provider, error) // default: kind.Open with Custom
	Ask  Asker                                        // default: DNS over UDP and TCP

	Write func(path string, text []byte) error // replaces a file of Dir; default: durable.Replace
}

// A Keeper keeps all providers of a configuration in step. Make it with New,
// then call Run once; the other methods may be called from any goroutine.
type Keeper struct {
	deps   Deps
	source atomic.Pointer[Source]

	mu      sync.Mutex // guards what follows
	cfg     *config.Config
	workers []*worker       // in the order of the configuration
	ctx     context.Context // of Run; nil before
	running sync.WaitGroup
}

// New returns a Keeper for the providers of cfg. The error names those that
// cannot be opened, for what they are told.
func New(cfg *config.Config, d Deps) (*Keeper, error) {
	if d.Open == nil {
		d.Open = func(p config.Provider) (kind.Provider, error) { return kind.Open(p, d.Custom) }
	}
	if d.Ask == nil {
		d.Ask = ask
	}
	if d.Write == nil {
		d.Write = durable.Replace
	}
	k := &Keeper{deps: d}
	return k, k.Reload(cfg)
}

// Publish makes s what providers are to have. It returns at once.
func (k *Keeper) Publish(s Source) {
	k.source.Store(&s)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, w := range k.workers {
		w.nudge()
	}
}

// Reload makes cfg the configuration: providers that are new begin, those that
// are gone stop, and keep what they have at the provider. One whose
// description changed begins anew, with the memory that it has. When the error
// is not nil, nothing has changed.
func (k *Keeper) Reload(cfg *config.Config) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := make([]*worker, len(cfg.Providers))
	before := k.workers
	for i, p := range cfg.Providers {
		if j := slices.IndexFunc(before, func(w *worker) bool { return reflect.DeepEqual(w.cfg, p) }); j >= 0 {
			next[i] = before[j]
			continue
		}
		opened, err := k.deps.Open(p)
		if err != nil {
			return fmt.Errorf("providers[%s]: %w", p.Name, err)
		}
		next[i] = newWorker(k, p, opened)
	}
	var left []*worker
	for _, w := range before {
		if !slices.Contains(next, w) {
			left = append(left, w)
		}
	}
	for _, w := range next {
		w.retarget(cfg)
		for _, old := range left {
			if old.cfg.Name == w.cfg.Name {
				w.after = old.done
			}
		}
	}
	for _, w := range left {
		w.stop()
	}
	k.cfg, k.workers = cfg, next
	k.start()
	return nil
}

// start starts the workers that do not run yet, once Run does.
func (k *Keeper) start() {
	if k.ctx == nil || k.ctx.Err() != nil {
		return
	}
	for _, w := range k.workers {
		if !w.started {
			w.started = true
			ctx, cancel := context.WithCancel(k.ctx)
			w.cancel = cancel
			k.running.Go(func() { w.run(ctx) })
		}
	}
}

// Run keeps the providers in step until ctx ends, and returns once everything
// that it started has ended, or has been given up.
func (k *Keeper) Run(ctx context.Context) error {
	k.mu.Lock()
	k.ctx = ctx
	k.start()
	k.mu.Unlock()
	<-ctx.Done()
	k.running.Wait()
	return nil
}

// all returns the workers, or the one of that name.
func (k *Keeper) all(name string) ([]*worker, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if name == "" {
		return slices.Clone(k.workers), nil
	}
	for _, w := range k.workers {
		if w.cfg.Name == name {
			return []*worker{w}, nil
		}
	}
	return nil, fmt.Errorf("there is no provider %q", name)
}

// current returns what is answered now; nil before the first Publish.
func (k *Keeper) current() Source {
	if s := k.source.Load(); s != nil {
		return *s
	}
	return nil
}

// file returns where the memory of a provider is kept; "" where nothing is.
func (k *Keeper) file(name string) string {
	if k.deps.Dir == "" {
		return ""
	}
	return filepath.Join(k.deps.Dir, name+".json")
}
