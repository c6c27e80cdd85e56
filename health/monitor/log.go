package monitor

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/shunt-dns/shunt/health"
)

// logBlind writes the line of a change between blind and seeing.
func (r *Runner) logBlind(was, is string) {
	if is != "" {
		r.d.Logger.Warn("this node is blind: votes are void and every state holds", "why", is)
	} else {
		r.d.Logger.Info("this node sees again: votes count", "was", was)
	}
}

// logUnable writes a line when the first probe of a monitor could not be made,
// once until the next reload: what this host lacks, thousands of endpoints
// would say.
func (r *Runner) logUnable(t *target, reason string) {
	if !r.unable[t.id.Monitor] {
		r.unable[t.id.Monitor] = true
		r.d.Logger.Warn("this node could not probe: such a result says nothing of the endpoint", "monitor", t.id.Monitor, "pool", t.id.Pool, "why", reason)
	}
}

// logPool writes a line for each transition from a (which may be nil) to b.
// Blindness holds every pool, and has its own line: wasBlind and isBlind say
// why it was and is.
func (r *Runner) logPool(a, b *health.Pool, wasBlind, isBlind string) {
	log := r.d.Logger.With("pool", b.Name)
	if a == nil {
		a = &health.Pool{}
	}
	if a.State != b.State {
		log.Log(context.Background(), level(b.State), "pool is "+b.State.String(),
			"was", a.State.String(), "since", b.Since, "why", why(b.Class, b.Reason))
	}
	switch {
	case a.Held == b.Held || a.Held == wasBlind && b.Held == isBlind:
	case b.Held != "":
		log.Warn("votes against the pool are void", "why", b.Held)
	default:
		log.Info("votes count again", "was", a.Held)
	}
	was := make(map[netip.Addr]health.Endpoint, len(a.Endpoints))
	for _, e := range a.Endpoints {
		was[e.Addr] = e
	}
	for _, e := range b.Endpoints {
		logEndpoint(log, was[e.Addr], e)
	}
}

// logEndpoint writes a line for each transition from a to b. Endpoints that
// turn out to be up as they should are left to the debug log: a start would
// write thousands of them.
func logEndpoint(log *slog.Logger, a, b health.Endpoint) {
	if a.State != b.State {
		l := level(b.State)
		if a.State == health.Unknown && b.State == health.Up || b.State == health.Unknown {
			l = slog.LevelDebug
		}
		log.Log(context.Background(), l, "endpoint is "+b.State.String(),
			"addr", b.Addr, "was", a.State.String(), "since", b.Since, "why", why(b.Class, b.Reason))
	}
	if b.CertWarn && !a.CertWarn {
		log.Warn("certificate ends soon", "addr", b.Addr, "end", b.CertEnd)
	}
	if a.CertWarn && !b.CertWarn && b.State != health.Unknown {
		log.Info("certificate was renewed", "addr", b.Addr, "end", b.CertEnd)
	}
}

// level returns how loud a change to s is.
func level(s health.State) slog.Level {
	if s == health.Down {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// why joins a class and a reason for people.
func why(c health.Class, reason string) string {
	if c == health.None {
		return reason
	}
	return string(c) + ": " + reason
}
