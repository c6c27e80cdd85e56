package controller

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// placesEvery is how often the files of places are looked at.
const placesEvery = 10 * time.Second

// A look is what was seen when the files of places were last looked at.
type look struct {
	tried string // stamp of those that were last tried, or told of
	gone  string // the file that was not there; "" when all were
}

// watchPlaces looks at the files of places in force, off Run's goroutine,
// until ctx ends; then the channel closes.
func (c *Controller) watchPlaces(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(c.placesEvery)
		defer tick.Stop()
		var last look
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				last = c.lookAtPlaces(ctx, last)
			}
		}
	}()
	return ended
}

// lookAtPlaces puts files of places in force that were replaced, and returns
// what it saw. Those that cannot be used change nothing but the alarm, and are
// not tried again until they change. It takes a reload's turn, and gives way
// to one under way.
//
//	the files                               are
//	one is gone, as it was a look before    told of: no restart would find it
//	one is gone since                       on their way
//	those in force                          in force; an alarm ends
//	others, tried before                    left alone
//	others                                  tried
func (c *Controller) lookAtPlaces(ctx context.Context, last look) look {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	default:
		return last
	}
	l := c.loaded
	files := placesFiles(l.Config.Places)
	now := stamp(files)
	if gone := missing(files); gone != "" {
		if last.gone == gone && last.tried != now {
			c.tellStale(ctx, gone+" is no longer there: what was read of it stays in force, and no restart would find it")
			last.tried = now
		}
		last.gone = gone
		return last
	}
	last.gone = ""
	if now == last.tried {
		return last
	}
	own := stamp([]string{l.Config.Places.File})
	cfg, err := l.ownPlaces(own)
	if err == nil && cfg == nil && !l.atlas.book.Changed() {
		if last.tried != "" {
			c.tellStale(ctx, "")
			last.tried = ""
		}
		return last
	}
	last.tried = now
	next := *l
	if cfg != nil {
		next.Config = cfg
	}
	if err == nil {
		next.atlas, err = openPlaces(&next, nil)
	}
	if err != nil {
		c.tellStale(ctx, err.Error())
		return last
	}
	next.atlas.own = own
	c.replacePlaces(ctx, &next)
	return last
}

// ownPlaces returns l's configuration with the networks that their file, whose
// stamp is own, has now; nil where they are those of l.
func (l *Loaded) ownPlaces(own string) (*config.Config, error) {
	if l.Config.Places.File == "" || own == l.atlas.own {
		return nil, nil
	}
	networks, err := config.ReadNetworks(l.Config.Places.File)
	if err != nil {
		return nil, err
	}
	if slices.Equal(networks, l.Config.Places.Networks) {
		l.atlas.own = own
		return nil, nil
	}
	cfg := *l.Config
	cfg.Places.Networks = networks
	return &cfg, nil
}

// tellStale says why files of places are not in force; "" ends the alarm.
func (c *Controller) tellStale(ctx context.Context, why string) {
	// An error here is the end of the node.
	_ = c.do(ctx, func() error {
		if c.stale = why; why != "" {
			c.deps.Log.Error("places were replaced and are not used: the old ones stay in force", "error", why)
		}
		c.refresh()
		return nil
	})
}

// replacePlaces puts l in force, which differs in places only.
func (c *Controller) replacePlaces(ctx context.Context, l *Loaded) {
	_ = c.do(ctx, func() error {
		c.stale = ""
		c.adopt(l, nil)
		c.refitDrills(c.now())
		c.decide(byHand)
		for _, d := range l.atlas.book.Databases() {
			c.deps.Log.Info("places database in force", "path", d.Path, "type", d.Type, "built", d.Built)
		}
		if own := l.Config.Places; own.File != "" {
			c.deps.Log.Info("networks of places in force", "path", own.File, "networks", len(own.Networks))
		}
		return nil
	})
}

// placesFiles returns the files of p.
func placesFiles(p config.Places) []string {
	files := slices.Clone(p.Databases)
	if p.File != "" {
		files = append(files, p.File)
	}
	return files
}

// missing returns the first of files that is not there; "" when all are.
func missing(files []string) string {
	for _, path := range files {
		if _, err := os.Stat(path); err != nil {
			return path
		}
	}
	return ""
}

// stamp tells the present state of files from an earlier one: by their times
// and sizes. A file that is not there counts as such.
func stamp(files []string) string {
	var b strings.Builder
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintf(&b, "%d %d", info.Size(), info.ModTime().UnixNano())
		}
		b.WriteByte(';')
	}
	return b.String()
}
