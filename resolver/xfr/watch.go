package xfr

import (
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

const (
	pollEvery = 30 * time.Second       // of a secondary in step, while it has few zones
	pollRate  = 200                    // questions a second to one secondary in step, at most
	pollSoon  = 250 * time.Millisecond // after a change
	soonTimes = 8                      // so often; then ever more seldom
	pollLate  = 5 * time.Second        // at least, of one that is not in step
	askedMost = 32                     // questions under way to one secondary
	tellSoon  = 3 * time.Second        // a secondary that stays behind is told again after this, then ever more seldom
	tellAgain = 30 * time.Second       // at least
	tellFor   = time.Minute            // an answer to NOTIFY is waited for so long, over its repetitions
)

// A watch is one zone at one secondary: what it should serve, and does.
type watch struct {
	peer    *peer
	origin  string
	catalog bool // its serial is not looked for by alarms: not every secondary has a use for it, or shows it

	want    uint32    // our serial
	soa     []byte    // with it
	changed time.Time // when that came
	first   time.Time // when the oldest change came that the secondary does not serve; zero: it serves all

	seen   uint32 // its serial
	seenAt time.Time
	known  bool
	since  time.Time // when it came into step last
	took   time.Duration
	quiet  time.Time // since when its SOA cannot be had; zero: it can
	why    string    // of the latest question that failed

	poll     time.Time // when its SOA is asked for
	soon     int       // questions at short intervals that are left
	gap      time.Duration
	polling  bool
	tell     time.Time // when NOTIFY is sent; zero: not
	told     time.Time // when it began to be sent last
	tellGap  time.Duration
	again    time.Duration // after told, once it is found behind all the same
	telling  bool
	at       int // in the heap; -1: not in it
	departed bool
}

// A peer is one secondary.
type peer struct {
	config.Secondary
	key    *key
	source netip.Addr
	asked  int // questions under way
	zones  int
	last   *Transfer
	fresh  map[string]Transfer // by zone: that no event was made of yet
	broken string              // why the latest transfer broke off; "" when it did not
	behind string              // what was said of it: "", behind
}

// due returns when something is to be done about w.
func (w *watch) due() time.Time {
	switch {
	case w.telling && w.polling:
		return time.Time{}
	case w.telling || w.tell.IsZero():
		if w.polling {
			return time.Time{}
		}
		return w.poll
	case w.polling || w.tell.Before(w.poll):
		return w.tell
	}
	return w.poll
}

// watches are all of them, and which is next.
type watches struct {
	peers []*peer
	by    map[watchKey]*watch
	queue queue
	state *state // that they were last made to follow
	cfg   *config.Config
}

// A watchKey names a watch.
type watchKey struct{ secondary, origin string }

func (ws *watches) init() { ws.by = map[watchKey]*watch{} }

// A queue is a heap of watches by when they are due.
type queue []*watch

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due().Before(q[j].due()) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i]; q[i].at, q[j].at = i, j }
func (q *queue) Push(x any)        { w := x.(*watch); w.at = len(*q); *q = append(*q, w) }
func (q *queue) Pop() any {
	old := *q
	w := old[len(old)-1]
	*q, w.at = old[:len(old)-1], -1
	return w
}

// place puts w where it belongs in the queue; what waits for nothing is not in
// it.
func (ws *watches) place(w *watch) {
	switch {
	case w.departed || w.due().IsZero():
		if w.at >= 0 {
			heap.Remove(&ws.queue, w.at)
		}
	case w.at >= 0:
		heap.Fix(&ws.queue, w.at)
	default:
		heap.Push(&ws.queue, w)
	}
}

