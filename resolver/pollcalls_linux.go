package resolver

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below go past Go's scheduler. None of them waits, but for wait,
// which does for a moment.

// wait fills l.ready and returns how many events there are.
func (l *pollLoop) wait(most time.Duration) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll),
		uintptr(unsafe.Pointer(&l.ready[0])), events, uintptr(most.Milliseconds()), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// watch changes what is waited for on fd.
func (l *pollLoop) watch(op, fd int, what uint32, data int32) unix.Errno {
	e := unix.EpollEvent{Events: what, Fd: data}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(l.epoll), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&e)), 0, 0)
	return errno
}

// watchFor makes c wait for what. Where the kernel has no memory for that, c
// ends.
func (l *pollLoop) watchFor(c *pollConn, what uint32) {
	op := unix.EPOLL_CTL_MOD
	if !c.watched {
		op = unix.EPOLL_CTL_ADD
	}
	if l.watch(op, c.fd, what, c.slot) != 0 {
		l.shut(c)
		return
	}
	c.watched = true
}

// acceptOne accepts one connection, whose client goes to l.from.
func (l *pollLoop) acceptOne(listener int) (fd int, errno unix.Errno) {
	l.fromN = unix.SizeofSockaddrInet6
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&l.from[0])),
		uintptr(unsafe.Pointer(&l.fromN)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), errno
}

// readRaw reads into buf, which is not empty.
func readRaw(fd int, buf []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// sendRaw writes buf, which is not empty, and raises no SIGPIPE.
func sendRaw(fd int, buf []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)),
		unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// closeRaw closes a socket, which does not wait: it does not linger.
func closeRaw(fd int) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// sockaddrToAddrPort reads a socket address of n octets; port 0, which nobody
// has, stands for one that is not understood.
func sockaddrToAddrPort(a *[unix.SizeofSockaddrInet6]byte, n uint32) netip.AddrPort {
	// struct sockaddr_in {sa_family_t family; in_port_t port; in_addr addr; …}
	// struct sockaddr_in6 {sa_family_t family; in_port_t port; uint32_t flowinfo; in6_addr addr; …}
	port := binary.BigEndian.Uint16(a[2:])
	switch family := binary.NativeEndian.Uint16(a[:]); {
	case family == unix.AF_INET && n >= unix.SizeofSockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[4:8])), port)
	case family == unix.AF_INET6 && n >= unix.SizeofSockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(a[8:24])).Unmap(), port)
	}
	return netip.AddrPort{}
}
