package xfr

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// answerWait is how long a secondary has to answer one message.
const answerWait = time.Second

// A question is one message to a secondary.
type question struct {
	to     netip.AddrPort
	source netip.Addr // to send from; not valid: as the system chooses
	key    *key       // that signs it; nil: none
	origin string     // of the zone
	notify []byte     // the SOA that NOTIFY carries; nil: ask for the SOA
}

// An outcome is what became of a question.
type outcome struct {
	watch  *watch
	notify bool
	asked  uint32 // serial that was told of
	serial uint32 // that the secondary has, of a question for the SOA
	err    error  // nil: NOTIFY was taken, or serial is true
	at     time.Time
}

// pack returns q as a message, signed, and its MAC.
func (q *question) pack(now time.Time) (msg, mac []byte, err error) {
	m := new(dns.Msg).SetQuestion(q.origin, dns.TypeSOA)
	m.Id, m.RecursionDesired = uint16(rand.Uint32()), false
	if q.notify != nil {
		m.Opcode, m.Authoritative = dns.OpcodeNotify, true
		soa, _, err := dns.UnpackRR(q.notify, 0)
		if err != nil {
			return nil, nil, err
		}
		m.Answer = []dns.RR{soa} // RFC 1996 §3.7: a hint, which we let nobody rely on
	}
	if msg, err = m.Pack(); err != nil || q.key == nil {
		return msg, nil, err
	}
	msg, mac = q.key.sign(msg, nil, false, now)
	return msg, mac, nil
}

// ask sends q and waits for the answer that has its ID and question, from
// where it was sent to; what else arrives is passed over. It returns the serial
// in the answer to a question for the SOA.
func (q *question) ask(ctx context.Context, now func() time.Time) (serial uint32, err error) {
	msg, mac, err := q.pack(now())
	if err != nil {
		return 0, err
	}
	conn, err := q.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(answerWait))
	if _, err := conn.Write(msg); err != nil {
		return 0, short(err)
	}
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return 0, short(err)
		}
		if m := q.matches(msg, buf[:n]); m != nil {
			return q.judge(m, buf[:n], mac, now())
		}
	}
}

// dial opens a socket on a port that nobody knows.
func (q *question) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	if q.source.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(q.source, 0))
		if conn, err := d.DialContext(ctx, "udp", q.to.String()); err == nil {
			return conn, nil
		}
		d.LocalAddr = nil // an address that does not lead there
	}
	return d.DialContext(ctx, "udp", q.to.String())
}

// short returns err without the addresses that are said elsewhere.
func short(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		if op.Timeout() {
			return fmt.Errorf("no answer within %v", answerWait)
		}
		return op.Err
	}
	return err
}

// matches returns reply as a message if it answers msg; else nil.
func (q *question) matches(msg, reply []byte) *dns.Msg {
	if len(reply) < headerLen || binary.BigEndian.Uint16(reply) != binary.BigEndian.Uint16(msg) || reply[2]&0xf8 != msg[2]&0xf8|0x80 {
		return nil
	}
	m := new(dns.Msg)
	if m.Unpack(reply) != nil || len(m.Question) > 1 {
		return nil
	}
	if len(m.Question) == 0 {
		if q.notify == nil && m.Rcode == dns.RcodeSuccess {
			return nil
		}
		return m
	}
	if a := m.Question[0]; canonical(a.Name) != q.origin || a.Qtype != dns.TypeSOA || a.Qclass != dns.ClassINET {
		return nil
	}
	return m
}

// judge returns what an answer that matches says. An answer to NOTIFY ends its
// repetition whatever it says and whoever signed it: the SOA question, whose
// answer must be signed where the question was, tells what came of it.
func (q *question) judge(m *dns.Msg, reply, mac []byte, now time.Time) (serial uint32, err error) {
	var code uint16
	bare, t, err := split(reply)
	if t != nil {
		code = t.Error
	}
	if m.Rcode != dns.RcodeSuccess {
		if code != 0 {
			return 0, answered{fmt.Errorf("it answers %s, %s", dns.RcodeToString[m.Rcode], dns.RcodeToString[int(code)])}
		}
		return 0, answered{fmt.Errorf("it answers %s", dns.RcodeToString[m.Rcode])}
	}
	if q.notify != nil {
		return 0, nil
	}
	if q.key != nil {
		if err != nil {
			return 0, answered{fmt.Errorf("its answer is %w", err)}
		}
		if _, rcode, _ := q.key.verify(bare, t, mac, now); rcode != 0 {
			return 0, answered{errors.New("its answer is not signed by our key")}
		}
	}
	for _, rr := range m.Answer {
		if soa, ok := rr.(*dns.SOA); ok && canonical(soa.Hdr.Name) == q.origin {
			return soa.Serial, nil
		}
	}
	return 0, answered{errors.New("it does not serve the zone")}
}

// An answered error is one that came as an answer: the secondary is there.
type answered struct{ error }
