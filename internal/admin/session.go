package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/netip"
	"sync"
	"time"
)

const (
	// sessionLasts is how long a browser stays logged in.
	sessionLasts = 12 * time.Hour

	// mostSessions is how many browsers may be logged in at once; the one that
	// would end first makes room.
	mostSessions = 1000
)

// sessions are the browsers that are logged in. They end with the process, and
// with their token.
type sessions struct {
	mu   sync.Mutex
	open map[[sha256.Size]byte]session // by the hash of what the cookie holds
}

type session struct {
	token [sha256.Size]byte
	ends  time.Time
}

// begin opens a session for t, and returns what its cookie is to hold.
func (s *sessions) begin(t Token, now time.Time) string {
	var id [32]byte
	rand.Read(id[:]) // never fails
	shown := base64.RawURLEncoding.EncodeToString(id[:])
	ends := now.Add(sessionLasts)
	if t.Expires.Before(ends) {
		ends = t.Expires
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[[sha256.Size]byte]session{}
	}
	maps.DeleteFunc(s.open, func(_ [sha256.Size]byte, x session) bool { return !now.Before(x.ends) })
	if len(s.open) >= mostSessions {
		var first [sha256.Size]byte
		for id, x := range s.open {
			if was, ok := s.open[first]; !ok || x.ends.Before(was.ends) {
				first = id
			}
		}
		delete(s.open, first)
	}
	s.open[sha256.Sum256([]byte(shown))] = session{t.hash, ends}
	return shown
}

// token returns the hash of the token that the session was opened with.
func (s *sessions) token(shown string, now time.Time) (hash [sha256.Size]byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.open[sha256.Sum256([]byte(shown))]
	return x.token, ok && now.Before(x.ends)
}

// end closes a session.
func (s *sessions) end(shown string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, sha256.Sum256([]byte(shown)))
}

const (
	// triesAtOnce is how many wrong tokens one address may show at once, and
	// tryEvery how soon it may show another.
	triesAtOnce = 5
	tryEvery    = 10 * time.Second

	// deniedAtOnce is how many requests one address may make at once for which
	// its token has no right; it may make another as soon.
	deniedAtOnce = 100

	// mostTriers is how many addresses are remembered.
	mostTriers = 10_000
)

// tries count what each address does wrong, each /64 for IPv6.
type tries struct {
	mu   sync.Mutex
	from map[netip.Prefix]time.Time // when all of its tries will be there again
}

// network returns whom the tries of addr count against.
func network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap()
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // the zero Prefix for the zero Addr
	return p
}

// left reports whether addr may try again, which may try so often at once.
func (t *tries) left(addr netip.Addr, now time.Time, atOnce int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.from[network(addr)].Sub(now) <= time.Duration(atOnce-1)*tryEvery
}

// wrong counts a try of addr that failed.
func (t *tries) wrong(addr netip.Addr, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.from == nil {
		t.from = map[netip.Prefix]time.Time{}
	}
	if len(t.from) >= mostTriers {
		maps.DeleteFunc(t.from, func(_ netip.Prefix, until time.Time) bool { return !now.Before(until) })
	}
	if len(t.from) >= mostTriers {
		clear(t.from) // so many at once do not guess from one address
	}
	p := network(addr)
	until := t.from[p]
	if until.Before(now) {
		until = now
	}
	t.from[p] = until.Add(tryEvery)
}
