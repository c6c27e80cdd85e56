package zone

import (
	"bytes"
)

// A scanner cuts a master file into entries: lines, or several lines where
// parentheses or nothing else join them (RFC 1035 §5.1).
type scanner struct {
	data []byte
	line int    // that data begins with
	at   int    // line of the entry last returned
	buf  []byte // of an entry that is not written in one piece
}

// next returns the next entry without its comments, parentheses and line
// ends: quotes and escapes are kept as they stand, and so is a blank at its
// beginning, which stands for the last owner. Wrong says what is wrong with
// it. Ok is false at the end of the file.
func (s *scanner) next() (text []byte, wrong string, ok bool) {
	for len(s.data) > 0 {
		s.at = s.line
		end := bytes.IndexByte(s.data, '\n')
		if end < 0 {
			end = len(s.data)
		}
		line := s.data[:end]
		if bytes.ContainsAny(line, "\";()\\") {
			text, wrong = s.joined()
		} else {
			text = bytes.TrimRight(line, " \t\r")
			s.skip(end)
		}
		if wrong != "" || len(bytes.TrimLeft(text, " \t")) > 0 {
			return text, wrong, true
		}
	}
	return nil, "", false
}

// skip moves past the line that ends at end.
func (s *scanner) skip(end int) {
	s.line++
	s.data = s.data[min(end+1, len(s.data)):]
}

// joined reads an entry with parentheses, comments, quotes or escapes.
func (s *scanner) joined() (text []byte, wrong string) {
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
				return bytes.TrimRight(text, " \t\r"), wrong
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
	s.data, s.buf = nil, text
	switch {
	case quoted:
		wrong = "a quoted text does not end"
	case depth > 0:
		wrong = "a parenthesis is not closed"
	}
	return bytes.TrimRight(text, " \t\r"), wrong
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
