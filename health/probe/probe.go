// Package probe asks one question of one endpoint, as a user would ask it,
// and says what it saw as a [health.Result]. Its values are a [Probe], which
// is a monitor made ready to run, and the [Addresses] that a look-up found.
//
// It keeps no schedule, forms no opinion and remembers no result: health does
// that. No goroutine and no timer outlives a call; the one thing that may is
// an idle connection of a monitor with keep_alive or watch.
package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A Probe asks the endpoint at addr its monitor's question once and returns
// what it saw. It takes at most the monitor's timeout, or until ctx ends. A
// failed probe is a Result like any other; one that ctx cancelled, or that we
// could not run, has the class Internal. A Probe may run many times at once.
type Probe func(ctx context.Context, addr netip.Addr) health.Result

// New returns the probe of m. It reads the file of m's root certificates once;
// the error names that file and what to do about it. It watches nothing: see
// [Watch].
func New(m config.Monitor) (Probe, error) { return newProbe(m, nil) }

func newProbe(m config.Monitor, w *Watch) (Probe, error) {
	if w != nil && m.Watch {
		if err := w.supported(m); err != nil {
			return nil, err
		}
	}
	ask, err := asker(m, newIdleConns(m, w))
	if err != nil {
		return nil, fmt.Errorf("monitor %s: %w", m.Name, err)
	}
	return bounded(m, ask), nil
}

// ask is the part of a probe that a kind brings: it talks to at.addr until
// at.deadline and notes in at how far it came.
type ask func(ctx context.Context, at *attempt)

// asker returns the question of m, whose probe keeps connections in idle
// where that is not nil.
func asker(m config.Monitor, idle *idleConns) (ask, error) {
	switch m.Kind {
	case config.HTTPS, config.HTTP:
		return newHTTP(m, idle)
	case config.TLS:
		return newTLS(m, idle)
	case config.TCP_:
		return newTCP(m, idle), nil
	case config.DNS_:
		return newDNS(m), nil
	case config.ICMP:
		return newICMP(), nil
	}
	return nil, fmt.Errorf("no probe of kind %q: use https, http, tls, tcp, dns or icmp", m.Kind)
}

// An attempt is one probe on its way: what it may use, and what it saw.
type attempt struct {
	addr     netip.Addr
	deadline time.Time
	phases   health.Phases
	sight
}

// bounded runs ask within m's timeout and turns what it saw into a Result.
func bounded(m config.Monitor, ask ask) Probe {
	return func(ctx context.Context, addr netip.Addr) health.Result {
		start := time.Now()
		deadline := start.Add(m.Timeout)
		if d, ok := ctx.Deadline(); ok && !d.After(deadline) {
			deadline = d
		} else {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline)
			defer cancel()
		}
		addr = addr.Unmap()
		at := attempt{addr: addr, deadline: deadline}
		at.sight = sight{kind: m.Kind, from: addr.String(), budget: deadline.Sub(start)}
		if at.budget > 0 {
			ask(ctx, &at)
		} else {
			at.err = lackError("no time was left for it")
		}
		if ctx.Err() == context.Canceled {
			at.err = context.Canceled
		}
		noRoute := at.err != nil && unreachable(at.err) && unreachable(routed(addr))
		if noRoute {
			at.err = lackError("this host has no route to it" + family(at.from))
		}
		end := time.Now()
		at.phases.Total = end.Sub(start)
		r := health.Result{At: end, Phases: at.phases, Status: at.status, CertEnd: at.certEnd, Clock: at.clock, NoRoute: noRoute}
		r.Class, r.Reason = classify(at.sight)
		r.OK = r.Class == health.None
		return r
	}
}

// unreachable reports whether err is what a kernel says that has no way to an
// address: no route, no source address of its family (IPv6 switched off by
// sysctl), or no such family at all. Of a TCP connection the second may also
// mean that all ports are taken; see routed.
func unreachable(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// roots reads the authorities in the PEM file at path; nil stands for the
// system's own.
func roots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("root_cas: %w (name a readable PEM file, or leave it out to trust the system's authorities)", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("root_cas: %s holds no certificate (it must hold BEGIN CERTIFICATE blocks)", path)
	}
	return pool, nil
}

// userAgent names us to the people who read the edge's log.
func userAgent() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	return "shunt/" + version + " (+health probe)"
}
