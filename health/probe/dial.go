package probe

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// A socket is a TCP connection, as far as probes need one.
type socket interface {
	net.Conn
	SetNoDelay(bool) error
	SetLinger(sec int) error
}

// dialNet connects to peer until deadline by package net, which never looks
// at proxies of the environment here.
func dialNet(ctx context.Context, peer netip.AddrPort, deadline time.Time) (socket, error) {
	d := net.Dialer{KeepAlive: -1, Deadline: deadline}
	c, err := d.DialTCP(ctx, "tcp", netip.AddrPort{}, peer)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(deadline); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}
