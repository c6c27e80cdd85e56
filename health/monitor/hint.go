package monitor

import (
	"context"
	"net/netip"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
)

// Hint names an endpoint to which something has just happened.
type Hint = probe.Hint

// listen passes hints to the owner until ctx ends.
func (r *Runner) listen(ctx context.Context) {
	r.d.Hints(ctx, func(hints []Hint) {
		select {
		case r.hints <- hints:
		case <-ctx.Done():
		}
	})
}

// heed has the endpoints that hints name probed at once: a failure then starts
// the burst, whatever the interval. A hint is no result and moves no verdict.
// Servers close idle connections for reasons of their own, so that an endpoint
// is probed for a hint at most once an interval, and not while it is down or
// being probed.
func (r *Runner) heed(hints []Hint, now time.Time) {
	if len(hints) == 0 {
		return
	}
	type key struct {
		monitor string
		addr    netip.Addr
	}
	named := make(map[key]bool, len(hints))
	for _, h := range hints {
		named[key{h.Monitor, h.Addr.Unmap()}] = true
	}
	for _, p := range r.order {
		p.targets(func(t *target) {
			if t.v.State != health.Up || t.out > 0 || now.Sub(t.hinted) < t.interval() ||
				!named[key{t.id.Monitor, t.id.Addr.Unmap()}] {
				return
			}
			t.hinted = now
			r.schedule.set(t, now)
		})
	}
}
