package resolver

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// keepRead is how many octets of query buffer a connection may keep.
const keepRead = 1 << 10

// A pollConn is one connection of a pollLoop. While it is idle it has no
// buffer. What it can hold is bounded: one query of config.TCP.MessageSize or
// what was read at once, and while its reader is slow about 100 KiB of replies,
// during which nothing is read.
type pollConn struct {
	fd      int // -1: closed
	slot    int32
	watched bool  // the epoll set has it
	next    phase // how it goes on once its replies are written
	passed  int   // octets dropped since it ended
	talk    talk
	seat    seat
	in      []byte // read and not answered
	out     []byte // replies not yet written

	waits        waiting
	since        time.Time // when it began to wait
	older, newer *pollConn // in the queue of those that wait for the same
}

// A waiting says what a connection waits for.
type waiting uint8

const (
	forQuery  waiting = iota // a whole query, for config.TCP.Idle
	forReader                // its replies to be taken, for config.TCP.Idle
	forEnd                   // the client to close, for linger
	waitings
)

// A queue holds the connections that wait for the same thing, and so for
// equally long: the first is always the next to be given up.
type queue struct{ first, last *pollConn }

// enter puts c at the end of a queue, out of the one that it is in.
func (l *pollLoop) enter(c *pollConn, w waiting, now time.Time) {
	l.leave(c)
	q := &l.queues[w]
	c.waits, c.since, c.older = w, now, q.last
	if q.last == nil {
		q.first = c
	} else {
		q.last.newer = c
	}
	q.last = c
}

// leave takes c out of its queue, if it is in one.
func (l *pollLoop) leave(c *pollConn) {
	q := &l.queues[c.waits]
	if c.older == nil && q.first != c {
		return
	}
	if c.older == nil {
		q.first = c.newer
	} else {
		c.older.newer = c.newer
	}
	if c.newer == nil {
		q.last = c.older
	} else {
		c.newer.older = c.older
	}
	c.older, c.newer = nil, nil
}

// patience returns how long one may wait.
func (l *pollLoop) patience(w waiting) time.Duration {
	switch {
	case w == forEnd && l.side.stopping.Load():
		return linger / 4
	case w == forEnd:
		return linger
	}
	return l.a.settings.Load().tcp.Idle
}

// expire gives up who has waited for too long.
func (l *pollLoop) expire(now time.Time) {
	for w := range waitings {
		for c := l.queues[w].first; c != nil && now.Sub(c.since) >= l.patience(w); c = l.queues[w].first {
			l.abort(c)
		}
	}
	if !l.deaf.IsZero() && !now.Before(l.deaf) {
		l.deaf = time.Time{}
		for i, fd := range l.listeners {
			l.watch(unix.EPOLL_CTL_MOD, fd, unix.EPOLLIN, onListener-int32(i))
		}
	}
}

// nextDeadline returns when expire has something to do; zero is never.
func (l *pollLoop) nextDeadline() time.Time {
	next := l.deaf
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for w := range waitings {
		if c := l.queues[w].first; c != nil {
			sooner(c.since.Add(l.patience(w)))
		}
	}
	if !l.grace.IsZero() {
		sooner(l.grace)
	}
	return next
}

// proceed does what c waits for, as far as its socket allows. Should that
// panic, c ends and nobody else.
func (l *pollLoop) proceed(c *pollConn, now time.Time) {
	defer func() {
		if r := recover(); r != nil {
			l.a.logPanic(fmt.Sprint("a connection: ", r))
			if c.fd >= 0 {
				l.abort(c)
			}
		}
	}()
	switch c.waits {
	case forQuery:
		l.read(c, now)
	case forReader:
		l.write(c, now)
	case forEnd:
		l.pass(c)
	}
}

// read reads once and answers what came. Half a query does not count as
// activity: the idle time runs from the last whole one.
func (l *pollLoop) read(c *pollConn, now time.Time) {
	limits := &l.a.settings.Load().tcp
	in := l.in[:0]
	if len(c.in) > 0 {
		c.in = roomFor(c.in, keepRead, limits.MessageSize)
		in = c.in
	}
	n, errno := readRaw(c.fd, in[len(in):cap(in)])
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		if l.side.stopping.Load() {
			l.shut(c)
		}
	case errno != 0 || n == 0:
		l.shut(c)
	default:
		l.answer(c, in[:len(in)+n], now)
	}
}

