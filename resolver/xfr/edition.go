package xfr

import (
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// An edition is one zone at one serial, and what led to it. It is immutable.
type edition struct {
	origin  string // fully qualified, lower case
	zone    int32  // index in the snapshot; -1: the catalog
	chain   []*delta
	since   time.Time // when this serial was taken up
	records int       // about how many the zone has
	catalog *catalog  // of the catalog zone; else nil
}

// last returns the delta that led to e; the base of its journal where none did.
func (e *edition) last() *delta { return e.chain[len(e.chain)-1] }

// serial returns the serial of e.
func (e *edition) serial() uint32 { return e.last().to }

// fewRecords is what a delta may always have: a message carries it, whatever
// the size of the zone.
const fewRecords = 100

// difference returns what leads from serial to e, condensed; nil where the
// journal does not reach back to it, or where the whole zone is less.
func (e *edition) difference(serial uint32) *delta {
	chain := since(e.chain, serial)
	if chain == nil {
		return nil
	}
	d := condense(chain)
	if d.records > max(e.records, fewRecords) {
		return nil
	}
	return d
}

const (
	// least is what a journal may take, in octets, however small its zone is,
	// and recordOctets about what a record takes.
	least        = 1 << 20
	recordOctets = 64

	// allOctets is about what all journals may take together in memory, but
	// each of them may take fewOctets.
	allOctets = 512 << 20
	fewOctets = 4 << 10
)

// A scope is how far journals go back: by changes, and by octets where there
// are many zones.
type scope struct{ changes, octets int }

// scopeOf returns the scope of journals with so many changes for each of so
// many zones.
func scopeOf(changes, zones int) scope {
	return scope{changes, max(fewOctets, allOctets/max(1, zones))}
}

// trim returns what of chain stays in the journal of a zone with so many
// records; the latest do.
func (s scope) trim(chain []*delta, records int) []*delta {
	return trim(chain, s.changes, min(s.octets, max(least, 2*recordOctets*records)))
}

// next returns the edition of serial that follows e by d, with what reaches of
// the journal. A nil d is a change that is not known: IXFR cannot go
// back over it.
func (e *edition) next(d *delta, serial uint32, key [16]byte, soa []byte, reach scope, now time.Time) *edition {
	out := *e
	out.since = now
	fresh := base(serial, key, soa)
	if d == nil || !serialLater(serial, e.serial()) {
		out.chain = []*delta{fresh}
		return &out
	}
	d.from, d.to, d.key, d.was, d.is = e.serial(), serial, key, e.last().is, soa
	// A new slice each time: readers have the one before.
	chain := append(append(make([]*delta, 0, len(e.chain)+1), e.chain...), d)
	if out.chain = reach.trim(chain, e.records); len(out.chain) == 0 {
		out.chain = []*delta{fresh}
	}
	return &out
}

// opened returns the edition that begins with the deltas read from a journal:
// where it ends with the content that there is, IXFR goes on from it.
//
//	the journal ends with                 then
//	this content, under this serial       it goes on
//	this content, under an earlier one    it goes on: only the serial changed
//	other content, or none                it begins anew
func (e *edition) opened(list []*delta, serial uint32, key [16]byte, soa []byte, reach scope) *edition {
	e.chain = []*delta{base(serial, key, soa)}
	if len(list) == 0 {
		return e
	}
	end := list[len(list)-1]
	switch {
	case end.key != key:
	case end.to == serial:
		reach.changes++ // the one that begins it is none
		if e.chain = reach.trim(list, e.records); len(e.chain) == 0 {
			e.chain = []*delta{base(serial, key, soa)}
		}
	case serialLater(serial, end.to):
		e.chain = list
		return e.next(&delta{}, serial, key, soa, reach, e.since)
	}
	return e
}

// A state is all that transfers need, at one moment. It is immutable.
type state struct {
	access   *access
	content  config.Content
	snapshot *zone.Snapshot // nil: there is none yet
	zones    []*edition     // by index in the snapshot; nil: one that cannot be handed on
	index    map[string]int32
	catalog  *edition      // nil: there is none
	next     chan struct{} // closed when another state follows
}

// find returns the edition of a zone; nil: there is none.
func (s *state) find(origin string) *edition {
	if s.catalog != nil && origin == s.access.catalog {
		return s.catalog
	}
	if i, ok := s.index[origin]; ok {
		return s.zones[i]
	}
	return nil
}

// all yields the editions, that of the catalog last.
func (s *state) all(yield func(*edition) bool) {
	for _, e := range s.zones {
		if e != nil && !yield(e) {
			return
		}
	}
	if s.catalog != nil {
		yield(s.catalog)
	}
}
