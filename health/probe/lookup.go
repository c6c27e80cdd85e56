package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	maxAddresses = 64                     // of one name that are probed
	maxChain     = 16                     // CNAMEs from a name to its addresses
	lookupGrace  = 150 * time.Millisecond // that earlier servers get once a later one has answered
	lookupTry    = time.Second            // before a question over UDP is sent again
	lookupMost   = 10 * time.Second       // when ctx sets no sooner end
	lookupTries  = 3
)

// Addresses are what a host name resolved to.
type Addresses struct {
	Addrs []netip.Addr  // sorted, at most 64; never empty without an error
	TTL   time.Duration // the smallest in the chain of records that led to Addrs
}

// Lookup resolves name freshly: it asks every server at once for A and AAAA
// and takes the answer of the first, in the order given, that has addresses.
// Once one has answered, those before it get 150 ms more; a server that
// answered for only one of the two types comes after those that answered for
// both. The error names what each server said, and comes only when none had
// an address, or at the end of ctx (at most 10 s). It is [ErrDeaf] when no
// server resolves anything, not even a question about the root.
func Lookup(ctx context.Context, servers []netip.AddrPort, name string) (Addresses, error) {
	if len(servers) == 0 {
		return Addresses{}, errors.New("no resolvers to ask (list some under resolvers)")
	}
	found, err := askAll(ctx, servers, name)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return Addresses{}, fmt.Errorf("the look-up of %s was cancelled: %w", name, context.Canceled)
	}
	return found, err
}

// askAll does the work of Lookup. It returns when every question has ended.
func askAll(ctx context.Context, servers []netip.AddrPort, name string) (Addresses, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupMost)
	end, _ := ctx.Deadline()
	var pulse pulse
	silent := time.NewTimer(min(lookupTry, time.Until(end)/2))
	defer silent.Stop()
	results := make(chan opinion, len(servers))
	for i, server := range servers {
		go func() { results <- askServer(ctx, i, server, name) }()
	}
	seen := make([]*opinion, len(servers))
	left := len(servers)
	defer func() {
		cancel() // ends the questions that are still out, and waits until they have ended
		for ; left > 0; left-- {
			<-results
		}
		pulse.asked.Wait()
	}()
	var grace <-chan time.Time
	for left > 0 {
		select {
		case o := <-results:
			left--
			seen[o.index] = &o
			if settled(seen) {
				return judge(ctx, seen, name, servers, &pulse)
			}
			if o.complete() && grace == nil {
				grace = time.After(lookupGrace)
			}
		case <-silent.C:
			if !heard(seen) {
				pulse.take(ctx, servers)
			}
		case <-grace:
			return best(seen, name, servers)
		}
	}
	return best(seen, name, servers)
}

// judge is best once every server has had its say. Where none had a word on
// the name, it tells a dead name from dead resolvers.
func judge(ctx context.Context, seen []*opinion, name string, servers []netip.AddrPort, p *pulse) (Addresses, error) {
	found, err := best(seen, name, servers)
	if err == nil || heard(seen) {
		return found, err
	}
	p.take(ctx, servers)
	if p.beats() {
		return found, err
	}
	return found, fmt.Errorf("%w: %w", ErrDeaf, err)
}

// heard reports whether any server has resolved the name, if to nothing.
func heard(seen []*opinion) bool {
	return slices.ContainsFunc(seen, func(o *opinion) bool { return o != nil && o.heard })
}

// An opinion is what one server said of a name.
type opinion struct {
	index int
	Addresses
	err   error // of either type
	heard bool  // the server resolved one of them, if to nothing
}

// complete reports whether o has addresses, and no type of them failed.
func (o *opinion) complete() bool { return o != nil && o.err == nil && len(o.Addrs) > 0 }

// settled reports whether nothing that may still come would be preferred to
// what has been seen: a complete opinion follows on failures only.
func settled(seen []*opinion) bool {
	for _, o := range seen {
		if o == nil {
			return false
		}
		if o.complete() {
			return true
		}
	}
	return true
}

// best returns the preferred of the opinions.
//
//	first complete opinion in order   else first with addresses   else
//	its addresses                     its addresses               an error
func best(seen []*opinion, name string, servers []netip.AddrPort) (Addresses, error) {
	for _, o := range seen {
		if o.complete() {
			return o.Addresses, nil
		}
	}
	for _, o := range seen {
		if o != nil && len(o.Addrs) > 0 {
			return o.Addresses, nil
		}
	}
	said := make([]string, 0, len(seen))
	for i, o := range seen {
		if o != nil && o.err != nil {
			said = append(said, fmt.Sprintf("%s: %s", servers[i], o.err))
		}
	}
	return Addresses{}, fmt.Errorf("%s has no addresses (%s)", name, strings.Join(said, "; "))
}

