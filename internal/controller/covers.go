package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/drill"
)

// A Covers asks a pool at one of its addresses whether it serves a service,
// with the certificate and name that clients of the service would ask for. It
// returns why it does not; "" when it does, or when the pool speaks no TLS.
type Covers func(ctx context.Context, cfg *config.Config, service config.Service, pool *config.Pool, addr netip.Addr) string

const (
	mostCovered = 20 // services whose survivors are asked before a drill
	mostAsked   = 8  // at once
)

// uncovered asks the survivors of p, at an address each that is up, whether
// they serve the services of p, and returns why some do not. It is for the
// caller's goroutine: handshakes take their time.
func (c *Controller) uncovered(ctx context.Context, v *view, p *drill.Plan) []string {
	if c.deps.Covers == nil {
		return nil
	}
	services := v.asked(p)
	slots := make(chan struct{}, mostAsked)
	var mu sync.Mutex
	var work sync.WaitGroup
	var out []string
	for _, s := range services[:min(len(services), mostCovered)] {
		g := v.groups[v.loaded.Set.Group(s.Name)]
		for _, name := range g.pooled {
			addr, up := anyUp(v.live.Pools[name])
			if !up || slices.Contains(p.Pools, name) {
				continue
			}
			slots <- struct{}{}
			work.Go(func() {
				defer func() { <-slots }()
				if why := c.covers(ctx, v, s, name, addr); why != "" {
					mu.Lock()
					out = append(out, why)
					mu.Unlock()
				}
			})
		}
	}
	work.Wait()
	slices.Sort(out)
	return slices.Compact(out)
}

// covers asks pool at addr whether it serves s. Should that panic, the pool does
// not, and the node serves on.
func (c *Controller) covers(ctx context.Context, v *view, s config.Service, pool string, addr netip.Addr) (why string) {
	defer func() {
		if p := recover(); p != nil {
			why = fmt.Sprintf("%s at %s: internal error while asking for %s: %v", pool, addr, s.Name, p)
		}
	}()
	return c.deps.Covers(ctx, v.loaded.Config, s, v.loaded.pools[pool], addr)
}

// asked lists the services that p is about.
func (v *view) asked(p *drill.Plan) []config.Service {
	var out []config.Service
	for _, z := range v.loaded.Config.Zones {
		for _, s := range z.Services {
			named := len(p.Services) == 0 || slices.Contains(p.Services, s.Name)
			if named && drills0(p, v.groups[v.loaded.Set.Group(s.Name)], v.loaded) {
				out = append(out, s)
			}
		}
	}
	return out
}

// anyUp returns an address of p that is up.
func anyUp(p *health.Pool) (netip.Addr, bool) {
	if p == nil {
		return netip.Addr{}, false
	}
	for _, e := range p.Endpoints {
		if e.State == health.Up {
			return e.Addr, true
		}
	}
	return netip.Addr{}, false
}
