// Package plan works out what must change at a DNS provider, in what order,
// and whether it is safe. Its values are an RRset, the names that are Wanted,
// what Is there, and a Plan of Steps that leads from one to the other.
//
// It computes and nothing else: it never speaks to a provider, never looks at
// the clock, and never plans the change of a record that shunt does not own.
package plan

// An RRset is the records of one owner name and type, as a provider has them.
// Make it with New or Of: then equal RRsets have equal fields.
type RRset struct {
	Name string   `json:"name"` // owner, fully qualified, lower case
	Type string   `json:"type"` // mnemonic, as A; TYPEnnn where there is none (RFC 3597)
	TTL  uint32   `json:"ttl"`  // seconds
	Data []string `json:"data"` // RDATA as Canonical writes it; sorted, no two the same
}

// A Change replaces one RRset. Before and After have the same name and type;
// one of them may be nil, not both.
type Change struct {
	Before *RRset `json:"before,omitempty"` // what is expected to be there; nil: nothing of this name and type
	After  *RRset `json:"after,omitempty"`  // nil: the RRset goes
}

// Set returns the RRset that c is about: After, or Before where it goes.
func (c Change) Set() *RRset {
	if c.After != nil {
		return c.After
	}
	return c.Before
}
