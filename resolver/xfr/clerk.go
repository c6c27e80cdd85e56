package xfr

import (
	"log/slog"
	"maps"
	"sync"
)

// A clerk writes journals on a goroutine of its own, so that a disk that hangs
// keeps nobody from being told of a change. Of a zone that changes faster than
// the disk writes, it writes what is latest.
type clerk struct {
	shelf shelf
	log   *slog.Logger

	mu   sync.Mutex
	next map[string][]*delta // by origin: what its journal is to hold
	only map[string]bool     // paths of the journals that are to stay; nil: all
	tell []chan struct{}     // closed once that is so, or could not be
	wake chan struct{}

	files map[string]written

	failing bool // only run's goroutine reads and writes it
}

// A written is what the file of a journal holds.
type written struct {
	last   uint32 // serial at its end
	octets int
}

// newClerk returns a clerk for the journals on s.
func newClerk(s shelf, log *slog.Logger) *clerk {
	return &clerk{shelf: s, log: log, next: map[string][]*delta{}, wake: make(chan struct{}, 1), files: map[string]written{}}
}

// know tells what the file of a journal holds already.
func (c *clerk) know(origin string, w written) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[origin] = w
}

// known returns what the file of a journal holds, as far as that is known.
func (c *clerk) known(origin string) (w written, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w = c.files[origin]
	return w, w.octets > 0
}

// put hands over what journals are to hold. The channel is closed once they do,
// or could not be written.
func (c *clerk) put(journals map[string][]*delta) <-chan struct{} {
	done := make(chan struct{})
	c.mu.Lock()
	for origin, list := range journals {
		c.next[origin] = list
	}
	c.tell = append(c.tell, done)
	c.mu.Unlock()
	token(c.wake)
	return done
}

// keepOnly has all journals removed but those at paths, before any other is
// written.
func (c *clerk) keepOnly(paths map[string]bool) {
	c.mu.Lock()
	c.only = paths
	c.mu.Unlock()
	token(c.wake)
}

// run writes until stop is closed, and then what was put before that.
func (c *clerk) run(stop <-chan struct{}) {
	for {
		ended := false
		select {
		case <-c.wake:
		case <-stop:
			ended = true
		}
		c.mu.Lock()
		jobs, only, tell := c.next, c.only, c.tell
		c.next, c.only, c.tell = map[string][]*delta{}, nil, nil
		c.mu.Unlock()
		if only != nil {
			c.forget(only)
		}
		for origin, list := range jobs {
			c.write(origin, list)
		}
		for _, done := range tell {
			close(done)
		}
		if ended {
			return
		}
	}
}

// forget removes all journals but those at paths.
func (c *clerk) forget(paths map[string]bool) {
	c.shelf.keepOnly(paths)
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.files, func(origin string, _ written) bool { return !paths[c.shelf.path(origin)] })
}

// write makes the journal of a zone hold list: by what is new at its end, or
// whole where that does not fit, or where too much of it is no longer wanted.
func (c *clerk) write(origin string, list []*delta) {
	was, known := c.known(origin)
	fresh, total := -1, 0
	for i, d := range list {
		total += d.size()
		if known && d.from == was.last && d.from != d.to {
			fresh = i
		}
	}
	if known && len(list) > 0 && list[len(list)-1].to == was.last {
		return
	}
	var octets int
	err := errDamaged
	if fresh >= 0 && was.octets < 2*total+1<<16 {
		octets, err = c.shelf.append(origin, was.octets, list[fresh:])
	}
	if err != nil {
		octets, err = c.shelf.replace(origin, list)
	}
	if err != nil {
		c.know(origin, written{})
		if !c.failing {
			c.log.Error("journal not saved: after a restart, secondaries may take whole zones", "zone", origin, "error", err)
		}
		c.failing = true
		return
	}
	if c.failing {
		c.log.Info("journals are saved again")
	}
	c.failing = false
	c.know(origin, written{list[len(list)-1].to, octets})
}
