package zone

import (
	"encoding/binary"
	"math/bits"

	"github.com/miekg/dns"
)

// A sum tells contents apart: equal contents have equal sums, and others do
// not, but for one chance in 2^64 or less. It is the same on every node and
// does not hang on any order, so that it outlives reloads and restarts.
//
// The sum of an RRset leaves out its owner. That of a zone adds up, over all
// names, the sum of the name's RRsets times the hash of the name: what many
// names share is taken times the sum of their hashes.
type sum [2]uint64

func (s *sum) add(t sum) { s[0], s[1] = s[0]+t[0], s[1]+t[1] }

// times returns s and t multiplied.
func (s sum) times(t sum) sum { return sum{s[0] * t[0], s[1] * t[1]} }

// key returns s in octets.
func (s sum) key() (key [16]byte) {
	binary.BigEndian.PutUint64(key[:], s[0])
	binary.BigEndian.PutUint64(key[8:], s[1])
	return key
}

// sumOf returns the sum of set, in which the serial of an SOA does not count.
func sumOf(set rrset) sum {
	var all sum
	for body := set.body; len(body) > 0; {
		size := rrHead + rdLen(body)
		data := body[rrHead:size]
		if set.typ == dns.TypeSOA && len(data) >= soaTail {
			data = append([]byte(nil), data...)
			clear(data[len(data)-soaTail:][:4])
		}
		all.add(sumText(data))
		body = body[size:]
	}
	ttl := uint64(0)
	if set.count > 0 {
		ttl = uint64(ttlOf(set.body))
	}
	head := uint64(set.typ)<<48 | uint64(set.count)<<32 | ttl
	return sum{scatter(all[0] ^ scatter(head)), scatter(all[1] ^ scatter(^head))}
}

// sumText returns the sum of octets in order.
func sumText(text []byte) sum {
	s := sum{uint64(len(text)), ^uint64(len(text))}
	for len(text) >= word {
		s.mix(binary.LittleEndian.Uint64(text))
		text = text[word:]
	}
	if len(text) > 0 {
		var last [word]byte
		copy(last[:], text)
		s.mix(binary.LittleEndian.Uint64(last[:]))
	}
	return sum{scatter(s[0]), scatter(s[1])}
}

func (s *sum) mix(x uint64) {
	s[0] = fold(s[0] ^ x)
	s[1] = fold(bits.RotateLeft64(s[1], 31) ^ x*0x9fb21c651e98df25)
}

// soaTail is how many octets of an SOA's data the five numbers take that end
// it, serial first (RFC 1035 §3.3.13).
const soaTail = 20

// A digest is what a zone's content comes to: worked out once, when someone
// asks.
type digest struct {
	static sum
	names  []sum // by group-1: of its names but for the apex
	apex   []sum // by group-1: of the apex, where it is of that group
}

// sums returns the digest of z. Two that ask at once may both work it out.
func (z *Zone) sums() *digest {
	if d := z.digest.Load(); d != nil {
		return d
	}
	d := &digest{names: make([]sum, len(z.groups)), apex: make([]sum, len(z.groups))}
	for i := range z.nodes {
		n := &z.nodes[i]
		if n.at <= tomb || n.sets == 0 && n.group == 0 {
			continue
		}
		owner := z.arena[n.at:]
		name := sumText(owner[:nameLen(owner)])
		for set := range z.each(n) {
			d.static.add(name.times(sumOf(set)))
		}
		switch {
		case n.group > 0 && int(n.labels) == z.labels:
			d.apex[n.group-1].add(name)
		case n.group > 0:
			d.names[n.group-1].add(name)
		}
	}
	z.digest.Store(d)
	return d
}
