package zone

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
)

// An edit puts a revision into a copy of the zone.
type edit struct {
	*revision
	t      *table
	tail   *atomic.Int64 // of the arena that t writes to
	first  []int         // by draft: its first record
	done   []bool        // by draft: its entry is written
	many   []bool        // by draft: several chunks may have records of it
	slots  map[uint32]bool
	shared []share // what this edit adds
	lost   [][]byte
}

// Versions of a zone share one arena, which the latest is written behind. One
// part in mostDead of it may be in use for nothing before it is made anew.
const mostDead = 4

// edit returns an edit of v's zone, nil where that would be too large.
func (v *revision) edit() *edit {
	z, p := v.prev, v.prev.plan
	more := 2*len(v.b.names) + len(v.b.data) + len(v.b.recs)*(rrHead+setHead)
	if len(z.arena)+more > maxMemory {
		return nil
	}
	next := *z
	next.digest = new(atomic.Pointer[digest])
	next.nodes = slices.Clone(z.nodes)
	t := &table{z: &next, kids: slices.Clone(p.kids), used: p.used, tombs: p.tombs, wasted: p.wasted, names: p.names, relink: noRelink, shared: p.shared}
	if most := len(z.nodes) * fullest / 100; p.used+v.missing() > most {
		t.shared = slices.Clone(p.shared)
		t.resize((p.used - p.tombs + len(v.b.drafts)) * 100 / filled)
	}
	e := &edit{revision: v, t: t, tail: p.tail, done: make([]bool, len(v.b.drafts)), slots: map[uint32]bool{}}
	end := int64(len(z.arena))
	if end+int64(more) > int64(cap(z.arena)) || !p.tail.CompareAndSwap(end, end+int64(more)) {
		next.arena = append(make([]byte, 0, len(z.arena)+more+len(z.arena)/spareArena), z.arena...)
		e.tail = new(atomic.Int64)
	}
	at := 0
	for i := range v.b.drafts {
		e.first = append(e.first, at)
		at += int(v.b.drafts[i].recs)
	}
	e.count()
	return e
}

// missing returns how many of v's names the zone has not.
func (v *revision) missing() (n int) {
	for i := range v.b.drafts {
		if d := &v.b.drafts[i]; v.prev.find(d.hash, v.b.name(d)) == nil {
			n++
		}
	}
	return n
}

// count finds the names that several chunks may have records of.
func (e *edit) count() {
	e.many = make([]bool, len(e.b.drafts))
	for d := range e.also {
		e.many[d] = true
	}
	in := make([]int, len(e.b.drafts)) // the last new chunk met, plus 1
	from := 0
	for i := range e.chunks {
		if !e.fresh[i] {
			continue
		}
		for _, d := range e.owners[from:e.bounds[i]] {
			e.many[d] = e.many[d] || in[d] > 0 && in[d] != i+1
			in[d] = i + 1
		}
		from = e.bounds[i]
	}
}

// apply returns the zone as the file has it now, nil where a service cannot
// stand in it.
func (e *edit) apply() *Zone {
	e.begin()
	from := 0
	for i := range e.chunks {
		if e.fresh[i] {
			e.write(&e.chunks[i], e.owners[from:e.bounds[i]])
			from = e.bounds[i]
		}
	}
	e.rest()
	e.remove()
	e.t.link(e.b)
	all := e.t.relink != noRelink
	e.t.mend()
	if !e.services(all) {
		if e.tail == e.prev.plan.tail {
			e.tail.Store(int64(len(e.prev.arena)))
		}
		return nil
	}
	if e.t.wasted > len(e.t.z.arena)/mostDead {
		e.t.compact(e.chunks)
		e.tail = new(atomic.Int64)
	}
	e.tail.Store(int64(len(e.t.z.arena)))
	e.t.z.sealSOA()
	e.t.z.plan = e.plan()
	return e.t.z
}

