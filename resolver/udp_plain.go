package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// plainUDP reads, answers and writes one datagram at a time through package
// net, which every system can do. Each socket has a goroutine and a worker.
type plainUDP struct {
	a     *Answerer
	n     int // sockets an address
	socks []plainSocket
}

// A plainSocket is one socket and the worker that answers it.
type plainSocket struct {
	conn   *net.UDPConn
	worker *Worker
}

// newPlainUDP returns a side of n sockets an address, without any yet.
func newPlainUDP(a *Answerer, n int) (udpSide, error) { return &plainUDP{a: a, n: n}, nil }

func (p *plainUDP) listen(addr netip.AddrPort) error {
	var conns []*net.UDPConn
	lc := net.ListenConfig{Control: controlUDP(addr.Addr())}
	for range p.n {
		c, err := lc.ListenPacket(context.Background(), family("udp", addr), addr.String())
		if err != nil {
			for _, c := range conns {
				c.Close()
			}
			return err
		}
		conn := c.(*net.UDPConn)
		conn.SetReadBuffer(udpBuffer) // as far as the kernel allows
		conn.SetWriteBuffer(udpBuffer)
		conns = append(conns, conn)
	}
	for _, c := range conns {
		p.socks = append(p.socks, plainSocket{conn: c, worker: p.a.Worker()})
	}
	return nil
}

func (p *plainUDP) serve() {
	var running sync.WaitGroup
	for _, s := range p.socks {
		running.Go(s.serve)
	}
	running.Wait()
}

func (p *plainUDP) stop() { p.close() }

func (p *plainUDP) close() {
	for _, s := range p.socks {
		s.conn.Close()
	}
}

// serve answers until the socket is closed.
func (s plainSocket) serve() {
	var (
		in  = make([]byte, udpQuery+1)
		out = make([]byte, udpReply)
		oob = make([]byte, oobLen)
	)
	for {
		n, oobn, _, from, err := s.conn.ReadMsgUDPAddrPort(in, oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(errorPause)
			continue
		}
		reply := s.worker.Answer(out[:0], whole(in[:n]), from, time.Now(), UDP)
		if len(reply) == 0 {
			continue
		}
		if _, _, err := s.conn.WriteMsgUDPAddrPort(reply, replyFrom(oob[:oobn]), from); err != nil {
			s.worker.n.sendErrors.Add(1)
		}
	}
}
