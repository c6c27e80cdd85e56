package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math"
	"net"
	"net/netip"
	"time"
)

// maxRead bounds what a probe reads of a body, and of the fields before it.
const maxRead = 64 << 10

// A conn is one connection to an endpoint, with the reader that its answers
// come through.
type conn struct {
	tcp      socket
	net.Conn           // tcp, or TLS over it
	certEnd  time.Time // zero without TLS
	used     time.Time // when the last answer on it ended
	watch    uint64    // its number in the Watch
	limit    io.LimitedReader
	br       *bufio.Reader
}

// connect opens a connection to port of at.addr and, given a configuration,
// shakes hands. Every later operation on the connection ends at at.deadline;
// obey ends one earlier.
func connect(ctx context.Context, at *attempt, port uint16, cfg *tls.Config) (*conn, error) {
	at.stage = connecting
	begin := time.Now()
	tcp, err := dial(ctx, netip.AddrPortFrom(at.addr, port), at.deadline)
	at.phases.Connect = time.Since(begin)
	if err != nil {
		if isReset(err) { // not refused: it was there for a moment
			at.stage = waiting
		}
		return nil, err
	}
	c := &conn{tcp: tcp, Conn: tcp}
	if cfg != nil {
		if err := c.handshake(ctx, at, cfg); err != nil {
			c.abort()
			return nil, err
		}
	}
	return c, nil
}

// handshake makes c a TLS connection and notes when its certificate ends,
// also when the certificate is the reason for the failure.
func (c *conn) handshake(ctx context.Context, at *attempt, cfg *tls.Config) error {
	at.stage = handshaking
	defer c.obey(ctx)()
	begin := time.Now()
	_ = c.tcp.SetNoDelay(true) // or the request waits until the peer has acknowledged our last flight
	t := tls.Client(c.tcp, cfg)
	err := t.Handshake()
	at.phases.TLS = time.Since(begin)
	if err != nil {
		at.certEnd = badCertEnd(err)
		return err
	}
	c.Conn = t
	state := t.ConnectionState()
	shook(cfg, state.DidResume)
	c.certEnd = chainsEnd(state.VerifiedChains)
	at.certEnd = c.certEnd
	return nil
}

// obey ends whatever c is doing when ctx is cancelled; the function it
// returns stops watching. Deadlines alone do not know of a cancelled ctx.
func (c *conn) obey(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { _ = c.tcp.SetDeadline(time.Unix(1, 0)) })
}

// resume returns c with a reader that gives begin again, then what comes from
// the network, or err where that is how the network ended. It fails after
// maxRead octets.
func (c *conn) resume(begin []byte, err error) *conn {
	var rest io.Reader = c.Conn
	if err != nil {
		rest = failing{err}
	}
	c.limit = io.LimitedReader{R: io.MultiReader(bytes.NewReader(begin), rest), N: maxRead}
	c.br = bufio.NewReader(&c.limit)
	return c
}

// A failing reader has failed.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// unlimit lets c's reader read on without end.
func (c *conn) unlimit() { c.limit.N = math.MaxInt64 }

// overran reports whether c's reader has used up its limit.
func (c *conn) overran() bool { return c.limit.N <= 0 }

// abort closes c with a reset instead of FIN: nothing more is wanted from it,
// and thousands of probes a second must not leave as many sockets in
// TIME_WAIT. HAProxy's checks do the same.
func (c *conn) abort() {
	_ = c.tcp.SetLinger(0)
	_ = c.Conn.Close()
}

// leave keeps c in idle until the next probe, or closes it where idle is nil.
func (c *conn) leave(at *attempt, idle *idleConns) {
	if idle == nil {
		c.abort()
		return
	}
	idle.put(at.addr, c)
}

// chainsEnd returns when the last of the verified chains ends: a client needs
// only one. A chain ends with the first of its certificates.
func chainsEnd(chains [][]*x509.Certificate) (end time.Time) {
	for _, chain := range chains {
		if e := earliestEnd(chain); e.After(end) {
			end = e
		}
	}
	return end
}

func earliestEnd(chain []*x509.Certificate) (end time.Time) {
	for _, cert := range chain {
		if end.IsZero() || cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	return end
}
