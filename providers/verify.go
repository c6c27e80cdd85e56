package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// An Asker asks the server at an address and port, or name and port, one
// question. Recursion is desired or not; the reply is whole.
type Asker func(ctx context.Context, server, name string, qtype uint16, recurse bool) (*dns.Msg, error)

// ask asks over UDP, and over TCP what was cut short.
func ask(ctx context.Context, server, name string, qtype uint16, recurse bool) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.RecursionDesired = recurse
	m.SetEdns0(1232, false)
	c := dns.Client{Timeout: 2 * time.Second}
	reply, _, err := c.ExchangeContext(ctx, m, server)
	if err == nil && reply.Truncated {
		c.Net = "tcp"
		reply, _, err = c.ExchangeContext(ctx, m, server)
	}
	return reply, err
}

const (
	firstPoll = 50 * time.Millisecond // between two rounds of questions; doubled with each
	lastPoll  = 5 * time.Second
	atOnce    = 16 // questions on their way
)

// verify asks the servers of the provider until all of them serve what was
// pushed, or that takes too long, or something else is answered. Names that are
// verified are so once; those of a zone whose servers cannot be found stay
// unverified. Halfway a provider with a publish step is told to take it again:
// who wrote before us may have died before it.
func (w *worker) verify(ctx context.Context) error {
	limit := time.Now().Add(w.cfg.VerifyFor)
	ctx, cancel := context.WithDeadline(ctx, limit.Add(time.Second))
	defer cancel()
	wait, published := firstPoll, false
	for {
		left := w.unverified()
		if len(left) == 0 {
			return nil
		}
		why := w.round(ctx, left)
		switch {
		case why == "":
			continue
		case w.refresh():
			return errSuperseded
		case !published && time.Until(limit) < w.cfg.VerifyFor/2:
			published = true
			if err := w.republish(ctx, left); err != nil {
				return err
			}
		case !time.Now().Add(wait).Before(limit):
			return fmt.Errorf("%w after %v: %s", errUnverified, w.cfg.VerifyFor, why)
		}
		pause := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-w.wake:
			pause.Stop()
			if w.refresh() || w.hasOrders() {
				return errSuperseded
			}
		case <-pause.C:
		}
		wait = min(2*wait, lastPoll)
	}
}

// republish has the zones in left published, where the provider has that step.
func (w *worker) republish(ctx context.Context, left map[string][]plan.RRset) error {
	p, ok := w.provider.(kind.Publisher)
	if !ok {
		return nil
	}
	for origin := range left {
		if err := w.call(ctx, "publish", true, func(ctx context.Context) error { return p.Publish(ctx, origin) }); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSuffix(origin, "."), err)
		}
	}
	return nil
}

// unverified returns what is still to be seen at the provider's servers, by
// zone.
func (w *worker) unverified() map[string][]plan.RRset {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string][]plan.RRset{}
	for _, e := range w.entries {
		if !e.unverified || len(e.sets) == 0 {
			continue
		}
		fit, _ := w.limits(e.Zone).Fit(e.Zone, e.sets)
		out[e.Zone] = append(out[e.Zone], fit...)
	}
	return out
}

