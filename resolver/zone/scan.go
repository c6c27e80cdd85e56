package zone

import (
	"bytes"
	"io"
	"slices"
)

// windowSize is how much of a file is held while it is read. It grows for an entry
// that is longer.
const windowSize = 256 << 10

// A scanner cuts a master file into entries: lines, or several lines where
// parentheses or nothing else join them (RFC 1035 §5.1). Where src is set it
// holds a window of the file only, which moves with next.
type scanner struct {
	data []byte // what is unread of the window
	line int    // that data begins with
	at   int    // line of the entry last returned
	from int    // where that entry begins in the window
	buf  []byte // of an entry that is not written in one piece

	window []byte // data is its tail
	room   int    // of the window at first
	mark   int    // in the window: what lies before is not needed again
	keep   bool   // mark stays until it is moved; else it moves with each entry
	src    io.Reader
	read   int64 // octets taken from src
	err    error // of src
}

// byteOrder is what some editors put in front of text in UTF-8.
const byteOrder = "\xef\xbb\xbf"

// open begins to read src.
func (s *scanner) open() {
	for len(s.data) < len(byteOrder) && s.fill() {
	}
	s.data = bytes.TrimPrefix(s.data, []byte(byteOrder))
	s.mark = len(s.window) - len(s.data)
}

// fill reads more of the file behind data and reports whether there was any.
func (s *scanner) fill() bool {
	if s.src == nil {
		return false
	}
	start := len(s.window) - len(s.data)
	if s.mark > 0 {
		n := copy(s.window, s.window[s.mark:])
		s.window, start, s.mark = s.window[:n], start-s.mark, 0
	}
	if len(s.window) == cap(s.window) {
		s.window = slices.Grow(s.window, max(s.room, len(s.window), 512))
	}
	n, err := io.ReadAtLeast(s.src, s.window[len(s.window):cap(s.window)], 1)
	s.read += int64(n)
	s.window = s.window[:len(s.window)+n]
	s.data = s.window[start:]
	if err != nil {
		s.src = nil
		if err != io.EOF {
			s.err = err
		}
	}
	return n > 0
}

// next returns the next entry without its comments, parentheses and line
// ends: quotes and escapes are kept as they stand, and so is a blank at its
// beginning, which stands for the last owner. Text holds until the next call.
// Wrong says what is wrong with it. Ok is false at the end of the file.
func (s *scanner) next() (text []byte, wrong string, ok bool) {
	for {
		end := bytes.IndexByte(s.data, '\n')
		if end < 0 && s.fill() {
			continue
		}
		if end < 0 {
			if end = len(s.data); end == 0 {
				return nil, "", false
			}
		}
		s.at, s.from = s.line, len(s.window)-len(s.data)
		if !s.keep {
			s.mark = s.from
		}
		if line := s.data[:end]; special(line) {
			text, wrong = s.joined()
		} else {
			text = bytes.TrimRight(line, " \t\r")
			s.skip(end)
		}
		if wrong != "" || len(bytes.TrimLeft(text, " \t")) > 0 {
			return text, wrong, true
		}
	}
}

// special reports whether a line has octets that make reading it more than
// cutting it.
func special(line []byte) bool {
	for _, c := range line {
		switch c {
		case '"', ';', '(', ')', '\\':
			return true
		}
	}
	return false
}

// skip moves past the line that ends at end.
func (s *scanner) skip(end int) {
	s.line++
	s.data = s.data[min(end+1, len(s.data)):]
}

// joined reads an entry with parentheses, comments, quotes or escapes. Where
// it goes on beyond the window, it is begun anew with a larger one.
func (s *scanner) joined() (text []byte, wrong string) {
	for {
		text, wrong, ended := s.join()
		if ended {
			return text, wrong
		}
		if s.line = s.at; !s.fill() {
			s.data = nil
			return text, wrong
		}
		s.from = len(s.window) - len(s.data)
	}
}

// join reads such an entry as far as there is data. Ended is false where that
// ends before the entry does; wrong is then what is wrong if nothing follows.
func (s *scanner) join() (text []byte, wrong string, ended bool) {
	text = s.buf[:0]
	depth, quoted, i := 0, false, 0
	for ; i < len(s.data); i++ {
		c := s.data[i]
		switch {
		case c == '\n':
			if quoted {
				wrong = "a quoted text does not end on its line"
			}
			if depth == 0 || quoted {
				s.skip(i)
				s.buf = text
				return bytes.TrimRight(text, " \t\r"), wrong, true
			}
			s.line++
			c = ' '
		case c == '\\':
			if i+1 < len(s.data) && s.data[i+1] != '\n' {
				text = append(text, c)
				i++
				c = s.data[i]
			}
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '\r' && i+1 < len(s.data) && s.data[i+1] == '\n':
			c = ' '
		case c == ';':
			if eol := bytes.IndexByte(s.data[i:], '\n'); eol < 0 {
				i = len(s.data) - 1
			} else {
				i += eol - 1
			}
			continue
		case c == '(':
			depth, c = depth+1, ' '
		case c == ')':
			if depth, c = depth-1, ' '; depth < 0 {
				depth, wrong = 0, "a closing parenthesis without an opening one"
			}
		}
		text = append(text, c)
	}
	s.buf = text
	switch {
	case quoted:
		wrong = "a quoted text does not end"
	case depth > 0:
		wrong = "a parenthesis is not closed"
	}
	return bytes.TrimRight(text, " \t\r"), wrong, false
}

// token returns the first word of text and what follows it, without the
// blanks around them. A quoted text is one word, with its quotes; an escaped
// blank does not end a word.
func token(text []byte) (word, rest []byte) {
	text = bytes.TrimLeft(text, " \t")
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			return text[:i], bytes.TrimLeft(text[i:], " \t")
		}
	}
	return text, nil
}

// parseTTL reads a TTL: seconds, or numbers with the units w, d, h, m and s.
// It is at most 2³¹-1 (RFC 2181 §8).
func parseTTL(word []byte) (ttl uint32, ok bool) {
	if len(word) == 0 || word[0]-'0' > 9 {
		return 0, false
	}
	var sum, n uint64
	digits := false
	for _, c := range word {
		if c-'0' <= 9 {
			n, digits = n*10+uint64(c-'0'), true
			if n > maxTTL {
				return 0, false
			}
			continue
		}
		unit := uint64(0)
		switch c | 0x20 {
		case 's':
			unit = 1
		case 'm':
			unit = 60
		case 'h':
			unit = 3600
		case 'd':
			unit = 86400
		case 'w':
			unit = 604800
		}
		if unit == 0 || !digits {
			return 0, false
		}
		sum, n, digits = sum+n*unit, 0, false
		if sum > maxTTL {
			return 0, false
		}
	}
	sum += n
	return uint32(sum), sum <= maxTTL
}
