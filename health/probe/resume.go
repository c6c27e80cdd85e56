package probe

import (
	"crypto/tls"
	"net/netip"
	"sync"
	"time"
)

// sessions are the TLS sessions of a probe with resume, one an endpoint:
// crypto/tls would keep one for each server name, and CDNs that answer for the
// same name would overwrite each other's tickets.
type sessions struct {
	cfg  *tls.Config
	keep time.Duration

	mu  sync.Mutex
	all map[netip.Addr]*session
}

// newSessions returns the sessions of a probe with cfg that are resumed for as
// long as keep, nil for 0.
func newSessions(cfg *tls.Config, keep time.Duration) *sessions {
	if keep <= 0 {
		return nil
	}
	return &sessions{cfg: cfg, keep: keep, all: map[netip.Addr]*session{}}
}

// config returns the configuration for a connection to addr.
func (s *sessions) config(addr netip.Addr) *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[addr]
	if e == nil {
		if len(s.all) >= maxIdle { // of endpoints that are long gone, mostly
			clear(s.all)
		}
		e = &session{keep: s.keep, cfg: s.cfg.Clone()}
		e.cfg.ClientSessionCache = e
		s.all[addr] = e
	}
	return e.cfg
}

// forget has the next handshake with addr be a full one.
func (s *sessions) forget(addr netip.Addr) {
	s.mu.Lock()
	e := s.all[addr]
	s.mu.Unlock()
	if e != nil {
		e.Put("", nil)
	}
}

// A session is the latest of one endpoint. A resumed handshake shows no
// certificate: crypto/tls looks again at the one of the full handshake that
// began the session, which may not have ended meanwhile and must bear the
// name, but one that has been replaced by a wrong one goes unseen. So a
// session ends at a set time after its full handshake, and with any failure.
type session struct {
	cfg  *tls.Config
	keep time.Duration

	mu    sync.Mutex
	state *tls.ClientSessionState
	full  time.Time // the latest full handshake
}

// Get is part of tls.ClientSessionCache.
func (e *session) Get(string) (*tls.ClientSessionState, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.full) >= e.keep {
		return nil, false
	}
	return e.state, e.state != nil
}

// Put is part of tls.ClientSessionCache.
func (e *session) Put(_ string, state *tls.ClientSessionState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = state
}

// shook takes note of a handshake by cfg.
func shook(cfg *tls.Config, resumed bool) {
	if e, ok := cfg.ClientSessionCache.(*session); ok && !resumed {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.full = time.Now()
	}
}
