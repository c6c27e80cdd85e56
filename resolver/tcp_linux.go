package resolver

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	backlog       = 4096     // connections waiting to be accepted; the kernel may allow fewer
	deferSeconds  = 1        // that the kernel keeps a connection without a query to itself
	unsentInQueue = 64 << 10 // octets of replies that a socket takes while its client does not
	unreadInQueue = 32 << 10 // octets of queries that a socket takes while we do not (the kernel doubles it)
)

// newTCP returns the side that polls, with n listeners an address, among which
// the kernel spreads the connections.
func newTCP(a *Answerer, g *gate, n int) (tcpSide, error) { return newPollTCP(a, g, n) }

// pollTCP is the TCP side on Linux: one thread a core, with a listener of its
// own for each address and an epoll set of its connections, and system calls
// that go past Go's scheduler. It waits as batchUDP does: for a moment with
// its P, then as long as it takes without one.
type pollTCP struct {
	loops    []*pollLoop
	wake     int // an eventfd that stop makes readable, for good
	stopping atomic.Bool
	closing  sync.Once
}

// newPollTCP returns a side of n threads without listeners.
func newPollTCP(a *Answerer, g *gate, n int) (tcpSide, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	s := &pollTCP{wake: wake}
	for range n {
		l, err := newPollLoop(s, a, g)
		if err != nil {
			s.close()
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	return s, nil
}

func (s *pollTCP) listen(addr netip.AddrPort) (netip.AddrPort, error) {
	for i, l := range s.loops {
		fd, err := openTCP(addr, i == 0)
		if err == nil && i == 0 {
			addr, err = boundTo(fd, addr)
		}
		if err != nil {
			for _, l := range s.loops[:i] {
				l.unlisten()
			}
			return addr, err
		}
		l.listeners = append(l.listeners, fd)
	}
	return addr, nil
}

func (s *pollTCP) unlisten() {
	for _, l := range s.loops {
		l.unlisten()
	}
}

func (s *pollTCP) serve() {
	var running sync.WaitGroup
	for _, l := range s.loops {
		running.Go(l.serve)
	}
	running.Wait()
	s.close()
}

func (s *pollTCP) stop() {
	if !s.stopping.Swap(true) {
		unix.Write(s.wake, []byte{1, 0, 0, 0, 0, 0, 0, 1}) // any number that is not 0
	}
}

func (s *pollTCP) close() {
	s.closing.Do(func() {
		for _, l := range s.loops {
			l.close()
		}
		unix.Close(s.wake)
	})
}

// openTCP returns a listening socket. The first one of an address is bound
// before it agrees to share the port, so that another server that has the
// port, even another of our kind, makes it fail.
func openTCP(addr netip.AddrPort, first bool) (fd int, err error) {
	domain := unix.AF_INET6
	if addr.Addr().Is4() {
		domain = unix.AF_INET
	}
	fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err = bindTCP(fd, addr, first); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// bindTCP sets the options of fd, which its connections inherit, binds it and
// makes it listen.
func bindTCP(fd int, addr netip.AddrPort, first bool) error {
	var err error
	set := func(level, opt, value int) {
		if err == nil {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, opt, value))
		}
	}
	set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if !first {
		set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	set(unix.SOL_SOCKET, unix.SO_RCVBUF, unreadInQueue)
	set(unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentInQueue)
	set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	set(unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferSeconds)
	if addr.Addr().Is6() {
		set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err != nil {
		return err
	}
	to, err := socketAddress(addr)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, to); err != nil {
		return os.NewSyscallError("bind", err)
	}
	set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err != nil {
		return err
	}
	return os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

// boundTo returns addr with the port of fd.
func boundTo(fd int, addr netip.AddrPort) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(addr.Addr(), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(addr.Addr(), uint16(sa.Port)), nil
	}
	return addr, os.NewSyscallError("getsockname", err)
}

// makeRoomForBoth raises GOMAXPROCS for threads that wait with a P, one for
// UDP and one for TCP a core, and leaves as many to everybody else.
func makeRoomForBoth(cores int) {
	if runtime.GOMAXPROCS(0) < 3*cores {
		runtime.GOMAXPROCS(3 * cores)
	}
}

// socketAddress returns addr as bind wants it.
func socketAddress(addr netip.AddrPort) (unix.Sockaddr, error) {
	if addr.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}, nil
	}
	to := &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	if zone := addr.Addr().Zone(); zone != "" {
		link, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, err
		}
		to.ZoneId = uint32(link.Index)
	}
	return to, nil
}