// begin finds the nodes of all drafts, and makes those that will be there and
// are not.
func (e *edit) begin() {
	b, t := e.b, e.t
	wanted := make([]bool, len(b.drafts))
	for i := len(b.drafts) - 1; i >= 0; i-- {
		if wanted[i] = wanted[i] || b.drafts[i].recs > 0; wanted[i] {
			wanted[b.drafts[i].parent] = true // which was made before
		}
	}
	t.ready(b)
	for i := range b.drafts {
		d := &b.drafts[i]
		if at, ok := t.lookup(d.hash, b.name(d)); ok {
			t.at[i] = uint32(at + 1)
		} else if wanted[i] {
			t.at[i] = uint32(t.insert(b, d, int(t.at[d.parent])-1) + 1)
			t.fresh[i] = true
		}
		if t.at[i] > 0 && e.isTouched(i) {
			e.slots[t.at[i]-1] = true
		}
	}
}

// of returns the records of a draft.
func (e *edit) of(d uint32) []record { return e.b.recs[e.first[d]:][:e.b.drafts[d].recs] }

// write writes the entries of a new chunk: of the names that owners are, those
// that no other chunk has records of. Of the others it notes that it has some.
func (e *edit) write(c *chunk, owners []uint32) {
	t := e.t
	c.at = uint32(len(t.z.arena))
	for _, d := range owners {
		if e.many[d] {
			e.shared = append(e.shared, share{t.at[d] - 1, c.id})
			continue
		}
		if e.done[d] {
			continue
		}
		e.done[d] = true
		was := len(t.z.arena)
		t.write(int(t.at[d]-1), e.b, e.of(d))
		c.sizes = binary.AppendUvarint(c.sizes, uint64(len(t.z.arena)-was))
	}
	c.end = uint32(len(t.z.arena))
}

// rest writes the entries of names that several chunks have records of, or
// none any more.
func (e *edit) rest() {
	for d := range e.touched {
		at := e.t.at[d]
		if !e.touched[d] || e.done[d] || at == 0 {
			continue
		}
		for _, id := range e.also[uint32(d)] {
			e.shared = append(e.shared, share{at - 1, id})
		}
		n, of := &e.t.z.nodes[at-1], e.of(uint32(d))
		if n.sets > 0 && len(of) == 0 {
			e.lost = append(e.lost, slices.Clone(e.b.name(&e.b.drafts[d])))
		}
		e.t.write(int(at-1), e.b, of)
	}
}

// remove takes away the nodes that nothing holds any more.
func (e *edit) remove() {
	t := e.t
	for d := range e.touched {
		if at := t.at[d]; at > 0 && e.touched[d] && t.z.nodes[at-1].at > tomb {
			t.remove(int(at - 1))
		}
	}
	for i, at := range t.at {
		if at > 0 && t.z.nodes[at-1].at == tomb {
			t.at[i] = 0
		}
	}
}

// services reports whether each service can still answer where it stands: of
// the names that the edit met, or of all.
func (e *edit) services(all bool) bool {
	z := e.t.z
	if all && len(z.groups) > 0 {
		for i := range z.nodes {
			if n := &z.nodes[i]; n.group > 0 && !e.t.serves(n, z.groups[n.group-1]) {
				return false
			}
		}
	}
	for _, at := range e.t.at {
		if at == 0 {
			continue
		}
		if n := &z.nodes[at-1]; n.group > 0 && !e.t.serves(n, z.groups[n.group-1]) {
			return false
		}
	}
	return true
}

// plan returns what the new version knows of its file.
func (e *edit) plan() *plan {
	t, next := e.t, *e.prev.plan
	next.made, next.from, next.lost = new(mark), next.made, e.lost
	next.chunks, next.end, next.nextID = e.chunks, e.after, e.nextID
	next.kids, next.used, next.tombs, next.wasted, next.names = t.kids, t.used, t.tombs, t.wasted, t.names
	next.tail = e.tail
	for _, s := range t.shared {
		if !e.gone[s.chunk] && !e.slots[s.slot] {
			e.shared = append(e.shared, s)
		}
	}
	slices.SortFunc(e.shared, compareShares)
	next.shared = slices.Compact(e.shared)
	return &next
}
