package resolver

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many datagrams one call may take.
const batch = 32

// A mmsghdr is the kernel's struct mmsghdr (recvmmsg(2)).
type mmsghdr struct {
	unix.Msghdr
	n uint32 // octets received
}

// messages is the memory of one batch, made once. The kernel reads and writes
// it through the headers, whose pointers keep their targets within it. What is
// used of each message lies close to the others', for the sake of the caches:
// a batch touches few pages but those of the queries.
type messages struct {
	in, out   [batch]mmsghdr
	inV, outV [batch]unix.Iovec
	from      [batch][unix.SizeofSockaddrInet6]byte
	oob       [batch][unix.SizeofCmsghdr + 24]byte // oobLen
	replies   [batch * udpReply]byte               // one behind the other
	queries   [batch][udpQuery + 1]byte
}

// newMessages returns a batch whose in headers are ready to receive.
func newMessages() *messages {
	b := new(messages)
	for i := range batch {
		b.inV[i].Base = &b.queries[i][0]
		b.inV[i].SetLen(len(b.queries[i]))
		b.in[i].Iov = &b.inV[i]
		b.in[i].SetIovlen(1)
		b.in[i].Name = &b.from[i][0]
		b.in[i].Control = &b.oob[i][0]
		b.ready(i)
		b.out[i].Iov = &b.outV[i]
		b.out[i].SetIovlen(1)
	}
	return b
}

// query returns message i; see whole.
func (b *messages) query(i int) []byte { return whole(b.queries[i][:b.in[i].n]) }

// ready makes the header of message i fit to receive again: the kernel has
// written over both lengths.
func (b *messages) ready(i int) {
	b.in[i].Namelen = unix.SizeofSockaddrInet6
	b.in[i].SetControllen(len(b.oob[i]))
}

// client returns who sent message i. Port 0, which nobody has, stands for an
// address that is not understood.
func (b *messages) client(i int) netip.AddrPort {
	// struct sockaddr_in {sa_family_t family; in_port_t port; in_addr addr; …}
	// struct sockaddr_in6 {sa_family_t family; in_port_t port; uint32_t flowinfo; in6_addr addr; …}
	from := &b.from[i]
	port := binary.BigEndian.Uint16(from[2:])
	switch n := b.in[i].Namelen; binary.NativeEndian.Uint16(from[:]) {
	case unix.AF_INET:
		if n >= unix.SizeofSockaddrInet4 {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(from[4:8])), port)
		}
	case unix.AF_INET6:
		if n >= unix.SizeofSockaddrInet6 {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte(from[8:24])), port)
		}
	}
	return netip.AddrPort{}
}

// reply makes the header o of out send reply to who sent message i.
func (b *messages) reply(o, i int, reply []byte) {
	in, out := &b.in[i], &b.out[o]
	b.outV[o].Base = &reply[0]
	b.outV[o].SetLen(len(reply))
	out.Name, out.Namelen = in.Name, in.Namelen
	oob := replyFrom(b.oob[i][:min(int(in.Controllen), len(b.oob[i]))])
	out.Control = nil
	if len(oob) > 0 {
		out.Control = &oob[0]
	}
	out.SetControllen(len(oob))
}

// recvmmsg fills in. Like sendmmsg it goes past the scheduler (RawSyscall6),
// which would otherwise hand the P to another thread at each call that lasts,
// and want it back: more work than the answer.
func (b *messages) recvmmsg(fd, flags int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(&b.in[0])), batch, uintptr(flags), 0, 0)
	return int(n), errno
}

// sendmmsg sends out[from:to] until one fails and returns how many went.
func (b *messages) sendmmsg(fd, from, to int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(&b.out[from])), uintptr(to-from), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// ppoll waits for input on any of fds, holding the P as recvmmsg does. The
// kernel writes the time that is left into timeout, so that it is set anew for
// each call; or else the next ones would not wait at all.
func ppoll(fds []unix.PollFd, timeout *unix.Timespec) unix.Errno {
	*timeout = unix.NsecToTimespec(shortWait.Nanoseconds())
	_, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)),
		uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
	return errno
}
