// Package controller is the one writer: it joins configuration, verdicts and
// overrides into decisions, and decisions into the snapshot that is served.
//
// Every change passes through the goroutine of [Controller.Run] and ends in
// one call of Deps.Publish. The package never probes, never opens a socket
// and never answers a query; it reads zone files on load and keeps its state
// in one file of the state directory.
package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A Monitor settles verdicts; monitor.Runner is the real one.
type Monitor interface {
	Table() *health.Table
	Changed() <-chan struct{}
	Reload(*config.Config) error
	Save() []health.Saved
}

// Deps are what a Controller works with.
type Deps struct {
	Monitor Monitor
	Publish func(*zone.Snapshot)           // takes the next snapshot into service
	Adopt   func(*Loaded)                  // tells the rest of the node of a configuration in force; may be nil
	Load    func() (*config.Config, error) // reads the configuration again, for Reload
	Log     *slog.Logger
}

// A Controller steers one node. Make it with New, then call Run; the other
// methods may be called from any goroutine while Run runs.
type Controller struct {
	deps Deps
	jobs chan func()          // run by Run, one after the other
	view atomic.Pointer[view] // what readers see
	done chan struct{}        // closed when Run has returned
	turn chan struct{}        // holds a token while a reload is under way

	// Below here only Run's goroutine reads and writes.
	loaded    *Loaded // changes only in a reload's turn, whose holder may read it too
	pools     map[string]*config.Pool
	policies  map[string]*config.Policy
	groups    []group
	gen       uint64
	overrides map[string]health.Override
	freeze    *frozen
	memory    memory
	reload    Reload
	keep      keeper
	dirty     bool      // the state differs from the one last given to keep
	saved     time.Time // when the state file was last written
	storeErr  error
	held      map[string]time.Time // since when each alarm holds, by its code and subject
	started   *config.Config       // at the start: what a reload cannot change is still as there
}

// A group is what the services that share one decision have in common.
type group struct {
	service  config.Service // a representative
	alike    int            // services beside it
	goodKey  string
	decision steer.Decision
	variants []zone.Variant
	steered  *zone.Steered
}

// A view is one consistent moment, for readers.
type view struct {
	loaded   *Loaded
	live     *health.Table // as the monitor has it
	table    *health.Table // with overrides, and frozen where frozen
	groups   []group
	snapshot *zone.Snapshot
	status   *Status
}

// New returns a controller for the loaded configuration and the state that
// the directory holds. It takes no decision yet.
func New(l *Loaded, state *State, d Deps) *Controller {
	c := &Controller{
		deps:      d,
		jobs:      make(chan func()),
		done:      make(chan struct{}),
		overrides: map[string]health.Override{},
		turn:      make(chan struct{}, 1),
		memory:    newMemory(state.Good),
		gen:       nextThousand(state.Generation),
		keep:      keeper{write: state.store.write, wrote: make(chan error, 1)},
		saved:     time.Now(),
		held:      map[string]time.Time{},
		started:   l.Config,
		reload:    Reload{At: time.Now(), OK: true},
	}
	if state.Problem != "" {
		c.storeErr = errors.New(state.Problem)
		d.Log.Error("started without memory", "error", state.Problem)
	}
	c.recall(state, time.Now())
	c.adopt(l)
	return c
}

// nextThousand returns where the generations of a process begin whose
// predecessor saved gen. A crash forgets the last two seconds; the jump is
// over all that could have been published in them.
func nextThousand(gen uint64) uint64 { return (gen + 999) / 1000 * 1000 }

// recall takes up the overrides and the freeze of the process before, as far
// as they are sound and last.
func (c *Controller) recall(state *State, now time.Time) {
	for _, o := range state.Overrides {
		err := o.Check()
		o.Set, o.Expires = anchor(o.Set, o.Expires, now)
		if err != nil {
			c.deps.Log.Error("saved override dropped", "error", err)
		} else if o.Active(now) {
			c.overrides[o.Pool] = o
		}
	}
	if state.Freeze == nil {
		return
	}
	f := *state.Freeze
	err := f.Check()
	f.Set, f.Expires = anchor(f.Set, f.Expires, now)
	if err != nil {
		c.deps.Log.Error("saved freeze dropped", "error", err)
	} else if f.Active(now) {
		c.freeze = &f
	}
}

