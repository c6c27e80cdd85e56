package resolver

import (
	"net/netip"
	"time"
)

// A Tap looks on: it is told of queries and their replies. Ear is called for
// each worker once it answers, and returns what that worker tells.
type Tap interface{ Ear() Ear }

// An Ear hears of the queries of one worker, one at a time, between their reply
// and the next query. It must be quick and must not block.
type Ear interface {
	Wants() bool // reports whether the next Hear is wanted: a sample
	Hear(Heard)  // must keep nothing of it
}

// A Heard is one query with its reply. Its memory is lent for the call.
type Heard struct {
	Query     []byte
	Reply     []byte         // empty where rate limiting dropped it
	Client    netip.AddrPort // as the socket has it
	At        time.Time      // when the query's batch was read
	Transport Transport
	Pool      string // that answered; "" where the answer was of no service
}

// A tapping is a Tap in service; each SetTap makes a new one.
type tapping struct{ tap Tap }

// SetTap has t look on from now on, instead of whoever did; nil: nobody does.
// A worker turns to it with its next batch.
func (s *Server) SetTap(t Tap) { s.answerer.SetTap(t) }

// SetTap is as that of Server.
func (a *Answerer) SetTap(t Tap) {
	if t == nil {
		a.tap.Store(nil)
		return
	}
	a.tap.Store(&tapping{t})
}

// heed gets the worker an ear of t, which may be nil. What others ask of it
// besides, for an Aside, is no query of a client.
//
//go:noinline
func (w *Worker) heed(t *tapping) {
	w.tapping, w.ear = t, nil
	if t != nil && !w.plain {
		w.ear = t.tap.Ear()
	}
}

// tell tells the ear, where that wants to hear. There is one.
func (w *Worker) tell(msg, reply []byte, from netip.AddrPort) {
	if !w.ear.Wants() {
		return
	}
	h := Heard{Query: msg, Reply: reply, Client: from, At: w.x.now, Transport: w.x.tr}
	if in := w.x.info; in.Group >= 0 && in.Variant >= 0 {
		h.Pool = w.x.view.snapshot.Variants(in.Group)[in.Variant].Pool
	}
	w.ear.Hear(h)
}
