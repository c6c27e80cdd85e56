package resolver

import (
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	events      = 64                     // handled between two looks at the clock
	acceptBatch = 16                     // connections accepted before others are answered
	acceptPause = 100 * time.Millisecond // after an error, as too many open files, so that a lasting one costs little
	spareConns  = 256                    // closed connections whose memory is kept
)

// A pollLoop is one thread's listeners, connections and memory. Nobody else
// uses any of it.
type pollLoop struct {
	side      *pollTCP
	a         *Answerer
	gate      *gate
	worker    *Worker
	epoll     int
	listeners []int // one an address

	ready  [events]unix.EpollEvent
	conns  []*pollConn // by slot; nil where none is open
	spare  []*pollConn
	free   []int32         // slots
	queues [waitings]queue // by what they wait for
	deaf   time.Time       // when the listeners are heard again; zero: they are
	grace  time.Time       // when a loop that stops gives its clients up; zero: it does not stop
	in     [inRoom]byte    // what was read, while it is answered
	out    [replyRoom]byte // replies, until they are written
	from   [unix.SizeofSockaddrInet6]byte
	fromN  uint32
	count  int // connections open
}

// inRoom is how many octets are read at once. What an answer's slow reader
// leaves of them has to be kept.
const inRoom = 16 << 10

// What the data of an event stand for; others are slots.
const (
	onWake     = -1
	onListener = -2 // and below: the listeners in their order
)

func newPollLoop(s *pollTCP, a *Answerer, g *gate) (*pollLoop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	l := &pollLoop{side: s, a: a, gate: g, worker: a.Worker(), epoll: fd}
	if err := l.watch(unix.EPOLL_CTL_ADD, s.wake, unix.EPOLLIN, onWake); err != 0 {
		unix.Close(fd)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return l, nil
}

func (l *pollLoop) unlisten() {
	if last := len(l.listeners) - 1; last >= 0 {
		unix.Close(l.listeners[last])
		l.listeners = l.listeners[:last]
	}
}

// close closes what is open.
func (l *pollLoop) close() {
	for len(l.listeners) > 0 {
		l.unlisten()
	}
	unix.Close(l.epoll)
}

// serve answers until the side stops and no connection is left.
func (l *pollLoop) serve() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i, fd := range l.listeners {
		l.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN, onListener-int32(i))
	}
	for !l.side.stopping.Load() {
		if l.turn() {
			l.rest()
		}
	}
	l.drain()
}

// turn waits up to shortWait and does what there is to do; it reports whether
// that was nothing. As batchLoop.turn it holds its P meanwhile, and must stay a
// function of its own that calls others.
//
//go:noinline
func (l *pollLoop) turn() (idle bool) {
	n, errno := l.wait(shortWait)
	if errno == unix.EINTR {
		return false
	}
	now := time.Now()
	for i := range n {
		l.handle(l.ready[i], now)
	}
	l.expire(now)
	return n == 0
}

// rest waits without a P until there is something to do, or a deadline.
func (l *pollLoop) rest() {
	ms := -1
	if next := l.nextDeadline(); !next.IsZero() {
		ms = max(0, int(time.Until(next).Milliseconds())) + 1
	}
	unix.EpollWait(l.epoll, l.ready[:], ms) // why it returns does not matter: turn will see
}

// handle does what one event asks for.
func (l *pollLoop) handle(e unix.EpollEvent, now time.Time) {
	switch {
	case e.Fd >= 0:
		if c := l.conns[e.Fd]; c != nil {
			l.proceed(c, now)
		}
	case e.Fd <= onListener:
		l.accept(l.listeners[onListener-e.Fd], now)
	}
}

// accept takes some of the connections that wait. The kernel shows one once
// its first query is there, which is answered at once. It is true where more
// may wait.
func (l *pollLoop) accept(listener int, now time.Time) (more bool) {
	for range acceptBatch {
		fd, errno := l.acceptOne(listener)
		switch errno {
		case 0:
			l.open(fd, now)
		case unix.EAGAIN:
			return false
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.EPERM, unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTUNREACH:
		default:
			l.setDeaf(now)
			return false
		}
	}
	return true
}

// setDeaf looks away from the listeners for a while: there are too many open
// files, or too little memory.
func (l *pollLoop) setDeaf(now time.Time) {
	l.deaf = now.Add(acceptPause)
	for i, fd := range l.listeners {
		l.watch(unix.EPOLL_CTL_MOD, fd, 0, onListener-int32(i))
	}
}

// open admits a connection and answers what it has asked.
func (l *pollLoop) open(fd int, now time.Time) {
	from := sockaddrToAddrPort(&l.from, l.fromN)
	c := l.newConn(fd, from)
	if from.Port() == 0 || !l.gate.admit(&c.seat, from.Addr(), now.UnixNano()) {
		closeRaw(fd)
		l.keep(c)
		return
	}
	if n := len(l.free); n > 0 {
		c.slot = l.free[n-1]
		l.free = l.free[:n-1]
		l.conns[c.slot] = c
	} else {
		c.slot = int32(len(l.conns))
		l.conns = append(l.conns, c)
	}
	l.count++
	l.enter(c, forQuery, now)
	l.proceed(c, now)
	if c.fd >= 0 && !c.watched {
		l.watchFor(c, unix.EPOLLIN)
	}
}

// newConn returns a connection that is not open yet.
func (l *pollLoop) newConn(fd int, from netip.AddrPort) *pollConn {
	var c *pollConn
	if n := len(l.spare); n > 0 {
		c = l.spare[n-1]
		l.spare = l.spare[:n-1]
	} else {
		c = new(pollConn)
		c.seat.owner = c
	}
	c.fd, c.watched = fd, false
	c.talk = talk{from: from, tr: TCP}
	return c
}

// keep keeps the memory of a closed connection for another.
func (l *pollLoop) keep(c *pollConn) {
	if len(l.spare) < spareConns {
		l.spare = append(l.spare, c)
	}
}

// shut closes c and makes room for another.
func (l *pollLoop) shut(c *pollConn) {
	l.gate.leave(&c.seat) // first, so that nobody evicts whoever gets the descriptor next
	closeRaw(c.fd)
	l.forget(c)
}

// forget lets go of c, whose descriptor is no longer ours.
func (l *pollLoop) forget(c *pollConn) {
	l.leave(c)
	l.conns[c.slot] = nil
	l.free = append(l.free, c.slot)
	l.count--
	c.fd, c.out = -1, nil
	if c.in = c.in[:0]; cap(c.in) > keepRead {
		c.in = nil
	}
	l.keep(c)
}

// drain ends the loop: it closes the listeners, answers what was asked, and
// waits up to stopGrace for clients to take their replies.
func (l *pollLoop) drain() {
	now := time.Now()
	for _, fd := range l.listeners {
		// There are no more than the backlog, or a flood of new ones.
		for n := 0; n < backlog && l.accept(fd, now); n += acceptBatch {
		}
	}
	for len(l.listeners) > 0 {
		l.unlisten()
	}
	l.watch(unix.EPOLL_CTL_DEL, l.side.wake, 0, onWake)
	l.grace = now.Add(stopGrace)
	for _, c := range l.conns {
		if c != nil {
			l.proceed(c, now)
		}
	}
	for l.count > 0 && time.Now().Before(l.grace) {
		l.rest()
		l.turn()
	}
	for _, c := range l.conns {
		if c != nil {
			l.abort(c)
		}
	}
}
