package zone

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync/atomic"
)

// A table is a zone in the making. It takes in batches of records, so that
// making a zone needs little memory beside the zone itself; and it can begin
// as a copy of a zone in service, of which it changes what a batch says.
//
// A node that is removed leaves a tombstone, for nodes refer to each other by
// their slots and so never move, but when the whole table is made anew.
type table struct {
	z    *Zone
	kids []uint32 // by slot: names one label longer

	used   int   // slots that are not free, tombstones among them
	tombs  int   // tombstones
	wasted int   // octets of the arena that nothing refers to
	names  int64 // octets of all names

	relink  int      // nodes of more labels may refer to a wrong cut; noRelink: none
	sizes   []byte   // of the entries written since it was last taken, as uvarints
	shared  []share  // names that several chunks of the file have records of
	chunks  []uint32 // where in the arena the entries of each chunk begin
	chunkAt int      // and those of the one under way

	at    []uint32 // by draft of the last batch: its slot plus 1; 0: no node
	fresh []bool   // by draft of the last batch: its node was made for it
}

// noRelink is more labels than any name has.
const noRelink = maxLabels + 1

// The arena begins with two octets that are no entry: offset 0 stands for a
// free slot and tomb for a tombstone, since no name begins as arena[tomb].
const tomb = 1

// How many of a hundred slots are used in a new table, and the most that may
// be before there must be more.
const (
	filled  = 70
	fullest = 80
)

func newTable(origin []byte, name string) *table {
	t := &table{relink: noRelink}
	t.z = &Zone{name: name, origin: origin, labels: labelsIn(origin), nodes: make([]node, 64), arena: []byte{0, 0xFF}, digest: new(atomic.Pointer[digest])}
	t.kids, t.chunkAt = make([]uint32, len(t.z.nodes)), len(t.z.arena)
	return t
}

// lookup returns the slot of a name.
func (t *table) lookup(hash uint64, name []byte) (at int, ok bool) {
	nodes := t.z.nodes
	for i := slot(hash, len(nodes)); ; {
		n := &nodes[i]
		if n.at == 0 {
			return 0, false
		}
		if n.tag == uint32(hash) && bytes.HasPrefix(t.z.arena[n.at:], name) {
			return i, true
		}
		if i++; i == len(nodes) {
			i = 0
		}
	}
}

// room makes room for so many more nodes and octets of the arena. Part is how
// much of all that the zone will hold is in yet.
func (t *table) room(nodes, octets int, part float64) {
	if t.used+nodes >= len(t.z.nodes)*fullest/100 {
		t.resize(int(float64(t.used+nodes)/part) * 100 / filled)
	}
	if free := cap(t.z.arena) - len(t.z.arena); free < octets {
		t.z.arena = slices.Grow(t.z.arena, max(octets, int(float64(len(t.z.arena)+octets)/part)-len(t.z.arena)))
	}
}

// resize makes the hash table anew with so many slots, and without
// tombstones.
func (t *table) resize(slots int) {
	old, kids := t.z.nodes, t.kids
	t.z.nodes, t.kids = make([]node, slots+2), make([]uint32, slots+2)
	t.used, t.tombs = 0, 0
	moved := make([]uint32, len(old)) // slots plus 1
	var s suffixes
	for i := range old {
		if n := &old[i]; n.at > tomb {
			s.split(t.nameAt(n.at))
			to := t.place(s.hash[0], *n)
			t.kids[to], moved[i] = kids[i], uint32(to+1)
		}
	}
	for i := range t.shared {
		t.shared[i].slot = moved[t.shared[i].slot] - 1
	}
	for i := range t.z.nodes {
		n := &t.z.nodes[i]
		if n.cut > 0 {
			n.cut = moved[n.cut-1]
		}
		if n.star > 0 {
			n.star = moved[n.star-1]
		}
	}
}

// nameAt returns the name of the entry at an offset of the arena.
func (t *table) nameAt(at uint32) []byte {
	name := t.z.arena[at:]
	return name[:nameLen(name)]
}

// entryLen returns the octets of n's entry in an arena.
func entryLen(arena []byte, n *node) int {
	at := int(n.at)
	for arena[at] != 0 {
		at += int(arena[at]) + 1
	}
	at++
	for range n.sets {
		at += setHead + int(binary.BigEndian.Uint16(arena[at+4:]))
	}
	return at - int(n.at)
}

