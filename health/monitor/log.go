package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

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
// Blindness holds every pool, and has its own line: before and after are the
// tables that they are in.
func (r *Runner) logPool(a, b *health.Pool, before, after *health.Table) {
	log := r.d.Logger.With("pool", b.Name)
	if a == nil {
		a = &health.Pool{}
	}
	if a.State != b.State {
		said := []any{"was", a.State.String(), "since", b.Since}
		switch {
		case b.State != health.Up:
			said = append(said, "why", why(b.Class, b.Reason))
		case len(b.Endpoints) > 0: // what failed before, or fails still, is not why
			said = append(said, "up", ups(b))
		}
		log.Log(context.Background(), level(b.State), "pool is "+b.State.String(), said...)
	}
	switch {
	case a.Held == b.Held || a.Held == before.Blind && b.Held == after.Blind:
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
		logEndpoint(log, was[e.Addr], e, after.At)
	}
}

// logEndpoint writes a line for each transition from a to b, at now. Endpoints that
// turn out to be up as they should are left to the debug log: a start would
// write thousands of them.
func logEndpoint(log *slog.Logger, a, b health.Endpoint, now time.Time) {
	if a.State != b.State {
		l := level(b.State)
		if a.State == health.Unknown && b.State == health.Up || b.State == health.Unknown {
			l = slog.LevelDebug
		}
		said := []any{"addr", b.Addr, "was", a.State.String(), "since", b.Since}
		if b.State != health.Up {
			said = append(said, "why", why(b.Class, b.Reason))
		}
		log.Log(context.Background(), l, "endpoint is "+b.State.String(), said...)
	}
	switch {
	case !b.CertWarn || a.CertWarn:
	case now.Before(b.CertEnd):
		log.Warn("certificate ends soon", "addr", b.Addr, "end", b.CertEnd)
	default:
		log.Warn("certificate has ended", "addr", b.Addr, "end", b.CertEnd)
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

// ups says how many endpoints of p are up.
func ups(p *health.Pool) string {
	n := 0
	for _, e := range p.Endpoints {
		if e.State == health.Up {
			n++
		}
	}
	return fmt.Sprintf("%d of %d endpoints", n, len(p.Endpoints))
}

// why joins a class and a reason for people.
func why(c health.Class, reason string) string {
	if c == health.None {
		return reason
	}
	return string(c) + ": " + reason
}
