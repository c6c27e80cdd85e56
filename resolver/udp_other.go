//go:build !linux

package resolver

import (
	"net/netip"
	"syscall"
)

// reusePort: one socket an address, which every system can do.
const reusePort = false

// newUDP returns the plain side.
func newUDP(a *Answerer, n int) (udpSide, error) { return newPlainUDP(a, n) }

// oobLen: no control messages are asked for.
const oobLen = 0

// controlUDP sets nothing. The source of a reply from a wildcard socket is the
// system's choice here: on a host with several addresses, listen on each.
func controlUDP(netip.Addr) func(network, address string, c syscall.RawConn) error { return nil }

func replyFrom([]byte) []byte { return nil }
