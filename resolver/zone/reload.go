package zone

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/shunt-dns/shunt/config"
)

// Reparse returns what ParseTelling does, down to the last octet of each
// answer and the words of each problem; but where prev is the same zone as it
// was read before, the cost is that of what changed in its file since.
//
//	the file of prev                      what is read
//	is as it was                          its octets: the zone is shared
//	differs in little                     its octets, the entries in the chunks that differ, and those of names that
//	                                      these chunks share with others; the zone is a copy with other records for them
//	differs in much, or includes others   all
//	has a problem now                     all, to tell of every problem
//
// All is also read when the zone's configuration changed, and when the room
// that earlier changes left is used up.
func Reparse(prev *Zone, z config.Zone, node string, files fs.FS, tell func(octets int)) (*Zone, config.Problems) {
	if prev != nil && prev.plan != nil && prev.plan.node == node && reflect.DeepEqual(prev.plan.config, z) {
		next := prev
		if z.File != "" {
			next = prev.revised(files, tell)
		}
		if next != nil {
			return next.configured(z), nil
		}
	}
	return parseAfter(prev, newCutter(), z, node, files, tell)
}

// configured returns z with an equal configuration, so that the older one is
// not kept in memory for its sake.
func (z *Zone) configured(c config.Zone) *Zone {
	next, p := *z, *z.plan
	p.config = c
	next.plan = &p
	return &next
}

// A revision compares a file with the chunks it had, and gathers what of it
// differs.
type revision struct {
	*reader
	prev   *Zone
	in     *bufio.Reader
	heads  map[uint64]int  // the first chunk that begins so
	chunks []chunk         // of the file as it is now
	place  []int64         // of each of them in the file
	fresh  []bool          // of each: it is not one that prev has
	bounds []int           // of each: the records up to its end
	gone   map[uint32]bool // chunks of prev that are not in the file, by their id
	after  state           // at the end of the file
	offset int64           // in the file
	line   int
	read   int64 // octets that differ
	limit  int64 // and the most that may be
	nextID uint32
	fixed  int64 // records of the chunks that stay, and their weight
	weighs int64

	touched []bool              // by draft: its records may have changed
	also    map[uint32][]uint32 // by draft: the chunks that stay and may have records of it
	owners  []uint32            // draft of each record in chunks that do not stay, in file order
}

// Changes may touch one part in muchChanged of a file; beyond that, reading all
// of it anew costs hardly more.
const muchChanged = 32

// revised returns the zone that the file holds now, nil where all of it must
// be read.
func (z *Zone) revised(files fs.FS, tell func(octets int)) *Zone {
	p := z.plan
	if len(p.chunks) == 0 {
		return nil
	}
	file, err := files.Open(filepath.Base(p.config.File))
	if err != nil {
		return nil
	}
	defer file.Close()
	room := windowSize
	if info, err := file.Stat(); err == nil {
		room = min(room, int(info.Size())+headOctets+1)
	}
	v := &revision{prev: z, in: bufio.NewReaderSize(file, room), line: 1, gone: map[uint32]bool{}}
	v.reader = newReader(p.config, z.origin, files, func(int) {})
	v.b.where = []string{p.config.File}
	v.cut = &cutter{size: p.size, seed: p.seed, nextID: p.nextID}
	v.after = p.end
	for i := range p.chunks {
		v.limit += int64(p.chunks[i].octets)
	}
	v.limit = v.limit/muchChanged + 4*int64(p.size)
	if !v.compare() {
		return nil
	}
	tell(int(v.offset))
	if len(v.gone) == 0 && !slices.Contains(v.fresh, true) {
		return z
	}
	again, ok := file.(io.ReaderAt)
	if !ok || !v.others(again) || !v.right() {
		return nil
	}
	if e := v.edit(); e != nil {
		return e.apply()
	}
	return nil
}

// compare goes through the file once.
func (v *revision) compare() bool {
	if mark, _ := v.in.Peek(len(byteOrder)); string(mark) == byteOrder {
		v.in.Discard(len(byteOrder))
		v.offset = int64(len(byteOrder))
	}
	old := v.prev.plan.chunks
	for i := 0; i < len(old); {
		if v.stays(&old[i]) {
			v.keep(&old[i])
			i++
			continue
		}
		next, ok := v.differs(i)
		if !ok {
			return false
		}
		for ; i < next; i++ {
			v.gone[old[i].id] = true
		}
	}
	if _, err := v.in.Peek(1); err == nil {
		_, ok := v.differs(len(old))
		return ok
	}
	return true
}

