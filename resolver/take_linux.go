package resolver

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// hand gives c to the Aside, with what was read and not answered. It leaves the
// epoll set and becomes a connection of package net, which has a poller of its
// own.
func (l *pollLoop) hand(c *pollConn) {
	if c.watched {
		l.watch(unix.EPOLL_CTL_DEL, c.fd, 0, c.slot)
	}
	file := os.NewFile(uintptr(c.fd), "")
	conn, err := net.FileConn(file) // a descriptor of its own
	if err != nil {                 // there are too many open files
		l.gate.leave(&c.seat)
		file.Close()
		l.forget(c)
		return
	}
	own := l.gate.take(conn, conn, &c.seat) // from here on nobody evicts by c.fd
	file.Close()
	read, tr := c.in, c.talk.tr
	c.in = nil
	l.forget(c)
	l.a.aside.Take(own, read, tr, l.a.plain.answers(tr))
}
