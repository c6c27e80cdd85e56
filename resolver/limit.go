package resolver

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// A rateRule is config.RateLimit as one worker applies it.
type rateRule struct {
	rate   int32 // responses a second; 0 is off
	slip   int
	bits4  int
	bits6  int
	exempt []netip.Prefix
}

// newRateRule divides the rate among the workers of a listen address. The
// kernel spreads one network's queries over them by source port, so that each
// worker gets its share, rounded up: in all at most Responses + workers - 1 a
// second, and to a client that keeps to one port as little as one share. On
// Linux a worker answers on every listen address, so that they count together;
// elsewhere each limits by itself.
func newRateRule(c config.RateLimit, workers int) rateRule {
	workers = max(workers, 1)
	return rateRule{
		rate:   int32(min((max(c.Responses, 0)+workers-1)/workers, maxRate)),
		slip:   max(c.Slip, 0),
		bits4:  min(max(c.IPv4Prefix, 0), 32),
		bits6:  min(max(c.IPv6Prefix, 0), 128),
		exempt: slices.Clone(c.Exempt),
	}
}

// applies reports whether responses to this client are limited at all.
func (r *rateRule) applies(client netip.Addr) bool {
	if r.rate == 0 {
		return false
	}
	for _, p := range r.exempt {
		if p.Contains(client) {
			return false
		}
	}
	return true
}

// A likeness is what makes two responses to one network alike. The name counts
// only where it stands in a zone: an attacker can make up any number of others,
// also below a wildcard or a DNAME, so that those are counted by zone.
//
//	answer                               likeness
//	records of the name, or too many     the name and the type
//	records from a wildcard or a DNAME   the zone, apart from the next line
//	NXDOMAIN, NODATA, referral, failure  the zone
//	what lies outside our zones, or is
//	malformed, refused, not implemented  the rcode
type likeness struct {
	kind  uint8 // see the constants
	which uint32
	name  []byte
}

const (
	likeName  = iota // which: the type
	likeMade         // which: the zone's index
	likeZone         // which: the zone's index
	likeRcode        // which: the rcode
)

// A pass says what becomes of a response.
type pass uint8

const (
	send     pass = iota
	truncate      // an empty reply with TC, so that a real client comes back over TCP
	drop
)

const (
	limiterSets = 1 << 14 // of 4 buckets: 65,536 networks × kinds, 1 MiB a worker
	unit        = 1000    // of a bucket's credit, to one response
	maxRate     = 1 << 20
)

// A bucket is one token bucket: it fills at the rule's rate and holds one
// second's worth.
type bucket struct {
	tag     uint32
	at      uint32 // milliseconds since the limiter began, when credit was right
	credit  int32  // in units
	limited uint32 // responses limited in a row, for slip
}

// A limiter is one worker's response-rate limiting. Its memory is fixed: a
// network that has no bucket takes the one of its set that was used least
// recently, and begins with full credit. The hash is keyed, so that nobody
// can aim at another's bucket.
type limiter struct {
	seed  maphash.Seed
	began time.Time
	sets  [][4]bucket // nil until the first use
	key   [16 + 1 + 4 + maxName]byte
}

// take counts one response to client and says what becomes of it.
func (l *limiter) take(r *rateRule, client netip.Addr, like likeness, now time.Time) pass {
	if l.sets == nil {
		l.seed, l.began = maphash.MakeSeed(), now
		l.sets = make([][4]bucket, limiterSets)
	}
	h := maphash.Bytes(l.seed, l.keyOf(r, client, like))
	b := l.find(h, uint32(now.Sub(l.began).Milliseconds()), r.rate)
	if b.credit >= unit {
		b.credit -= unit
		b.limited = 0
		return send
	}
	b.limited++
	if r.slip > 0 && b.limited%uint32(r.slip) == 0 {
		return truncate
	}
	return drop
}

// keyOf writes the client's network and the likeness.
func (l *limiter) keyOf(r *rateRule, client netip.Addr, like likeness) []byte {
	key := l.key[:0]
	if client = client.Unmap(); client.Is4() {
		a := client.As4()
		key = append(key, 4)
		key = binary.BigEndian.AppendUint32(key, binary.BigEndian.Uint32(a[:])&mask32(r.bits4))
	} else {
		a := client.As16()
		key = append(key, 6)
		key = binary.BigEndian.AppendUint64(key, binary.BigEndian.Uint64(a[:])&mask64(r.bits6))
		key = binary.BigEndian.AppendUint64(key, binary.BigEndian.Uint64(a[8:])&mask64(r.bits6-64))
	}
	key = append(key, like.kind)
	key = binary.BigEndian.AppendUint32(key, like.which)
	return append(key, like.name...)
}

// mask32 and mask64 keep the first n bits; n outside the word keeps all or none.
func mask32(n int) uint32 { return ^uint32(0) << (32 - n) }

func mask64(n int) uint64 {
	if n <= 0 {
		return 0
	}
	return ^uint64(0) << (64 - min(n, 64))
}

// find returns the bucket of hash h, filled up to now.
func (l *limiter) find(h uint64, now uint32, rate int32) *bucket {
	set := &l.sets[h%limiterSets]
	tag := uint32(h>>32) | 1 // zero marks a bucket never used
	oldest := &set[0]
	for i := range set {
		b := &set[i]
		if b.tag == tag {
			b.fill(now, rate)
			return b
		}
		if b.tag == 0 || oldest.tag != 0 && now-b.at > now-oldest.at {
			oldest = b
		}
	}
	*oldest = bucket{tag: tag, at: now, credit: rate * unit}
	return oldest
}

// fill adds what accrued since the bucket was last right.
func (b *bucket) fill(now uint32, rate int32) {
	elapsed := now - b.at
	b.at = now
	full := int64(rate) * unit
	b.credit = int32(min(full, int64(b.credit)+int64(elapsed)*int64(rate)*unit/1000))
}