// answer answers the whole queries in front of in, which may be the loop's
// buffer or c's own, and writes the replies.
func (l *pollLoop) answer(c *pollConn, in []byte, now time.Time) {
	limits := &l.a.settings.Load().tcp
	if l.side.stopping.Load() && (len(in) < 2 || len(in)-2 < int(binary.BigEndian.Uint16(in))) {
		l.shut(c) // the rest of it is not waited for
		return
	}
	for p := full; p == full; {
		used, out, next := c.talk.answer(l.worker, l.out[:0], in, now, limits)
		p, in = next, in[used:]
		if used > 0 {
			c.seat.last.Store(now.UnixNano())
			l.enter(c, forQuery, now)
		}
		sent, ok := l.send(c, out)
		if !ok {
			return
		}
		if sent < len(out) {
			c.out = append(c.out[:0], out[sent:]...)
			c.keepIn(in)
			c.next = p
			l.enter(c, forReader, now)
			l.watchFor(c, unix.EPOLLOUT)
			return
		}
		if p != full {
			c.keepIn(in)
			l.goOn(c, p, now)
		}
	}
}

// keepIn keeps what was read and not answered. It may lie in c's buffer.
func (c *pollConn) keepIn(in []byte) {
	c.in = append(c.in[:0], in...)
	if len(in) == 0 && cap(c.in) > keepRead {
		c.in = nil
	}
}

// send writes out as far as the socket takes it; it is false where that ended
// the connection.
func (l *pollLoop) send(c *pollConn, out []byte) (sent int, ok bool) {
	for sent < len(out) {
		n, errno := sendRaw(c.fd, out[sent:])
		switch errno {
		case 0:
			sent += n
		case unix.EINTR:
		case unix.EAGAIN:
			return sent, true
		default:
			l.shut(c)
			return sent, false
		}
	}
	return sent, true
}

// write writes the replies that are left, and goes on where they held it up.
func (l *pollLoop) write(c *pollConn, now time.Time) {
	sent, ok := l.send(c, c.out)
	if !ok {
		return
	}
	c.out = c.out[:copy(c.out, c.out[sent:])]
	if len(c.out) > 0 {
		return
	}
	c.out = nil
	l.enter(c, forQuery, now)
	if c.next == full {
		l.answer(c, c.in, now)
	} else {
		l.goOn(c, c.next, now)
	}
	if c.fd >= 0 && c.waits != forReader {
		l.watchFor(c, unix.EPOLLIN)
	}
}

// goOn does what follows the replies.
func (l *pollLoop) goOn(c *pollConn, p phase, now time.Time) {
	switch {
	case p == broken, l.side.stopping.Load() && l.unread(c) == 0:
		l.shut(c)
	case p == taken && !l.side.stopping.Load():
		l.hand(c)
	case p == ended, l.side.stopping.Load():
		// Tell the client that no more is coming and wait for it to close, so
		// that unread queries do not reset the connection under our replies.
		unix.Shutdown(c.fd, unix.SHUT_WR)
		c.passed = 0
		l.enter(c, forEnd, now)
	}
}

// unread returns how many octets c's socket holds for us.
func (l *pollLoop) unread(c *pollConn) int {
	n, _ := unix.IoctlGetInt(c.fd, unix.SIOCINQ)
	return n
}

// pass drops what a client sends that may ask no more.
func (l *pollLoop) pass(c *pollConn) {
	n, errno := readRaw(c.fd, l.in[:])
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return
	}
	if c.passed += n; errno != 0 || n == 0 || c.passed > lingerBytes {
		l.shut(c)
	}
}

// evict ends the connection from another thread: its own then sees it closed.
func (c *pollConn) evict() { unix.Shutdown(c.fd, unix.SHUT_RDWR) }

// abort closes c. Replies that were not taken are not kept for its client.
func (l *pollLoop) abort(c *pollConn) {
	if len(c.out) > 0 {
		unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	l.shut(c)
}
