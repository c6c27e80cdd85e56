package zone

import (
	"encoding/binary"
	"math/bits"
)

// The bounds of a name (RFC 1035 §2.3.4).
const (
	maxName   = 255 // octets in wire form
	maxLabel  = 63
	maxLabels = 127 // without the root
)

// A Name is room for one name, read and ready to be looked for. The zero value
// holds none.
type Name struct{ suffixes }

// Take takes in the name at the front of wire, in any case, and returns its
// length in octets; 0 for one that is compressed, of more than 255 octets
// (RFC 1035 §2.3.4) or cut off, and then n holds none.
func (n *Name) Take(wire []byte) int { return n.take(wire) }

// Clear makes n hold no name.
func (n *Name) Clear() { n.size = 0 }

// Len returns the length of the name in octets, with the root label; 0: none.
func (n *Name) Len() int { return n.size }

// Wire returns the name lower-cased and in wire form. It is valid until the
// next Take.
func (n *Name) Wire() []byte { return n.buf[:n.size] }

// Suffixes is a name cut at its labels, with the hash of each suffix: all that
// is needed to look for the name and for every ancestor without hashing
// anything twice. Index i stands for the suffix without the first i labels.
//
// It holds the name itself, and no pointer, so that one on the stack stays
// there.
type suffixes struct {
	n    int // labels, without the root
	size int // octets, with the root
	off  [maxLabels + 1]uint8
	buf  [maxName + 1 + word]byte // the name in lower case, and any octets behind it
	hash [maxLabels + 1]uint64
}

// split takes in name, which must be valid and uncompressed.
func (s *suffixes) split(name []byte) { s.take(name) }

// take takes in the name at the front of wire; see Name.Take.
func (s *suffixes) take(wire []byte) int {
	s.size = 0
	n, at := 0, 0
	for {
		if at >= len(wire) || at >= maxName {
			return 0
		}
		s.off[n&maxLabels] = uint8(at)
		l := int(wire[at])
		if l == 0 {
			break
		}
		if l > maxLabel {
			return 0
		}
		at += l + 1
		n++
	}
	s.n, s.size = n, at+1
	s.lower(wire)
	s.digest()
	return s.size
}

// word is how many octets are made lower case, or hashed, at once.
const word = 8

// lower copies the name from wire in lower case. It takes whole words where
// wire has them: what stands behind the name is copied too, and means nothing.
func (s *suffixes) lower(wire []byte) {
	i := 0
	for ; i < s.size && i+word <= len(wire); i += word {
		binary.LittleEndian.PutUint64(s.buf[i:], lowerWord(binary.LittleEndian.Uint64(wire[i:])))
	}
	if i < s.size {
		lower(s.buf[i:i], wire[i:s.size])
	}
}

// lowerWord makes eight octets lower case at once (RFC 4343). Seven bits of
// each octet are added to what carries 'A', and then 'Z'+1, into the eighth.
func lowerWord(x uint64) uint64 {
	const each = 0x0101010101010101
	low := x &^ (0x80 * each)
	upper := (low + (0x80-'A')*each) &^ (low + (0x80-'Z'-1)*each) &^ x & (0x80 * each)
	return x | upper>>2 // 0x80 to 0x20, the bit of lower case
}

// digest hashes the suffixes from the right, as an ancestor's hash is part of
// its descendant's.
func (s *suffixes) digest() {
	h := rootHash
	s.hash[s.n&maxLabels] = h
	for i := s.n - 1; i >= 0; i-- {
		from := int(s.off[i&maxLabels])
		h = mix(h, &s.buf, from, from+int(s.buf[from])+1)
		s.hash[i&maxLabels] = h
	}
}

// suffix returns the name without its first i labels.
func (s *suffixes) suffix(i int) []byte { return s.buf[s.off[i&maxLabels]:s.size] }

const (
	rootHash  uint64 = 0x9e3779b97f4a7c15
	hashPrime uint64 = 0xd6e8feb86659fd93
)

// mix returns the hash of the suffix that begins with the label wire[from:to]
// (its length octet included) before a suffix of hash h. Names come from the
// operator's own files, so no seed has to keep strangers from colliding them:
// a query only reads the table.
func mix(h uint64, wire *[maxName + 1 + word]byte, from, to int) uint64 {
	for ; to-from > word; from += word {
		h = fold(h ^ binary.LittleEndian.Uint64(wire[from:]))
	}
	return fold(h ^ binary.LittleEndian.Uint64(wire[from:])&(^uint64(0)>>(64-8*uint(to-from))))
}

