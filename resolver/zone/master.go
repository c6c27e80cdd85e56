package zone

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// The limits of what one zone may be read from.
const (
	maxOctets  = 1 << 30                   // of all files together, each as often as it is included
	maxDepth   = 8                         // of files that include files
	maxFiles   = 10_000                    // inclusions
	fileWeight = 1 << 10                   // octets that each inclusion counts for, beside those in it
	tellEvery  = 4096                      // entries
	maxMemory  = min(3<<30, math.MaxInt/2) // octets of names and records: they are addressed with 32 bits
)

// A reader reads the master file of one zone (RFC 1035 §5) and those that it
// includes. It goes on after a problem, to tell as many as it can; but where it
// fills a table it stops at the first, as there will be no zone.
type reader struct {
	b        *builder
	t        *table  // takes in what b gathers, batch by batch; nil: b gathers all
	cut      *cutter // cuts the file into chunks; nil: nobody needs them
	files    fs.FS
	tell     func(octets int)
	folder   string // that files is rooted at
	max      int    // records
	budget   int64  // octets that may still be read
	size     int64  // of the zone's own file
	open     []string
	stopped  bool // a limit was passed: nothing more is read
	problems config.Problems
	untold   int
	recs     int                     // read so far
	weight   int64                   // octets of their data, and of what goes with them in an arena
	only     func(owner []byte) bool // which records are taken; nil: all
	name     [maxName + 1]byte       // an owner as it is written
	buf      [512]byte               // data of one record
	line     []byte
	pack     []byte
}

// A frame is what the lines of one file refer to.
type frame struct {
	file   uint16 // index into builder.where
	line   int    // of the entry being read
	origin []byte
	owner  []byte // of the last record, lower-cased, in memory of its own; nil before the first
	bad    bool   // the last owner was no name: records that repeat it are skipped
	ttl    uint32 // for records without one
	hasTTL bool
	fixed  bool // ttl comes from $TTL, not from the record before
}

// include reads one file. The including file's $TTL holds in it; what the
// file itself sets ends with it (RFC 1035 §5.1).
func (r *reader) include(name string, origin []byte, from frame) {
	file, size, why := r.load(name)
	if why != "" {
		if len(r.b.where) == 0 {
			r.b.where = append(r.b.where, path.Join(r.folder, name))
		}
		r.problem(from.file, from.line, "", "%s", why)
		return
	}
	defer file.Close()
	f := frame{
		file: uint16(len(r.b.where)), origin: origin, owner: slices.Clone(from.owner),
		ttl: from.ttl, hasTTL: from.hasTTL, fixed: from.fixed,
	}
	top := len(r.open) == 0
	if top {
		r.size = size
	} else if r.cut != nil {
		r.cut.broken = true
	}
	r.b.where = append(r.b.where, filepath.Join(r.folder, filepath.FromSlash(name)))
	r.open = append(r.open, name)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	s := scanner{src: io.LimitReader(file, size+max(r.budget, 0)+1), room: int(min(size+1, windowSize)), line: 1}
	s.open()
	if top && r.cut != nil {
		s.keep = true
		r.cut.begin(&f, &s)
	}
	r.entries(&f, &s)
	r.budget -= s.read - size
	switch {
	case s.err != nil:
		r.problem(from.file, from.line, "", "cannot be read: %v", s.err)
	case r.budget < 0:
		r.problem(from.file, from.line, "", "%s is too large: the files of a zone may have %d octets in all", name, maxOctets)
	case top && r.t != nil && !r.stopped:
		r.flush(&s)
		if r.cut != nil {
			r.cut.end(r, &f, &s)
		}
	}
}

