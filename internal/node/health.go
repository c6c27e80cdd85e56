package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/net/dns/dnsmessage"
)

const (
	aliveWithin = 10 * time.Second       // since the controller last came round
	youngWithin = 5 * time.Second        // as well, of a node that is ready
	askWithin   = time.Second            // for an answer to our own question
	askTry      = 300 * time.Millisecond // for one of them, at most: each listener is tried
	askPause    = 50 * time.Millisecond  // before they are tried again
	askEvery    = time.Second            // at most
)

// A Health is how a node is, for load balancers and supervisors.
type Health struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons"` // why not; empty where it is
}

// healthHandler answers GET /healthz and /readyz.
func (n *Node) healthHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reasons := n.unwell(r.Context())
		if r.URL.Path == "/readyz" {
			reasons = append(reasons, n.unready(time.Now())...)
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		if len(reasons) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(Health{len(reasons) == 0, append([]string{}, reasons...)}) // fails only when the client is gone
	})
}

// unwell says why the node does not do its work; it is empty where it does:
// the controller comes round, and our own question is answered.
func (n *Node) unwell(ctx context.Context) []string {
	select {
	case <-n.serving:
	default:
		return []string{"queries are not answered yet: the first round of probes is under way"}
	}
	var reasons []string
	if why := n.old(time.Now(), aliveWithin); why != "" {
		reasons = append(reasons, why)
	}
	if err := n.pulse.ask(ctx, n); err != nil {
		reasons = append(reasons, "our own question is not answered: "+err.Error())
	}
	return reasons
}

// unready says what beside unwell keeps the node from being relied on.
func (n *Node) unready(now time.Time) []string {
	if why := n.old(now, youngWithin); why != "" {
		return []string{why}
	}
	return nil
}

// old says that the controller came round longer than within ago; "" where it
// did not.
func (n *Node) old(now time.Time, within time.Duration) string {
	at := n.ctl.Glance().At
	switch age := now.Sub(at); {
	case at.IsZero():
		return "nothing has been decided yet"
	case age > within:
		return fmt.Sprintf("nothing has been decided for %v", age.Round(time.Second))
	}
	return ""
}

// A pulse asks the node's own server, no more often than once a second however
// many want to know.
type pulse struct {
	mu   sync.Mutex
	at   time.Time // of the last question
	err  error
	ever bool // that a question was answered: then silence is no firewall of our own
}

// ask returns why n does not answer its own question within a second. Where
// the question is lost among many others, their replies count as its answer:
// one that is flooded is not dead.
func (p *pulse) ask(ctx context.Context, n *Node) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.at.IsZero() && time.Since(p.at) < askEvery {
		return p.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
	defer cancel()
	replies := n.replies()
	for {
		p.err = askAll(n.dns.Addrs(), n.apex.Load())
		if p.err == nil {
			p.ever = true
			break
		}
		if errors.Is(p.err, errSilent) && n.replies() > replies {
			p.err = nil
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(askPause): // a reload may have taken the zone away just now
			continue
		}
		break
	}
	p.at = time.Now()
	return p.err
}

// answered reports whether a question of our own was ever answered.
func (p *pulse) answered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ever
}

// replies counts what the server has answered.
func (n *Node) replies() (all uint64) {
	for _, count := range n.dns.Stats().Rcodes {
		all += count
	}
	return all
}

// errSilent is the error of a server that says nothing.
var errSilent = errors.New("no answer")

// askAll asks the servers at addrs for the SOA of apex, one after the other,
// until one has answered, and returns the error of the last.
func askAll(addrs []netip.AddrPort, apex *string) error {
	err := errors.New("there is no listener")
	for _, addr := range addrs {
		patience := min(askTry, askWithin/time.Duration(len(addrs)))
		if err = askSelf(ownAddr(addr), apex, patience); err == nil {
			return nil
		}
		err = fmt.Errorf("%v: %w", addr, err)
	}
	return err
}

// askSelf asks the server at addr for the SOA of apex over UDP, and returns why
// that was not answered.
func askSelf(addr netip.AddrPort, apex *string, patience time.Duration) error {
	id := uint16(rand.N(1 << 16))
	msg, err := question(id, apex)
	if err != nil {
		return err
	}
	conn, err := net.Dial("udp", addr.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err = conn.Write(msg); err != nil {
		return err
	}
	if err = reply(conn, id, time.Now().Add(patience)); errors.Is(err, os.ErrDeadlineExceeded) {
		return errSilent
	}
	return err
}

// reply reads the reply to the question called id from conn, and returns why
// it is no answer.
func reply(conn net.Conn, id uint16, until time.Time) error {
	if err := conn.SetReadDeadline(until); err != nil {
		return err
	}
	buf := make([]byte, 1<<12)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		var p dnsmessage.Parser
		h, err := p.Start(buf[:n])
		switch {
		case err != nil || h.ID != id || !h.Response: // not for us
		case h.RCode != dnsmessage.RCodeSuccess:
			return errors.New("it says " + strings.TrimPrefix(h.RCode.String(), "RCode"))
		default:
			return nil
		}
	}
}

// question packs the question for the SOA of apex; where that cannot be
// written without escapes, for the name of the server (RFC 4892).
func question(id uint16, apex *string) ([]byte, error) {
	q := dnsmessage.Question{Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassCHAOS, Name: dnsmessage.MustNewName("id.server.")}
	if apex != nil && !strings.Contains(*apex, `\`) {
		if name, err := dnsmessage.NewName(*apex); err == nil {
			q = dnsmessage.Question{Type: dnsmessage.TypeSOA, Class: dnsmessage.ClassINET, Name: name}
		}
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id}, Questions: []dnsmessage.Question{q}}
	return m.Pack()
}

// ownAddr returns where to ask a server that listens at addr.
func ownAddr(addr netip.AddrPort) netip.AddrPort {
	switch {
	case !addr.Addr().IsUnspecified():
		return addr
	case addr.Addr().Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), addr.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), addr.Port())
}

// watchdog tells systemd, at half the interval that it asks for, that the node
// is well; while it is not, it says nothing, and systemd starts another. A
// question of our own that was never answered says nothing of the node: a
// firewall may stand between.
func (n *Node) watchdog(ctx context.Context) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.opts.Log.Warn("systemd's watchdog is not told anything", "error", err)
	}
	if every <= 0 || err != nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-n.serving:
	}
	silent := false
	for {
		wait := every / 2
		reasons := n.unwell(ctx)
		if !n.pulse.answered() && n.old(time.Now(), aliveWithin) == "" {
			reasons = nil
		}
		if len(reasons) == 0 {
			notify(n.opts.Log, daemon.SdNotifyWatchdog)
		} else {
			wait = min(wait, time.Second)
		}
		if bad := len(reasons) > 0; bad != silent {
			silent = bad
			n.tellWatched(reasons)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// tellWatched logs that the watchdog begins or ceases to be silent.
func (n *Node) tellWatched(reasons []string) {
	if len(reasons) > 0 {
		n.opts.Log.Error("not well: systemd's watchdog is not told otherwise", "reasons", strings.Join(reasons, "; "))
		return
	}
	n.opts.Log.Info("well again: systemd's watchdog is told")
}
