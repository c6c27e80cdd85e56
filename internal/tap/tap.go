// Package tap hands on samples of what is asked and answered, to readers of
// dnstap and to files, as the section taps of the configuration says.
//
// It never delays an answer: what a worker tells lies in a ring of its own, and
// what has no room there is dropped and counted. Without taps it costs a query
// one comparison. It shows clients by their network unless it is told to show
// them whole.
package tap

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver"
)

// Taps are those of one node. Make them with New, then call Run once; the
// other methods may be called from any goroutine.
type Taps struct {
	set  func(resolver.Tap) // has the server told another tap
	who  identity
	log  *slog.Logger
	wake chan struct{}

	mu      sync.Mutex // guards what follows
	defs    []config.Tap
	outputs []*output
	ended   []*output // no longer configured: Run ends them
}

// An identity is who dnstap messages say that they are from.
type identity struct{ node, version string }

// New returns taps that tell nothing yet. Set has the server turn to another
// tap, or to none for nil; node and version are what messages say that they
// are from.
func New(set func(resolver.Tap), node, version string, log *slog.Logger) *Taps {
	return &Taps{set: set, who: identity{node, "shunt " + version}, log: log, wake: make(chan struct{}, 1)}
}

// Adopt has defs in force, in place of those before. Taps that stay as they
// were go on; what was counted of a tap goes on as long as one has its name.
func (t *Taps) Adopt(defs []config.Tap) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Equal(t.defs, defs) {
		return
	}
	t.defs = slices.Clone(defs)
	old := t.outputs
	t.outputs = make([]*output, len(defs))
	for i, d := range defs {
		j := slices.IndexFunc(old, func(o *output) bool { return o.def == d })
		if j >= 0 {
			t.outputs[i] = old[j]
			continue
		}
		o := newOutput(d, t.who, t.log)
		if j = slices.IndexFunc(old, func(o *output) bool { return o.def.Name == d.Name }); j >= 0 {
			o.before = old[j]
		}
		t.outputs[i] = o
	}
	for _, o := range old {
		if !slices.Contains(t.outputs, o) {
			t.ended = append(t.ended, o)
		}
	}
	if len(t.outputs) == 0 {
		t.set(nil)
	} else {
		t.set(chorus(slices.Clone(t.outputs)))
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Counts are the totals of one tap, in queries.
type Counts struct {
	Name    string
	Written uint64 // handed on
	Dropped uint64 // without room in the ring
	Lost    uint64 // taken, and not handed on: the reader was away
}

// Counts returns the totals of each tap.
func (t *Taps) Counts() []Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Counts, len(t.outputs))
	for i, o := range t.outputs {
		out[i] = o.counts()
	}
	return out
}

// Run hands on until ctx ends; then what is in the rings still goes out, as
// far as that takes no longer than a second.
func (t *Taps) Run(ctx context.Context) error {
	var running sync.WaitGroup
	stops := map[*output]context.CancelFunc{}
	for {
		t.mu.Lock()
		for _, o := range t.outputs {
			if stops[o] == nil {
				of, stop := context.WithCancel(ctx)
				stops[o] = stop
				running.Go(func() { o.run(of) })
			}
		}
		for _, o := range t.ended {
			if stop := stops[o]; stop != nil {
				stop()
				delete(stops, o)
			}
		}
		t.ended = nil
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			running.Wait()
			for _, stop := range stops {
				stop()
			}
			return nil
		case <-t.wake:
		}
	}
}

// A chorus is the resolver's tap: all outputs at once.
type chorus []*output

// Ear returns the ear of one worker.
func (c chorus) Ear() resolver.Ear {
	e := &ear{parts: make([]part, len(c))}
	e.chance.Seed(rand.Uint64(), rand.Uint64())
	for i, o := range c {
		e.parts[i] = part{ring: o.ring(), below: threshold(o.def.Sample)}
	}
	return e
}

// threshold returns what a draw of 32 bits must be below for a share of them.
func threshold(share float64) uint64 { return uint64(share * (1 << 32)) }

// An ear is one worker's.
type ear struct {
	parts  []part
	chance rand.PCG
}

// A part of an ear is for one output.
type part struct {
	ring  *ring
	below uint64
	wants bool
}

// Wants draws for each output.
func (e *ear) Wants() (any bool) {
	draw := e.chance.Uint64()
	for i := range e.parts {
		p := &e.parts[i]
		p.wants = draw&(1<<32-1) < p.below // the same draw: a smaller sample is part of a larger one
		any = any || p.wants
	}
	return any
}

// Hear puts h into the rings of those who want it.
func (e *ear) Hear(h resolver.Heard) {
	done := time.Now()
	for i := range e.parts {
		if e.parts[i].wants {
			e.parts[i].ring.put(&h, done)
		}
	}
}
