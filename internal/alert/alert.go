// Package alert tells people and machines of alarms, by the routes of the
// configuration: a [Book] for each says what is to be told, and the [Teller]
// tells it, again and again until it is taken.
//
// It raises no alarm of its own but that a route fails, decides nothing, and
// never holds up who decides: a receiver that hangs delays its own route only.
package alert

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/durable"
)

// Deps are what a Teller works with.
type Deps struct {
	Node     string
	Path     string                                         // of the file that keeps what was told; "": nothing outlives the process
	Alarms   func() []Alarm                                 // that hold now; must not block
	Happened func(after uint64) (list []Alarm, last uint64) // what happened since the event called after, and the last event looked at; nil: nothing does
	Send     func(context.Context, *config.Alert, Message) error
	Log      *slog.Logger
}

const (
	look       = time.Second      // between looks at the alarms
	patience   = 15 * time.Second // for one delivery
	firstPause = time.Second      // after a delivery that failed, doubled by each
	lastPause  = 5 * time.Minute
	stopWait   = 2 * time.Second  // for the disk, at the end
	failing    = 30 * time.Second // how long a route fails before that is an alarm
)

// A Later is the error of a receiver that does not take a delivery now.
type Later struct {
	After time.Duration // how long it wants to be left alone; 0: it does not say
	Why   string
}

func (l Later) Error() string {
	if l.After == 0 {
		return l.Why
	}
	return fmt.Sprintf("%s (not before %v)", l.Why, l.After)
}

// A Teller tells by every route. Make it with New, then call Run; the other
// methods may be called from any goroutine meanwhile.
type Teller struct {
	deps Deps

	mu      sync.Mutex
	routes  []*route // in the order of the configuration
	seen    uint64   // last event looked at
	dirty   bool
	problem string // why what was told is not saved; "" where it is
}

// A route is one of the configuration, and how it goes.
type route struct {
	def  *config.Alert
	poke chan struct{} // tells its goroutine of news
	end  chan struct{} // closed when the configuration has it no more
	*course
}

// A course is how a route goes, over all that reloads make of it.
type course struct {
	turn   chan struct{} // holds a token while a delivery is under way
	book   Book
	tried  Message   // that was not taken; no items: there is none
	since  time.Time // when its deliveries began to fail; zero: they do not
	why    string    // of the last failure
	sent   time.Time // when the last delivery was taken
	told   uint64    // items that were taken
	failed uint64    // deliveries that were not
}

// saved is the form of the file.
type saved struct {
	Seen   uint64          `json:"seen"`
	Routes map[string]Book `json:"routes"`
}

// New returns a Teller by routes, which goes on where the process before
// ended. A file that cannot be read is no reason not to start: then everything
// that holds is told again, and the log says why.
func New(routes []config.Alert, d Deps) *Teller {
	t := &Teller{deps: d}
	var before saved
	text, err := os.ReadFile(d.Path)
	if err == nil {
		err = json.Unmarshal(text, &before)
	}
	if err != nil && d.Path != "" && !errors.Is(err, fs.ErrNotExist) {
		d.Log.Warn("what people were told of is not known: they are told again", "file", d.Path, "error", err)
		before = saved{}
	}
	t.seen = before.Seen
	t.use(routes, before.Routes)
	return t
}

// Use takes the routes of a new configuration. One of the same name goes on; one
// that fails is tried anew at once, if it is not as it was.
func (t *Teller) Use(routes []config.Alert) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.use(routes, nil)
}

func (t *Teller) use(routes []config.Alert, before map[string]Book) {
	was := t.routes
	t.routes = nil
	for i := range routes {
		def := routes[i]
		r := &route{def: &def, poke: make(chan struct{}, 1), end: make(chan struct{})}
		at := slices.IndexFunc(was, func(o *route) bool { return o.def.Name == def.Name })
		switch {
		case at < 0:
			r.course = &course{turn: make(chan struct{}, 1), book: before[def.Name]}
		case reflect.DeepEqual(*was[at].def, def):
			r = was[at]
		default:
			r.course = was[at].course
		}
		t.routes = append(t.routes, r)
	}
	for _, r := range was {
		if !slices.Contains(t.routes, r) {
			close(r.end)
		}
	}
	t.dirty = true
}

