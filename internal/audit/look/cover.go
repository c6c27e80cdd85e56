package look

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// Covers shakes hands with a pool at addr for the name of a service, as each
// monitor of the pool that speaks TLS does, and says why a client that comes
// for the service would be turned away; "" when none would. It takes 5 s at
// most for each of these monitors.
func Covers(ctx context.Context, cfg *config.Config, service config.Service, pool *config.Pool, addr netip.Addr) string {
	monitors := map[string]*config.Monitor{}
	for i := range cfg.Monitors {
		monitors[cfg.Monitors[i].Name] = &cfg.Monitors[i]
	}
	for _, h := range ways(job{service: service, pool: pool}, monitors) {
		h.to = netip.AddrPortFrom(addr, h.to.Port())
		made := shake(ctx, h)
		if r := made.Result; !r.OK && r.Class != health.Internal {
			return fmt.Sprintf("%s at %s does not answer for %s: %s", pool.Name, h.to, h.name, r.Reason)
		}
	}
	return ""
}
