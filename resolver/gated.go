package resolver

import (
	"errors"
	"net"
	"sync"
	"time"
)

// A gatedListener hands on only connections that the gate admits.
type gatedListener struct {
	net.Listener
	gate *gate
}

// A gatedConn gives its seat back when it is closed.
type gatedConn struct {
	net.Conn
	gate *gate
	seat seat
	once sync.Once
}

// Accept waits for a connection that is admitted. It fails only when the
// listener is closed: net/http would take any error that does not look
// temporary, and accept(2) has many that are, for the end.
func (l *gatedListener) Accept() (net.Conn, error) {
	for pause := minPause; ; {
		conn, err := l.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			time.Sleep(pause)
			pause = min(2*pause, maxPause)
			continue
		}
		pause = minPause
		from, ok := conn.RemoteAddr().(*net.TCPAddr)
		c := &gatedConn{Conn: conn, gate: l.gate}
		c.seat.owner = c
		if ok && l.gate.admit(&c.seat, from.AddrPort().Addr(), time.Now().UnixNano()) {
			return c, nil
		}
		conn.Close()
	}
}

// Read reads, and notes that the client is alive.
func (c *gatedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.seat.last.Store(time.Now().UnixNano())
	}
	return n, err
}

// Close closes the connection and makes room for another.
func (c *gatedConn) Close() error {
	c.once.Do(func() { c.gate.leave(&c.seat) })
	return c.Conn.Close()
}

// evict ends the connection from elsewhere.
func (c *gatedConn) evict() { c.Conn.Close() }