// Run looks at the alarms each second, and tells, until ctx ends.
func (t *Teller) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	tick := time.NewTicker(look)
	defer tick.Stop()
	var running []*route
	save, kept := make(chan []byte, 1), make(chan struct{})
	go func() { defer close(kept); t.keep(save) }()
	defer func() { // a disk that hangs does not keep the node from stopping
		close(save)
		select {
		case <-kept:
		case <-time.After(stopWait):
		}
	}()
	for {
		t.mu.Lock()
		routes := t.routes
		t.mu.Unlock()
		for _, r := range routes {
			if !slices.Contains(running, r) {
				work.Go(func() { t.serve(ctx, r) })
			}
		}
		running = routes
		t.look(time.Now())
		t.save(save)
		select {
		case <-ctx.Done():
			t.save(save)
			return nil
		case <-tick.C:
		}
	}
}

// look takes in how things stand, and pokes routes that have something to tell.
func (t *Teller) look(now time.Time) {
	alarms := t.deps.Alarms()
	var happened []Alarm
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deps.Happened != nil {
		last := t.seen
		happened, t.seen = t.deps.Happened(last)
		t.dirty = t.dirty || t.seen != last
	}
	for _, r := range t.routes {
		before := len(r.book.Pending) + len(r.book.Told)
		r.book.Next(r.def, now, alarms, happened)
		t.dirty = t.dirty || before != len(r.book.Pending)+len(r.book.Told)
		if due := r.book.Due(r.def); !due.IsZero() && !now.Before(due) {
			select {
			case r.poke <- struct{}{}:
			default:
			}
		}
	}
}

// serve delivers by r until the configuration has it no more, or ctx ends.
func (t *Teller) serve(ctx context.Context, r *route) {
	pause := firstPause
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.end:
			return
		case <-r.poke:
		}
		wait, ok := t.deliver(ctx, r, pause)
		if ok {
			pause = firstPause
			continue
		}
		pause = min(2*pause, lastPause)
		select {
		case <-ctx.Done():
			return
		case <-r.end:
			return
		case <-time.After(wait):
		}
	}
}

// deliver tells by r what waits. Where that fails it returns how long to wait:
// pause, give or take a half, or what the receiver asks for.
func (t *Teller) deliver(ctx context.Context, r *route, pause time.Duration) (wait time.Duration, ok bool) {
	r.turn <- struct{}{} // who had the route before the last reload ends soon
	defer func() { <-r.turn }()
	m := t.message(r)
	if len(m.Items) == 0 {
		return 0, true
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := t.send(ctx, r.def, m)
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirty = true
	if err == nil {
		if r.why != "" {
			t.deps.Log.Info("alerts are taken again", "route", r.def.Name, "kind", r.def.Kind)
		}
		r.book.Sent(now, m.Items)
		r.tried = Message{}
		r.since, r.why, r.sent, r.told = time.Time{}, "", now, r.told+uint64(len(m.Items))
		return 0, true
	}
	if r.why == "" {
		t.deps.Log.Error("alerts are not taken", "route", r.def.Name, "kind", r.def.Kind, "error", err)
	}
	if r.since.IsZero() {
		r.since = now
	}
	r.why, r.failed, r.tried = err.Error(), r.failed+1, m
	var later Later
	if errors.As(err, &later) && later.After > 0 {
		return min(later.After, lastPause), false
	}
	return pause/2 + rand.N(pause), false
}

// message returns what r is to tell now: what was not taken again, where that
// says as much.
func (t *Teller) message(r *route) Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	items := r.book.Items()
	if slices.EqualFunc(items, r.tried.Items, func(a, b Item) bool { return a.State == b.State && a.Alarm == b.Alarm }) {
		return r.tried
	}
	return Message{ID: crand.Text(), Node: t.deps.Node, At: time.Now(), Items: items}
}

// send delivers m. A panic on the way is an error like any other.
func (t *Teller) send(ctx context.Context, r *config.Alert, m Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	return t.deps.Send(ctx, r, m)
}

// save hands what was told to keep, where it changed. A disk that is slow gets
// the latest only.
func (t *Teller) save(to chan []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.dirty || t.deps.Path == "" {
		return
	}
	s := saved{Seen: t.seen, Routes: map[string]Book{}}
	for _, r := range t.routes {
		s.Routes[r.def.Name] = r.book
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.problem = err.Error()
		return
	}
	select {
	case <-to:
	default:
	}
	to <- text // there is room: nobody else writes
	t.dirty = false
}

// keep writes what it is given.
func (t *Teller) keep(texts <-chan []byte) {
	for text := range texts {
		err := durable.Replace(t.deps.Path, text)
		t.mu.Lock()
		t.problem = ""
		if err != nil {
			t.problem, t.dirty = err.Error(), true
		}
		t.mu.Unlock()
	}
}
