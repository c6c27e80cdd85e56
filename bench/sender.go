//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch   = 32
	window  = 128                    // queries under way at saturation: less than the smallest receive buffer holds
	patient = 300 * time.Millisecond // without any answer, then what is under way is lost
	late    = 2 * time.Millisecond   // between two looks at the socket, then we were not running
	drain   = 500 * time.Millisecond // for late answers at the end
	packet  = 1232
)

// A tally is what one run of load saw.
type tally struct {
	sent     int
	answered int // with the right rcode and number of records
	lost     int
	wrong    int
	elapsed  time.Duration
	delays   []time.Duration // of each answer, at a fixed rate only
}

// quantile returns the delay that the share q of answers did not exceed.
func (t *tally) quantile(q float64) time.Duration {
	if len(t.delays) == 0 {
		return 0
	}
	slices.Sort(t.delays)
	return t.delays[min(int(q*float64(len(t.delays))), len(t.delays)-1)]
}

// A mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// messages are the buffers of one recvmmsg.
type messages struct {
	bufs [batch][packet]byte
	iovs [batch]unix.Iovec
	hdrs [batch]mmsghdr
}

func newMessages() *messages {
	m := new(messages)
	for i := range m.hdrs {
		m.iovs[i].Base = &m.bufs[i][0]
		m.iovs[i].SetLen(packet)
		m.hdrs[i].hdr.Iov = &m.iovs[i]
		m.hdrs[i].hdr.SetIovlen(1)
	}
	return m
}

// A sender asks one server over one connected UDP socket. It never waits in
// the kernel while answers are due, so it costs its CPU wholly and the server
// nothing.
type sender struct {
	fd       int
	ask      *question
	in       *messages
	out      [batch * packet]byte
	began    [1 << 16]time.Duration // since start, by query ID; 0: none under way
	start    time.Time
	next     uint16
	underway int
	random   *rand.Rand
	tally
}

func newSender(port int, q *question) (*sender, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<21)
	if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, len(q.packet)); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("UDP_SEGMENT, which Linux has since 4.18: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect to port %d: %w", port, err)
	}
	return &sender{
		fd: fd, ask: q, in: newMessages(), start: time.Now(),
		random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)),
	}, nil
}

func (s *sender) close() { unix.Close(s.fd) }

// since returns the time since start, never zero.
func (s *sender) since() time.Duration { return time.Since(s.start) + 1 }

// send sends n queries, at most a batch, as one buffer that the kernel cuts
// into datagrams of the same length: that makes us cheaper than any server.
// They count as begun at now.
func (s *sender) send(n int, now time.Duration) error {
	n = min(n, batch)
	size := 0
	for range n {
		id := s.next
		s.next++
		if s.began[id] != 0 { // asked 65,536 queries ago
			s.lost++
			s.underway--
		}
		s.began[id] = now
		size += s.ask.write(s.out[size:], id, s.random.Uint32())
	}
	s.sent += n
	s.underway += n
	for {
		_, _, e := syscall.RawSyscall(unix.SYS_WRITE, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out[0])), uintptr(size))
		switch e {
		case 0:
			return nil
		case unix.EAGAIN, unix.EINTR, unix.ENOBUFS:
		case unix.ECONNREFUSED: // an ICMP error of before: told once, nothing was sent
		default:
			return fmt.Errorf("write: %w", e)
		}
	}
}

// receive takes what has come, and returns how many answers that were.
func (s *sender) receive() (int, error) {
	k, _, e := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in.hdrs[0])), batch, unix.MSG_DONTWAIT, 0, 0)
	switch e {
	case 0:
	case unix.EAGAIN, unix.EINTR, unix.ECONNREFUSED:
		return 0, nil
	default:
		return 0, fmt.Errorf("recvmmsg: %w", e)
	}
	now := s.since()
	for i := range int(k) {
		p := s.in.bufs[i][:s.in.hdrs[i].len]
		if len(p) < 12 {
			s.wrong++
			continue
		}
		id := binary.BigEndian.Uint16(p)
		if s.began[id] == 0 { // given up, or a second answer
			continue
		}
		if s.delays != nil {
			s.delays = append(s.delays, now-s.began[id])
		}
		s.began[id] = 0
		s.underway--
		if s.ask.right(p) {
			s.answered++
		} else {
			s.wrong++
		}
	}
	return int(k), nil
}

// flood keeps window queries under way for length.
func (s *sender) flood(length time.Duration) error {
	last := s.since()
	for {
		now := s.since()
		if now >= length {
			break
		}
		if room := window - s.underway; room >= batch || s.underway == 0 {
			if err := s.send(min(room, batch), now); err != nil {
				return err
			}
		}
		n, err := s.receive()
		switch {
		case err != nil:
			return err
		case n > 0:
			last = now
		case now-last > patient:
			s.giveUp()
			last = now
		}
	}
	s.elapsed = s.since()
	return s.finish()
}

// pace sends rate queries a second, evenly, for length. Where our own CPU was
// taken from us, the queries of that time are left out: sent late and at
// once, they would say nothing of the server. tick, if not nil, is
// called between packets and says whether to go on.
func (s *sender) pace(rate int, length time.Duration, tick func(now time.Duration) bool) error {
	s.delays = make([]time.Duration, 0, int(length.Seconds()*float64(rate))+batch)
	var away, last time.Duration
	for {
		now := s.since()
		if now >= length {
			break
		}
		if now-last > late {
			away += now - last
		}
		last = now
		if due := int((now-away).Seconds()*float64(rate)) - s.sent; due > 0 {
			if err := s.send(due, now); err != nil {
				return err
			}
		}
		if _, err := s.receive(); err != nil {
			return err
		}
		if tick != nil && !tick(now) {
			break
		}
	}
	s.elapsed = s.since()
	return s.finish()
}

// finish waits for the last answers.
func (s *sender) finish() error {
	end := s.since() + drain
	for s.underway > 0 && s.since() < end {
		if _, err := s.receive(); err != nil {
			return err
		}
	}
	s.giveUp()
	return nil
}

// giveUp counts what is under way as lost.
func (s *sender) giveUp() {
	if s.underway == 0 {
		return
	}
	s.lost += s.underway
	s.underway = 0
	clear(s.began[:])
}

// run puts the load of w on the server at port for length.
func run(w work, port int, length time.Duration) (tally, error) {
	runtime.LockOSThread() // the loops below hold their thread anyway
	defer runtime.UnlockOSThread()
	switch w.tcp {
	case pipelined:
		return pipeline(port, &w.ask, length)
	case single:
		return singles(port, &w.ask, length)
	}
	s, err := newSender(port, &w.ask)
	if err != nil {
		return tally{}, err
	}
	defer s.close()
	if w.rate > 0 {
		err = s.pace(w.rate, length, nil)
	} else {
		err = s.flood(length)
	}
	if err == nil && s.sent > 0 && s.answered == 0 {
		err = fmt.Errorf("%d queries, %d lost, %d answered wrong", s.sent, s.lost, s.wrong)
	}
	return s.tally, err
}
