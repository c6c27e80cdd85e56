package zone

import (
	"encoding/binary"
	"net/netip"

	"github.com/shunt-dns/shunt/config"
)

// A Question is one query in the form the hot path has it: nothing is
// allocated to build one.
type Question struct {
	Name   []byte     // wire form, lower-cased, with the root label, at most 255 octets
	Type   uint16     // never OPT, AXFR or IXFR
	Client netip.Addr // the client's network where ECS named it, else the resolver's address; an IPv4 address as such
	Now    int64      // seconds since 1970; who draws anew after a while does so by this clock
}

// A Scratch is room for one answer at a time. Who answers one question after
// the other keeps one, for it is large and clearing it costs as much as a
// short answer. Its zero value is ready for use.
type Scratch struct{ reply reply }

// Append is Snapshot.Append for a name that was taken; q.Name is not looked
// at. It copies no large value, which is a tenth of the cost of an answer: name
// and q are only read, and info is valid until the next use of sc.
func (sc *Scratch) Append(s *Snapshot, msg []byte, name *Name, q *Question, limit int) (out []byte, info *Info) {
	sc.reply.asked = &name.suffixes
	return sc.reply.to(s, msg, q, limit), &sc.reply.info
}

// Forget lets go of the snapshot that Append was last called with, which who
// has nothing to answer would keep in memory otherwise. Info stays valid.
func (sc *Scratch) Forget() {
	r := &sc.reply
	r.snap, r.zone, r.msg = nil, nil, nil
	if r.hops > 0 {
		clear(r.dnames[:])
	}
}

// Info says what an appended reply was, for the frame around it and for the
// counters. It is a value; building one allocates nothing.
type Info struct {
	Rcode   uint16
	Refused bool  // the name lies in none of our zones
	Scope   uint8 // ECS scope (RFC 7871 §7.2.1): all who share so many leading bits of Client get this answer; 0: everyone
	Made    bool  // a wildcard or a DNAME answered for the name asked: such names are without number
	Zone    int32 // index into Snapshot's zones; -1 outside
	Group   int32 // index of the steering group that answered; -1: static
	Variant int32 // which of the group's variants; -1: static
}

// A Variant is one answer that a steered service may give: the records of
// one pool (or, under the preset all, of several).
type Variant struct {
	Pool   string         // whose records these are
	Weight uint32         // share of the draws, of the sum over all variants
	Target string         // host name to answer as CNAME, fully qualified; "" answers Addrs
	Addrs  []netip.Addr   // A and AAAA records
	HTTPS  config.Binding // HTTPS records beside Addrs
	Host   string         // the pool's host name where Addrs are what it resolves to, fully qualified; else ""
	TTL    uint32         // seconds
}

// Equal reports whether v and w are the same answer with the same weight.
func (v Variant) Equal(w Variant) bool {
	return string(v.appendKey(nil)) == string(w.appendKey(nil))
}

// appendKey appends what tells v from other variants.
func (v *Variant) appendKey(key []byte) []byte {
	key = appendText(key, v.Pool)
	return v.appendBody(binary.BigEndian.AppendUint32(key, v.Weight))
}

// appendBody appends what tells the records of v from those of others.
func (v *Variant) appendBody(key []byte) []byte {
	key = binary.BigEndian.AppendUint32(key, v.TTL)
	key = appendText(key, v.Target)
	key = binary.BigEndian.AppendUint32(key, uint32(len(v.Addrs)))
	for _, a := range v.Addrs {
		as16 := a.As16()
		key = append(append(key, byte(a.BitLen())), as16[:]...)
	}
	b := &v.HTTPS
	if !b.On {
		return append(key, 0)
	}
	key = append(key, 1)
	key = binary.BigEndian.AppendUint16(key, b.Port)
	for _, id := range b.ALPN {
		key = appendText(key, id)
	}
	key = appendText(append(key, flags(b.Hints, b.Alias)), string(b.ECH))
	return appendText(key, v.Host)
}

// appendText appends s so that it cannot run into what follows.
func appendText(key []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(key, uint32(len(s))), s...)
}

func flags(bs ...bool) (f byte) {
	for _, b := range bs {
		f <<= 1
		if b {
			f |= 1
		}
	}
	return f
}