// place puts a node into the table and returns its slot. There must be room.
func (t *table) place(hash uint64, n node) int {
	nodes := t.z.nodes
	i := slot(hash, len(nodes))
	for nodes[i].at > tomb {
		if i++; i == len(nodes) {
			i = 0
		}
	}
	if nodes[i].at == tomb {
		t.tombs--
	} else {
		t.used++
	}
	nodes[i], t.kids[i] = n, 0
	return i
}

// insert makes a node for a draft whose parent has one, and writes its entry
// without records.
func (t *table) insert(b *builder, d *draft, parent int) int {
	name := b.name(d)
	i := t.place(d.hash, node{tag: uint32(d.hash), at: uint32(len(t.z.arena)), labels: d.labels})
	t.z.arena = append(t.z.arena, name...)
	t.names += int64(len(name))
	t.z.deepest = max(t.z.deepest, int(d.labels))
	if int(d.labels) > t.z.labels {
		t.kids[parent]++
		if name[0] == 1 && name[1] == '*' {
			t.z.nodes[parent].star = uint32(i + 1)
		}
	}
	return i
}

// remove takes away the node in slot i, and the names above it that were
// there only for it, as long as nothing else holds them.
func (t *table) remove(i int) {
	for {
		n := &t.z.nodes[i]
		if n.sets > 0 || n.group > 0 || t.kids[i] > 0 || int(n.labels) == t.z.labels {
			return
		}
		name := t.nameAt(n.at)
		parent, _ := t.lookup(hashName(name[1+name[0]:]), name[1+name[0]:])
		if up := &t.z.nodes[parent]; up.star == uint32(i+1) {
			up.star = 0
		}
		t.kids[parent]--
		t.wasted += len(name)
		t.names -= int64(len(name))
		t.tombs++
		*n = node{at: tomb}
		i = parent
	}
}

// begin finds the nodes of b's drafts, and makes those that are wanted and
// missing. Drafts are made parents first, and so are nodes.
func (t *table) begin(b *builder, i int) (at int, made bool) {
	d := &b.drafts[i]
	at, ok := t.lookup(d.hash, b.name(d))
	if !ok {
		at = t.insert(b, d, int(t.at[d.parent])-1)
	}
	t.at[i], t.fresh[i] = uint32(at+1), !ok
	return at, !ok
}

// ready makes t.at and t.fresh fit for a batch.
func (t *table) ready(b *builder) {
	n := len(b.drafts)
	t.at = slices.Grow(t.at[:0], n)[:n]
	t.fresh = slices.Grow(t.fresh[:0], n)[:n]
	clear(t.at)
	clear(t.fresh)
}

// take takes in a batch of sorted records, making room for it. Part is how
// much of all that the zone will hold is in then.
func (t *table) take(b *builder, check func(of []record), part float64) {
	t.room(len(b.drafts), len(b.names)+len(b.data)+len(b.recs)*(rrHead+setHead), part)
	t.merge(b, check)
	t.link(b)
}

// merge takes in a batch of sorted records that follow those that t has: what
// a name has already stays first. Check sees all records of each name that
// the batch has any of.
func (t *table) merge(b *builder, check func(of []record)) {
	t.ready(b)
	at := 0
	for i := range b.drafts {
		of := b.recs[at : at+int(b.drafts[i].recs)]
		at += len(of)
		slot, made := t.begin(b, i)
		n := &t.z.nodes[slot]
		if g := b.drafts[i].group; g > 0 {
			t.hold(n, g)
		}
		if len(of) == 0 {
			if made {
				t.wrote(int(n.at))
			}
			continue
		}
		if n.sets > 0 {
			of = t.join(b, n, of)
		}
		check(of)
		if !made {
			t.share(slot)
			t.write(slot, b, of)
		} else {
			t.put(slot, b, of)
		}
		t.wrote(int(n.at))
	}
}

// hold makes n the name of a service of a group.
func (t *table) hold(n *node, group uint32) {
	if n.sets == 0 && n.group == 0 {
		t.z.names++
	}
	n.group = group
}

// wrote notes the size of the last entry, which begins at an offset.
func (t *table) wrote(at int) { t.sizes = binary.AppendUvarint(t.sizes, uint64(len(t.z.arena)-at)) }