// round asks for everything that is left, once, and notes what is served. It
// returns why something is not; "" where all is.
func (w *worker) round(ctx context.Context, left map[string][]plan.RRset) (why string) {
	var mu sync.Mutex
	missing := map[string]string{} // by name
	miss := func(name, what string) {
		mu.Lock()
		defer mu.Unlock()
		missing[name] = what
	}
	overtaken := func() bool { return w.k.current() != w.seen }
	for origin, sets := range left {
		servers, err := w.servers(ctx, origin)
		if err == nil && overtaken() {
			err = errSuperseded
		}
		if err != nil {
			for _, s := range sets {
				miss(s.Name, err.Error())
			}
			continue
		}
		var g errgroup.Group
		g.SetLimit(atOnce)
		for _, s := range sets {
			for _, server := range servers {
				g.Go(func() error {
					if overtaken() { // servers that do not answer keep no news waiting
						miss(s.Name, errSuperseded.Error())
						return nil
					}
					if what := w.serves(ctx, server, s); what != "" {
						miss(s.Name, what)
					}
					return nil
				})
			}
		}
		_ = g.Wait() // none returns an error
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, sets := range left {
		for _, s := range sets {
			if e := w.entries[s.Name]; e != nil && missing[s.Name] == "" {
				e.unverified = false
			}
		}
	}
	names := slices.Sorted(maps.Keys(missing))
	if len(names) == 0 {
		return ""
	}
	return missing[names[0]]
}

// serves says why server does not serve s; "" where it does. What an alias leads
// to is the provider's to say.
func (w *worker) serves(ctx context.Context, server string, s plan.RRset) string {
	qtype, ok := kind.Type(s.Type)
	if !ok {
		return ""
	}
	name := strings.Replace(s.Name, "*.", "shunt-verifies.", 1) // any name that a wildcard covers
	reply, err := w.k.deps.Ask(ctx, server, name, qtype, false)
	switch {
	case err != nil:
		return fmt.Sprintf("%s does not answer: %v", server, err)
	case !reply.Authoritative:
		return fmt.Sprintf("%s is not authoritative for %s", server, s.Name)
	case reply.Rcode != dns.RcodeSuccess:
		return fmt.Sprintf("%s answers %s for %s", server, dns.RcodeToString[reply.Rcode], s.Name)
	}
	var records []dns.RR
	for _, rr := range reply.Answer {
		if rr.Header().Rrtype == qtype && strings.EqualFold(rr.Header().Name, name) {
			records = append(records, rr)
		}
	}
	if len(records) == 0 {
		return fmt.Sprintf("%s has no %s of %s", server, s.Type, s.Name)
	}
	got, err := plan.Of(records)
	if err != nil || !slices.Equal(got.Data, s.Data) {
		return fmt.Sprintf("%s serves %s %s as %s", server, s.Name, s.Type, strings.Join(got.Data, ", "))
	}
	return ""
}

// errNoServers is the error of a zone whose servers cannot be found.
var errNoServers = errors.New("it cannot be looked up which servers to ask: name them under servers, by address")

// servers returns the servers to verify a zone by: those of the configuration,
// else those that its NS records name, but for those that are configured as
// another provider's. Names are looked up as the node's resolvers see them.
func (w *worker) servers(ctx context.Context, origin string) (out []string, err error) {
	resolvers := w.k.resolvers()
	if len(w.cfg.Servers) > 0 {
		for _, server := range w.cfg.Servers {
			host, port, err := net.SplitHostPort(server)
			if err != nil {
				return nil, err
			}
			if net.ParseIP(host) == nil && len(resolvers) > 0 {
				addr := w.address(ctx, resolvers, dns.Fqdn(host))
				if addr == "" {
					return nil, fmt.Errorf("%s, a server of %s: %w", host, origin, errNoServers)
				}
				server = net.JoinHostPort(addr, port)
			}
			out = append(out, server)
		}
		return out, nil
	}
	others := w.k.serversBeside(w.cfg.Name)
	if reply := w.recurse(ctx, resolvers, origin, dns.TypeNS); reply != nil {
		for _, rr := range reply.Answer {
			ns, ok := rr.(*dns.NS)
			if !ok || others[dns.CanonicalName(ns.Ns)] {
				continue
			}
			if addr := w.address(ctx, resolvers, ns.Ns); addr != "" && !others[dns.CanonicalName(addr)] {
				out = append(out, net.JoinHostPort(addr, "53"))
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w", origin, errNoServers)
	}
	return out, nil
}

// serversBeside returns the hosts, at the port that NS records mean, that are configured as servers of providers
// other than the one of that name, as fully qualified names.
func (k *Keeper) serversBeside(name string) map[string]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[string]bool{}
	for _, p := range k.cfg.Providers {
		for _, server := range p.Servers {
			if host, port, err := net.SplitHostPort(server); err == nil && port == "53" && p.Name != name {
				out[dns.CanonicalName(host)] = true
			}
		}
	}
	return out
}

// address returns one address of a name; "" for none.
func (w *worker) address(ctx context.Context, resolvers []netip.AddrPort, name string) string {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if addr := firstAddr(w.recurse(ctx, resolvers, name, qtype)); addr != "" {
			return addr
		}
	}
	return ""
}

// recurse asks resolvers, one after the other, until one of them knows.
func (w *worker) recurse(ctx context.Context, resolvers []netip.AddrPort, name string, qtype uint16) *dns.Msg {
	for _, r := range resolvers {
		if reply, err := w.k.deps.Ask(ctx, r.String(), name, qtype, true); err == nil && reply.Rcode == dns.RcodeSuccess {
			return reply
		}
	}
	return nil
}

func firstAddr(m *dns.Msg) string {
	if m == nil {
		return ""
	}
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			return rr.A.String()
		case *dns.AAAA:
			return rr.AAAA.String()
		}
	}
	return ""
}

// resolvers returns those of the configuration.
func (k *Keeper) resolvers() []netip.AddrPort {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cfg.Resolvers
}
