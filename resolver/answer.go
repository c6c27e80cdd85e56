package resolver

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// An Answerer is what all workers of a server share: the snapshot in service
// and the settings, each behind one atomic pointer. It has no goroutine and
// no socket. Its methods may be called from any goroutine.
type Answerer struct {
	view     atomic.Pointer[view]
	settings atomic.Pointer[settings]
	tap      atomic.Pointer[tapping] // nil: nobody looks on
	spread   int                     // UDP workers an address, among which rates are divided
	log      *slog.Logger
	aside    Aside     // set before anything is answered; nil: there is none
	plain    plainDesk // for who has taken a connection

	mu      sync.Mutex // guards all below; never held by a query that goes well
	workers []*Worker
	slots   slots
	panics  map[string]bool // kinds of panic that were logged
}

// NewAnswerer returns an answerer without a snapshot, which answers SERVFAIL
// until the first Swap. The rates of c are divided by spread, the number of
// workers that one client's UDP queries may reach; log hears of panics only.
func NewAnswerer(c config.DNS, spread int, log *slog.Logger) *Answerer {
	a := &Answerer{
		spread: spread,
		log:    log,
		panics: map[string]bool{},
	}
	a.slots = newSlots(a.answers)
	a.view.Store(&view{})
	a.SetDNS(c)
	return a
}

// Swap takes s into service with one atomic store. Queries that are being
// answered finish with the snapshot they began with. A nil s answers SERVFAIL.
func (a *Answerer) Swap(s *zone.Snapshot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.slots.newView(s, a.view.Load())
	for _, w := range a.workers {
		w.n.steered.open(a.slots.needed())
	}
	a.view.Store(v)
}

// answers returns how many answers all workers counted in one slot. The caller
// holds mu.
func (a *Answerer) answers(slot uint32) (n uint64) {
	for _, w := range a.workers {
		n += w.n.steered.at(slot).Load()
	}
	return n
}

// SetDNS takes c into service. A change of Secret keeps the cookies of the
// secret before it valid.
func (a *Answerer) SetDNS(c config.DNS) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settings.Store(newSettings(c, a.spread, a.settings.Load()))
}

// Worker returns a new worker. Workers live as long as the answerer.
func (a *Answerer) Worker() *Worker {
	w := &Worker{a: a}
	w.x.w, w.x.none = w, zone.Info{Zone: -1, Group: -1, Variant: -1}
	a.mu.Lock()
	defer a.mu.Unlock()
	w.n.steered.open(a.slots.needed())
	a.workers = append(a.workers, w)
	return w
}

// A Worker answers queries, one at a time. It has its own buffers, rate limits
// and counters, so that workers share nothing that is written.
type Worker struct {
	a       *Answerer
	x       exchange
	name    zone.Name // the question's, where nobody took it before
	scratch zone.Scratch
	limit   limiter
	n       counters
	plain   bool   // it turns to no Aside and holds nobody to a rate
	annex   *annex // nil: it never turned to one
	tapping *tapping
	ear     Ear // of tapping; nil: nobody listens
}

// Answer returns the reply to msg, one DNS message from the client at from,
// or nothing where silence is the answer. The reply is written to the front
// of dst, whose capacity must be at least 512 octets and bounds the reply;
// 65,535 suffice for every one. Answer keeps neither slice and allocates
// nothing. A panic while answering is logged once for each kind, counted, and
// answered SERVFAIL.
func (w *Worker) Answer(dst, msg []byte, from netip.AddrPort, now time.Time, tr Transport) (reply []byte) {
	w.begin(now, tr)
	reply = w.answer(dst, msg, from)
	w.end()
	w.timed()
	return reply
}

// begin sets what the next answers have in common.
func (w *Worker) begin(now time.Time, tr Transport) {
	w.x.now, w.x.tr = now, tr
	w.x.set = w.a.settings.Load()
	w.x.view = w.a.view.Load()
	if t := w.a.tap.Load(); t != w.tapping {
		w.heed(t)
	}
}

// end makes the counts of the answers since begin known to Stats, and lets go
// of the snapshot: a worker may be idle for days, and must not keep zones in
// memory that others have long replaced.
func (w *Worker) end() {
	w.n.flush()
	w.x.view = nil
	w.scratch.Forget()
}

// answer is Answer between begin and end.
func (w *Worker) answer(dst, msg []byte, from netip.AddrPort) (reply []byte) {
	w.name.Clear()
	return w.answerName(dst, msg, &w.name, from)
}

// answerName is answer where name holds the question's name already, or is
// room for it.
func (w *Worker) answerName(dst, msg []byte, name *zone.Name, from netip.AddrPort) (reply []byte) {
	defer func() {
		if r := recover(); r != nil {
			reply = w.failed(dst, msg, r)
		}
	}()
	x := &w.x
	w.n.now.queries[x.tr]++
	f := x.q.parse(msg, name)
	if f == unwanted || from.Port() == 0 || cap(dst) < minUDP {
		w.n.silent.Add(1)
		return nil
	}
	x.client = from.Addr().Unmap().WithZone("")
	x.name = name
	x.begin(dst[:0], msg)
	if x.answer(f) == elsewhere && w.a.aside != nil && !w.plain {
		if reply, ok := w.beside(msg, from); ok {
			if w.ear != nil {
				w.tell(msg, reply, from)
			}
			return reply
		}
	}
	reply = x.finish()
	if w.ear != nil {
		w.tell(msg, reply, from)
	}
	return reply
}

// survive, deferred, ends a panic that costs no query its answer.
func (w *Worker) survive() {
	if r := recover(); r != nil {
		w.n.panics.Add(1)
		w.a.logPanic(r)
	}
}

// failed returns the SERVFAIL that ends a query which panicked with r.
func (w *Worker) failed(dst, msg []byte, r any) []byte {
	w.n.panics.Add(1)
	w.a.logPanic(r)
	if len(msg) < headerLen || cap(dst) < headerLen {
		return nil
	}
	w.n.now.rcode(rcodeServFail)
	flags := binary.BigEndian.Uint16(msg[2:])&(opcodeMask|flagRD) | flagQR | rcodeServFail
	return appendHeader(dst[:0], msg, flags)
}

// maxPanics bounds the kinds of panic that are logged.
const maxPanics = 64

// logPanic logs r unless its like was logged before.
func (a *Answerer) logPanic(r any) {
	kind := fmt.Sprint(r)
	a.mu.Lock()
	known := a.panics[kind] || len(a.panics) >= maxPanics
	if !known {
		a.panics[kind] = true
	}
	a.mu.Unlock()
	if !known {
		a.log.Error("a query panicked and got SERVFAIL; please report this", "panic", kind, "stack", string(debug.Stack()))
	}
}

// appendHeader appends a header with msg's ID, these flags and no sections.
func appendHeader(dst, msg []byte, flags uint16) []byte {
	return append(dst, msg[0], msg[1], byte(flags>>8), byte(flags), 0, 0, 0, 0, 0, 0, 0, 0)
}
