package resolver

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// reusePort: the kernel spreads packets over several sockets of one port.
const reusePort = true

// newUDP returns the side that reads and writes in batches, with n sockets an
// address, among which the kernel spreads the clients.
func newUDP(a *Answerer, n int) (udpSide, error) { return newBatchUDP(a, n) }

// oobLen holds one IP_PKTINFO or IPV6_PKTINFO message.
var oobLen = unix.CmsgSpace(unix.SizeofInet6Pktinfo)

// controlUDP sets the options of a socket of package net before it is bound.
func controlUDP(addr netip.Addr) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		ctlErr := c.Control(func(fd uintptr) { err = setOptions(int(fd), addr) })
		if ctlErr != nil {
			return ctlErr
		}
		return err
	}
}

// setOptions sets the options of a UDP socket that will be bound to addr:
// several sockets share the port; a wildcard socket hears which address was
// asked, so that the reply comes from there; and path MTU discovery is off, so
// that no forged ICMP message makes us fragment (RFC 9715 §3.1; see also
// dontFragment).
func setOptions(fd int, addr netip.Addr) error {
	var err error
	set := func(level, opt, value int) {
		if err == nil {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, opt, value))
		}
	}
	set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if addr.Is4() {
		set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT)
	} else {
		set(unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT)
	}
	switch {
	case !addr.IsUnspecified():
	case addr.Is4():
		set(unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	default:
		set(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return err
}

// openUDP returns a bound, blocking socket that package net knows nothing of:
// its poller would be woken by every packet.
func openUDP(addr netip.AddrPort) (fd int, err error) {
	domain := unix.AF_INET6
	if addr.Addr().Is4() {
		domain = unix.AF_INET
	}
	fd, err = unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err = bindUDP(fd, addr); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// bindUDP sets the options of fd and binds it.
func bindUDP(fd int, addr netip.AddrPort) error {
	if err := setOptions(fd, addr.Addr()); err != nil {
		return err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, udpBuffer) // as far as the kernel allows
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, udpBuffer)
	if addr.Addr().Is4() {
		dontFragment(fd)
	}
	wait := unix.NsecToTimeval(shortWait.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if addr.Addr().Is4() {
		return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}))
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	to := &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	if zone := addr.Addr().Zone(); zone != "" {
		link, err := net.InterfaceByName(zone)
		if err != nil {
			return err
		}
		to.ZoneId = uint32(link.Index)
	}
	return os.NewSyscallError("bind", unix.Bind(fd, to))
}

// dontFragment sets the DF bit of all that fd sends over IPv4 (RFC 9715 §3.1),
// and still keeps ICMP messages from having a say. Besides, the kernel need not
// draw an IP ID then, which is a fiftieth of the cost of an answer. Where the
// kernel does not know this, nothing is lost.
func dontFragment(fd int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
}

// mayFragment undoes dontFragment for a server whose udp_size is above what a
// link carries, and reports whether there was something to undo.
func mayFragment(fd int) bool {
	now, err := unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER)
	if err != nil || now != unix.IP_PMTUDISC_PROBE {
		return false
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT) == nil
}

// replyFrom turns the control message that came with a query into the one for
// its reply, in place: the address that was asked becomes the source. The
// interface is left to routing, but for link-local addresses, which mean
// nothing without one.
func replyFrom(oob []byte) []byte {
	const head = unix.SizeofCmsghdr
	if len(oob) < head {
		return nil
	}
	// struct cmsghdr {size_t len; int level; int type}
	level := binary.NativeEndian.Uint32(oob[head-8:])
	kind := binary.NativeEndian.Uint32(oob[head-4:])
	data := oob[head:]
	switch {
	case level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		clear(data[:4]) // struct in_pktinfo {int ifindex; in_addr spec_dst, addr}
		return oob
	case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		linkLocal := data[0] == 0xfe && data[1]&0xc0 == 0x80
		if !linkLocal {
			clear(data[16:20]) // struct in6_pktinfo {in6_addr addr; int ifindex}
		}
		return oob
	}
	return nil
}
