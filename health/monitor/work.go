package monitor

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// A job is one probe to run.
type job struct {
	t       *target
	addr    netip.Addr
	ask     Probe                                    // of an address
	lookup  func(context.Context) (Addresses, error) // of a host name, where ask is nil
	timeout time.Duration
	rank    rank
	queued  time.Time // since when it waits for a worker
}

// A rank says which jobs go first where there are more than workers.
type rank uint8

// The ranks. Those that wait for endpoints that hang, thousands of them at
// worst, share half of the workers, so that the probe of an endpoint that
// answers does not wait behind them. A hedge does not wait at all: without
// room there is none.
const (
	regular rank = iota
	hedging      // beside a probe that has not come back
	resting      // a regular probe of a target that is down
	ranks
)

// brisk workers are as many as ten thousand endpoints that answer need. More
// are started for probes that have waited for one of them for their patience:
// those that work must then hang. They are started a few at a time, since each
// costs a stack, and the first round, in which all endpoints are probed at
// once, is soon over.
const (
	brisk    = 1024
	patience = 20 * time.Millisecond
	few      = 512 // each patience
)

// An outcome is what came of a job.
type outcome struct {
	t     *target
	r     health.Result
	found Addresses // of a look-up that succeeded
	rank  rank      // of the job
}

// A crew runs jobs in workers that it starts as they are needed, up to brisk
// at once and slowly up to most; further jobs queue, by their rank. Its owner alone calls its
// methods. Workers keep their grown stacks between jobs, which a goroutine per
// probe would grow anew each time; idle ones are let go by and by.
type crew struct {
	ctx    context.Context
	wg     sync.WaitGroup
	jobs   chan job
	out    chan outcome
	most   int
	all    int // workers
	idle   int // of them, waiting
	rested int // of them, at work on jobs that are not regular
	queues [ranks][]job
	pushed time.Time                                   // when workers beyond brisk were started last
	dial   func(context.Context, netip.AddrPort) error // to a control
	rounds chan<- round

	observe func(health.Target, health.Result) // may be nil
}

// newCrew returns a crew for r whose workers end with ctx.
func newCrew(ctx context.Context, r *Runner) *crew {
	return &crew{ctx: ctx, jobs: make(chan job), out: make(chan outcome, 256), most: r.d.Workers, dial: r.d.Control, rounds: r.rounds, observe: r.d.Observe}
}

// ask begins a round of controls.
func (c *crew) ask(controls []netip.AddrPort, now time.Time) {
	c.wg.Go(func() {
		rd := round{began: now, err: askControls(c.ctx, c.dial, controls)}
		select {
		case c.rounds <- rd:
		case <-c.ctx.Done():
		}
	})
}

// start runs j as soon as a worker can take it.
func (c *crew) start(j job) {
	if !c.room(j.rank, c.spare()) {
		j.queued = time.Now()
		c.queues[j.rank] = append(c.queues[j.rank], j)
		return
	}
	c.begin(j)
}

// begin gives j to a worker. There is room for it.
func (c *crew) begin(j job) {
	if j.rank != regular {
		c.rested++
	}
	if c.idle == 0 {
		c.all++
		c.wg.Go(func() { c.work(j) })
		return
	}
	c.idle--
	select {
	case c.jobs <- j:
	case <-c.ctx.Done():
	}
}

// room reports whether a job of rank k could start now, where there are at
// most so many workers.
func (c *crew) room(k rank, most int) bool {
	if k != regular && c.rested >= max(1, c.most/2) {
		return false
	}
	return c.idle > 0 || c.all < most
}

// hedge reports whether there is room for a hedge.
func (c *crew) hedge() bool { return c.room(hedging, c.most) }

// spare returns how many workers there may be for jobs that have not waited.
func (c *crew) spare() int { return min(brisk, c.most) }

// finished takes note that an outcome was received, and gives its worker the
// next job.
func (c *crew) finished(o outcome) {
	c.idle++
	if o.rank != regular {
		c.rested--
	}
	for k := range c.queues {
		for len(c.queues[k]) > 0 && c.room(rank(k), c.spare()) {
			c.next(rank(k))
		}
	}
}

// next begins the first job of a queue.
func (c *crew) next(k rank) {
	j := c.queues[k][0]
	c.queues[k][0] = job{}
	c.queues[k] = c.queues[k][1:]
	if !j.t.gone {
		c.begin(j)
	}
}

// press starts further workers for jobs that have waited for long enough at
// now, and returns how long it will be until others have.
func (c *crew) press(now time.Time) time.Duration {
	wait, left := idleStep, few
	for k := range c.queues {
		for len(c.queues[k]) > 0 && c.room(rank(k), c.most) {
			due := later(c.queues[k][0].queued, c.pushed).Add(patience)
			if due.After(now) || left == 0 {
				wait = patience
				break
			}
			c.next(rank(k))
			left--
		}
	}
	if left < few {
		c.pushed = now
	}
	return wait
}

// shrink lets half of the idle workers go.
func (c *crew) shrink() {
	for n := c.idle / 2; n > 0; n-- {
		c.idle--
		c.all--
		select {
		case c.jobs <- job{}:
		case <-c.ctx.Done():
			return
		}
	}
}

// work runs j and then what it is given, until that is the empty job or the
// crew's context ends.
func (c *crew) work(j job) {
	for j.t != nil {
		o := run(c.ctx, j)
		if c.observe != nil {
			c.observe(j.t.id, o.r)
		}
		select {
		case c.out <- o:
		case <-c.ctx.Done():
			return
		}
		select {
		case j = <-c.jobs:
		case <-c.ctx.Done():
			return
		}
	}
}

// run runs one job. A probe that panics is our failure, not the endpoint's.
func run(ctx context.Context, j job) (o outcome) {
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	o.t, o.rank = j.t, j.rank
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			o.r = health.Result{Class: health.Internal, Reason: fmt.Sprintf("probe panicked: %v", p)}
		}
		o.r.At = time.Now()
		if o.r.Phases.Total == 0 {
			o.r.Phases.Total = o.r.At.Sub(start)
		}
	}()
	if j.ask != nil {
		o.r = j.ask(ctx, j.addr)
		return o
	}
	found, err := j.lookup(ctx)
	rank := o.rank
	o = lookedUp(found, err)
	o.t, o.rank = j.t, rank
	return o
}