// adopt makes l the configuration in force; decisions follow in decide.
func (c *Controller) adopt(l *Loaded) {
	c.loaded = l
	c.pools = make(map[string]*config.Pool, len(l.Config.Pools))
	for i := range l.Config.Pools {
		c.pools[l.Config.Pools[i].Name] = &l.Config.Pools[i]
	}
	c.policies = make(map[string]*config.Policy, len(l.Config.Policies))
	for i := range l.Config.Policies {
		c.policies[l.Config.Policies[i].Name] = &l.Config.Policies[i]
	}
	old := make(map[string]group, len(c.groups))
	for _, g := range c.groups {
		old[zone.GroupKey(g.service)] = g
	}
	services := l.Set.Groups()
	c.groups = make([]group, len(services))
	for i, s := range services {
		was := old[zone.GroupKey(s)]
		c.groups[i] = group{service: s, alike: l.alike[i], goodKey: goodKey(s), decision: was.decision, variants: was.variants, steered: was.steered}
	}
	for pool, o := range c.overrides {
		if c.pools[pool] == nil {
			c.deps.Log.Warn("override dropped: its pool is no longer configured", "pool", pool, "force", o.Force, "reason", o.Reason, "author", o.Author)
			delete(c.overrides, pool)
			c.dirty = true
		}
	}
}

// Run decides whenever a verdict, an override or the configuration changes,
// until ctx ends; then it saves the state. The first decision is published
// before Run waits for anything, and saved at once: the generations of the
// next process lie above it, however soon this one ends.
func (c *Controller) Run(ctx context.Context) error {
	defer close(c.done)
	c.decide(true)
	c.save()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	expiry := time.NewTimer(c.untilExpiry())
	defer expiry.Stop()
	for {
		select {
		case <-ctx.Done():
			c.lastSave()
			return nil
		case err := <-c.keep.wrote:
			c.written(err)
		case <-c.deps.Monitor.Changed():
			c.dirty = true
			c.decide(false)
		case job := <-c.jobs:
			job()
		case <-expiry.C:
			c.expire()
			c.decide(false)
		case <-tick.C:
			c.refresh()
		case <-save.C:
			if c.dirty || time.Since(c.saved) >= resaveEvery {
				c.save()
			}
		}
		expiry.Reset(c.untilExpiry())
	}
}

