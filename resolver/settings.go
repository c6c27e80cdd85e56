package resolver

import (
	"crypto/rand"
	"net/netip"
	"time"

	"github.com/shunt-dns/shunt/config"
)

const (
	minUDP = 512 // RFC 1035 §2.3.4
	maxTCP = 65535

	// NSID names longer than this do not fit a reply of 512 octets beside the
	// longest question and our other options.
	maxNSID = 128
)

// settings is config.DNS in the form in which a query reads it. It is
// immutable; a reload stores the next one.
type settings struct {
	udpSize   int
	nsid      []byte
	cookies   bool
	key       cookieKey
	oldKey    cookieKey // of the settings before a change of secret: its cookies stay valid
	keepalive uint16    // idle time in units of 100 ms (RFC 7828 §3.1)
	limit     rateRule
	tcp       config.TCP
}

// newSettings derives settings from c for a server with this many UDP workers
// an address. Values outside the ranges that config states are brought to the
// nearest end. Without a secret in c, the one of old is kept, so that a
// reload does not void the cookies of a random secret.
func newSettings(c config.DNS, workers int, old *settings) *settings {
	s := &settings{
		udpSize:   min(max(c.UDPSize, minUDP), 4096),
		nsid:      []byte(c.NSID)[:min(len(c.NSID), maxNSID)],
		cookies:   c.Cookies,
		keepalive: uint16(min(max(c.TCP.Idle, 0)/(100*time.Millisecond), 65535)),
		limit:     newRateRule(c.RateLimit, workers),
		tcp:       c.TCP,
	}
	s.tcp.MessageSize = min(max(s.tcp.MessageSize, minUDP), maxTCP)
	s.tcp.Connections = max(s.tcp.Connections, 1)
	s.tcp.PerClient = max(s.tcp.PerClient, 1)
	s.tcp.Idle = max(s.tcp.Idle, 100*time.Millisecond)

	var secret [16]byte
	switch copy(secret[:], c.Secret) {
	case len(secret):
		s.key = newCookieKey(secret)
	default:
		if old != nil {
			s.key, s.oldKey = old.key, old.oldKey
			return s
		}
		rand.Read(secret[:]) // never fails
		s.key = newCookieKey(secret)
	}
	s.oldKey = s.key
	switch {
	case old == nil:
	case old.key == s.key:
		s.oldKey = old.oldKey
	default:
		s.oldKey = old.key
	}
	return s
}

// checkCookie returns the server cookie for the reply, and whether the one in
// the query was ours. A cookie of the first half of its life is sent back as
// it came (RFC 9018 §4.3).
func (s *settings) checkCookie(e *edns, from netip.Addr, now time.Time) (c [serverCookieLen]byte, valid bool) {
	second := uint32(now.Unix())
	age, valid := s.key.valid(e.client, e.server, from, second)
	if valid && age >= 0 && age < cookieRenew {
		return [serverCookieLen]byte(e.server), true
	}
	if !valid && s.oldKey != s.key {
		_, valid = s.oldKey.valid(e.client, e.server, from, second)
	}
	return s.key.make(e.client, from, second), valid
}
