package zone

import "net/netip"

// A Question is one query in the form the hot path has it: nothing is
// allocated to build one.
type Question struct {
	Name   []byte     // wire form, lower-cased, with the root label, at most 255 octets
	Type   uint16     // never OPT, AXFR or IXFR
	Client netip.Addr // the client's network where ECS named it, else the resolver's address
	Draw   uint64     // random, fresh for each query; picks among weighted variants
}

// A Scratch is room for one answer at a time. Who answers one question after
// the other keeps one, for it is large and clearing it costs as much as a
// short answer. Its zero value is ready for use.
type Scratch struct{ reply reply }

// Take reads the name at the front of wire, in any case, and returns its
// length in octets. It returns 0 for a name that is compressed, of more than
// 255 octets (RFC 1035 §2.3.4) or cut off.
func (sc *Scratch) Take(wire []byte) int { return sc.reply.names[0].take(wire) }

// Name returns the name that was last taken, lower-cased and in wire form. It
// is valid until the next Take.
func (sc *Scratch) Name() []byte { return sc.reply.names[0].suffix(0) }

// Append is Snapshot.Append for the name that was last taken; q.Name is not
// looked at. It copies no large value, which is a tenth of the cost of an
// answer: q is only read, and info is valid until the next use of sc.
func (sc *Scratch) Append(s *Snapshot, msg []byte, q *Question, limit int) (out []byte, info *Info) {
	return sc.reply.to(s, msg, q, limit), &sc.reply.info
}

// Info says what an appended reply was, for the frame around it and for the
// counters. It is a value; building one allocates nothing.
type Info struct {
	Rcode   uint16
	Refused bool  // the name lies in none of our zones
	Scope   uint8 // ECS scope: bits of Client the answer depends on; 0: none
	Made    bool  // a wildcard or a DNAME answered for the name asked: such names are without number
	Zone    int32 // index into Snapshot's zones; -1 outside
	Group   int32 // index of the steering group that answered; -1: static
	Variant int32 // which of the group's variants; -1: static
}

// A Variant is one answer that a steered service may give: the records of
// one pool (or, under the preset all, of several).
type Variant struct {
	Pool   string       // whose records these are
	Weight uint32       // share of the draws, of the sum over all variants
	Target string       // host name to answer as CNAME, fully qualified; "" answers Addrs
	Addrs  []netip.Addr // A and AAAA records
	TTL    uint32       // seconds
}
