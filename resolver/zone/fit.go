package zone

import (
	"encoding/binary"
	"slices"
)

// fit gives the zone the room that it needs, and little more, once all is in.
// Chunks are those of its file, whose entries may come to stand elsewhere.
func (t *table) fit(chunks []chunk) {
	if nodes := len(t.z.nodes); t.used*100 < nodes*(filled-7) || t.used*100 > nodes*(filled+7) {
		t.resize(t.used * 100 / filled)
	}
	z, spare := t.z, len(t.z.arena)/spareArena
	if t.wasted > len(z.arena)/mostWasted {
		t.compact(chunks)
	} else if cap(z.arena)-len(z.arena) > 2*spare+4096 {
		z.arena = append(make([]byte, 0, len(z.arena)+spare), z.arena...)
	}
}

// One part in spareArena of an arena is left free for later changes, and one
// in mostWasted of a zone that was read anew may be in use for nothing.
const (
	spareArena = 32
	mostWasted = 8
)

// compact makes the arena anew from what is in use of it. Entries of a chunk
// go on to follow each other.
func (t *table) compact(chunks []chunk) {
	z, old := t.z, t.z.arena
	z.arena = append(make([]byte, 0, len(old)-t.wasted+len(old)/spareArena), old[:tomb+1]...)
	moved := make([]uint32, len(z.nodes))
	move := func(slot int) (size int) {
		n := &z.nodes[slot]
		size = entryLen(old, n)
		moved[slot] = uint32(len(z.arena))
		z.arena = append(z.arena, old[n.at:int(n.at)+size]...)
		return size
	}
	was := table{z: &Zone{nodes: z.nodes, arena: old}}
	for i := range chunks {
		c := &chunks[i]
		at, sizes := c.at, []byte(nil)
		c.at = uint32(len(z.arena))
		for rest := c.sizes; len(rest) > 0; {
			name := was.nameAt(at)
			if slot, ok := was.lookup(hashName(name), name); ok && z.nodes[slot].at == at {
				sizes = binary.AppendUvarint(sizes, uint64(move(slot)))
			}
			size, n := binary.Uvarint(rest)
			at, rest = at+uint32(size), rest[n:]
		}
		c.sizes, c.end = slices.Clip(sizes), uint32(len(z.arena))
	}
	for slot := range z.nodes {
		n := &z.nodes[slot]
		if n.at > tomb && moved[slot] == 0 {
			move(slot)
		}
		if n.at > tomb {
			n.at = moved[slot]
		}
	}
	t.wasted = 0
}
