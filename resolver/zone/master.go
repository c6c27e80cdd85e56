package zone

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// The limits of what one zone may be read from.
const (
	maxOctets  = 1 << 30 // of all files together, each as often as it is included
	maxDepth   = 8       // of files that include files
	maxFiles   = 10_000  // inclusions
	fileWeight = 1 << 10 // octets that each inclusion counts for, beside those in it
	tellEvery  = 4096    // entries
	maxMemory  = 3 << 30 // octets of names and records: they are addressed with 32 bits
)

// byteOrder is what some editors put in front of text in UTF-8.
const byteOrder = "\xef\xbb\xbf"

// A reader reads the master file of one zone (RFC 1035 §5) and those that it
// includes. It goes on after a problem, to tell as many as it can.
type reader struct {
	b        *builder
	files    fs.FS
	tell     func(octets int)
	folder   string // that files is rooted at
	max      int    // records
	budget   int64  // octets that may still be read
	open     []string
	stopped  bool // a limit was passed: nothing more is read
	problems config.Problems
	untold   int
	buf      [512]byte // data of one record
	line     []byte
	pack     []byte
}

// A frame is what the lines of one file refer to.
type frame struct {
	file   uint16 // index into builder.where
	line   int    // of the entry being read
	origin []byte
	owner  []byte // of the last record, lower-cased; nil before the first
	bad    bool   // the last owner was no name: records that repeat it are skipped
	ttl    uint32 // for records without one
	hasTTL bool
	fixed  bool // ttl comes from $TTL, not from the record before
}

// include reads one file. The including file's $TTL holds in it; what the
// file itself sets ends with it (RFC 1035 §5.1).
func (r *reader) include(name string, origin []byte, from frame) {
	data, why := r.load(name)
	if why != "" {
		if len(r.b.where) == 0 {
			r.b.where = append(r.b.where, path.Join(r.folder, name))
		}
		r.problem(from.file, from.line, "", "%s", why)
		return
	}
	f := frame{
		file: uint16(len(r.b.where)), origin: origin, owner: from.owner,
		ttl: from.ttl, hasTTL: from.hasTTL, fixed: from.fixed,
	}
	r.b.where = append(r.b.where, filepath.Join(r.folder, filepath.FromSlash(name)))
	r.open = append(r.open, name)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	s := scanner{data: bytes.TrimPrefix(data, []byte(byteOrder)), line: 1}
	untold := len(s.data) // octets from which on nothing was told yet
	defer func() { r.tell(untold - len(s.data)) }()
	for n := 1; !r.stopped; n++ {
		text, wrong, ok := s.next()
		if !ok {
			return
		}
		if n%tellEvery == 0 {
			r.tell(untold - len(s.data))
			untold = len(s.data)
		}
		f.line = s.at
		switch {
		case wrong != "":
			r.problem(f.file, f.line, "", "%s", wrong)
		case text[0] == '$':
			r.directive(&f, text)
		default:
			r.record(&f, text)
		}
	}
}

// load reads a file as far as the limits allow, and says why it cannot.
func (r *reader) load(name string) (data []byte, why string) {
	switch {
	case !fs.ValidPath(name) || name == ".":
		return nil, fmt.Sprintf("$INCLUDE %s leaves the folder of the zone's file", name)
	case len(r.open) == maxDepth:
		return nil, fmt.Sprintf("$INCLUDE %s: files include each other more than %d deep", name, maxDepth)
	case len(r.b.where) == maxFiles:
		return nil, fmt.Sprintf("more than %d files are included", maxFiles)
	}
	for _, o := range r.open {
		if o == name {
			return nil, fmt.Sprintf("%s includes itself", name)
		}
	}
	file, err := r.files.Open(name)
	if err != nil {
		return nil, fmt.Sprintf("cannot be read: %v", err)
	}
	defer file.Close()
	r.budget -= fileWeight
	if info, err := file.Stat(); err == nil {
		if info.IsDir() {
			return nil, fmt.Sprintf("%s is a folder", name)
		}
		if info.Size() > r.budget {
			return nil, fmt.Sprintf("%s is too large: the files of a zone may have %d octets in all", name, maxOctets)
		}
		data = make([]byte, 0, info.Size()+512)
	}
	buf := bytes.NewBuffer(data)
	n, err := io.Copy(buf, io.LimitReader(file, r.budget+1))
	if err != nil {
		return nil, fmt.Sprintf("cannot be read: %v", err)
	}
	if r.budget -= n; r.budget < 0 {
		return nil, fmt.Sprintf("%s is too large: the files of a zone may have %d octets in all", name, maxOctets)
	}
	return buf.Bytes(), ""
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
	if filepath.IsAbs(name) {
		if inside, err := filepath.Rel(r.folder, name); err == nil {
			name = filepath.ToSlash(inside)
		}
	} else {
		name = path.Join(path.Dir(r.open[len(r.open)-1]), name)
	}
	r.include(name, origin, *f)
}