// join returns the records of a name that has some already: those, then of.
func (t *table) join(b *builder, n *node, of []record) []record {
	all := append(t.records(b, n), of...)
	slices.SortStableFunc(all, func(x, y record) int { return int(x.typ) - int(y.typ) })
	return b.distinct(all)
}

// records returns the records of n, with their data in b.
func (t *table) records(b *builder, n *node) (all []record) {
	for set := range t.z.each(n) {
		for body := set.body; len(body) > 0; {
			size := rdLen(body)
			all = append(all, record{ttl: ttlOf(body), data: uint32(len(b.data)), typ: set.typ, size: uint16(size)})
			b.data = append(b.data, body[rrHead:rrHead+size]...)
			body = body[rrHead+size:]
		}
	}
	return all
}

// write gives the node in slot i a new entry with these records. Without any
// the entry stays, and loses those it had.
func (t *table) write(i int, b *builder, of []record) {
	n := &t.z.nodes[i]
	name := t.nameAt(n.at)
	t.wasted += entryLen(t.z.arena, n)
	t.z.records -= t.count(n)
	if n.sets > 0 {
		t.z.owners--
	}
	if n.sets > 0 && n.group == 0 {
		t.z.names--
	}
	n.sets = 0
	if len(of) == 0 {
		t.wasted -= len(name)
		return
	}
	n.at = uint32(len(t.z.arena))
	t.z.arena = append(t.z.arena, name...)
	t.put(i, b, of)
}

// put writes the first records of the node in slot i behind its name, which
// must be the last that the arena has.
func (t *table) put(i int, b *builder, of []record) {
	n := &t.z.nodes[i]
	n.sets = packSets(t.z, b, of)
	t.z.owners++
	if n.group == 0 {
		t.z.names++
	}
	t.z.records += len(of)
}

// count returns how many records n has.
func (t *table) count(n *node) (records int) {
	for set := range t.z.each(n) {
		records += int(set.count)
	}
	return records
}

// packSets appends the RRsets made of one owner's sorted records to the arena.
// An RRset has one TTL: the lowest that was written (RFC 2181 §5.2).
func packSets(z *Zone, b *builder, of []record) (sets uint16) {
	for len(of) > 0 {
		n, ttl := 1, of[0].ttl
		for n < len(of) && of[n].typ == of[0].typ {
			ttl = min(ttl, of[n].ttl)
			n++
		}
		head := len(z.arena)
		z.arena = append(z.arena, make([]byte, setHead)...)
		for i := range of[:n] {
			z.arena = appendRR(z.arena, of[i].typ, ttl, b.rdata(&of[i]))
		}
		binary.BigEndian.PutUint16(z.arena[head:], of[0].typ)
		binary.BigEndian.PutUint16(z.arena[head+2:], uint16(n))
		binary.BigEndian.PutUint16(z.arena[head+4:], uint16(len(z.arena)-head-setHead))
		of = of[n:]
		sets++
	}
	return sets
}

// link sets what the nodes of the last batch know of those above them. Names
// below them that are not of the batch may be left with a wrong cut: then
// relink must follow.
func (t *table) link(b *builder) {
	for i := range b.drafts {
		if t.at[i] == 0 {
			continue
		}
		at := t.at[i]
		n, cut := &t.z.nodes[at-1], uint32(0)
		if i > 0 {
			cut = t.z.nodes[t.at[b.drafts[i].parent]-1].cut
		}
		n.kind = t.z.kindOf(n, i == 0)
		if cut == 0 && n.kind != 0 {
			cut = at
		}
		if cut != n.cut && !t.fresh[i] && t.kids[at-1] > 0 {
			t.relink = min(t.relink, int(n.labels))
		}
		n.cut = cut
	}
}

// mend finds the cuts of all names that may have wrong ones.
func (t *table) mend() {
	if t.relink == noRelink {
		return
	}
	var s suffixes
	for i := range t.z.nodes {
		n := &t.z.nodes[i]
		if n.at <= tomb || int(n.labels) <= t.relink {
			continue
		}
		s.split(t.nameAt(n.at))
		n.cut = 0
		for skip := s.n - t.z.labels; skip >= 0 && n.cut == 0; skip-- {
			if at, _ := t.lookup(s.hash[skip&maxLabels], s.suffix(skip)); t.z.nodes[at].kind != 0 {
				n.cut = uint32(at + 1)
			}
		}
	}
	t.relink = noRelink
}
