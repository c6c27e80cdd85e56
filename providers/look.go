package providers

import (
	"context"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/providers/plan"
)

const (
	mostLooks = 3                      // times that a push looks again for what it wrote before it writes it again
	leastLook = 200 * time.Millisecond // before the second look; doubled with each
)

// doubtFor is for how long after we wrote to a name records of others there may
// be ours: a read may show some of what we wrote, and not yet all of it.
const doubtFor = 5 * time.Second

// A where is a name and a type.
type where struct{ name, typ string }

// wait gives the provider a little time to show what it took, and reports
// whether to look again before writing again. A TTL that it raised is taken for
// its lowest; one that stood there before may only be shown late.
func (p *pusher) wait(ctx context.Context, plans []*plan.Plan) bool {
	if !p.wrote && !p.doubts {
		return false
	}
	if floor, late := p.raised(plans); p.wrote && floor > 0 && (!late || p.looks >= mostLooks) {
		p.mu.Lock()
		p.floor, p.dirty = max(p.floor, floor), true
		p.mu.Unlock()
		p.k.deps.Log.Warn("provider raises TTLs", "provider", p.cfg.Name, "seconds", floor)
		return true
	}
	if p.looks >= mostLooks {
		return false
	}
	pause := time.NewTimer(leastLook << p.looks)
	defer pause.Stop()
	p.looks++
	select {
	case <-ctx.Done():
	case <-pause.C:
	}
	return true
}

// raised returns the TTL that a provider made of shorter ones, where that is
// all that is left to do; 0 where it is not. Late says that one of them stood
// there when we wrote.
func (p *pusher) raised(plans []*plan.Plan) (floor uint32, late bool) {
	for _, one := range plans {
		for _, s := range one.Steps {
			for _, c := range s.Changes {
				if c.Before == nil || c.After == nil || c.Before.TTL <= c.After.TTL || !slices.Equal(c.Before.Data, c.After.Data) {
					return 0, false
				}
				floor = max(floor, c.Before.TTL)
				late = late || p.before[where{c.Before.Name, c.Before.Type}] == c.Before.TTL
			}
		}
	}
	return floor, late
}
