package xfr

import (
	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A delta is what changed in a zone from one serial to the next. Its records
// are in wire form, uncompressed. It is immutable.
type delta struct {
	from, to uint32
	key      [16]byte // names the content at to, as zone.Snapshot.ContentKey
	was, is  []byte   // the SOA records at from and at to
	deleted  []byte   // records, without the SOA
	added    []byte   // likewise
	records  int      // deleted and added
}

// size is about how many octets d takes in memory and in its file.
func (d *delta) size() int {
	return entryHead + len(d.was) + len(d.is) + len(d.deleted) + len(d.added)
}

// base returns the delta that begins a journal: what there is at serial.
func base(serial uint32, key [16]byte, soa []byte) *delta {
	return &delta{from: serial, to: serial, key: key, was: soa, is: soa}
}

// changes returns what zone i of now has otherwise than before had. The SOA
// records are left to the caller.
func changes(before, now *zone.Snapshot, i int32, c config.Content) (*delta, error) {
	d := &delta{}
	for was, is := range now.Changes(before, i, c) {
		if err := d.add(was, is); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// add takes up one RRset as it was and as it is. Records that are on both
// sides, with the same TTL, are no change.
func (d *delta) add(was, is zone.RRset) error {
	gone, _, err := appendSet(nil, was)
	if err != nil {
		return err
	}
	come, _, err := appendSet(nil, is)
	if err != nil {
		return err
	}
	var n tally
	for rr := range records(gone) {
		n.delete(rr)
	}
	for rr := range records(come) {
		n.add(rr)
	}
	n.into(d)
	return nil
}

// records yields the records that all holds. What cannot be read ends it: all
// was made here, or its checksum held.
func records(all []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(all) > 0 {
			rr, rest, err := nextRecord(all)
			if err != nil || !yield(rr) {
				return
			}
			all = rest
		}
	}
}

// A tally is the net effect of deletions and additions, in their order: a record
// that is deleted and added again is no change.
type tally struct {
	at   map[string]int // record → index into list, plus 1
	list []step
}

// A step is one record of a tally.
type step struct {
	rr    string
	count int // -1: deleted; 1: added; 0: neither, all told
}

func (n *tally) delete(rr []byte) { n.move(rr, -1) }
func (n *tally) add(rr []byte)    { n.move(rr, 1) }

func (n *tally) move(rr []byte, by int) {
	if i := n.at[string(rr)]; i > 0 {
		n.list[i-1].count += by
		return
	}
	if n.at == nil {
		n.at = map[string]int{}
	}
	n.list = append(n.list, step{string(rr), by})
	n.at[n.list[len(n.list)-1].rr] = len(n.list)
}

// into appends the net effect to d.
func (n *tally) into(d *delta) {
	for _, s := range n.list {
		switch {
		case s.count < 0:
			d.deleted = append(d.deleted, s.rr...)
			d.records++
		case s.count > 0:
			d.added = append(d.added, s.rr...)
			d.records++
		}
	}
}

// condense returns the deltas of chain, each of which begins where the one
// before it ends, as one (RFC 1995 §5).
func condense(chain []*delta) *delta {
	if len(chain) == 1 {
		return chain[0]
	}
	first, last := chain[0], chain[len(chain)-1]
	var n tally
	for _, d := range chain {
		for rr := range records(d.deleted) {
			n.delete(rr)
		}
		for rr := range records(d.added) {
			n.add(rr)
		}
	}
	out := &delta{from: first.from, to: last.to, key: last.key, was: first.was, is: last.is}
	n.into(out)
	return out
}

// since returns the deltas of chain that lead from serial to its end; nil when
// it does not reach back so far.
func since(chain []*delta, serial uint32) []*delta {
	for i, d := range chain {
		if d.from == serial && d.from != d.to {
			return chain[i:]
		}
	}
	return nil
}

// trim returns chain with at most most deltas, and octets; the latest stay.
func trim(chain []*delta, most, octets int) []*delta {
	total := 0
	for i := len(chain) - 1; i >= 0; i-- {
		total += chain[i].size()
		if len(chain)-i > most || total > octets {
			return chain[i+1:]
		}
	}
	return chain
}

// soaTail is how many octets of an SOA the five numbers take that end it,
// serial first (RFC 1035 §3.3.13).
const soaTail = 20
