package xfr

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/resolver/zone"
)

// The timers of the catalog zone, in seconds: a lost NOTIFY is made up for
// within refresh.
const (
	catalogTTL     = 0 // as in RFC 9432 §A: nobody is to cache it
	catalogRefresh = 60
	catalogRetry   = 10
	catalogExpire  = 14 * 24 * 3600
)

// catalogSets returns all RRsets of the catalog zone (RFC 9432 §4) but its SOA.
// A member's label is a hash of its name, so that it stays the same as long as
// the member does (§4.1). Members must be fully qualified.
func catalogSets(origin string, members []string) []zone.RRset {
	members = slices.Sorted(slices.Values(members))
	head := func(name string, typ uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: typ, Class: dns.ClassINET, Ttl: catalogTTL}
	}
	set := func(rr dns.RR) zone.RRset {
		return zone.RRset{Name: rr.Header().Name, Type: rr.Header().Rrtype, TTL: catalogTTL, Records: []dns.RR{rr}}
	}
	sets := []zone.RRset{
		set(&dns.NS{Hdr: head(origin, dns.TypeNS), Ns: "invalid."}),
		set(&dns.TXT{Hdr: head("version."+origin, dns.TypeTXT), Txt: []string{"2"}}),
	}
	for _, m := range members {
		sum := sha256.Sum256([]byte(m))
		label := hex.EncodeToString(sum[:16])
		sets = append(sets, set(&dns.PTR{Hdr: head(fmt.Sprintf("%s.zones.%s", label, origin), dns.TypePTR), Ptr: m}))
	}
	return sets
}

// catalogSOA returns the SOA record of the catalog zone, in wire form.
func catalogSOA(origin string, serial uint32) ([]byte, error) {
	soa := &dns.SOA{
		Hdr: dns.RR_Header{Name: origin, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: catalogTTL},
		Ns:  "invalid.", Mbox: "invalid.", Serial: serial,
		Refresh: catalogRefresh, Retry: catalogRetry, Expire: catalogExpire, Minttl: catalogTTL,
	}
	wire, _, err := appendSet(nil, zone.RRset{Name: origin, Type: dns.TypeSOA, Records: []dns.RR{soa}})
	return wire, err
}

// A catalog is the catalog zone at one moment. It is immutable.
type catalog struct {
	members []string
	sets    []zone.RRset // but for the SOA; never written to
	wire    []byte       // the same
	records int
	key     [16]byte
}

// newCatalog makes a catalog of zones.
func newCatalog(origin string, members []string) (*catalog, error) {
	c := &catalog{members: slices.Sorted(slices.Values(members)), sets: catalogSets(origin, members)}
	for _, set := range c.sets {
		var n int
		var err error
		if c.wire, n, err = appendSet(c.wire, set); err != nil {
			return nil, err
		}
		c.records += n
	}
	sum := sha256.Sum256(c.wire)
	copy(c.key[:], sum[:])
	return c, nil
}

// difference returns what changed in the catalog since before.
func (c *catalog) difference(before *catalog) *delta {
	var n tally
	for rr := range records(before.wire) {
		n.delete(rr)
	}
	for rr := range records(c.wire) {
		n.add(rr)
	}
	d := &delta{}
	n.into(d)
	return d
}

// answer appends to m what the catalog zone of that origin holds for its
// question, and the SOA where that is nothing.
func (c *catalog) answer(m *dns.Msg, origin string, soa dns.RR) {
	q := m.Question[0]
	name, there := dns.CanonicalName(q.Name), false
	m.Authoritative = true
	for _, set := range c.sets {
		there = there || dns.IsSubDomain(name, set.Name)
		if set.Name == name && (set.Type == q.Qtype || q.Qtype == dns.TypeANY) {
			for _, rr := range set.Records {
				m.Answer = append(m.Answer, dns.Copy(rr))
			}
		}
	}
	switch {
	case name == origin && (q.Qtype == dns.TypeSOA || q.Qtype == dns.TypeANY):
		m.Answer = append(m.Answer, soa)
	case len(m.Answer) == 0:
		m.Ns = append(m.Ns, soa)
		if !there && name != origin {
			m.Rcode = dns.RcodeNameError
		}
	}
}
