package probe

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// A rawSocket is a TCP connection without what package net does for each and a
// probe has no use for: four system calls, a goroutine that minds the context
// of a dial, and the allocations of both. The runtime's poller waits for it
// all the same.
type rawSocket struct {
	*os.File
	fd   int
	peer netip.AddrPort
}

// dial connects to peer until deadline, or until ctx is cancelled. The
// connection keeps the deadline. Errors are those of the system calls.
func dial(ctx context.Context, peer netip.AddrPort, deadline time.Time) (socket, error) {
	if peer.Addr().Zone() != "" { // a link-local address; package net knows the interfaces
		return dialNet(ctx, peer, deadline)
	}
	family, sa := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{Port: int(peer.Port())})
	if peer.Addr().Is4() {
		sa.(*syscall.SockaddrInet4).Addr = peer.Addr().As4()
	} else {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(peer.Port()), Addr: peer.Addr().As16()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	err = syscall.Connect(fd, sa)
	if err != nil && err != syscall.EINPROGRESS && err != syscall.EINTR {
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	s := &rawSocket{File: os.NewFile(uintptr(fd), "tcp"), fd: fd, peer: peer}
	if err := s.SetDeadline(deadline); err != nil {
		_ = s.Close()
		return nil, err
	}
	if err := s.connected(ctx, sa); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// connected waits until the connection is there. A second connect(2) says how
// far it is; over loopback it is there at once, and nothing has to be waited
// for.
func (s *rawSocket) connected(ctx context.Context, sa syscall.Sockaddr) error {
	if done, err := progress(s.fd, sa); done {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = s.SetDeadline(time.Unix(1, 0)) })()
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	waited := raw.Write(func(fd uintptr) (done bool) {
		done, result = progress(int(fd), sa)
		return done
	})
	if waited != nil {
		return plainError(waited)
	}
	return result
}

// progress reports whether a connection is made or has failed.
func progress(fd int, sa syscall.Sockaddr) (done bool, err error) {
	switch err := syscall.Connect(fd, sa); err {
	case nil, syscall.EISCONN:
		return true, nil
	case syscall.EALREADY, syscall.EINPROGRESS, syscall.EINTR:
		return false, nil
	default:
		return true, os.NewSyscallError("connect", err)
	}
}

// plainError returns err without the name of a file, which there is none of.
func plainError(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Read is part of net.Conn.
func (s *rawSocket) Read(p []byte) (int, error) {
	n, err := s.File.Read(p)
	if err != nil {
		err = plainError(err)
	}
	return n, err
}

// Write is part of net.Conn.
func (s *rawSocket) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	if err != nil {
		err = plainError(err)
	}
	return n, err
}

// LocalAddr is part of net.Conn. Nobody asks, and it would cost a system call.
func (s *rawSocket) LocalAddr() net.Addr { return nil }

// RemoteAddr is part of net.Conn.
func (s *rawSocket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.peer) }

// SetNoDelay sends what is written at once.
func (s *rawSocket) SetNoDelay(on bool) error {
	value := 0
	if on {
		value = 1
	}
	return syscall.SetsockoptInt(s.fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, value)
}

// SetLinger says what Close does with what is under way; see net.TCPConn.
func (s *rawSocket) SetLinger(sec int) error {
	return syscall.SetsockoptLinger(s.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1, Linger: int32(sec)})
}
