package xfr

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	linesAll = 64               // transfers at once
	linesOne = 16               // to one secondary
	lineWait = 10 * time.Second // for one of them to end
	takenMax = 512              // connections that are ours at once
)

// lines bounds the transfers under way, in all and for each secondary: one
// that reads slowly holds up itself.
type lines struct {
	all chan struct{}

	mu  sync.Mutex
	one map[string]*line
}

// A line is the transfers to one secondary.
type line struct {
	free  chan struct{}
	users int // that have or wait for one
}

func (l *lines) init() {
	l.all, l.one = make(chan struct{}, linesAll), map[string]*line{}
}

// take waits for a line to who, and reports whether there is one before ctx
// ends; then free must be called.
func (l *lines) take(ctx context.Context, who string) (free func(), ok bool) {
	l.mu.Lock()
	own := l.one[who]
	if own == nil {
		own = &line{free: make(chan struct{}, linesOne)}
		l.one[who] = own
	}
	own.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(l.one, who)
		}
	}
	select {
	case own.free <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, false
	}
	select {
	case l.all <- struct{}{}:
	case <-ctx.Done():
		<-own.free
		leave()
		return nil, false
	}
	return func() { <-l.all; <-own.free; leave() }, true
}

// A teller keeps the log short: of each matter it tells once a minute.
type teller struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// tellEvery is how long a matter is not told of again; tellMost is how many
// matters are told apart.
const (
	tellEvery = time.Minute
	tellMost  = 1000
)

// warn logs what, unless it did so for matter within the last minute.
func (t *teller) warn(log *slog.Logger, now time.Time, matter, what string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.last[matter]; ok && now.Sub(at) < tellEvery {
		return
	}
	if len(t.last) >= tellMost {
		for m, at := range t.last {
			if now.Sub(at) >= tellEvery {
				delete(t.last, m)
			}
		}
		if len(t.last) >= tellMost {
			return
		}
	}
	t.last[matter] = now
	log.Warn(what, args...)
}
