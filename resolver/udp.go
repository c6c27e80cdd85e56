package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	udpQuery   = 4096                  // octets of the longest UDP query read whole; a longer one is cut, and so malformed
	udpReply   = 4096                  // config.DNS.UDPSize is at most this
	udpBuffer  = 1 << 20               // octets of kernel buffer asked for, each way
	errorPause = 10 * time.Millisecond // after an error of the socket, so that a lasting one costs little
)

// A udpSocket is one socket and the worker that answers it.
type udpSocket struct {
	conn   *net.UDPConn
	worker *Worker
}

// listenUDP opens n sockets on addr, each with its own worker.
func listenUDP(addr netip.AddrPort, n int, a *Answerer) ([]*udpSocket, error) {
	socks := make([]*udpSocket, 0, n)
	lc := net.ListenConfig{Control: controlUDP(addr.Addr())}
	for range n {
		c, err := lc.ListenPacket(context.Background(), family("udp", addr), addr.String())
		if err != nil {
			for _, u := range socks {
				u.conn.Close()
			}
			return nil, err
		}
		conn := c.(*net.UDPConn)
		conn.SetReadBuffer(udpBuffer) // as far as the kernel allows
		conn.SetWriteBuffer(udpBuffer)
		socks = append(socks, &udpSocket{conn: conn})
	}
	for _, u := range socks {
		u.worker = a.Worker()
	}
	return socks, nil
}

// family returns the network of addr, so that [::] does not take IPv4 too.
func family(network string, addr netip.AddrPort) string {
	if addr.Addr().Is4() {
		return fmt.Sprint(network, 4)
	}
	return fmt.Sprint(network, 6)
}

// serve answers until the socket is closed.
func (u *udpSocket) serve() {
	var (
		in  = make([]byte, udpQuery)
		out = make([]byte, udpReply)
		oob = make([]byte, oobLen)
	)
	for {
		n, oobn, _, from, err := u.conn.ReadMsgUDPAddrPort(in, oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(errorPause)
			continue
		}
		reply := u.worker.Answer(out[:0], in[:n], from, time.Now(), UDP)
		if len(reply) == 0 {
			continue
		}
		if _, _, err := u.conn.WriteMsgUDPAddrPort(reply, replyFrom(oob[:oobn]), from); err != nil {
			u.worker.n.sendErrors.Add(1)
		}
	}
}