// do runs job on Run's goroutine and waits for it.
func (c *Controller) do(ctx context.Context, job func() error) error {
	result := make(chan error, 1)
	select {
	case c.jobs <- func() { result <- job() }:
		return <-result
	case <-c.done:
		return fmt.Errorf("shunt is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// untilExpiry returns how long until an override or the freeze ends.
func (c *Controller) untilExpiry() time.Duration {
	next, now := time.Minute, time.Now()
	for _, o := range c.overrides {
		next = min(next, o.Expires.Sub(now))
	}
	if c.freeze != nil {
		next = min(next, c.freeze.Expires.Sub(now))
	}
	return max(next, 0) + time.Millisecond
}

// expire drops what has ended.
func (c *Controller) expire() {
	now := time.Now()
	for pool, o := range c.overrides {
		if !o.Active(now) {
			c.deps.Log.Info("override ended", "pool", pool, "force", o.Force, "reason", o.Reason, "author", o.Author)
			delete(c.overrides, pool)
			c.dirty = true
		}
	}
	if c.freeze != nil && !c.freeze.Active(now) {
		c.deps.Log.Warn("freeze ended: automation is on again", "reason", c.freeze.Reason, "author", c.freeze.Author)
		c.freeze = nil
		c.dirty = true
	}
}

// decide takes every decision anew, and publishes a snapshot when an answer
// or the configuration changed.
func (c *Controller) decide(reloaded bool) {
	now := time.Now()
	live := c.deps.Monitor.Table()
	if c.freeze != nil {
		if f := c.freeze.follow(live); f != c.freeze {
			c.freeze, c.dirty = f, true
		}
	}
	table := c.table(live, now)
	changed := reloaded
	for i := range c.groups {
		if c.redecide(&c.groups[i], table, now) {
			changed = true
		}
	}
	next := view{loaded: c.loaded, live: live, table: table, groups: append([]group(nil), c.groups...)}
	if prev := c.view.Load(); prev != nil && !changed {
		next.snapshot = prev.snapshot
	} else {
		next.snapshot = c.publish()
	}
	next.status = c.status(&next, now)
	c.view.Store(&next)
}

// refresh brings what people read up to date: latencies, reasons and alarms
// change without moving an answer.
func (c *Controller) refresh() {
	now := time.Now()
	next := *c.view.Load()
	next.live = c.deps.Monitor.Table()
	next.table = c.table(next.live, now)
	next.status = c.status(&next, now)
	c.view.Store(&next)
}

// redecide takes the decision of g and reports whether its answers changed.
func (c *Controller) redecide(g *group, t *health.Table, now time.Time) bool {
	bare := func(pool string) string { return zone.Bare(c.pools[pool], g.service.Flatten, t.Pools[pool]) }
	d := steer.Decide(steer.Input{Service: g.service, Policies: c.policies, Pools: c.pools, Table: t,
		Good: c.memory.last(g.goodKey, now), Race: g.decision.Race, Now: now, Bare: bare})
	c.memory.note(g.goodKey, d.Good, now)
	vs := zone.Variants(d, g.service, c.pools, t)
	prev := g.decision
	g.decision = d
	if prev.Why != d.Why {
		c.dirty = true
		c.logMove(g, prev, d)
	}
	if g.steered != nil && equalVariants(g.variants, vs) {
		return false
	}
	g.variants, g.steered = vs, zone.Pack(vs)
	return true
}

// publish puts a snapshot of all groups into service.
func (c *Controller) publish() *zone.Snapshot {
	c.gen++
	c.dirty = true
	steered := make([]*zone.Steered, len(c.groups))
	for i := range c.groups {
		steered[i] = c.groups[i].steered
	}
	s := c.loaded.Set.Snapshot(c.gen, steered)
	c.deps.Publish(s)
	return s
}

// sortedOverrides lists the overrides in force by pool.
func (c *Controller) sortedOverrides() []health.Override {
	list := slices.Collect(maps.Values(c.overrides))
	slices.SortFunc(list, func(a, b health.Override) int { return cmp.Compare(a.Pool, b.Pool) })
	return list
}

// logMove logs a decision whose reason changed: loudly when the pools did.
func (c *Controller) logMove(g *group, prev, d steer.Decision) {
	level := slog.LevelInfo
	switch {
	case d.FailOpen && !prev.FailOpen, len(d.Picks) == 0:
		level = slog.LevelError
	case slices.Equal(prev.Pools(), d.Pools()) && prev.FailOpen == d.FailOpen:
		level = slog.LevelDebug
	case d.FailOpen:
		level = slog.LevelError
	}
	c.deps.Log.Log(context.Background(), level, "answers move", "service", g.service.Name, "alike", g.alike, "policy", g.service.Policy,
		"from", prev.Pools(), "to", d.Pools(), "ttl", d.TTL.String(), "why", d.Why)
}

// table returns the verdicts that count: those in live, or the frozen ones,
// with the overrides laid over them.
func (c *Controller) table(live *health.Table, now time.Time) *health.Table {
	if len(c.overrides) == 0 && c.freeze == nil {
		return live
	}
	t := *live
	t.Pools = maps.Clone(live.Pools)
	if c.freeze != nil {
		c.freeze.apply(t.Pools)
	}
	for pool, o := range c.overrides {
		p := health.Pool{Name: pool}
		if t.Pools[pool] != nil {
			p = *t.Pools[pool]
		}
		p.Override = &o
		t.Pools[pool] = &p
	}
	t.At = now
	return &t
}
