package providers

import (
	"context"
	"errors"
	"strings"

	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// mostBarred is how many names in a row may be refused for want of rights,
// before the credentials as a whole are taken to have none.
const mostBarred = 100

// barred reports whether err, of a change, is about the rights to make just
// that: with the same credentials the zone can be read. What is refused so may
// be one name of many, which a key was not granted.
//
//	change    reading    it is
//	denied    denied     the credentials
//	denied    works      these records: the next may be allowed
//	other     -          neither
func (w *worker) barred(ctx context.Context, origin, name string, err error) bool {
	if !errors.Is(err, kind.ErrDenied) || w.inRow >= mostBarred {
		return false
	}
	if !w.reads {
		_, failed := w.lookup(ctx, origin, []plan.Wanted{{Name: name}}, false, true)
		w.reads = failed == nil
	}
	return w.reads
}

// bar notes that a name may not be changed with our credentials. It is left as
// it is, and tried after all others.
func (w *worker) bar(name string, err error) {
	w.inRow++
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.entries[name]; e != nil {
		e.barred = "our credentials may not change it: " + strings.Replace(err.Error(), kind.ErrDenied.Error(), "refused", 1)
		e.held = e.barred
	}
}

// unbar notes that steps were made.
func (w *worker) unbar(steps []plan.Step) {
	w.inRow = 0
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range steps {
		if e := w.entries[s.Name]; e != nil && e.barred != "" {
			e.barred, e.held = "", ""
		}
	}
}

// batches parts steps into requests of so many at most. Names that were refused
// before come last, each by itself, so that they delay no other.
func (w *worker) batches(steps []plan.Step, size int) [][]plan.Step {
	var free, barred []plan.Step
	w.mu.Lock()
	for _, s := range steps {
		if e := w.entries[s.Name]; e != nil && e.barred != "" {
			barred = append(barred, s)
		} else {
			free = append(free, s)
		}
	}
	w.mu.Unlock()
	out := plan.Batches(free, size)
	for _, s := range barred {
		out = append(out, []plan.Step{s})
	}
	return out
}
