package resolver

import (
	"fmt"
	"net/netip"
	"runtime"
	"time"
)

const (
	udpQuery   = 4096                  // octets of the longest UDP query that is read whole; see whole
	udpReply   = 4096                  // config.DNS.UDPSize is at most this
	udpBuffer  = 1 << 20               // octets of kernel buffer asked for, each way
	errorPause = 10 * time.Millisecond // after an error of the socket, so that a lasting one costs little
)

// A udpSide is the UDP half of a server: the sockets of every address and the
// loops that answer them. There are two: batchUDP for Linux, and plainUDP for
// every system.
type udpSide interface {
	// listen opens all sockets of addr, whose port is not 0, or none.
	listen(addr netip.AddrPort) error
	// serve answers until stop; from its return on nobody uses the sockets.
	serve()
	// stop ends serve and may be called more than once, also before it.
	stop()
	// close closes the sockets, after serve or instead of it, once or more.
	close()
}

// cores is how many UDP workers there are: one for each core that this process
// may use. It is the smaller of two figures because GOMAXPROCS follows the
// control group's quota at first, and is raised above the cores by makeRoom.
func cores() int { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) }

// family returns the network of addr, so that [::] does not take IPv4 too.
func family(network string, addr netip.AddrPort) string {
	if addr.Addr().Is4() {
		return fmt.Sprint(network, 4)
	}
	return fmt.Sprint(network, 6)
}

// whole returns msg, which was read into a buffer of udpQuery+1 octets. Of a
// datagram that filled it the rest is lost, so only its header is left: it
// promises a question that is not there, and gets FORMERR whatever the octets
// that were kept look like.
func whole(msg []byte) []byte {
	if len(msg) > udpQuery {
		return msg[:headerLen]
	}
	return msg
}
