package resolver

import (
	"cmp"
	"math/bits"
	"slices"
	"sync/atomic"
)

// A Transport is how a query came.
type Transport uint8

// The transports.
const (
	UDP   Transport = iota
	TCP             // RFC 7766
	TLS             // RFC 7858
	HTTPS           // RFC 8484

	transports = iota
)

// String returns udp, tcp, tls or https.
func (t Transport) String() string { return [transports]string{"udp", "tcp", "tls", "https"}[t] }

// encrypted reports whether padding hides anything (RFC 7830 §6).
func (t Transport) encrypted() bool { return t == TLS || t == HTTPS }

// stream reports whether queries share a connection that the client may be
// told to keep (RFC 7828); HTTP has its own ways.
func (t Transport) stream() bool { return t == TCP || t == TLS }

// Stats are totals since the server began.
type Stats struct {
	UDP     uint64            `json:"udp"` // messages received
	TCP     uint64            `json:"tcp"`
	TLS     uint64            `json:"tls"`
	HTTPS   uint64            `json:"https"`
	Rcodes  map[string]uint64 `json:"rcodes"`  // replies sent, by mnemonic: NOERROR, NXDOMAIN, BADVERS…; those never sent are left out
	Types   map[string]uint64 `json:"types"`   // questions answered from the zones, by type; rare types are "other"
	Pools   map[string]uint64 `json:"pools"`   // steered answers, by the pool that they were of; never less than before
	Steered []SteeredCount    `json:"steered"` // the same by service and pool, as far as there still is such a service; sorted so

	Silent    uint64 `json:"silent"`    // messages that get no reply: too short, or replies themselves
	Malformed uint64 `json:"malformed"` // replied to with FORMERR
	Limited   uint64 `json:"limited"`   // responses dropped or truncated by rate limiting
	Slipped   uint64 `json:"slipped"`   // those of Limited that went out truncated
	Truncated uint64 `json:"truncated"` // replies that did not fit the client's UDP size
	Panics    uint64 `json:"panics"`    // queries that ended in a panic and got SERVFAIL

	Connections uint64 `json:"connections"` // connections open now, over TCP, TLS and HTTPS
	Accepted    uint64 `json:"accepted"`    // connections accepted
	Refused     uint64 `json:"refused"`     // connections closed at once: too many from one client network
	Evicted     uint64 `json:"evicted"`     // connections closed to make room for another
	SendErrors  uint64 `json:"send_errors"` // UDP replies that the kernel did not take
}

// A SteeredCount says how often a pool answered for a service. Services that
// share a decision count together, under the name of one of them.
type SteeredCount struct {
	Service string `json:"service"`
	Pool    string `json:"pool"`
	Answers uint64 `json:"answers"`
}

// counters are one worker's. They are atomic because Stats reads them, and
// uncontended because nobody else writes them.
type counters struct {
	now     tally
	queries [transports]atomic.Uint64
	rcodes  [len(rcodeNames)]atomic.Uint64
	types   [len(typeNames)]atomic.Uint64
	steered book

	silent, malformed, limited, slipped, truncated, panics atomic.Uint64
	sendErrors                                             atomic.Uint64

	batches uint32 // so far
	batch   uint32 // queries of the last one
	watches [transports]stopwatch
}

// A tally is what was counted since the last flush. It is the worker's own, so
// that counting is one addition: an atomic one, though nobody contends for it,
// costs the processor twenty cycles.
type tally struct {
	queries [transports]uint32
	rcodes  [len(rcodeNames)]uint32
	types   [len(typeNames)]uint32
	slot    uint32 // of the steered answers in a row
	answers uint32
	some    uint32 // bit set of rcodes that are not 0
	kinds   uint32 // of types
}

// rcode counts one reply.
func (t *tally) rcode(r uint16) {
	if int(r) < len(t.rcodes) {
		t.rcodes[r]++
		t.some |= 1 << (r & 31)
	}
}