// follow makes the watches those of s, and has secondaries told of what is new.
func (p *Primary) follow(s *state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ws, now := &p.watches, p.deps.Now()
	before := ws.state
	if ws.state = s; before == s {
		return
	}
	if before != nil && before.alike(s) {
		for i, e := range s.zones {
			if e != nil && e != before.zones[i] {
				ws.wantAll(e, now)
			}
		}
		if s.catalog != nil {
			ws.wantAll(s.catalog, now)
		}
		return
	}
	wanted := map[watchKey]bool{}
	for _, peer := range ws.peers {
		peer.zones = 0
		for e := range s.all {
			if takes(&peer.Secondary, e.origin) {
				wanted[watchKey{peer.Name, e.origin}] = true
				ws.want(peer, e, now)
				peer.zones++
			}
		}
	}
	for k, w := range ws.by {
		if !wanted[k] {
			w.departed = true
			ws.place(w)
			delete(ws.by, k)
		}
	}
}

// alike reports whether t is of the same zones as s.
func (s *state) alike(t *state) bool {
	return s.snapshot != nil && t.snapshot != nil && s.snapshot.Set() == t.snapshot.Set() && (s.catalog == nil) == (t.catalog == nil)
}

// wantAll makes e what every secondary that takes it should serve.
func (ws *watches) wantAll(e *edition, now time.Time) {
	for _, peer := range ws.peers {
		if takes(&peer.Secondary, e.origin) {
			ws.want(peer, e, now)
		}
	}
}

// enlist makes the peers those of cfg; what is known of one that stays is kept.
func (ws *watches) enlist(cfg *config.Config, a *access) {
	before := map[string]*peer{}
	for _, p := range ws.peers {
		before[p.Name] = p
	}
	ws.peers = nil
	for _, s := range cfg.Secondaries {
		p := before[s.Name]
		if p == nil || p.Address != s.Address {
			p = &peer{}
			for k, w := range ws.by {
				if k.secondary == s.Name {
					w.departed = true
					ws.place(w)
					delete(ws.by, k)
				}
			}
		}
		p.Secondary, p.source, p.key = s, sourceFor(s.Address.Addr(), cfg.Listen.DNS), nil
		if s.Key != "" {
			p.key = a.keys[dns.CanonicalName(s.Key)]
		}
		ws.peers = append(ws.peers, p)
	}
	ws.state, ws.cfg = nil, cfg
}

// sourceFor returns the address from which a secondary is told: the first of
// ours that is of its kind, for it takes NOTIFY from who it takes zones from.
// It is not valid where we listen on any address.
func sourceFor(to netip.Addr, ours []netip.AddrPort) netip.Addr {
	for _, o := range ours {
		a := o.Addr().Unmap()
		if !a.IsUnspecified() && a.Is4() == to.Unmap().Is4() && a.IsLoopback() == to.Unmap().IsLoopback() {
			return a
		}
	}
	return netip.Addr{}
}

// want makes e what peer should serve.
func (ws *watches) want(p *peer, e *edition, now time.Time) {
	k := watchKey{p.Name, e.origin}
	w := ws.by[k]
	switch {
	case w == nil:
		// Asked before it is told: after a restart most are in step.
		w = &watch{peer: p, origin: e.origin, catalog: e.catalog != nil, want: e.serial(), soa: e.last().is, changed: e.since, at: -1,
			soon: soonTimes, poll: now.Add(time.Duration(p.zones) * time.Second / pollRate)}
		w.first = e.since
		ws.by[k] = w
	case w.want == e.serial():
		return
	default:
		w.want, w.soa, w.changed = e.serial(), e.last().is, e.since
		if w.first.IsZero() {
			w.first = e.since
		}
		w.poll, w.soon, w.gap, w.again = now.Add(pollSoon), soonTimes, 0, 0
		w.notify(now)
	}
	ws.place(w)
}

// notify begins to tell the secondary, if it wants to be told.
func (w *watch) notify(now time.Time) {
	if w.peer.Notify {
		w.tell, w.told, w.tellGap = now, now, time.Second
		w.again = max(tellSoon, min(2*w.again, tellAgain))
	}
}