// stays reports whether the file goes on with chunk c, and c ends there with
// a line.
func (v *revision) stays(c *chunk) bool {
	text, _ := v.in.Peek(int(c.octets))
	if len(text) < int(c.octets) || v.cut.hash(text) != c.hash {
		return false
	}
	if text[len(text)-1] != '\n' {
		_, err := v.in.Peek(len(text) + 1)
		return err == io.EOF
	}
	return true
}

// keep passes over a chunk that stays.
func (v *revision) keep(c *chunk) {
	v.add(*c, false)
	v.in.Discard(int(c.octets))
	v.fixed += int64(c.recs)
	v.weighs += int64(c.weight)
}

// add notes the chunk that the file goes on with.
func (v *revision) add(c chunk, fresh bool) {
	v.chunks, v.place, v.fresh = append(v.chunks, c), append(v.place, v.offset), append(v.fresh, fresh)
	v.bounds = append(v.bounds, len(v.b.recs))
	v.offset += int64(c.octets)
	v.line += int(c.lines)
}

// differs reads what stands in place of chunk i and those after it, up to the
// next one that stays. It returns which that is.
func (v *revision) differs(i int) (next int, ok bool) {
	old := v.prev.plan.chunks
	f := frame{line: v.line}
	f.set(v.prev.plan.at(i))
	var text []byte
	for {
		head, _ := v.in.Peek(headOctets)
		if len(head) == 0 {
			ok := v.text(&f, text)
			v.after = f.state()
			return len(old), ok
		}
		if j := v.find(i, head); j >= 0 {
			if !v.text(&f, text) {
				return 0, false
			}
			if f.state().equal(old[j].before) {
				return j, true
			}
			text, _ = v.in.Peek(int(old[j].octets))
			text = bytes.Clone(text)
			v.in.Discard(len(text))
			i = j + 1
			if v.read += int64(len(text)); v.read > v.limit {
				return 0, false
			}
			continue
		}
		line, err := v.in.ReadSlice('\n')
		if v.read += int64(len(line)); v.read > v.limit || err != nil && err != io.EOF {
			return 0, false
		}
		text = append(text, line...)
	}
}

// find returns the chunk that begins where the file stands, of those from i
// on; -1: none.
func (v *revision) find(i int, head []byte) int {
	old := v.prev.plan.chunks
	if v.heads == nil {
		v.heads = make(map[uint64]int, len(old))
		for j := len(old) - 1; j >= 0; j-- {
			v.heads[old[j].head] = j
		}
	}
	j, ok := v.heads[v.cut.headOf(head)]
	if !ok || j < i || !v.stays(&old[j]) {
		return -1
	}
	return j
}

// at returns the state that chunk i begins in.
func (p *plan) at(i int) state {
	if i == len(p.chunks) {
		return p.end
	}
	return p.chunks[i].before
}

// text reads the entries of a piece of the file, which become chunks of their
// own. It reports whether they are without a problem.
func (v *revision) text(f *frame, text []byte) bool {
	s := &scanner{data: text, window: text, line: v.line, keep: true}
	v.cut.begin(f, s)
	v.cut.chunks = v.cut.chunks[:0]
	v.entries(f, s)
	if v.cut.end(v.reader, f, s); v.cut.broken || v.stopped || len(v.problems) > 0 {
		return false
	}
	recs := len(v.b.recs)
	for i := len(v.cut.chunks) - 1; i >= 0; i-- {
		recs -= int(v.cut.chunks[i].recs)
	}
	for _, c := range v.cut.chunks {
		v.add(c, true)
		recs += int(c.recs)
		v.bounds[len(v.bounds)-1] = recs
	}
	return true
}

// set makes f begin in a state.
func (f *frame) set(s state) { f.origin, f.ttl, f.hasTTL, f.fixed = s.origin, s.ttl, s.hasTTL, s.fixed }
