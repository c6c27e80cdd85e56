package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	probing "github.com/prometheus-community/pro-bing"
)

// newICMP returns the question of an icmp monitor: one echo request. It goes
// out unprivileged where net.ipv4.ping_group_range covers our group, else
// through a raw socket.
func newICMP() ask {
	return func(ctx context.Context, at *attempt) {
		at.err = routed(at.addr)
		if at.err != nil {
			return
		}
		at.err = echo(ctx, at, false)
		if errors.Is(at.err, os.ErrPermission) {
			at.err = echo(ctx, at, true)
		}
		if errors.Is(at.err, os.ErrPermission) {
			at.err = lackError("no right to send ICMP (set sysctl net.ipv4.ping_group_range=\"0 2147483647\", or give the process CAP_NET_RAW; a local firewall may forbid it too)")
		}
		if at.err == nil {
			at.stage = answered
		}
	}
}

// routed asks the kernel for a route to addr; nothing is sent. Without one,
// and on EACCES in particular, pro-bing would try to send for ever.
func routed(addr netip.Addr) error {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 9)))
	if err != nil {
		return err
	}
	return c.Close()
}

// echo sends one echo request and waits for its reply.
func echo(ctx context.Context, at *attempt, raw bool) error {
	p := probing.New(at.from)
	p.SetIPAddr(&net.IPAddr{IP: at.addr.AsSlice(), Zone: at.addr.Zone()})
	p.SetLogger(probing.NoopLogger{})
	p.SetPrivileged(raw)
	p.Count = 1
	p.RecordRtts = false
	p.Timeout = time.Until(at.deadline)
	if p.Timeout <= 0 {
		return context.DeadlineExceeded
	}
	if err := p.RunWithContext(ctx); err != nil {
		return err
	}
	s := p.Statistics()
	if s.PacketsRecv == 0 {
		return os.ErrDeadlineExceeded
	}
	at.phases.Processing = s.MaxRtt
	return nil
}
