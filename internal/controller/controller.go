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
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/event"
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

	Now func() time.Time // default: time.Now

	// Vet hears of a configuration before a reload puts it in force, and may
	// refuse it; what it returns is told whether it came into force. Nil: all may.
	Vet func(cfg *config.Config, force bool) (settle func(taken bool), err error)

	RolledBack func() string // why a known good configuration stands in for the one that is named; "" while it does not; may be nil

	Certificate func() Certificate // that the node shows to its own clients; nil: it shows none

	Covers Covers // asks survivors of a drill whether they serve its services; nil: nobody does

	Answers func(want func(service string) bool) []Count // how often pools answered for wanted services; nil: nobody counts

	Conditions func() []Condition // what other parts of the node alarm about, each second; must not block; nil: nothing
	Event      event.Sink         // is told what happens; nil: nobody is

	Reloaded func(began time.Time, err error) // hears of each reload that ended; must not wait; may be nil
}

// A Certificate says how that of the node's own listeners is.
type Certificate struct {
	Problem string    // why its files are not in use, and those before are; "" where they are
	Ends    time.Time // of the one in use
	Ending  bool      // so soon that its renewal is late
}

// A Controller steers one node. Make it with New, then call Run; the other
// methods may be called from any goroutine while Run runs.
type Controller struct {
	deps Deps
	jobs chan func()          // run by Run, one after the other
	view atomic.Pointer[view] // what readers see
	done chan struct{}        // closed when Run has returned
	hand bool                 // a Manual drives it: there is no Run
	turn chan struct{}        // holds a token while a reload is under way

	placesEvery time.Duration // how often the files of places are looked at

	// Below here only Run's goroutine reads and writes.
	loaded    *Loaded // changes only in a reload's turn, whose holder may read it too
	untold    bool    // New came to another one than it was given, of which the rest of the node has to hear
	pools     map[string]*config.Pool
	policies  map[string]*config.Policy
	groups    []*group
	falls     map[string]health.Fall // of pools that are not back; never written to
	waits     map[string]string      // what pools that are up wait for; never written to
	back      map[string]time.Time   // until when, of those that time brings back; never written to
	decidedOn *health.Table          // what decisions were last taken on
	fresh     map[string]bool        // pools that were otherwise then
	raceAt    time.Time              // when latencies are looked at again
	gen       uint64
	overrides map[string]health.Override
	feeds     map[feedKey]heard // what the user's own systems say of pools
	freeze    *frozen
	memory    memory
	reload    Reload
	keep      keeper
	stale     string    // why places that were replaced are not used; "" when they are
	dirty     bool      // the state differs from the one last given to keep
	saved     time.Time // when the state file was last written
	storeErr  error
	held      map[string]Alarm        // the alarms that hold, by code and subject
	raised    map[string]string       // what they said when they were raised
	told      map[string]health.State // the states of pools that were told of as events; nil: none were
	moved     int                     // moves of answers in the decision under way
	serials   map[string]numbered     // of zones that may be transferred, by their origins
	content   *zone.Snapshot          // that serials were last given by; nil: none were
	ending    bool                    // the next state that is saved is the last
	started   *config.Config          // at the start: what a reload cannot change is still as there
	drills    drills
	born      time.Time // when this Controller was made
}

// A view is one consistent moment, for readers.
type view struct {
	loaded   *Loaded
	live     *health.Table // as the monitor has it
	table    *health.Table // with overrides, and frozen where frozen
	groups   []*group
	snapshot *zone.Snapshot
	status   *Status
	wake     time.Time // when time alone may change an answer; zero: never
	drills   []*drill.Report
	counts   Counts
}

// New returns a controller for the loaded configuration and the state that
// the directory holds. It takes no decision yet.
func New(l *Loaded, state *State, d Deps) *Controller {
	if d.Now == nil {
		d.Now = time.Now
	}
	c := &Controller{
		deps:      d,
		jobs:      make(chan func()),
		done:      make(chan struct{}),
		overrides: map[string]health.Override{},
		turn:      make(chan struct{}, 1),

		placesEvery: placesEvery,

		memory:  newMemory(state.Good),
		gen:     nextThousand(state.Generation),
		keep:    keeper{write: state.store.write, wrote: make(chan error, 1)},
		saved:   d.Now(),
		held:    map[string]Alarm{},
		serials: recallSerials(state, l.Config.Transfer.Serial, d.Now()),
		started: l.Config,
		reload:  Reload{At: d.Now(), OK: true},
	}
	if state.Problem != "" {
		c.storeErr = errors.New(state.Problem)
		d.Log.Error("started without memory", "error", state.Problem)
	}
	now := c.now()
	c.recall(state, now)
	c.falls = recallFalls(state.Falls, now)
	c.adopt(l, recallCalm(state.Calm, now))
	c.born = now
	c.drills.store.dir = state.drills()
	c.recallApart(state)
	c.recallContents(state.Contents)
	c.recallDrills(state, now)
	return c
}