// entries reads what s has.
func (r *reader) entries(f *frame, s *scanner) {
	told := int64(0) // octets
	defer func() { r.tell(int(s.read - int64(len(s.data)) - told)) }()
	for n := 1; !r.stopped; n++ {
		text, wrong, ok := s.next()
		if !ok {
			return
		}
		if n%tellEvery == 0 {
			now := s.read - int64(len(s.data))
			r.tell(int(now - told))
			told = now
		}
		f.line = s.at
		if wrong == "" {
			r.chunks(f, s, text)
		}
		switch {
		case wrong != "":
			r.problem(f.file, f.line, "", "%s", wrong)
		case text[0] == '$':
			r.directive(f, text)
		default:
			r.record(f, text)
		}
	}
}

// load opens a file as far as the limits allow, and says why it cannot.
func (r *reader) load(name string) (file fs.File, size int64, why string) {
	switch {
	case !fs.ValidPath(name) || name == ".":
		return nil, 0, fmt.Sprintf("$INCLUDE %s leaves the folder of the zone's file", name)
	case len(r.open) == maxDepth:
		return nil, 0, fmt.Sprintf("$INCLUDE %s: files include each other more than %d deep", name, maxDepth)
	case len(r.b.where) == maxFiles:
		return nil, 0, fmt.Sprintf("more than %d files are included", maxFiles)
	}
	for _, o := range r.open {
		if o == name {
			return nil, 0, fmt.Sprintf("%s includes itself", name)
		}
	}
	file, err := r.files.Open(name)
	if err != nil {
		return nil, 0, fmt.Sprintf("cannot be read: %v", err)
	}
	r.budget -= fileWeight
	if info, err := file.Stat(); err == nil {
		size = info.Size()
		if info.IsDir() {
			why = fmt.Sprintf("%s is a folder", name)
		} else if size > r.budget {
			why = fmt.Sprintf("%s is too large: the files of a zone may have %d octets in all", name, maxOctets)
		}
	}
	if why != "" {
		file.Close()
		return nil, 0, why
	}
	r.budget -= size
	return file, size, ""
}

// directive obeys a line that begins with a dollar sign.
func (r *reader) directive(f *frame, text []byte) {
	word, rest := token(text)
	switch strings.ToUpper(string(word)) {
	case "$ORIGIN":
		name, rest := token(rest)
		origin, wrong := appendName(nil, name, f.origin)
		if wrong == "" && len(rest) > 0 {
			wrong = "more than one name"
		}
		if wrong != "" {
			r.problem(f.file, f.line, "", "$ORIGIN: %s", wrong)
			return
		}
		f.origin = lower(origin[:0], origin)
	case "$TTL":
		word, rest := token(rest)
		ttl, ok := parseTTL(word)
		if !ok || len(rest) > 0 {
			r.problem(f.file, f.line, "write seconds, or units as in 1h30m; at most 2147483647 s", "$TTL %s is no TTL", word)
			return
		}
		f.ttl, f.hasTTL, f.fixed = ttl, true, true
	case "$INCLUDE":
		r.includeLine(f, rest)
	case "$GENERATE":
		r.generate(f, rest)
	default:
		r.problem(f.file, f.line, "", "unknown directive %s", word)
	}
}

// includeLine obeys $INCLUDE: a file name, relative to the file it stands in,
// and perhaps an origin.
func (r *reader) includeLine(f *frame, rest []byte) {
	word, rest := token(rest)
	name := strings.Trim(string(word), `"`)
	if name == "" {
		r.problem(f.file, f.line, "", "$INCLUDE without a file")
		return
	}
	origin := f.origin
	if word, rest = token(rest); len(word) > 0 {
		var wrong string
		if origin, wrong = appendName(nil, word, f.origin); wrong != "" || len(rest) > 0 {
			r.problem(f.file, f.line, "", "$INCLUDE: %s is no origin", word)
			return
		}
		origin = lower(origin[:0], origin)
	}
	if len(r.open) == 0 {
		r.problem(f.file, f.line, "", "$INCLUDE in a part of a file")
		return
	}
	if filepath.IsAbs(name) {
		if inside, err := filepath.Rel(r.folder, name); err == nil {
			name = filepath.ToSlash(inside)
		}
	} else {
		name = path.Join(path.Dir(r.open[len(r.open)-1]), name)
	}
	r.include(name, origin, *f)
}
