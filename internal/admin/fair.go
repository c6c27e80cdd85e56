package admin

import (
	"net"
	"net/netip"
	"sync"
)

// mostOfOne is how many connections of a listener one address may hold, of IPv6
// one /64: who need not log in for it is not to keep the others out.
const mostOfOne = 50

// A fair listener closes connections at once of those who hold too many.
type fair struct {
	net.Listener

	mu   sync.Mutex
	held map[netip.Prefix]int
}

// Accept implements net.Listener.
func (f *fair) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ap, _ := netip.ParseAddrPort(c.RemoteAddr().String()) // the zero Addr for what is none
		from := network(ap.Addr())
		f.mu.Lock()
		room := f.held[from] < mostOfOne
		if room {
			f.held[from]++
		}
		f.mu.Unlock()
		if room {
			return &counted{Conn: c, done: sync.OnceFunc(func() { f.leave(from) })}, nil
		}
		c.Close()
	}
}

// leave forgets one connection.
func (f *fair) leave(from netip.Prefix) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held[from]--; f.held[from] == 0 {
		delete(f.held, from)
	}
}

// A counted connection is one that somebody holds.
type counted struct {
	net.Conn
	done func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.done()
	return c.Conn.Close()
}