// askServer asks one server for both types at once and joins what it says.
func askServer(ctx context.Context, index int, server netip.AddrPort, name string) opinion {
	var v4 Addresses
	var err4 error
	done := make(chan struct{})
	go func() {
		defer close(done)
		v4, err4 = askType(ctx, server, name, dns.TypeA)
	}()
	v6, err6 := askType(ctx, server, name, dns.TypeAAAA)
	<-done
	o := opinion{index: index, Addresses: join(v4, v6), err: err4, heard: hadWord(err4) || hadWord(err6)}
	if o.err == nil {
		o.err = err6
	}
	if o.err == nil && len(o.Addrs) == 0 {
		o.err = errors.New("no addresses")
	}
	return o
}

// join returns both, sorted and without repetitions.
func join(a, b Addresses) Addresses {
	all := append(slices.Clone(a.Addrs), b.Addrs...)
	slices.SortFunc(all, netip.Addr.Compare)
	all = slices.Compact(all)
	ttl := a.TTL
	if len(a.Addrs) == 0 || len(b.Addrs) > 0 && b.TTL < ttl {
		ttl = b.TTL
	}
	return Addresses{Addrs: all[:min(len(all), maxAddresses)], TTL: ttl}
}

// askType asks server for the addresses of one type, again after a second of
// silence, and over TCP when the answer is cut off. No addresses is not an
// error here.
func askType(ctx context.Context, server netip.AddrPort, name string, typ uint16) (Addresses, error) {
	end, _ := ctx.Deadline()
	q := query(name, typ)
	var reply *dns.Msg
	var err error
	for range lookupTries {
		deadline := time.Now().Add(lookupTry)
		if end.Before(deadline) {
			deadline = end
		}
		reply, err = askUDP(ctx, server, q, deadline)
		if err == nil || !isTimeout(err) || ctx.Err() != nil || !time.Now().Before(end) {
			break
		}
	}
	if err == nil && reply.Truncated {
		reply, err = askTCP(ctx, &attempt{addr: server.Addr(), deadline: end}, server, q)
	}
	switch {
	case err != nil && isTimeout(err):
		return Addresses{}, silence("timed out")
	case err != nil:
		return Addresses{}, silence(plain(err))
	case !resolved(reply.Rcode):
		return Addresses{}, silence(rcodeText(reply.Rcode))
	case reply.Rcode != dns.RcodeSuccess:
		return Addresses{}, errors.New(rcodeText(reply.Rcode))
	}
	return follow(reply.Answer, q.Question[0].Name, typ), nil
}

// A silence is the error of a server that had no word on a name: it did not
// reply, or said that it would or could not resolve it.
type silence string

func (s silence) Error() string { return string(s) }

// hadWord reports whether the server behind err, the outcome of one question,
// resolved it.
func hadWord(err error) bool {
	var s silence
	return !errors.As(err, &s)
}

// follow walks the CNAMEs in answer from name to addresses of type typ.
func follow(answer []dns.RR, name string, typ uint16) Addresses {
	ttl := uint32(1<<31 - 1)
	for range maxChain {
		next := ""
		var found Addresses
		least := ttl
		for _, rr := range answer {
			h := rr.Header()
			if !strings.EqualFold(h.Name, name) || h.Class != dns.ClassINET {
				continue
			}
			if addr, ok := address(rr); ok && h.Rrtype == typ {
				found.Addrs = append(found.Addrs, addr)
				least = min(least, seconds(h.Ttl))
			}
			if c, ok := rr.(*dns.CNAME); ok && next == "" {
				next = c.Target
				ttl = min(ttl, seconds(h.Ttl))
			}
		}
		if len(found.Addrs) > 0 {
			found.TTL = time.Duration(least) * time.Second
			return found
		}
		if next == "" {
			break
		}
		name = next
	}
	return Addresses{}
}

// seconds returns a TTL; one with the highest bit set is 0 (RFC 2181 §8).
func seconds(ttl uint32) uint32 {
	if ttl > 1<<31-1 {
		return 0
	}
	return ttl
}

// address returns the address in rr. Those that no host can have are no
// address: filtering resolvers answer 0.0.0.0 for what they block.
func address(rr dns.RR) (netip.Addr, bool) {
	var addr netip.Addr
	var ok bool
	switch rr := rr.(type) {
	case *dns.A:
		addr, ok = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		addr, ok = netip.AddrFromSlice(rr.AAAA)
	}
	addr = addr.Unmap()
	return addr, ok && !addr.IsUnspecified() && !addr.IsMulticast()
}