func fold(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0xa0761d6478bd642f, hashPrime)
	return hi ^ lo
}

// hashName returns the hash of one whole name, lower-cased and in wire form.
func hashName(wire []byte) uint64 {
	var s suffixes
	s.split(wire)
	return s.hash[0]
}

// labelsIn returns how many labels a wire name has, without the root.
func labelsIn(wire []byte) int {
	n := 0
	for at := 0; wire[at] != 0; at += int(wire[at]) + 1 {
		n++
	}
	return n
}

// nameLen returns the length of the uncompressed name at the start of wire.
func nameLen(wire []byte) int {
	at := 0
	for wire[at] != 0 {
		at += int(wire[at]) + 1
	}
	return at + 1
}

// lower appends name to dst in lower case (RFC 4343). Length octets are below
// 64 and so never taken for letters.
func lower(dst, name []byte) []byte {
	for _, c := range name {
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// sameName reports whether two uncompressed names are equal (RFC 4343).
func sameName(a, b []byte) bool {
	for i := range a {
		if i >= len(b) {
			return false
		}
		x, y := a[i], b[i]
		if x-'A' < 26 {
			x += 'a' - 'A'
		}
		if y-'A' < 26 {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return len(a) == len(b)
}

// appendName appends the wire form of text, as a master file writes names
// (RFC 1035 §5.1): "@" is the origin, a name without a final dot is relative
// to it, \X and \DDD are escapes. The case is kept. It returns what is wrong
// in plain words, "" when nothing is.
func appendName(dst, text, origin []byte) ([]byte, string) {
	base := len(dst)
	if len(text) == 1 && text[0] == '@' {
		return append(dst, origin...), ""
	}
	if len(text) == 1 && text[0] == '.' {
		return append(dst, 0), ""
	}
	if len(text) == 0 {
		return dst, "empty name"
	}
	head := len(dst) // of the label being written
	dst = append(dst, 0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '.':
			if len(dst) == head+1 {
				return dst[:base], "empty label in name"
			}
			dst[head] = byte(len(dst) - head - 1)
			if i == len(text)-1 {
				return endName(append(dst, 0), base)
			}
			head = len(dst)
			dst = append(dst, 0)
			continue
		case c == '\\':
			v, width := escaped(text[i+1:])
			if width == 0 {
				return dst[:base], "bad escape in name"
			}
			c, i = v, i+width
		}
		if len(dst)-head-1 == maxLabel {
			return dst[:base], "label longer than 63 octets"
		}
		dst = append(dst, c)
	}
	dst[head] = byte(len(dst) - head - 1)
	return endName(append(dst, origin...), base)
}

func endName(dst []byte, base int) ([]byte, string) {
	if len(dst)-base > maxName {
		return dst[:base], "name longer than 255 octets"
	}
	return dst, ""
}

// escaped reads what follows a backslash: three digits or one character. Width
// 0 is a bad escape.
func escaped(text []byte) (c byte, width int) {
	if len(text) == 0 {
		return 0, 0
	}
	if text[0]-'0' > 9 {
		return text[0], 1
	}
	if len(text) < 3 || text[1]-'0' > 9 || text[2]-'0' > 9 {
		return 0, 0
	}
	v := int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0')
	if v > 255 {
		return 0, 0
	}
	return byte(v), 3
}

// presentation returns the text of an uncompressed wire name, fully qualified.
func presentation(wire []byte) string {
	if wire[0] == 0 {
		return "."
	}
	var b []byte
	for at := 0; wire[at] != 0; at += int(wire[at]) + 1 {
		for _, c := range wire[at+1 : at+1+int(wire[at])] {
			switch {
			case c == '.' || c == '\\' || c == '"' || c == '(' || c == ')' || c == ';' || c == '@' || c == '$':
				b = append(b, '\\', c)
			case c <= ' ' || c >= 127:
				b = append(b, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
			default:
				b = append(b, c)
			}
		}
		b = append(b, '.')
	}
	return string(b)
}
