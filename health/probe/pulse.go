package probe

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"github.com/miekg/dns"
)

// ErrDeaf is the error of a look-up when no resolver resolves anything: the
// fault is then ours or theirs, and says nothing about the name (Cloudflare's
// 1.1.1.1 was gone for an hour on 2025-07-14, with every site behind it up).
// A resolver that is silent, or answers REFUSED or SERVFAIL to whatever it is
// asked, resolves nothing.
var ErrDeaf = errors.New("none of the resolvers resolves anything")

// A pulse tells whether any resolver lives, by a question that every one of
// them can answer from its cache: the name servers of the root.
type pulse struct {
	once  sync.Once
	said  chan bool // a word from each server: whether it lives
	count int       // servers
	asked sync.WaitGroup
}

// take asks every server, once, until ctx ends.
func (p *pulse) take(ctx context.Context, servers []netip.AddrPort) {
	end, _ := ctx.Deadline()
	p.once.Do(func() {
		p.said, p.count = make(chan bool, len(servers)), len(servers)
		for _, server := range servers {
			p.asked.Go(func() {
				reply, err := askUDP(ctx, server, query(".", dns.TypeNS), end)
				p.said <- err == nil && resolved(reply.Rcode)
			})
		}
	})
}

// beats waits until a server is found to live, and reports false when none
// does. take comes first.
func (p *pulse) beats() bool {
	for range p.count {
		if <-p.said {
			return true
		}
	}
	return false
}

// resolved reports whether a reply with rcode is the word of a server that
// resolves names: others say that it would or could not.
func resolved(rcode int) bool { return rcode == dns.RcodeSuccess || rcode == dns.RcodeNameError }
