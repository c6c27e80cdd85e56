// Package probetest plays a name server on loopback that can be told what to
// answer and how to fail. Its value is a [DNS]. Tests and the demo use it, so
// it imports no testing package.
//
// It is no name server: it knows single names, follows no CNAME out of the
// records it was given, and has no zones.
package probetest

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Mode is how a name answers.
type Mode uint8

// The modes. A name that was never set is NXDOMAIN.
const (
	Answer    Mode = iota // its records; none of the type asked for is NODATA
	NXDomain              // NXDOMAIN
	ServFail              // SERVFAIL
	Refuse                // REFUSED
	Hang                  // never answers
	Truncate              // TC and no records over UDP, the records over TCP
	WrongID               // a reply with another ID
	WrongName             // a reply to another question
	HangAAAA              // the records for every type but AAAA, which never answers
	HalfCut               // Truncate, and over TCP the connection closes unanswered
	Garbage               // octets that are no DNS message
)

// DNS is one name server, on UDP and TCP. All its methods may be called at
// any time.
type DNS struct {
	addr    netip.AddrPort
	udp     *dns.Server
	tcp     *dns.Server
	wg      sync.WaitGroup
	queries atomic.Uint64

	mu    sync.Mutex
	names map[string]name
	delay time.Duration
}

type name struct {
	mode    Mode
	records []dns.RR
}

// Start serves at addr, a loopback address; port 0 takes one that is free for
// both protocols. The error says which address could not be had.
func Start(addr netip.AddrPort) (*DNS, error) {
	var last error
	for range 20 { // a port that is free for UDP may be taken for TCP
		pc, err := net.ListenPacket("udp", addr.String())
		if err != nil {
			return nil, fmt.Errorf("probetest: %w", err)
		}
		at := pc.LocalAddr().(*net.UDPAddr).AddrPort()
		at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
		ln, err := net.Listen("tcp", at.String())
		if err != nil {
			_ = pc.Close()
			last = err
			continue
		}
		return serve(at, pc, ln), nil
	}
	return nil, fmt.Errorf("probetest: %w", last)
}

func serve(at netip.AddrPort, pc net.PacketConn, ln net.Listener) *DNS {
	d := &DNS{addr: at, names: map[string]name{}}
	h := dns.HandlerFunc(d.answer)
	var started sync.WaitGroup
	started.Add(2)
	d.udp = &dns.Server{PacketConn: pc, Handler: h, NotifyStartedFunc: started.Done}
	d.tcp = &dns.Server{Listener: ln, Handler: h, NotifyStartedFunc: started.Done}
	d.wg.Go(func() { _ = d.udp.ActivateAndServe() })
	d.wg.Go(func() { _ = d.tcp.ActivateAndServe() })
	started.Wait() // a server that has not started cannot be stopped
	return d
}

// Addr returns where the server listens, for UDP and for TCP.
func (d *DNS) Addr() netip.AddrPort { return d.addr }

// Queries returns how many queries have come so far.
func (d *DNS) Queries() uint64 { return d.queries.Load() }

// Delay makes every answer from now on wait.
func (d *DNS) Delay(t time.Duration) {
	d.mu.Lock()
	d.delay = t
	d.mu.Unlock()
}

// Set makes owner answer in mode with records: lines of a zone file, with
// full owner names. They are given as the answer in the order written, from
// the CNAMEs of the chain to the records of the type asked for. An error says
// which line is no record.
func (d *DNS) Set(owner string, mode Mode, records ...string) error {
	n := name{mode: mode}
	for _, line := range records {
		rr, err := dns.NewRR(line)
		if err != nil || rr == nil {
			return fmt.Errorf("probetest: %q is no record: %v", line, err)
		}
		n.records = append(n.records, rr)
	}
	d.mu.Lock()
	d.names[key(owner)] = n
	d.mu.Unlock()
	return nil
}

// Close stops the server and waits for it.
func (d *DNS) Close() {
	_ = d.udp.Shutdown()
	_ = d.tcp.Shutdown()
	d.wg.Wait()
}

func (d *DNS) answer(w dns.ResponseWriter, q *dns.Msg) {
	d.queries.Add(1)
	if len(q.Question) != 1 {
		return
	}
	d.mu.Lock()
	n, known := d.names[key(q.Question[0].Name)]
	delay := d.delay
	d.mu.Unlock()
	if !known {
		n.mode = NXDomain
	}
	if delay > 0 {
		time.Sleep(delay)
	}
	_, overTCP := w.RemoteAddr().(*net.TCPAddr)
	if n.mode == Garbage {
		_, _ = w.Write([]byte("no DNS"))
		return
	}
	if m := n.reply(q, overTCP); m != nil {
		_ = w.WriteMsg(m)
	} else if overTCP {
		_ = w.Close()
	}
}

// reply returns what n answers to q; nil when it does not.
func (n name) reply(q *dns.Msg, overTCP bool) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	typ := q.Question[0].Qtype
	for _, rr := range n.records {
		if t := rr.Header().Rrtype; t == typ || t == dns.TypeCNAME {
			m.Answer = append(m.Answer, rr)
		}
	}
	switch n.mode {
	case NXDomain:
		m.Rcode = dns.RcodeNameError
	case ServFail:
		m.Rcode, m.Answer = dns.RcodeServerFailure, nil
	case Refuse:
		m.Rcode, m.Answer = dns.RcodeRefused, nil
	case Hang:
		return nil
	case HangAAAA:
		if typ == dns.TypeAAAA {
			return nil
		}
	case Truncate, HalfCut:
		if overTCP && n.mode == HalfCut {
			return nil
		}
		if !overTCP {
			m.Truncated, m.Answer = true, nil
		}
	case WrongID:
		m.Id++
	case WrongName:
		m.Question[0].Name = "other.example."
	}
	return m
}

func key(owner string) string { return strings.ToLower(dns.Fqdn(owner)) }
