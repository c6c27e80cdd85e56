//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

const (
	streams  = 4  // connections of the pipelined load
	depth    = 32 // queries under way on each
	dialers  = 8  // connections open at once with one query each
	tcpGiven = 2 * time.Second
)

// A stream is one TCP connection: length-prefixed queries out, answers in,
// in any order (RFC 7766 §6.2.1.1).
type stream struct {
	fd       int
	ask      *question
	out      []byte
	in       []byte // octets of an answer not yet complete
	underway int
	asked    bool
}

// dialTCP opens a connection without waiting for it. from varies the source
// address, so that ports in TIME_WAIT do not run out.
func dialTCP(port int, from byte, q *question) (*stream, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 1, from}})
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, fmt.Errorf("connect to port %d: %w", port, err)
	}
	return &stream{fd: fd, ask: q}, nil
}

// send writes n queries in one segment as far as they fit.
func (s *stream) send(n int) error {
	s.out = s.out[:0]
	var buf [packet]byte
	for range n {
		size := s.ask.write(buf[:], uint16(rand.Uint32()), rand.Uint32())
		s.out = binary.BigEndian.AppendUint16(s.out, uint16(size))
		s.out = append(s.out, buf[:size]...)
	}
	s.underway += n
	for rest := s.out; len(rest) > 0; {
		k, err := unix.Write(s.fd, rest)
		switch err {
		case nil:
			rest = rest[k:]
		case unix.EAGAIN, unix.EINTR:
		default:
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// receive reads what has come and counts whole answers.
func (s *stream) receive(t *tally, buf []byte) (int, error) {
	k, err := unix.Read(s.fd, buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read: %w", err)
	case k == 0:
		return 0, errors.New("the server closed the connection")
	}
	s.in = append(s.in, buf[:k]...)
	n, rest := 0, s.in
	for len(rest) >= 2 {
		size := int(binary.BigEndian.Uint16(rest))
		if len(rest) < 2+size {
			break
		}
		if s.ask.right(rest[2 : 2+size]) {
			t.answered++
		} else {
			t.wrong++
		}
		rest = rest[2+size:]
		n++
	}
	s.in = append(s.in[:0], rest...)
	s.underway -= n
	return n, nil
}

// poll waits for streams to become readable, or writable where nothing was
// asked yet.
func poll(all []*stream) ([]unix.PollFd, error) {
	fds := make([]unix.PollFd, len(all))
	for i, s := range all {
		fds[i] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN}
		if !s.asked {
			fds[i].Events = unix.POLLOUT
		}
	}
	n, err := unix.Poll(fds, int(tcpGiven.Milliseconds()))
	if err == unix.EINTR {
		return nil, nil
	}
	if err == nil && n == 0 {
		err = fmt.Errorf("no answer within %v", tcpGiven)
	}
	return fds, err
}

// pipeline keeps depth queries under way on each of a few connections.
func pipeline(port int, q *question, length time.Duration) (tally, error) {
	var t tally
	buf := make([]byte, 1<<16)
	all := make([]*stream, 0, streams)
	defer func() { closeAll(all) }()
	for i := range streams {
		s, err := dialTCP(port, byte(i+1), q)
		if err != nil {
			return t, err
		}
		all = append(all, s)
	}
	began := time.Now()
	for time.Since(began) < length {
		fds, err := poll(all)
		if err != nil {
			return t, err
		}
		for i, fd := range fds {
			s := all[i]
			switch {
			case fd.Revents == 0:
				continue
			case !s.asked:
				s.asked = true
			default:
				if _, err := s.receive(&t, buf); err != nil {
					return t, err
				}
			}
			if room := depth - s.underway; room >= depth/2 {
				t.sent += room
				if err := s.send(room); err != nil {
					return t, err
				}
			}
		}
	}
	t.elapsed = time.Since(began)
	return t, nil
}

// singles asks one query on each connection, a few connections at a time.
func singles(port int, q *question, length time.Duration) (tally, error) {
	var t tally
	buf := make([]byte, 1<<16)
	all := make([]*stream, 0, dialers)
	defer func() { closeAll(all) }()
	from := byte(0)
	began := time.Now()
	for time.Since(began) < length {
		for len(all) < dialers {
			from = from%250 + 1
			s, err := dialTCP(port, from, q)
			if err != nil {
				return t, err
			}
			all = append(all, s)
		}
		fds, err := poll(all)
		if err != nil {
			return t, err
		}
		open := make([]*stream, 0, dialers)
		for i, fd := range fds {
			s := all[i]
			done := false
			switch {
			case fd.Revents == 0:
			case !s.asked:
				s.asked = true
				t.sent++
				err = s.send(1)
			default:
				var n int
				n, err = s.receive(&t, buf)
				done = n > 0
			}
			if err != nil {
				return t, err
			}
			if done {
				unix.Close(s.fd)
				s.fd = -1
			} else {
				open = append(open, s)
			}
		}
		if fds != nil {
			all = open
		}
	}
	t.elapsed = time.Since(began)
	return t, nil
}

func closeAll(all []*stream) {
	for _, s := range all {
		if s.fd >= 0 {
			unix.Close(s.fd)
		}
	}
}
