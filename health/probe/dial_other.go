//go:build !linux

package probe

import (
	"context"
	"net/netip"
	"time"
)

// dial connects to peer until deadline, or until ctx is cancelled. The
// connection keeps the deadline.
func dial(ctx context.Context, peer netip.AddrPort, deadline time.Time) (socket, error) {
	return dialNet(ctx, peer, deadline)
}
