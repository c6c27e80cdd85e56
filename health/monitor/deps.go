package monitor

import (
	"context"
	"log/slog"
	"net"
	"net/netip"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
)

// A Probe asks one address once. It ends when its context does, and it is
// called from many goroutines at once.
type Probe = func(ctx context.Context, addr netip.Addr) health.Result

// Addresses are what a host name resolves to.
type Addresses = probe.Addresses

// Deps are the effects that a [Runner] needs; the zero Deps are the real
// ones. All of them are called from many goroutines at once.
type Deps struct {
	// Probe makes the probe of a monitor. Its error names the monitor, and
	// refuses the configuration. Default: those of a probe.Watch.
	Probe func(config.Monitor) (Probe, error)

	// Lookup resolves name (fully qualified) through servers. Default:
	// probe.Lookup.
	Lookup func(ctx context.Context, servers []netip.AddrPort, name string) (Addresses, error)

	// Control reports whether addr, which has nothing to do with any pool, can
	// be reached. Default: a TCP connection opens.
	Control func(ctx context.Context, addr netip.AddrPort) error

	// Local follows one step of name within our own zones: to the name it is
	// an alias of, or to its addresses. It reports false for a name that lies
	// outside, which Lookup then resolves. Default: every name lies outside.
	Local func(name string) (target string, addrs []netip.Addr, ok bool)

	// Hints tells of endpoints to which something has just happened, as soon
	// as it happens, until ctx ends. Default: those whose watched connection
	// has ended, where Probe is the default.
	Hints func(ctx context.Context, tell func([]Hint))

	// Observe hears of the result of every scheduled probe and look-up (of the
	// zero Addr) as it comes in, before it counts. It must not wait. Nil:
	// nobody does.
	Observe func(health.Target, health.Result)

	// Logger takes one line per transition. Default: slog.Default().
	Logger *slog.Logger

	// Workers is the most probes under way at once: each has a descriptor.
	// Default: half of the descriptors that this process may have, at least
	// 256 and at most 32768.
	Workers int
}

// withDefaults returns d with what is missing filled in.
func (d Deps) withDefaults() Deps {
	if d.Probe == nil {
		watch := probe.NewWatch()
		d.Probe = func(m config.Monitor) (Probe, error) { return watch.New(m) }
		d.Hints = watch.Run
	}
	if d.Lookup == nil {
		d.Lookup = probe.Lookup
	}
	if d.Control == nil {
		d.Control = dialTCP
	}
	if d.Local == nil {
		d.Local = func(string) (string, []netip.Addr, bool) { return "", nil, false }
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	if d.Workers <= 0 {
		d.Workers = max(256, min(descriptors()/2, 32768))
	}
	return d
}

// dialTCP reports whether a TCP connection to addr opens.
func dialTCP(ctx context.Context, addr netip.AddrPort) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return err
	}
	return c.Close()
}
