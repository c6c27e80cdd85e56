package probe

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// udpSize is the largest answer we ask for over UDP: what passes everywhere
// without fragments.
const udpSize = 1232

// newDNS returns the question of a dns monitor. The endpoint must answer it
// with NOERROR and at least one record, or with the one that is expected.
func newDNS(m config.Monitor) ask {
	return func(ctx context.Context, at *attempt) {
		typ := m.Ask.Type
		if typ == 0 {
			typ = dns.TypeA
		}
		at.host = m.Ask.Name + " " + dns.Type(typ).String()
		server := netip.AddrPortFrom(at.addr, m.Ask.Port)
		begin := time.Now()
		reply, err := askUDP(ctx, server, query(m.Ask.Name, typ), at.deadline)
		at.phases.Processing = time.Since(begin)
		if err == nil && reply.Truncated {
			reply, err = askTCP(ctx, at, server, query(m.Ask.Name, typ))
		}
		if at.err = err; err != nil {
			return
		}
		at.stage = answered
		at.status, at.accepted = reply.Rcode, reply.Rcode == dns.RcodeSuccess
		if at.accepted {
			at.missing, at.body = lacking(reply, m.Ask.Expect)
		}
	}
}

// query returns a question with a random ID and EDNS.
func query(name string, typ uint16) *dns.Msg {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), typ)
	q.SetEdns0(udpSize, false)
	return q
}

// askUDP sends q to server once and returns its reply. The socket is
// connected: the kernel drops what others send, and a closed port is known at
// once. What does not match q's ID and question is not a reply, and the wait
// goes on.
func askUDP(ctx context.Context, server netip.AddrPort, q *dns.Msg, deadline time.Time) (*dns.Msg, error) {
	wire, err := q.Pack()
	if err != nil {
		return nil, lackError("the question cannot be packed: " + err.Error())
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(deadline)
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write(wire); err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return nil, err
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(buf[:n]); (err == nil || reply.Truncated) && answers(reply, q) {
			return reply, nil
		}
	}
}

// askTCP asks q on a connection of its own (RFC 7766).
func askTCP(ctx context.Context, at *attempt, server netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	wire, err := q.Pack()
	if err != nil {
		return nil, lackError("the question cannot be packed: " + err.Error())
	}
	c, err := connect(ctx, at, server.Port(), nil)
	if err != nil {
		return nil, err
	}
	defer c.abort()
	defer c.obey(ctx)()
	at.stage = waiting
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	at.stage = reading
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, buf); err != nil {
		return nil, err
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(buf); err != nil {
		return nil, err
	}
	if !answers(reply, q) {
		return nil, fmt.Errorf("a reply to another question")
	}
	return reply, nil
}

// answers reports whether reply is one to q. Some servers leave out the
// question of an error that they could not parse.
func answers(reply, q *dns.Msg) bool {
	if !reply.Response || reply.Id != q.Id {
		return false
	}
	if len(reply.Question) == 0 {
		return reply.Rcode != dns.RcodeSuccess
	}
	want, got := q.Question[0], reply.Question[0]
	return len(reply.Question) == 1 && got.Qtype == want.Qtype && got.Qclass == want.Qclass &&
		strings.EqualFold(got.Name, want.Name)
}

// lacking returns what reply lacks, and the data of the records it has.
func lacking(reply *dns.Msg, expect string) (missing string, text []byte) {
	var all []string
	for _, rr := range reply.Answer {
		data := strings.TrimPrefix(rr.String(), rr.Header().String())
		if expect != "" && (strings.EqualFold(data, expect) || strings.Trim(data, `"`) == expect) {
			return "", nil
		}
		all = append(all, data)
	}
	switch {
	case expect != "":
		return matchText(config.Match{Text: expect}), []byte(strings.Join(all, ", "))
	case len(all) == 0:
		return "a record", nil
	}
	return "", nil
}

func rcodeText(rcode int) string {
	if s, ok := dns.RcodeToString[rcode]; ok {
		return s
	}
	return fmt.Sprintf("RCODE%d", rcode)
}
