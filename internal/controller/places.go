package controller

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/place"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A placing says which clients of a group are told apart.
type placing struct {
	of      *place.Map    // nil: everyone is alike
	samples []steer.Place // one of each class; at least one, the first for clients of whom nothing is known
}

// everyone is the placing of services that do not look at where clients are.
var everyone = []steer.Place{{}}

// An atlas is what is known of places, and what each group uses of it.
type atlas struct {
	book     *place.Atlas
	placings []placing // by group
}

// openPlaces opens the databases of l and compiles a map for each group that
// looks at places. Groups whose chains see the same of them share one.
func openPlaces(l *Loaded) (*atlas, error) {
	a := &atlas{placings: make([]placing, len(l.Set.Groups()))}
	var err error
	if a.book, err = place.Open(l.Config.Places); err != nil {
		return nil, err
	}
	known := map[string]placing{}
	for i, s := range l.Set.Groups() {
		a.placings[i] = placing{samples: everyone}
		if !steer.Places(s, l.policies, l.pools) {
			continue
		}
		key := sight(s)
		p, ok := known[key]
		if !ok {
			if p, err = a.compile(l, s); err != nil {
				return nil, err
			}
			known[key] = p
		}
		a.placings[i] = p
	}
	return a, nil
}

// compile returns the placing of s.
func (a *atlas) compile(l *Loaded, s config.Service) (placing, error) {
	m, err := a.book.Compile(steer.Classify(s, l.policies, l.pools), steer.Networks(s, l.policies))
	switch {
	case err != nil:
		return placing{}, err
	case len(m.Classes()) == 1:
		return placing{samples: everyone}, nil // no client differs from the unknown ones
	}
	return placing{m, m.Classes()}, nil
}

// sight names all that decides how s tells clients apart: its policy and its
// candidates in their order. What those are is the same throughout one
// configuration.
func sight(s config.Service) string {
	var b strings.Builder
	b.WriteString(s.Policy)
	for _, c := range s.Pools {
		fmt.Fprintf(&b, " %s/%s/%v", c.Pool, c.Policy, c.LastResort)
	}
	return b.String()
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

// placesEvery is how often the files of places are looked at.
const placesEvery = 10 * time.Second

// watchPlaces looks at the databases in force, off Run's goroutine, until ctx
// ends; then the channel closes.
func (c *Controller) watchPlaces(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(c.placesEvery)
		defer tick.Stop()
		tried := ""
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				tried = c.lookAtPlaces(ctx, tried)
			}
		}
	}()
	return ended
}

// lookAtPlaces puts databases in force that were replaced. Those that cannot
// be used change nothing but the alarm, and are not tried again until they
// change: tried is the stamp of the last ones that were, and so is the result.
// It takes a reload's turn, and gives way to one under way.
func (c *Controller) lookAtPlaces(ctx context.Context, tried string) string {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	default:
		return tried
	}
	l := c.loaded
	now := stamp(l.Config.Places.Databases)
	switch changed := l.atlas.book.Changed(); {
	case changed && now == tried, !changed && tried == "":
		return tried
	case !changed: // what is in force is back
		_ = c.do(ctx, func() error { c.stale = ""; c.refresh(); return nil })
		return ""
	}
	a, err := openPlaces(l)
	// An error here is the end of the node.
	_ = c.do(ctx, func() error {
		if err != nil {
			c.stale = err.Error()
			c.deps.Log.Error("a places database was replaced and is not used: the old one stays in force", "error", err)
			c.refresh()
			return nil
		}
		next := *l
		next.atlas = a
		c.stale = ""
		c.adopt(&next, nil)
		c.decide(byHand)
		for _, d := range a.book.Databases() {
			c.deps.Log.Info("places database in force", "path", d.Path, "type", d.Type, "built", d.Built)
		}
		return nil
	})
	return now
}
