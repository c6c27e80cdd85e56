package probe

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
)

// ErrDeaf is the error of a look-up when no resolver answers anything: the
// fault is then ours or theirs, and says nothing about the name (Cloudflare's
// 1.1.1.1 was gone for an hour on 2025-07-14, with every site behind it up).
var ErrDeaf = errors.New("none of the resolvers answers anything")

// A pulse tells whether any resolver lives, by a question that every one of
// them can answer from its cache: the name servers of the root.
type pulse struct {
	once  sync.Once
	alive atomic.Bool
	asked sync.WaitGroup
}

// take asks every server, once, until ctx ends.
func (p *pulse) take(ctx context.Context, servers []netip.AddrPort) {
	end, _ := ctx.Deadline()
	p.once.Do(func() {
		for _, server := range servers {
			p.asked.Go(func() {
				if _, err := askUDP(ctx, server, query(".", dns.TypeNS), end); err == nil {
					p.alive.Store(true)
				}
			})
		}
	})
}

// beats waits for the answers and reports whether there was one.
func (p *pulse) beats() bool {
	p.asked.Wait()
	return p.alive.Load()
}
