package xfr

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	tellEvery = time.Minute // how long a matter is not told of again
	tellMost  = 1000        // matters that are told apart
	tellQueue = 64          // of what waits for the log; more is left out
)

// A teller keeps the log short: of each matter it tells once a minute. Queries
// are refused on threads that answer others, and by the thousand where somebody
// forges them: who warns waits for no log, and pays next to nothing for a
// matter too many.
type teller struct {
	queue chan tale

	mu    sync.Mutex
	last  map[string]time.Time // by matter
	swept time.Time            // when those that are over were forgotten
}

// A tale is a line of the log.
type tale struct {
	what string
	args []any
}

func (t *teller) init() {
	t.queue, t.last = make(chan tale, tellQueue), map[string]time.Time{}
}

// run writes to log what is told, until ctx ends.
func (t *teller) run(ctx context.Context, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case x := <-t.queue:
			log.Warn(x.what, x.args...)
		}
	}
}

// warn has the log told, unless that was told of matter within the last minute.
func (t *teller) warn(now time.Time, matter, what string, args ...any) {
	if !t.due(now, matter) {
		return
	}
	select {
	case t.queue <- tale{what, args}:
	default: // the log hangs
	}
}

// due reports whether matter is to be told of at the time now, and notes that
// it was.
func (t *teller) due(now time.Time, matter string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.last[matter]; ok && now.Sub(at) < tellEvery {
		return false
	}
	if len(t.last) >= tellMost {
		t.sweep(now)
		if len(t.last) >= tellMost {
			return false
		}
	}
	t.last[matter] = now
	return true
}

// sweep forgets the matters that may be told of again, once a second.
func (t *teller) sweep(now time.Time) {
	if now.Sub(t.swept) < time.Second {
		return
	}
	t.swept = now
	for matter, at := range t.last {
		if now.Sub(at) >= tellEvery {
			delete(t.last, matter)
		}
	}
}
