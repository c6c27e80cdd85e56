package resolver

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// reusePort: the kernel spreads packets over several sockets of one port.
const reusePort = true

// oobLen holds one IP_PKTINFO or IPV6_PKTINFO message.
var oobLen = unix.CmsgSpace(unix.SizeofInet6Pktinfo)

// controlUDP sets the options of a UDP socket before it is bound: several
// sockets share the port; a wildcard socket hears which address was asked, so
// that the reply comes from there; and path MTU discovery is off, so that no
// forged ICMP message makes us fragment (RFC 9715 §3.1).
func controlUDP(addr netip.Addr) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		set := func(fd, level, opt, value int) {
			if err == nil {
				err = unix.SetsockoptInt(fd, level, opt, value)
			}
		}
		ctlErr := c.Control(func(fd uintptr) {
			s := int(fd)
			set(s, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			if addr.Is4() {
				set(s, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT)
			} else {
				set(s, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT)
			}
			switch {
			case !addr.IsUnspecified():
			case addr.Is4():
				set(s, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
			default:
				set(s, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
			}
		})
		if ctlErr != nil {
			return ctlErr
		}
		return err
	}
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