// Run decides whenever a verdict, an override or the configuration changes,
// until ctx ends; then it saves the state. The first decision is published
// before Run waits for anything, and saved at once: the generations of the
// next process lie above it, however soon this one ends.
func (c *Controller) Run(ctx context.Context) error {
	defer close(c.done)
	if c.untold {
		c.tell(c.loaded)
	}
	c.beginSerials()
	c.decide(reloaded)
	c.save()
	watch := c.watchPlaces(ctx)
	defer func() { <-watch }()
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
			c.drills.store.wait(saveWait)
			return nil
		case err := <-c.keep.wrote:
			c.written(err)
		case <-c.deps.Monitor.Changed():
			c.dirty = true
			c.decide(probed)
		case job := <-c.jobs:
			job()
		case <-expiry.C:
			c.decide(c.expire())
		case <-tick.C:
			c.tick()
			c.tickDrills(c.now())
		case <-save.C:
			if c.dirty || time.Since(c.saved) >= resaveEvery {
				c.save()
			}
		}
		expiry.Reset(c.untilExpiry())
	}
}

// now returns the time as Deps.Now has it.
func (c *Controller) now() time.Time { return c.deps.Now() }

// tick does what is to be done each second.
func (c *Controller) tick() {
	began := time.Now()
	if began.Before(c.raceAt) || !c.racing() {
		c.refresh()
		return
	}
	// Latencies change without a verdict. No more than a twentieth of a
	// processor goes into watching them.
	c.decide(probed)
	c.raceAt = began.Add(20 * time.Since(began))
}

// do runs job on Run's goroutine and waits for it.
func (c *Controller) do(ctx context.Context, job func() error) error {
	if c.hand {
		return job()
	}
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

// untilExpiry returns how long until an override or the freeze ends, or time
// alone changes an answer.
func (c *Controller) untilExpiry() time.Duration {
	next, now := time.Minute, c.now()
	for _, o := range c.overrides {
		next = min(next, o.Expires.Sub(now))
	}
	if c.freeze != nil {
		next = min(next, c.freeze.Expires.Sub(now))
	}
	for _, h := range c.feeds {
		next = min(next, h.Until.Sub(now))
	}
	for _, x := range c.drills.running {
		next = min(next, x.plan().Ends.Sub(now))
	}
	if v := c.view.Load(); v != nil && !v.wake.IsZero() {
		next = min(next, v.wake.Sub(now))
	}
	return max(next, 0) + time.Millisecond
}

// expire drops what has ended, and returns what its end is for decide.
func (c *Controller) expire() cause {
	now, why := c.now(), probed
	c.expireFeeds(now)
	for pool, o := range c.overrides {
		if !o.Active(now) {
			c.deps.Log.Info("override ended", "pool", pool, "force", o.Force, "reason", o.Reason, "author", o.Author)
			c.sayOverride(o, "ended", o.Reason, "")
			delete(c.overrides, pool)
			c.dirty, why = true, byHand
		}
	}
	if c.freeze != nil && !c.freeze.Active(now) {
		c.deps.Log.Warn("freeze ended: automation is on again", "reason", c.freeze.Reason, "author", c.freeze.Author)
		c.sayFreeze("ended", c.freeze.Reason, "")
		c.freeze = nil
		c.dirty, why = true, byHand
	}
	return why
}

// decide takes every decision anew that something bears on, and publishes a
// snapshot when an answer or the configuration changed.
func (c *Controller) decide(why cause) {
	began, now := time.Now(), c.now()
	live := c.verdicts(now)
	if c.freeze != nil {
		if f := c.freeze.follow(live); f != c.freeze {
			c.freeze, c.dirty = f, true
		}
	}
	table := c.table(live, now)
	c.settleFalls(table, now)
	if c.settleDrills(table, now) && why == probed {
		why = byHand
	}
	changed := why == reloaded
	c.sayStates(live)
	next := view{loaded: c.loaded, live: live, table: table}
	for i := range c.groups {
		if c.redecide(i, table, now, why) {
			changed = true
		}
		next.soon(c.groups[i].wake)
	}
	c.sayMoved()
	for _, at := range c.back {
		next.soon(at)
	}
	next.groups = slices.Clone(c.groups)
	if prev := c.view.Load(); prev != nil && !changed {
		next.snapshot = prev.snapshot
	} else {
		next.snapshot = c.publish()
	}
	next.drills = c.saveDrills(now)
	next.status = c.status(&next, now)
	next.counts = c.view.Load().count(&next, time.Since(began))
	c.view.Store(&next)
}

// soon makes v due at the moment at, where that is sooner; zero is never.
func (v *view) soon(at time.Time) {
	if !at.IsZero() && (v.wake.IsZero() || at.Before(v.wake)) {
		v.wake = at
	}
}

// refresh brings what people read up to date: latencies, reasons and alarms
// change without moving an answer.
func (c *Controller) refresh() {
	now := c.now()
	next := *c.view.Load()
	next.live = c.verdicts(now)
	next.table = c.table(next.live, now)
	next.drills = c.saveDrills(now)
	next.status = c.status(&next, now)
	next.counts = c.view.Load().count(&next, 0)
	c.view.Store(&next)
}

// publish puts a snapshot of all groups into service.
func (c *Controller) publish() *zone.Snapshot {
	c.gen++
	c.dirty = true
	steered := make([]*zone.Steered, len(c.groups))
	for i := range c.groups {
		steered[i] = c.groups[i].steered
	}
	s := c.loaded.Set.Snapshot(c.gen, steered, c.number(steered))
	c.deps.Publish(s)
	return s
}

// sortedOverrides lists the overrides in force by pool.
func (c *Controller) sortedOverrides() []health.Override {
	list := slices.Collect(maps.Values(c.overrides))
	slices.SortFunc(list, func(a, b health.Override) int { return cmp.Compare(a.Pool, b.Pool) })
	return list
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
