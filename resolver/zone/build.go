package zone

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// A builder collects names and records of one zone as they are read, in any
// order: all of them, or a batch that a table takes in.
type builder struct {
	origin []byte
	names  []byte   // wire names of all drafts, lower-cased
	drafts []draft  // the first is the apex
	index  []uint32 // open addressing: draft number plus 1
	recs   []record // in file order
	data   []byte   // of all records
	kinds  grouper  // of services
	where  []string // files that records came from

	split  suffixes // of the name last looked for
	last   uint32   // the draft last found
	starts []uint32 // room for sortRecords
	sorted []record // likewise
}

// A draft is a node while the zone is being read.
type draft struct {
	hash   uint64
	name   uint32 // offset in names
	parent uint32 // draft number; the apex is its own
	group  uint32
	recs   uint32 // how many it has
	labels uint8
	size   uint8 // octets of the name
}

// A record is one record while the zone is being read.
type record struct {
	owner uint32 // draft number
	ttl   uint32
	data  uint32 // offset in builder.data
	line  uint32
	typ   uint16
	size  uint16 // of the data
	file  uint16 // index into builder.where
}

func newBuilder(origin []byte) *builder {
	b := &builder{origin: origin, index: make([]uint32, 64), kinds: newGrouper()}
	b.reset()
	return b
}

// reset forgets the names and records.
func (b *builder) reset() {
	b.names, b.drafts, b.recs, b.data, b.last = b.names[:0], b.drafts[:0], b.recs[:0], b.data[:0], 0
	clear(b.index)
	s := &b.split
	s.split(b.origin)
	b.insert(s, 0, 0)
}

func (b *builder) name(d *draft) []byte { return b.names[d.name:][:d.size] }

func (b *builder) rdata(r *record) []byte { return b.data[r.data:][:r.size] }

// draft returns the number of the draft for name, which must lie in the zone
// and be lower-cased, making it and those of its ancestors where they are
// missing.
func (b *builder) draft(name []byte) uint32 {
	if d := &b.drafts[b.last]; bytes.Equal(b.name(d), name) {
		return b.last
	}
	s := &b.split
	s.split(name)
	last := max(s.n-labelsIn(b.origin), 0)
	missing := 0
	parent := uint32(0)
	for ; missing <= last; missing++ {
		if d, ok := b.lookup(s.hash[missing&maxLabels], s.suffix(missing)); ok {
			parent = d
			break
		}
	}
	for i := missing - 1; i >= 0; i-- {
		parent = b.insert(s, i, parent)
	}
	b.last = parent
	return parent
}

func (b *builder) lookup(hash uint64, name []byte) (uint32, bool) {
	for i := slot(hash, len(b.index)); b.index[i] != 0; i = (i + 1) % len(b.index) {
		if d := &b.drafts[b.index[i]-1]; d.hash == hash && bytes.Equal(b.name(d), name) {
			return b.index[i] - 1, true
		}
	}
	return 0, false
}

func (b *builder) insert(s *suffixes, i int, parent uint32) uint32 {
	if 2*len(b.drafts) >= len(b.index) {
		b.grow()
	}
	name := s.suffix(i)
	d := draft{
		hash: s.hash[i&maxLabels], name: uint32(len(b.names)), parent: parent,
		labels: uint8(s.n - i), size: uint8(len(name)),
	}
	b.names = append(b.names, name...)
	b.drafts = append(b.drafts, d)
	b.place(uint32(len(b.drafts)))
	return uint32(len(b.drafts) - 1)
}

func (b *builder) place(ref uint32) {
	i := slot(b.drafts[ref-1].hash, len(b.index))
	for b.index[i] != 0 {
		i = (i + 1) % len(b.index)
	}
	b.index[i] = ref
}

func (b *builder) grow() {
	b.index = make([]uint32, 4*len(b.index))
	for ref := range b.drafts {
		b.place(uint32(ref + 1))
	}
}

