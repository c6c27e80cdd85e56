package xfr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/shunt-dns/shunt/internal/durable"
)

// Folder is the name of the journals' folder in the state directory.
const Folder = "journals"

const (
	entryHead = 52 // octets of an entry besides its records
	suffix    = ".journal"
	damaged   = ".bad"
	maxFile   = 1 << 30 // octets of the largest journal that is read
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A shelf is the folder of the journals: a file for each zone, a line that
// says whose, and then its deltas, the latest last. An entry is
//
//	length of what follows the checksum   32 bits
//	CRC-32C of that                       32 bits
//	from, to                              32 bits each
//	key                                   16 octets
//	lengths of was, is, deleted, added    32 bits each
//	records deleted and added             32 bits
//	was, is, deleted, added
//
// An entry that is cut off at the end of the file is what a crash leaves: it is
// dropped. Anything else that is wrong makes the file a damaged one.
type shelf string

// path returns where the journal of a zone is.
func (s shelf) path(origin string) string {
	var name strings.Builder
	for _, c := range []byte(strings.TrimSuffix(origin, ".")) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' && name.Len() > 0 {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02x", c)
		}
	}
	short := name.String()
	if len(short) > 200 {
		short = fmt.Sprintf("%.180s-%08x", short, crc32.Checksum([]byte(origin), castagnoli))
	}
	return filepath.Join(string(s), short+suffix)
}

// first is the line that begins the journal of a zone.
func first(origin string) []byte { return []byte("shunt journal 1 " + origin + "\n") }

// encode appends d as an entry.
func encode(dst []byte, d *delta) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, 8)...)
	dst = binary.BigEndian.AppendUint32(dst, d.from)
	dst = binary.BigEndian.AppendUint32(dst, d.to)
	dst = append(dst, d.key[:]...)
	for _, n := range []int{len(d.was), len(d.is), len(d.deleted), len(d.added), d.records} {
		dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	}
	dst = append(append(append(append(dst, d.was...), d.is...), d.deleted...), d.added...)
	body := dst[at+8:]
	binary.BigEndian.PutUint32(dst[at:], uint32(len(body)))
	binary.BigEndian.PutUint32(dst[at+4:], crc32.Checksum(body, castagnoli))
	return dst
}

// errDamaged is for a journal that no crash of ours explains.
var errDamaged = errors.New("damaged")

// decode returns the entry that text begins with, and what follows. It returns
// errCut where the text ends within it.
func decode(text []byte) (d *delta, rest []byte, err error) {
	if len(text) < 8 {
		return nil, nil, errCut
	}
	size, sum := uint64(binary.BigEndian.Uint32(text)), binary.BigEndian.Uint32(text[4:])
	if size < entryHead-8 || size > maxFile {
		return nil, nil, errDamaged
	}
	if uint64(len(text)-8) < size {
		return nil, nil, errCut
	}
	body, rest := text[8:8+size], text[8+size:]
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, nil, errDamaged
	}
	d = &delta{from: binary.BigEndian.Uint32(body), to: binary.BigEndian.Uint32(body[4:])}
	copy(d.key[:], body[8:])
	lengths, data := body[24:44], body[44:]
	for i, part := range []*[]byte{&d.was, &d.is, &d.deleted, &d.added} {
		n := binary.BigEndian.Uint32(lengths[4*i:])
		if uint64(n) > uint64(len(data)) {
			return nil, nil, errDamaged
		}
		*part, data = data[:n:n], data[n:]
	}
	d.records = int(binary.BigEndian.Uint32(lengths[16:]))
	if len(data) != 0 || len(d.was) < soaTail || len(d.is) < soaTail {
		return nil, nil, errDamaged
	}
	return d, rest, nil
}

// parse returns the deltas of the journal text, each of which begins where the
// one before it ends, and how many octets they take. The error is errCut where
// a crash cut the last one off, and errDamaged for what cannot be explained so;
// what is returned is good all the same.
func parse(text []byte, origin string) (list []*delta, good int, err error) {
	head := first(origin)
	if !bytes.HasPrefix(text, head) {
		return nil, 0, errDamaged
	}
	rest := text[len(head):]
	for len(rest) > 0 {
		d, after, err := decode(rest)
		if err == nil && len(list) > 0 && list[len(list)-1].to != d.from {
			err = errDamaged
		}
		if err != nil {
			return list, len(text) - len(rest), err
		}
		list, rest = append(list, d), after
	}
	return list, len(text), nil
}

// read returns the deltas that the journal of a zone holds, none where there is
// no journal, and how many octets of it are good. A damaged file is set aside
// under another name, and the error says so; what was sound of it is returned.
func (s shelf) read(origin string) (list []*delta, good int, err error) {
	path := s.path(origin)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(f, maxFile))
		f.Close()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("journal of %s: %w; its secondaries take the whole zone when it changes next", origin, err)
	}
	list, good, err = parse(text, origin)
	if !errors.Is(err, errDamaged) {
		return list, good, nil
	}
	aside := path + damaged
	if err := os.Rename(path, aside); err != nil {
		return list, 0, fmt.Errorf("journal of %s is damaged, and stays in the way: %w", origin, err)
	}
	return list, 0, fmt.Errorf("journal of %s was damaged; %d changes of it are used, the file is kept as %s", origin, len(list), aside)
}

// replace makes list all of a zone's journal, in one step.
func (s shelf) replace(origin string, list []*delta) (octets int, err error) {
	text := first(origin)
	for _, d := range list {
		text = encode(text, d)
	}
	return len(text), durable.Replace(s.path(origin), text)
}

// append adds list to the end of a zone's journal, whose first size octets are
// good, durably.
func (s shelf) append(origin string, size int, list []*delta) (octets int, err error) {
	var text []byte
	for _, d := range list {
		text = encode(text, d)
	}
	f, err := os.OpenFile(s.path(origin), os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	info, err := f.Stat()
	switch {
	case err == nil && info.Size() < int64(size):
		err = fmt.Errorf("%w: it was longer", errDamaged)
	case err == nil && info.Size() > int64(size):
		err = f.Truncate(int64(size)) // what a failed write left behind
	}
	if err == nil {
		_, err = f.WriteAt(text, int64(size))
	}
	if err == nil {
		err = f.Sync()
	}
	return size + len(text), errors.Join(err, f.Close())
}

// keepOnly removes the journals that are not at paths.
func (s shelf) keepOnly(paths map[string]bool) {
	files, _ := filepath.Glob(filepath.Join(string(s), "*"+suffix))
	for _, path := range files {
		if !paths[path] {
			os.Remove(path)
		}
	}
}
