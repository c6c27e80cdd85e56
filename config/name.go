package config

import (
	"errors"
	"fmt"
	"strings"
)

// Names are kept in the presentation form of RFC 1035 §5.1, fully qualified,
// lower case (RFC 4343 §3), each octet written in one way only: \. for a dot
// inside a label and its like, \DDD for what does not print. Two names are
// the same when their texts are.

// ParseName returns text as a canonical name: fully qualified whether or not it
// ends in a dot, and lower case.
func ParseName(text string) (string, error) { return parseName(text, ".") }

// parseName returns text as a canonical name, as qualify does, and refuses an
// asterisk that looks like a wildcard and is none (RFC 4592 §2.1.1). Those of
// the origin are the zone's own and may stand.
func parseName(text, origin string) (string, error) {
	name, err := qualify(text, origin)
	if err != nil {
		return "", err
	}
	own := name
	if origin != "." && within(name, origin) {
		own = strings.TrimSuffix(name, origin)
	}
	if at := strings.LastIndexByte(own, '*'); at > 0 || at == 0 && len(own) > 1 && own[1] != '.' {
		return "", errors.New("* is a wildcard only as the whole first label")
	}
	return name, nil
}

// qualify returns text as a canonical name. A name without a final dot is
// relative to origin; "@" is the origin itself (RFC 1035 §5.1).
func qualify(text, origin string) (string, error) {
	switch {
	case text == "":
		return "", errors.New("the name is empty")
	case text == "@":
		return origin, nil
	case text == ".":
		return ".", nil
	}
	out, absolute, err := text, text[len(text)-1] == '.', error(nil)
	if plain(text) { // nearly every name
		if !absolute {
			out = text + "." + strings.TrimPrefix(origin, ".")
		} else {
			out = strings.Clone(text)
		}
	} else if out, absolute, err = canonical(text); err != nil {
		return "", err
	} else if !absolute && origin != "." {
		out += origin
	}
	if wireLen(out) > 255 {
		return "", errors.New("the name is longer than 255 octets")
	}
	return out, nil
}

// canonical writes text label by label with a dot after each, and says whether
// it ended in a dot of its own.
func canonical(text string) (out string, absolute bool, err error) {
	var b strings.Builder
	label := 0
	for i := 0; i < len(text); {
		if text[i] == '.' {
			if label == 0 {
				return "", false, errors.New("a label is empty")
			}
			b.WriteByte('.')
			label = 0
			i++
			continue
		}
		c, n, err := octet(text[i:])
		if err != nil {
			return "", false, err
		}
		if label++; label > 63 {
			return "", false, errors.New("a label is longer than 63 octets")
		}
		writeOctet(&b, c)
		i += n
	}
	absolute = label == 0
	if !absolute {
		b.WriteByte('.')
	}
	return b.String(), absolute, nil
}

// plain reports whether text is its own canonical form but for a final dot:
// labels of lower-case letters, digits, hyphens and underscores.
func plain(text string) bool {
	label := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			if label++; label > 63 {
				return false
			}
		case c == '.' && label > 0:
			label = 0
		default:
			return false
		}
	}
	return true
}

// octet reads one octet of a label and how much of text it took.
func octet(text string) (byte, int, error) {
	c := text[0]
	switch {
	case c > '~':
		return 0, 0, errors.New("only ASCII is allowed: write an international name in its xn-- form")
	case c <= ' ':
		return 0, 0, fmt.Errorf("%q is not allowed in a name", c)
	case c != '\\':
		return c, 1, nil
	case len(text) < 2:
		return 0, 0, errors.New(`a \ at the end escapes nothing`)
	case text[1] < '0' || text[1] > '9':
		if text[1] < ' ' || text[1] > '~' {
			return 0, 0, errors.New(`after \ comes a printing character, or three digits`)
		}
		return text[1], 2, nil
	case len(text) < 4 || !digit(text[2]) || !digit(text[3]):
		return 0, 0, errors.New(`after \ come three digits, as in \032`)
	}
	n := int(text[1]-'0')*100 + int(text[2]-'0')*10 + int(text[3]-'0')
	if n > 255 {
		return 0, 0, fmt.Errorf(`\%s is more than \255`, text[1:4])
	}
	return byte(n), 4, nil
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// writeOctet writes c as the zone compiler would print it.
func writeOctet(b *strings.Builder, c byte) {
	switch {
	case c >= 'A' && c <= 'Z':
		b.WriteByte(c + 'a' - 'A')
	case strings.IndexByte(`. '@;()"\`, c) >= 0:
		b.WriteByte('\\')
		b.WriteByte(c)
	case c < ' ' || c > '~':
		fmt.Fprintf(b, `\%03d`, c)
	default:
		b.WriteByte(c)
	}
}

// wireLen returns the octets that a canonical name takes on the wire
// (RFC 1035 §3.1), the root label with it.
func wireLen(name string) int {
	if name == "." {
		return 1
	}
	n := 1 // one length octet takes the place of each dot
	for i := 0; i < len(name); n++ {
		switch {
		case name[i] != '\\':
			i++
		case digit(name[i+1]):
			i += 4
		default:
			i += 2
		}
	}
	return n
}

// parent returns the name one label up; the parent of the root is "".
func parent(name string) string {
	if name == "." {
		return ""
	}
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\\':
			i++ // what follows is part of the label
		case '.':
			if i+1 == len(name) {
				return "."
			}
			return name[i+1:]
		}
	}
	return "."
}

// within reports whether the canonical name lies at or below zone.
func within(name, zone string) bool {
	if zone == "." || name == zone {
		return true
	}
	for up := name; len(up) > len(zone); {
		up = parent(up)
		if up == zone {
			return true
		}
	}
	return false
}

// name reads a DNS name that is fully qualified whether or not it ends in a
// dot.
func (r *reader) name(p path, s scalar) string {
	if !s.set() {
		return ""
	}
	name, err := parseName(s.text, ".")
	return r.sound(p, s, name, err)
}

// zoneName reads the name of a zone. An asterisk anywhere in it is an ordinary
// label (RFC 4592 §2.1.1).
func (r *reader) zoneName(p path, s scalar) string {
	if !s.set() {
		return ""
	}
	name, err := qualify(s.text, ".")
	return r.sound(p, s, name, err)
}

// sound returns name, or notes that s is none.
func (r *reader) sound(p path, s scalar, name string, err error) string {
	if err != nil {
		r.problem(p, s, fmt.Sprintf("%q is not a DNS name: %v", clip(s.text), err), "")
		return ""
	}
	return name
}

// hostName reads a DNS name that can be looked up: not the root, no wildcard.
func (r *reader) hostName(p path, s scalar) string {
	name := r.name(p, s)
	if name == "." || strings.HasPrefix(name, "*.") {
		r.problem(p, s, fmt.Sprintf("%q cannot be looked up", clip(s.text)), "write a host name, as in www.example.net")
		return ""
	}
	return name
}
