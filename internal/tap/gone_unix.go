//go:build unix

package tap

import (
	"net"
	"syscall"
)

// gone reports whether the other end of conn has closed it. A reader says
// nothing between the handshake and the farewell, so that nobody else reads.
func gone(conn net.Conn) (closed bool) {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	c, err := raw.SyscallConn()
	if err != nil {
		return true
	}
	var b [1]byte
	err = c.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR
		return true
	})
	return closed || err != nil
}