// inZone reports whether name (lower-cased) lies at or below the origin.
func (b *builder) inZone(name []byte) bool {
	if len(name) < len(b.origin) || !bytes.HasSuffix(name, b.origin) {
		return false
	}
	for at := 0; ; at += int(name[at]) + 1 {
		if at == len(name)-len(b.origin) {
			return true
		}
		if at > len(name)-len(b.origin) {
			return false
		}
	}
}

// addRecord takes one record in.
func (b *builder) addRecord(owner []byte, typ uint16, ttl uint32, data []byte, file uint16, line int) {
	d := b.draft(owner)
	b.drafts[d].recs++
	b.recs = append(b.recs, record{
		owner: d, ttl: ttl, data: uint32(len(b.data)), line: uint32(line),
		typ: typ, size: uint16(len(data)), file: file,
	})
	b.data = append(b.data, data...)
}

// sortRecords orders the records by owner and type, keeping the order of the
// file within an RRset, and drops those that say the same again (RFC 2181 §5).
func (b *builder) sortRecords() {
	b.starts = slices.Grow(b.starts[:0], len(b.drafts)+1)[:len(b.drafts)+1]
	starts := b.starts
	starts[0] = 0
	for i := range b.drafts {
		starts[i+1] = starts[i] + b.drafts[i].recs
	}
	b.sorted = slices.Grow(b.sorted[:0], len(b.recs))[:len(b.recs)]
	sorted := b.sorted
	for i := range b.recs {
		r := &b.recs[i]
		sorted[starts[r.owner]] = *r
		starts[r.owner]++
	}
	kept := sorted[:0]
	for from := 0; from < len(sorted); {
		to := from + 1
		for to < len(sorted) && sorted[to].owner == sorted[from].owner {
			to++
		}
		of := sorted[from:to]
		if len(of) > 1 {
			slices.SortStableFunc(of, func(x, y record) int { return int(x.typ) - int(y.typ) })
			of = b.distinct(of)
		}
		b.drafts[sorted[from].owner].recs = uint32(len(of))
		kept = append(kept, of...)
		from = to
	}
	b.recs, b.sorted = kept, b.recs
}

// distinct drops records of one owner that repeat an earlier one.
func (b *builder) distinct(of []record) []record {
	seen := make(map[string]bool, len(of))
	kept := of[:0]
	for i := range of {
		key := string(append([]byte{byte(of[i].typ >> 8), byte(of[i].typ)}, canonical(of[i].typ, b.rdata(&of[i]))...))
		if !seen[key] {
			seen[key] = true
			kept = append(kept, of[i])
		}
	}
	return kept
}

// GroupKey names what services of one group have in common. It is the same
// for the same group after a reload, and means nothing to a reader.
func GroupKey(s config.Service) string {
	var b strings.Builder
	b.WriteString(s.Policy)
	var n []byte
	n = binary.AppendVarint(n, int64(s.TTL))
	n = binary.AppendVarint(n, int64(s.TTLMin))
	n = binary.AppendVarint(n, int64(s.Moves))
	if s.Flatten {
		n = append(n, 'f')
	}
	for _, c := range s.Pools {
		n = append(n, 0)
		n = append(n, c.Pool...)
		n = append(n, 0)
		n = append(n, c.Policy...)
		n = append(n, 0)
		n = binary.AppendVarint(n, int64(c.Weight))
		if c.LastResort {
			n = append(n, 'l')
		}
	}
	if r := s.Ramp; r != nil {
		n = append(n, "\x00ramp "...)
		n = append(n, r.On...)
		n = binary.AppendVarint(n, int64(r.Every))
		for _, share := range r.Steps {
			n = binary.BigEndian.AppendUint64(n, math.Float64bits(share))
		}
	}
	if s.Apart != "" {
		n = append(n, "\x00apart "...)
		n = append(n, s.Apart...)
	}
	b.Write(n)
	return b.String()
}
