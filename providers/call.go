package providers

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/shunt-dns/shunt/providers/kind"
)

const (
	callTimeout = 30 * time.Second // of one request to an API, from its turn on
	callGrace   = 2 * time.Second  // until a call that was told to end is given up; a write may have something to put back
	mostStuck   = 4                // calls that were given up and have not come back
)

// errStuck is the error of a call that is not made because too many have not
// come back.
var errStuck = fmt.Errorf("%d calls of the API have not come back", mostStuck)

// errTimeout is wrapped by the error of a call that took too long.
var errTimeout = errors.New("no answer")

// call calls f, which speaks to the provider, and returns its error. A panic
// is an error. A call that takes longer than a request may take is ended, and
// given up where it does not end: what it still does then is fenced by what the
// provider compares, or found by the next look.
func (w *worker) call(ctx context.Context, what string, urgent bool, f func(context.Context) error) error {
	if w.stuck.Load() >= mostStuck {
		return errStuck
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slow := time.AfterFunc(callTimeout, func() { cancel(fmt.Errorf("%s: %w within %v", what, errTimeout, callTimeout)) })
	defer slow.Stop()
	paced := kind.WithPace(ctx, func(ctx context.Context) error {
		slow.Stop() // waiting for the turn is none of the provider's fault
		err := w.pace(ctx, urgent)
		slow.Reset(callTimeout)
		return err
	})
	done := make(chan error, 1)
	var state atomic.Int32 // 0: under way, 1: given up, 2: back
	go func() {
		defer func() {
			if p := recover(); p != nil {
				w.k.deps.Log.Error("a provider's module panicked", "provider", w.cfg.Name, "call", what, "panic", p, "trace", string(debug.Stack()))
				done <- fmt.Errorf("%s: the module panicked: %v", what, p)
			}
			if !state.CompareAndSwap(0, 2) {
				w.stuck.Add(-1)
			}
		}()
		done <- f(paced)
	}()
	select {
	case err := <-done:
		return w.blame(ctx, err)
	case <-ctx.Done():
	}
	patience := callGrace
	if what == "write" {
		patience += kind.PutBack
	}
	grace := time.NewTimer(patience)
	defer grace.Stop()
	select {
	case err := <-done:
		return w.blame(ctx, err)
	case <-grace.C:
	}
	w.stuck.Add(1)
	if !state.CompareAndSwap(0, 1) { // it came back after all
		w.stuck.Add(-1)
		return w.blame(ctx, <-done)
	}
	return fmt.Errorf("%w; the call does not end", context.Cause(ctx))
}

// blame returns err, or why ctx was ended where that is what it is about.
func (w *worker) blame(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}

// pace waits for the turn of one request. What is not urgent leaves half of
// what the account may do at once to what is.
func (w *worker) pace(ctx context.Context, urgent bool) error {
	if w.limiter == nil {
		return ctx.Err()
	}
	for !urgent && w.limiter.Tokens() < float64(w.limiter.Burst())/2 {
		t := time.NewTimer(time.Duration(float64(time.Second) / float64(w.limiter.Limit())))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
	return w.limiter.Wait(ctx)
}
