package probe

import "bytes"

// firstRead is the memory for the beginning of an answer. Those of most health
// checks fit, and a probe of an edge that hangs holds no more.
const firstRead = 4 << 10

// newFirst makes that memory; a pool lends it.
func newFirst() any { b := make([]byte, firstRead); return &b }

// A plainAnswer is a whole HTTP/1.1 answer of the plainest form.
type plainAnswer struct {
	status int
	body   []byte
	close  bool   // the server closes after it
	date   []byte // the Date and Age fields, where there are such
	age    []byte
}

// A shape says what the octets read so far are.
type shape uint8

const (
	partial shape = iota // perhaps the beginning of a plain answer
	whole                // a plain answer, and nothing after it
	other                // something that net/http shall read
)

// readPlain reads an answer to GET of the plainest form as net/http would read
// it (a fuzz target holds the two together), without a map of fields and
// without an allocation:
//
//	first line         HTTP/1.1, a status from 200 to 599 that has a body
//	fields             name:value in printable ASCII, each a line ended by CRLF
//	Content-Length     once, of at most 6 digits
//	Connection         none, or once: close or keep-alive
//	Transfer-Encoding  none, nor Trailer
//	body               of just that length
//
// All else is other.
func readPlain(b []byte) (a plainAnswer, s shape) {
	rest, s := a.first(b)
	if s != whole {
		return a, s
	}
	length, connection := -1, false
	for {
		text, next, s := line(rest)
		if s != whole {
			return a, s
		}
		if rest = next; len(text) == 0 {
			break
		}
		name, value, ok := bytes.Cut(text, []byte(":"))
		if !ok || !token(name) {
			return a, other
		}
		value = bytes.Trim(value, " ")
		switch {
		case is(name, "content-length"):
			n, ok := number(value)
			if !ok || length >= 0 {
				return a, other
			}
			length = n
		case is(name, "connection"):
			if a.close = is(value, "close"); connection || !a.close && !is(value, "keep-alive") {
				return a, other
			}
			connection = true
		case is(name, "date"):
			a.date = value
		case is(name, "age"):
			a.age = value
		case is(name, "transfer-encoding"), is(name, "trailer"):
			return a, other
		}
	}
	switch {
	case length < 0, len(rest) > length:
		return a, other
	case len(rest) < length:
		return a, partial
	}
	a.body = rest
	return a, whole
}

// first reads the first line and returns what follows it.
func (a *plainAnswer) first(b []byte) (rest []byte, s shape) {
	const version = "HTTP/1.1 "
	text, rest, s := line(b)
	if s != whole {
		return nil, s
	}
	if len(text) < len(version)+4 || string(text[:len(version)]) != version || text[len(version)+3] != ' ' {
		return nil, other
	}
	status, ok := number(text[len(version) : len(version)+3])
	if !ok || status < 200 || status > 599 || status == 204 || status == 205 || status == 304 {
		return nil, other
	}
	a.status = status
	return rest, whole
}

// line returns the first line of b, without its CRLF, and what follows it.
func line(b []byte) (text, rest []byte, s shape) {
	for i, c := range b {
		switch {
		case c >= ' ' && c <= '~':
		case c != '\r':
			return nil, nil, other
		case i+1 == len(b):
			return nil, nil, partial
		case b[i+1] != '\n':
			return nil, nil, other
		default:
			return b[:i], b[i+2:], whole
		}
	}
	return nil, nil, partial
}

// token reports whether b is a field name of letters, digits and hyphens.
func token(b []byte) bool {
	for _, c := range b {
		if lower := c | 0x20; (lower < 'a' || lower > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(b) > 0
}

// is reports whether b is word, which has lower case letters and hyphens only,
// in any case.
func is(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if c|0x20 != word[i] && c != word[i] {
			return false
		}
	}
	return true
}

// number reads up to six decimal digits.
func number(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, len(b) > 0 && len(b) <= 6
}
