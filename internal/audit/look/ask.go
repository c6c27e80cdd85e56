package look

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	try      = 2 * time.Second // for one question to one server
	maxChain = 16              // CNAMEs from a name to its addresses
)

// nameServers returns the NS set at name itself, sorted; none where no zone
// begins there.
func (l *looker) nameServers(ctx context.Context, name string) ([]string, error) {
	reply, err := l.ask(ctx, name, dns.TypeNS)
	if err != nil {
		return nil, err
	}
	var ns []string
	for _, rr := range reply.Answer {
		if r, ok := rr.(*dns.NS); ok && strings.EqualFold(r.Hdr.Name, name) {
			ns = append(ns, strings.ToLower(r.Ns))
		}
	}
	slices.Sort(ns)
	return ns, nil
}

// follow returns the names that name leads to by CNAMEs, itself first, and
// the addresses at the end, sorted. No address at all is an error.
func (l *looker) follow(ctx context.Context, name string) (chain []string, addrs []netip.Addr, err error) {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		reply, failed := l.ask(ctx, name, qtype)
		if failed != nil {
			err = failed
			continue
		}
		names, found := read(reply, name)
		addrs = append(addrs, found...)
		if len(names) > len(chain) {
			chain = names
		}
	}
	if len(addrs) == 0 {
		if err == nil {
			err = fmt.Errorf("%s has no addresses", name)
		}
		return nil, nil, err
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return chain, slices.Compact(addrs), nil
}

// read follows the CNAMEs of an answer from name on.
func read(reply *dns.Msg, name string) (chain []string, addrs []netip.Addr) {
	next := map[string]string{}
	for _, rr := range reply.Answer {
		switch r := rr.(type) {
		case *dns.CNAME:
			next[strings.ToLower(r.Hdr.Name)] = strings.ToLower(r.Target)
		case *dns.A:
			if a, ok := netip.AddrFromSlice(r.A); ok {
				addrs = append(addrs, a.Unmap())
			}
		case *dns.AAAA:
			if a, ok := netip.AddrFromSlice(r.AAAA); ok {
				addrs = append(addrs, a)
			}
		}
	}
	for chain = []string{name}; next[name] != "" && len(chain) <= maxChain; chain = append(chain, name) {
		name = next[name]
	}
	return chain, addrs
}

// ask asks the resolvers, one after the other, until one has a word on name:
// an answer, or that there is none. The error has what each said.
func (l *looker) ask(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	defer l.slot()()
	if len(l.cfg.Resolvers) == 0 {
		return nil, fmt.Errorf("there are no resolvers to ask for %s", name)
	}
	var said []string
	for _, server := range l.cfg.Resolvers {
		reply, err := exchange(ctx, server, name, qtype)
		switch {
		case err != nil:
			said = append(said, fmt.Sprintf("%s: %v", server, err))
		case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
			said = append(said, fmt.Sprintf("%s: %s", server, dns.RcodeToString[reply.Rcode]))
		default:
			return reply, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("%s %s cannot be looked up (%s)", name, dns.TypeToString[qtype], strings.Join(said, "; "))
}

// exchange asks one server over UDP, twice, and over TCP where the answer is
// cut off.
func exchange(ctx context.Context, server netip.AddrPort, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(name, qtype)
	q.SetEdns0(1232, false)
	var reply *dns.Msg
	var err error
	for _, network := range []string{"udp", "udp", "tcp"} {
		if network == "tcp" && (err != nil || !reply.Truncated) {
			break
		}
		c := dns.Client{Net: network, Timeout: try, UDPSize: 1232}
		reply, _, err = c.ExchangeContext(ctx, q, server.String())
		if ctx.Err() != nil || err == nil && !reply.Truncated {
			break
		}
	}
	return reply, err
}
