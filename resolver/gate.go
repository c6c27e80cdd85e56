package resolver

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
)

// sampleIdle is how many connections are compared to find one idle for long.
const sampleIdle = 32

// A gate admits connections, over every transport but UDP, and holds them to
// the limits of config.TCP in all and for each client network. Its methods may
// be called from any goroutine.
type gate struct {
	a *Answerer

	accepted, refused, evicted atomic.Uint64

	mu     sync.Mutex
	seats  []*seat
	of     map[netip.Addr]int // seats of each network
	random rand.PCG
}

// A seat is one admitted connection's place, which its owner may use again
// after it has left.
type seat struct {
	owner   evictable
	network netip.Addr
	at      int          // in seats
	last    atomic.Int64 // Unix nanoseconds of the last whole query, or of the beginning
}

// An evictable connection can be made to end. evict is called with the gate
// locked, at most once after each admission and not after leave; it must not
// wait.
type evictable interface{ evict() }

func newGate(a *Answerer) *gate {
	g := &gate{a: a, of: map[netip.Addr]int{}}
	g.random.Seed(rand.Uint64(), rand.Uint64())
	return g
}

// networkOf returns what counts as one client: an IPv4 address, or an IPv6 /64,
// of which one host has all addresses.
func networkOf(client netip.Addr) netip.Addr {
	client = client.Unmap().WithZone("")
	if client.Is4() {
		return client
	}
	p, _ := client.Prefix(64) // fails for no address of 128 bits
	return p.Addr()
}

// admit takes the connection of client in, at Unix nanoseconds now, and
// reports whether it did:
//
//	connections of this network   in all          conn     others
//	PerClient or more             any             refused  -
//	fewer                         fewer           taken    -
//	fewer                         Connections     taken    one idle for long is closed
//
// So whoever fills the house with idle connections shuts out nobody.
func (g *gate) admit(s *seat, client netip.Addr, now int64) bool {
	limits := &g.a.settings.Load().tcp
	s.network = networkOf(client)
	s.last.Store(now)
	g.accepted.Add(1)

	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of[s.network] >= limits.PerClient {
		g.refused.Add(1)
		return false
	}
	for len(g.seats) >= limits.Connections {
		g.evicted.Add(1)
		idlest := g.idlest()
		g.remove(idlest)
		idlest.owner.evict()
	}
	s.at = len(g.seats)
	g.seats = append(g.seats, s)
	g.of[s.network]++
	return true
}

// idlest returns the seat whose last query is longest ago, of a random sample,
// or of all where they are few.
func (g *gate) idlest() (oldest *seat) {
	begin, n := 0, len(g.seats)
	if n > sampleIdle {
		begin = int(g.random.Uint64() % uint64(n))
	}
	for i := range min(n, sampleIdle) {
		if s := g.seats[(begin+i)%n]; oldest == nil || s.last.Load() < oldest.last.Load() {
			oldest = s
		}
	}
	return oldest
}

// remove strikes s off.
func (g *gate) remove(s *seat) {
	last := len(g.seats) - 1
	g.seats[s.at] = g.seats[last]
	g.seats[s.at].at = s.at
	g.seats[last] = nil
	g.seats = g.seats[:last]
	s.at = -1
	if g.of[s.network]--; g.of[s.network] == 0 {
		delete(g.of, s.network)
	}
}

// move gives the place of from to another seat, if from still has one.
func (g *gate) move(from, to *seat) {
	g.mu.Lock()
	defer g.mu.Unlock()
	to.network, to.at = from.network, from.at
	to.last.Store(from.last.Load())
	if from.at >= 0 {
		g.seats[from.at] = to
		from.at = -1
	}
}

// leave gives the seat back; it may have been taken away already.
func (g *gate) leave(s *seat) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.at >= 0 {
		g.remove(s)
	}
}

// addTo adds what the gate counted.
func (g *gate) addTo(st *Stats) {
	st.Accepted = g.accepted.Load()
	st.Refused = g.refused.Load()
	st.Evicted = g.evicted.Load()
	g.mu.Lock()
	defer g.mu.Unlock()
	st.Connections = uint64(len(g.seats))
}
