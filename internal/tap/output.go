package tap

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// How often an output looks into its rings: soon after there was something,
// more seldom while there is nothing.
const (
	leastPause = 4 * time.Millisecond
	mostPause  = 32 * time.Millisecond
	lastWords  = time.Second // for what is in the rings when it ends
)

// A sink is where records go. Its methods are called by one goroutine.
type sink interface {
	write(*record) error // buffers; an error ends what was open
	flush() error        // now and then, also when nothing was written
	close()              // within a second
}

// An output is one configured tap at work.
type output struct {
	def    config.Tap
	sink   sink
	log    *slog.Logger
	before *output // of the same name, whose totals go on; nil once they are in base
	base   Counts
	done   atomic.Bool // run has returned

	mu    sync.Mutex // guards rings
	rings []*ring

	written, lost atomic.Uint64

	away    bool // the sink failed last
	pending uint64
}

func newOutput(d config.Tap, who identity, log *slog.Logger) *output {
	o := &output{def: d, log: log.With("tap", d.Name)}
	switch {
	case d.Kind == config.QueryLog:
		o.sink = newLines(d)
	case d.File != "":
		o.sink = newFrameFile(d, who)
	default:
		o.sink = newFrameConn(d, who)
	}
	return o
}

// ring returns a new ring, from which o takes.
func (o *output) ring() *ring {
	r := &ring{}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rings = append(o.rings, r)
	return r
}

// counts returns the totals, with those of the outputs before. The caller
// holds the lock of Taps.
func (o *output) counts() Counts {
	if b := o.before; b != nil && b.done.Load() {
		o.base, o.before = b.counts(), nil // its rings are let go of
	}
	c := Counts{Name: o.def.Name, Written: o.base.Written + o.written.Load(), Dropped: o.base.Dropped, Lost: o.base.Lost + o.lost.Load()}
	o.mu.Lock()
	for _, r := range o.rings {
		c.Dropped += r.dropped.Load()
	}
	o.mu.Unlock()
	if o.before != nil {
		b := o.before.counts()
		c.Written, c.Dropped, c.Lost = c.Written+b.Written, c.Dropped+b.Dropped, c.Lost+b.Lost
	}
	return c
}

// run hands on until ctx ends, and then what is left.
func (o *output) run(ctx context.Context) {
	defer o.done.Store(true)
	defer o.sink.close()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for wait := leastPause; ; {
		select {
		case <-ctx.Done():
			o.turn(time.Now().Add(lastWords))
			return
		case <-pause.C:
		}
		if o.turn(time.Time{}) > 0 {
			wait = leastPause
		} else {
			wait = min(2*wait, mostPause)
		}
		pause.Reset(wait)
	}
}

// turn hands on what is in the rings and returns how many records there were.
// What is there after until, where that is set, is lost.
func (o *output) turn(until time.Time) (n int) {
	o.mu.Lock()
	rings := o.rings
	o.mu.Unlock()
	for _, r := range rings {
		n += r.take(func(rec *record) {
			if !until.IsZero() && time.Now().After(until) {
				o.lost.Add(1)
				return
			}
			o.hand(rec)
		})
	}
	o.settle(o.sink.flush())
	return n
}

// hand gives one record to the sink.
func (o *output) hand(rec *record) {
	if o.def.Shorten {
		rec.client = shorten(rec.client)
		mask(rec.query)
		mask(rec.reply)
	}
	o.pending++
	if err := o.sink.write(rec); err != nil {
		o.settle(err)
	}
}

// settle counts what was written since the last flush, by how that ended, and
// logs when the sink fails or works again.
func (o *output) settle(err error) {
	n := o.pending
	o.pending = 0
	switch {
	case err != nil:
		o.lost.Add(n)
		if !o.away {
			o.log.Warn("queries cannot be handed on, and are dropped", "error", err)
		}
	default: // also where there was nothing to write: the reader is there
		o.written.Add(n)
		if o.away {
			o.log.Info("queries are handed on again")
		}
	}
	o.away = err != nil
}
