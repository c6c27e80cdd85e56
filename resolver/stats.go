package resolver

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// A Transport is how a query came.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
)

// String returns udp or tcp.
func (t Transport) String() string {
	if t == TCP {
		return "tcp"
	}
	return "udp"
}

// Stats are totals since the server began.
type Stats struct {
	UDP     uint64            `json:"udp"` // messages received
	TCP     uint64            `json:"tcp"`
	Rcodes  map[string]uint64 `json:"rcodes"`  // replies sent, by mnemonic: NOERROR, NXDOMAIN, BADVERS…; those never sent are left out
	Types   map[string]uint64 `json:"types"`   // questions answered from the zones, by type; rare types are "other"
	Steered []SteeredCount    `json:"steered"` // sorted by service, then pool

	Silent    uint64 `json:"silent"`    // messages that get no reply: too short, or replies themselves
	Malformed uint64 `json:"malformed"` // replied to with FORMERR
	Limited   uint64 `json:"limited"`   // responses dropped or truncated by rate limiting
	Slipped   uint64 `json:"slipped"`   // those of Limited that went out truncated
	Truncated uint64 `json:"truncated"` // replies that did not fit the client's UDP size
	Panics    uint64 `json:"panics"`    // queries that ended in a panic and got SERVFAIL

	Connections uint64 `json:"connections"` // TCP connections open now
	Accepted    uint64 `json:"accepted"`    // TCP connections accepted
	Refused     uint64 `json:"refused"`     // TCP connections closed at once: too many from one address
	Evicted     uint64 `json:"evicted"`     // TCP connections closed to make room for another
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
	queries [2]atomic.Uint64 // by Transport
	rcodes  [len(rcodeNames)]atomic.Uint64
	types   [len(typeNames)]atomic.Uint64
	steered [steeredSlots]atomic.Uint64

	silent, malformed, limited, slipped, truncated, panics atomic.Uint64
	sendErrors                                             atomic.Uint64
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

// addTo adds c to s, and its steered answers to steered by slot.
func (c *counters) addTo(s *Stats, steered []uint64) {
	s.UDP += c.queries[UDP].Load()
	s.TCP += c.queries[TCP].Load()
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
	for i := range steered {
		steered[i] += c.steered[i].Load()
	}
	s.Silent += c.silent.Load()
	s.Malformed += c.malformed.Load()
	s.Limited += c.limited.Load()
	s.Slipped += c.slipped.Load()
	s.Truncated += c.truncated.Load()
	s.Panics += c.panics.Load()
	s.SendErrors += c.sendErrors.Load()
}

// Stats sums the counters of all workers.
func (a *Answerer) Stats() Stats {
	s := Stats{Rcodes: map[string]uint64{}, Types: map[string]uint64{}}
	a.mu.Lock()
	defer a.mu.Unlock()
	steered := make([]uint64, len(a.slots.names))
	for _, w := range a.workers {
		w.n.addTo(&s, steered)
	}
	for i, n := range steered {
		if n > 0 {
			c := a.slots.names[i]
			c.Answers = n
			s.Steered = append(s.Steered, c)
		}
	}
	slices.SortFunc(s.Steered, func(a, b SteeredCount) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Pool, b.Pool))
	})
	return s
}
