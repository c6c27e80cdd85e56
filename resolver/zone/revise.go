package zone

import (
	"cmp"
	"io"
	"slices"
)

// others finds the names whose records may have changed, and reads what the
// chunks that stay have of them. It reports whether that can be done.
func (v *revision) others(file io.ReaderAt) bool {
	for i := range v.b.recs {
		v.owners = append(v.owners, v.b.recs[i].owner)
		v.touch(v.b.recs[i].owner)
	}
	v.before()
	v.elsewhere()
	taken, weight := v.recs, v.weight
	v.only = func(owner []byte) bool {
		d, ok := v.b.lookup(hashName(owner), owner)
		return ok && v.isTouched(int(d))
	}
	v.nextID, v.cut = v.cut.nextID, nil
	needed := map[uint32]bool{}
	for _, ids := range v.also {
		for _, id := range ids {
			needed[id] = true
		}
	}
	line := 1
	for i := range v.chunks {
		c := &v.chunks[i]
		if needed[c.id] && !v.again(file, c, v.place[i], line) {
			return false
		}
		line += int(c.lines)
	}
	v.recs, v.weight = taken, weight
	slices.SortStableFunc(v.b.recs, func(a, b record) int { return cmp.Compare(a.line, b.line) })
	return true
}

// touch notes that the records of a draft may have changed.
func (v *revision) touch(d uint32) {
	for int(d) >= len(v.touched) {
		v.touched = append(v.touched, false)
	}
	v.touched[d] = true
}

// isTouched reports whether the records of a draft may have changed. A change
// of nothing but comments touches none.
func (v *revision) isTouched(d int) bool { return d < len(v.touched) && v.touched[d] }

// before touches the names that the chunks had that are gone.
func (v *revision) before() {
	z, p := v.prev, v.prev.plan
	touch := func(n *node) {
		if n != nil && n.sets > 0 {
			name := z.arena[n.at:]
			v.touch(v.b.draft(name[:nameLen(name)]))
		}
	}
	for i := range p.chunks {
		if !v.gone[p.chunks[i].id] {
			continue
		}
		for name := range p.chunks[i].names(z.arena) {
			touch(z.find(hashName(name), name))
		}
	}
	for _, s := range p.shared {
		if v.gone[s.chunk] {
			touch(&z.nodes[s.slot])
		}
	}
}

// mostAgain is how many times as much may be read for the sake of names that
// are touched as may differ: most of it is passed over.
const mostAgain = 4

// elsewhere finds the chunks that stay and may have records of names that are
// touched.
func (v *revision) elsewhere() {
	z, p := v.prev, v.prev.plan
	t := table{z: z}
	v.also = map[uint32][]uint32{}
	byEntry := make([]*chunk, 0, len(p.chunks))
	for i := range p.chunks {
		if c := &p.chunks[i]; c.at < c.end {
			byEntry = append(byEntry, c)
		}
	}
	slices.SortFunc(byEntry, func(a, b *chunk) int { return cmp.Compare(a.at, b.at) })
	for d := range v.touched {
		if !v.touched[d] {
			continue
		}
		slot, ok := t.lookup(v.b.drafts[d].hash, v.b.name(&v.b.drafts[d]))
		if !ok {
			continue
		}
		note := func(id uint32) {
			if !v.gone[id] {
				v.also[uint32(d)] = append(v.also[uint32(d)], id)
			}
		}
		first, _ := slices.BinarySearchFunc(p.shared, share{slot: uint32(slot)}, compareShares)
		rest := p.shared[first:]
		for len(rest) > 0 && int(rest[0].slot) == slot {
			note(rest[0].chunk)
			rest = rest[1:]
		}
		if at := z.nodes[slot].at; len(rest) == len(p.shared)-first {
			i, _ := slices.BinarySearchFunc(byEntry, at, func(c *chunk, at uint32) int {
				if c.end <= at {
					return -1
				}
				return 1
			})
			if i < len(byEntry) && byEntry[i].at <= at {
				note(byEntry[i].id)
			}
		}
	}
}

// again reads, from a chunk that stays, the records of names that are touched.
func (v *revision) again(file io.ReaderAt, c *chunk, at int64, line int) bool {
	text := make([]byte, c.octets)
	if v.read += int64(len(text)); v.read > mostAgain*v.limit {
		return false
	}
	if n, _ := file.ReadAt(text, at); n < len(text) || (&cutter{seed: v.prev.plan.seed}).hash(text) != c.hash {
		return false // it is being written
	}
	f := frame{}
	f.set(c.before)
	v.entries(&f, &scanner{data: text, window: text, line: line})
	return !v.stopped && len(v.problems) == 0
}

// right reports whether the records that changed are without a problem.
func (v *revision) right() bool {
	p := v.prev.plan
	if v.fixed+int64(v.recs) > int64(v.max) || v.weighs+v.weight+p.names+int64(len(v.b.names)) > maxMemory {
		return false
	}
	v.b.sortRecords()
	at := 0
	for i := range v.b.drafts {
		of := v.b.recs[at : at+int(v.b.drafts[i].recs)]
		at += len(of)
		if i == 0 && v.isTouched(0) {
			v.checkApex(of)
		}
		v.checkNode(of)
	}
	return len(v.problems) == 0
}
