package kind

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/shunt-dns/shunt/providers/plan"
)

// A held is an RRset as a provider has it, with what the provider needs to
// change it.
type held struct {
	plan.RRset          // canonical; without Data where it is no records that we could name
	raw        []string // the data as the provider wrote it, in Data's order
	ids        []string // of the provider's records, in Data's order
	tag        string   // entity tag
	foreign    string   // why it must not be changed; "": it may be
	unread     bool     // it is foreign because its data could not be read
}

// An edit changes one RRset from what was found to what is wanted. One of the
// two may be nil, not both.
type edit struct {
	was *held
	to  *plan.RRset
}

// set returns what is wanted, or what was where it goes.
func (e edit) set() *plan.RRset {
	if e.to != nil {
		return e.to
	}
	return &e.was.RRset
}

func (e edit) name() string   { return e.set().Name }
func (e edit) kind() string   { return e.set().Type }
func (e edit) String() string { return e.name() + " " + e.kind() }

// A single is one record of an API that lists records and not RRsets.
type single struct {
	id, name, typ string // name fully qualified
	ttl           uint32 // seconds
	data          string // in presentation format
	foreign       string // why it must not be changed
}

// collect returns singles as RRsets, in the order in which they were listed. An
// RRset has the lowest of its records' TTLs. One that holds what we cannot read
// is foreign and without data; it does not keep the others from being read.
func collect(singles []single) []held {
	var sets []held
	at := map[slot]int{}
	for _, s := range singles {
		where := slot{strings.ToLower(s.name), s.typ}
		i, ok := at[where]
		if !ok {
			i = len(sets)
			at[where] = i
			sets = append(sets, held{RRset: plan.RRset{Name: where.name, Type: s.typ, TTL: s.ttl}})
		}
		sets[i].add(s)
	}
	return sets
}

// add makes s a record of h, in the place that its data has.
func (h *held) add(s single) {
	h.TTL = min(h.TTL, s.ttl)
	if s.foreign != "" {
		h.foreign = s.foreign
	}
	data, err := plan.Canonical(s.typ, s.data)
	if err != nil {
		h.foreign, h.unread = err.Error(), true
	}
	if h.unread {
		h.Data, h.raw, h.ids = nil, nil, nil
		return
	}
	at, _ := slices.BinarySearch(h.Data, data)
	h.Data = slices.Insert(h.Data, at, data)
	h.raw = slices.Insert(h.raw, at, s.data)
	h.ids = slices.Insert(h.ids, at, s.id)
}

// sequence returns edits in the order in which a provider without transactions
// takes them: what comes or changes, then what goes. But where a CNAME and
// others take each other's place at one name, what goes is next before what
// comes, because they cannot stand together (RFC 1034 §3.6.2).
func sequence(edits []edit) []edit {
	gone, order := map[string][]edit{}, []edit{} // by name, what must go first
	var last []edit
	for _, e := range edits {
		switch {
		case e.to != nil:
		case swaps(e, edits):
			gone[e.was.Name] = append(gone[e.was.Name], e)
		default:
			last = append(last, e)
		}
	}
	for _, e := range edits {
		if e.to == nil {
			continue
		}
		order = append(order, gone[e.to.Name]...)
		delete(gone, e.to.Name)
		order = append(order, e)
	}
	return append(order, last...)
}

// swaps reports whether something comes where e goes that cannot stand beside it.
func swaps(e edit, edits []edit) bool {
	return slices.ContainsFunc(edits, func(o edit) bool {
		return o.to != nil && o.was == nil && o.to.Name == e.was.Name && (o.to.Type == "CNAME" || e.was.Type == "CNAME")
	})
}

// A zoneIDs keeps what a provider calls each zone. A zone that is no longer
// there under its id is to be forgotten.
type zoneIDs struct {
	mu sync.Mutex
	of map[string]string
}

// get returns the id of zone, by find if it is not known.
func (z *zoneIDs) get(ctx context.Context, zone string, find func(context.Context, string) (string, error)) (string, error) {
	z.mu.Lock()
	id := z.of[zone]
	z.mu.Unlock()
	if id != "" {
		return id, nil
	}
	id, err := find(ctx, zone)
	if err == nil {
		z.mu.Lock()
		defer z.mu.Unlock()
		if z.of == nil {
			z.of = map[string]string{}
		}
		z.of[zone] = id
	}
	return id, err
}

func (z *zoneIDs) forget(zone string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.of, zone)
}