// qtype counts one question by its bucket.
func (t *tally) qtype(bucket int) {
	t.types[bucket]++
	t.kinds |= 1 << (bucket & 31)
}

// steer counts one answer of a service.
func (c *counters) steer(slot uint32) {
	if slot != c.now.slot {
		c.flushSteered()
		c.now.slot = slot
	}
	c.now.answers++
}

func (c *counters) flushSteered() {
	if c.now.answers > 0 {
		c.steered.at(c.now.slot).Add(uint64(c.now.answers))
		c.now.answers = 0
	}
}

// flush makes everything counted visible.
func (c *counters) flush() {
	t := &c.now
	c.batch = 0
	for i := range t.queries {
		if n := t.queries[i]; n > 0 {
			c.batch += n
			c.queries[i].Add(uint64(n))
			t.queries[i] = 0
		}
	}
	for ; t.some != 0; t.some &= t.some - 1 {
		i := bits.TrailingZeros32(t.some)
		c.rcodes[i].Add(uint64(t.rcodes[i]))
		t.rcodes[i] = 0
	}
	for ; t.kinds != 0; t.kinds &= t.kinds - 1 {
		i := bits.TrailingZeros32(t.kinds)
		c.types[i].Add(uint64(t.types[i]))
		t.types[i] = 0
	}
	c.flushSteered()
}

// rcodeNames are the mnemonics of the rcodes we can send.
var rcodeNames = [...]string{
	0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED",
	6: "YXDOMAIN", 7: "YXRRSET", 8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 16: "BADVERS",
}

// typeNames name the buckets that queries are counted in; bucketOf finds one.
var typeNames = [...]string{
	"other", "A", "AAAA", "ANY", "CAA", "CNAME", "DNSKEY", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SRV", "SVCB", "TXT",
}

// bucketOf returns the index in typeNames of an RR type.
func bucketOf(qtype uint16) int {
	switch qtype {
	case 1:
		return 1
	case 28:
		return 2
	case typeANY:
		return 3
	case 257:
		return 4
	case 5:
		return 5
	case 48:
		return 6
	case 43:
		return 7
	case 65:
		return 8
	case 15:
		return 9
	case 35:
		return 10
	case 2:
		return 11
	case 12:
		return 12
	case 6:
		return 13
	case 33:
		return 14
	case 64:
		return 15
	case typeTXT:
		return 16
	}
	return 0
}

// addTo adds c to s, but for its steered answers.
func (c *counters) addTo(s *Stats) {
	s.UDP += c.queries[UDP].Load()
	s.TCP += c.queries[TCP].Load()
	s.TLS += c.queries[TLS].Load()
	s.HTTPS += c.queries[HTTPS].Load()
	for i := range c.rcodes {
		if n := c.rcodes[i].Load(); n > 0 {
			s.Rcodes[rcodeNames[i]] += n
		}
	}
	for i := range c.types {
		if n := c.types[i].Load(); n > 0 {
			s.Types[typeNames[i]] += n
		}
	}
	s.Silent += c.silent.Load()
	s.Malformed += c.malformed.Load()
	s.Limited += c.limited.Load()
	s.Slipped += c.slipped.Load()
	s.Truncated += c.truncated.Load()
	s.Panics += c.panics.Load()
	s.SendErrors += c.sendErrors.Load()
}

// Steered returns what the pools of wanted services answered since the server
// began, in no order. It costs what the wanted ones are.
func (a *Answerer) Steered(want func(service string) bool) []SteeredCount {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.slots.counted(want)
}

// Stats sums the counters of all workers, which count on meanwhile.
func (a *Answerer) Stats() Stats {
	s := Stats{Rcodes: map[string]uint64{}, Types: map[string]uint64{}, Pools: map[string]uint64{}}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.workers {
		w.n.addTo(&s)
	}
	a.slots.addTo(&s)
	slices.SortFunc(s.Steered, func(a, b SteeredCount) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Pool, b.Pool))
	})
	return s
}
