// Package plan works out what must change at a DNS provider, in what order,
// and whether it is safe. Its values are an RRset, the Desired content of a
// zone, what Is there, and a Plan of Changes that leads from one to the other.
//
// It computes and nothing else: it never speaks to a provider, never looks at
// the clock, and never plans the change of a record that shunt does not own.
package plan

// An RRset is the records of one owner name and type, as a provider has them.
type RRset struct {
	Name string   // owner, fully qualified, lower case
	Type string   // mnemonic, as A; TYPEnnn where there is none (RFC 3597)
	TTL  uint32   // seconds
	Data []string // RDATA in presentation format, names fully qualified; sorted, no two the same in wire form
}

// A Change replaces one RRset. Before and After have the same name and type;
// one of them may be nil, not both.
type Change struct {
	Before *RRset // what is expected to be there; nil: nothing of this name and type
	After  *RRset // nil: the RRset goes
}