// proceed does all that is due, and returns how long nothing is.
func (p *Primary) proceed(ctx context.Context) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	ws, now := &p.watches, p.deps.Now()
	for len(ws.queue) > 0 {
		w := ws.queue[0]
		at := w.due()
		if wait := at.Sub(now); wait > 0 {
			return wait
		}
		telling := !w.tell.IsZero() && !w.telling && at.Equal(w.tell)
		switch {
		case w.peer.asked >= askedMost:
			later := now.Add(10 * time.Millisecond)
			if telling {
				w.tell = later
			} else {
				w.poll = later
			}
		case telling:
			w.telling = true
			p.ask(ctx, w, true)
		default:
			w.polling = true
			p.ask(ctx, w, false)
		}
		ws.place(w)
	}
	return time.Hour
}

// ask asks or tells a secondary on a goroutine of its own, which ends within
// answerWait. The caller holds mu.
func (p *Primary) ask(ctx context.Context, w *watch, notify bool) {
	q := question{to: w.peer.Address, source: w.peer.source, key: w.peer.key, origin: w.origin}
	o := outcome{watch: w, notify: notify, asked: w.want}
	switch {
	case notify:
		q.notify = w.soa
	case w.peer.Serves.IsValid():
		q.to, q.source, q.key = w.peer.Serves, netip.Addr{}, nil
	}
	w.peer.asked++
	go func() {
		o.serial, o.err = q.ask(ctx, p.deps.Now)
		o.at = p.deps.Now()
		select {
		case p.heard <- o:
		case <-ctx.Done():
		}
	}()
}

// hear takes note of what became of a question.
func (p *Primary) hear(o outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := o.watch
	w.peer.asked--
	if o.notify {
		w.telling = false
		w.toldOf(o)
	} else {
		w.polling = false
		w.polled(o, len(p.watches.by)/max(1, len(p.watches.peers)))
	}
	p.watches.place(w)
}

// toldOf takes note of how NOTIFY went. Any answer ends its repetition; without
// one it is repeated at growing intervals, for a minute.
func (w *watch) toldOf(o outcome) {
	var answer answered
	switch {
	case o.asked != w.want || w.tell.IsZero(): // there is a newer one to tell of, or no need to
	case o.err == nil, errors.As(o.err, &answer):
		w.tell = time.Time{}
	case o.at.Sub(w.told) >= tellFor:
		w.tell = time.Time{}
	default:
		w.tell = o.at.Add(jittered(w.tellGap))
		w.tellGap = min(2*w.tellGap, tellFor/4)
	}
	if o.err != nil {
		w.why = "NOTIFY: " + o.err.Error()
	}
}

// polled takes note of the serial that the secondary serves, and says when it
// is asked next. Zones is how many the secondary has.
//
//	it serves           then
//	our serial          it is in step; it is asked again after half a minute, or later where it has many zones
//	another             it is behind; asked again soon, and told again, both ever more seldom
//	it cannot be said   likewise
func (w *watch) polled(o outcome, zones int) {
	switch {
	case o.err != nil:
		w.why = o.err.Error()
		if w.quiet.IsZero() {
			w.quiet = o.at
		}
	default:
		w.seen, w.seenAt, w.known, w.quiet = o.serial, o.at, true, time.Time{}
		if o.serial == w.want {
			w.inStep(o.at)
			w.poll = o.at.Add(jittered(max(pollEvery, time.Duration(zones)*time.Second/pollRate)))
			return
		}
		w.why = ""
		if serialLater(o.serial, w.want) {
			w.why = "its serial is later than ours: remove the zone there once"
		}
	}
	if w.soon > 0 {
		w.soon--
		w.gap = pollSoon
	} else {
		w.gap = max(min(2*max(w.gap, pollSoon), pollLate), time.Duration(zones)*time.Second/pollRate)
	}
	w.poll = o.at.Add(jittered(w.gap))
	if w.tell.IsZero() && !w.telling && o.at.Sub(w.told) >= w.again {
		w.notify(o.at)
	}
}

// inStep takes note that the secondary serves our serial.
func (w *watch) inStep(at time.Time) {
	if !w.first.IsZero() {
		w.since, w.took = at, at.Sub(w.changed)
	}
	w.first, w.tell, w.why, w.soon, w.gap = time.Time{}, time.Time{}, "", 0, 0
}

// jittered returns d, a tenth longer or shorter.
func jittered(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
