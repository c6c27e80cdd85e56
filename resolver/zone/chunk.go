package zone

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/shunt-dns/shunt/config"
)

// A plan is what a zone knows of the file it was read from, so that reading it
// again costs what changed: see Reparse.
//
// A file is cut into chunks, each of which begins with an entry that names
// its owner. What a chunk means hangs on its text and on the state it begins
// in, and on nothing else, because a zone whose file includes others has no
// chunks.
type plan struct {
	config config.Zone
	node   string
	made   *mark // the identity of this version of the zone
	from   *mark // of the version that it was made from, by a change; else nil
	lost   [][]byte

	size   int // octets of a chunk, at least
	seed   maphash.Seed
	chunks []chunk // of the whole file, in order; nil: it can only be read anew
	end    state   // after the last one
	shared []share // sorted by slot
	nextID uint32

	kids                []uint32 // as in table, and so are the others
	used, tombs, wasted int
	names               int64
	tail                *atomic.Int64 // end of the arena as far as any version has written it
}

// A mark is an identity. It is not empty, so that no two have one address.
type mark struct{ _ byte }

// A state is what the text before hands on to an entry that names its owner.
type state struct {
	origin []byte
	ttl    uint32
	hasTTL bool
	fixed  bool
}

// A chunk is a piece of a master file.
type chunk struct {
	id     uint32
	octets uint32
	lines  uint32
	recs   uint32 // records read from it, each time they are written
	weight uint32 // octets of their data, and of what goes with them in an arena
	head   uint64 // hash of the first headOctets
	hash   uint64 // of all
	before state
	at     uint32 // of the first of its entries in the arena, which follow each other
	end    uint32 // of the last
	sizes  []byte // of those entries, as uvarints
}

// A share says that a chunk has records of the name in a slot. Names of which
// only one chunk has any have none, as long as their entry is among that
// chunk's.
type share struct{ slot, chunk uint32 }

const (
	chunkOctets = 16 << 10  // a chunk has at least
	chunkMost   = 128 << 10 // and at most; a file with a longer one has no chunks
	headOctets  = 128
)

func (a state) equal(b state) bool {
	return a.ttl == b.ttl && a.hasTTL == b.hasTTL && a.fixed == b.fixed && slices.Equal(a.origin, b.origin)
}

// names yields the names of c's entries.
func (c *chunk) names(arena []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		at := c.at
		for rest := c.sizes; len(rest) > 0; {
			name := arena[at:]
			if !yield(name[:nameLen(name)]) {
				return
			}
			size, n := binary.Uvarint(rest)
			at, rest = at+uint32(size), rest[n:]
		}
	}
}

// compareShares orders by slot, then by chunk.
func compareShares(a, b share) int {
	if a.slot != b.slot {
		return int(a.slot) - int(b.slot)
	}
	return int(a.chunk) - int(b.chunk)
}

// A cutter cuts the text that a reader reads into chunks.
type cutter struct {
	size   int // octets of a chunk, at least
	seed   maphash.Seed
	broken bool // the file cannot be cut
	chunks []chunk
	nextID uint32
	before state // of the chunk under way, and so are the others
	line   int
	recs   int
	weight int64
	after  state
}

func newCutter() *cutter { return &cutter{size: chunkOctets, seed: maphash.MakeSeed()} }

// begin begins a chunk where s stands.
func (c *cutter) begin(f *frame, s *scanner) {
	s.mark = len(s.window) - len(s.data)
	c.line, c.before = s.line, f.state()
}

func (f *frame) state() state { return state{f.origin, f.ttl, f.hasTTL, f.fixed} }

// chunks hands over to the table what was gathered, and ends a chunk, before
// an entry where it is time to.
func (r *reader) chunks(f *frame, s *scanner, text []byte) {
	if s.keep {
		switch whole := s.from - s.mark; {
		case r.cut.broken || whole > chunkMost:
			r.cut.broken, s.keep = true, false
		case whole >= r.cut.size && text[0] != ' ' && text[0] != '\t' && text[0] != '$' &&
			(s.src != nil || len(s.window)-s.from >= r.cut.size/2):
			r.flush(s)
			r.cut.chunk(r, f, s, s.from, s.at)
			return
		}
	}
	if len(r.b.recs) >= batchRecords {
		r.flush(s)
	}
}

// batchRecords is how many records a table takes in at once, where no chunk
// ends before.
const batchRecords = 4096

// flush hands over to the table what was gathered.
func (r *reader) flush(s *scanner) {
	if r.t == nil {
		return
	}
	part := 0.5
	if read := s.read - int64(len(s.data)); len(r.open) == 1 && read > 0 && r.size > 0 {
		// The beginning of a file says little of all of it.
		part = min(float64(read)/float64(min(r.size, 64*read))*0.98, 1)
	}
	r.b.sortRecords()
	r.t.take(r.b, r.checkNode, part)
	r.b.reset()
	r.stopped = r.stopped || len(r.problems) > 0
}

// end ends the last chunk, at the end of the file.
func (c *cutter) end(r *reader, f *frame, s *scanner) {
	if s.keep && !c.broken {
		c.chunk(r, f, s, len(s.window), s.line)
	}
	c.after = f.state()
}

// chunk ends a chunk where the window and the line are so far.
func (c *cutter) chunk(r *reader, f *frame, s *scanner, end, line int) {
	text := s.window[s.mark:end]
	if len(text) == 0 {
		return
	}
	h := chunk{
		id: c.nextID, octets: uint32(len(text)), lines: uint32(line - c.line), before: c.before,
		recs: uint32(r.recs - c.recs), weight: uint32(r.weight - c.weight),
		head: c.headOf(text), hash: c.hash(text),
	}
	if t := r.t; t != nil {
		h.at, h.end, h.sizes = uint32(t.chunkAt), uint32(len(t.z.arena)), slices.Clone(t.sizes)
		t.sizes, t.chunkAt = t.sizes[:0], len(t.z.arena)
		t.chunks = append(t.chunks, h.at)
		c.broken = c.broken || len(t.shared) > 1024+r.recs/4
	}
	c.chunks = append(c.chunks, h)
	c.nextID++
	c.recs, c.weight = r.recs, r.weight
	s.mark, c.line, c.before = end, line, f.state()
}

// hash returns the hash of a chunk's text.
func (c *cutter) hash(text []byte) uint64 { return maphash.Bytes(c.seed, text) }

// headOf returns the hash by which a chunk that begins as text is looked for.
func (c *cutter) headOf(text []byte) uint64 {
	return maphash.Bytes(c.seed, text[:min(len(text), headOctets, c.size)])
}

// share notes that the chunk under way has records of a name that is there
// already.
func (t *table) share(slot int) {
	was := int(t.z.nodes[slot].at)
	if was >= t.chunkAt {
		return // it is from this chunk
	}
	from, _ := slices.BinarySearchFunc(t.chunks, was, func(at uint32, was int) int {
		if int(at) <= was {
			return -1
		}
		return 1
	})
	t.shared = append(t.shared, share{uint32(slot), uint32(len(t.chunks))})
	if from > 0 {
		t.shared = append(t.shared, share{uint32(slot), uint32(from - 1)})
	}
}
