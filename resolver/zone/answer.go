package zone

import "net/netip"

// A Question is one query in the form the hot path has it: nothing is
// allocated to build one.
type Question struct {
	Name   []byte     // wire form, lower-cased, with the root label, at most 255 octets
	Type   uint16     // never OPT, AXFR or IXFR
	Client netip.Addr // the client's network where ECS named it, else the resolver's address
	Draw   uint64     // random, fresh for each query; picks among weighted variants

	// Scratch is what Append works in. Who answers one question after the other
	// keeps one, for it is large and clearing it costs as much as a short
	// answer. Nil is allowed.
	Scratch *Scratch
}

// A Scratch is room for one Append at a time. Its zero value is ready for use.
type Scratch struct{ reply reply }

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
