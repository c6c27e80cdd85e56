package xfr

import (
	"context"
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
