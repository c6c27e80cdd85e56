package rehearse

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/resolver/zone"
)

// A query is the A question for one name, asked again and again as the server
// would ask a snapshot.
type query struct {
	name []byte // lower case, in wire form
	msg  []byte
}

// headLen is the length of a message's header (RFC 1035 §4.1.1).
const headLen = 12

// newQuery returns a query for name, which is fully qualified.
func newQuery(name string) (*query, error) {
	wire := make([]byte, 256)
	n, err := dns.PackDomainName(name, wire, 0, nil, false)
	if err != nil {
		return nil, err
	}
	q := &query{name: wire[:n]}
	q.msg = make([]byte, headLen, 4096)
	q.msg[2], q.msg[5] = 0x80, 1 // a response with one question
	q.msg = append(q.msg, q.name...)
	q.msg = append(q.msg, 0, byte(dns.TypeA), 0, dns.ClassINET)
	return q, nil
}

// ask asks s for a client, at a moment in seconds since 1970: which pool that
// sends it to, and for how long.
func (q *query) ask(s *zone.Snapshot, client netip.Addr, now int64) (pool string, ttl time.Duration, ok bool) {
	msg := q.msg
	clear(msg[6:headLen]) // the counts of the answer before
	out, info := s.Append(msg, zone.Question{Name: q.name, Type: dns.TypeA, Client: client, Now: now}, dns.MaxMsgSize)
	const head = 2 + 2 + 2 // of the first record: the owner as a pointer, type, class
	if info.Variant < 0 || info.Rcode != dns.RcodeSuccess || len(out) < len(msg)+head+4 {
		return "", 0, false
	}
	seconds := binary.BigEndian.Uint32(out[len(msg)+head:])
	return s.Variants(info.Group)[info.Variant].Pool, time.Duration(seconds) * time.Second, true
}
