package config

import (
	"bytes"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Most lines of a long file are services, a line each, all alike:
//
//   - {name: n1, pools: [a, b], policy: failover}
//
// A general YAML parser takes half a second and 200 MB for 100,000 of them.
// So runs of such lines are lifted out of the text before it is parsed, one
// scalar standing in their place, and are read here by a grammar that is a
// small part of YAML's. Where that scalar turns up again in a list of
// services, the lines belong there; if it does not (because they stood inside
// a quoted text, say), the whole file takes the slow way. Both ways agree: a
// fuzz test holds them together.
//
//	line    = *SP "- {" field *(", " field) "}" *SP
//	field   = ("name" / "policy" / "ttl" / "ttl_min" / "flatten" / "moves") ": " value
//	        / "pools: [" choice *(", " choice) "]"
//	choice  = value / "{" ("pool" / "policy") ": " value *(", " ("weight" / "last_resort") ": " value) "}"
//	value   = word / DQUOTE *quoted DQUOTE
//	word    = (ALPHA / DIGIT) *(ALPHA / DIGIT / "_" / "." / "-"), not null
//	quoted  = word's / "@" / "*"

// A run is a number of lines that were lifted out.
type run struct {
	line   int // of the first, from 1
	indent int // spaces before the dash
	count  int
	text   string // of all of them
	used   bool
}

const fewest = 8 // lines that make a run

// standIn, with the number of the run behind it, stands in the place of a run.
const standIn = "lines"

// lift takes the runs out of text. What is left has as many lines as text.
func lift(text []byte) (rest []byte, runs []*run) {
	var raw rawService
	kept, start, count, indent := 0, 0, 0, 0 // kept: copied to rest up to here; start: of the run in the making
	line := 1
	flush := func(end int) {
		if count >= fewest {
			rest = append(rest, text[kept:start]...)
			rest = append(rest, bytes.Repeat([]byte(" "), indent)...)
			rest = append(rest, "- "+standIn+strconv.Itoa(len(runs))...)
			rest = append(rest, bytes.Repeat([]byte("\n"), count)...)
			runs = append(runs, &run{line: line - count, indent: indent, count: count, text: string(text[start:end])})
			kept = end
		}
		count = 0
	}
	for at := 0; at < len(text); line++ {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			break // a last line without its newline takes the slow way
		}
		end += at + 1
		if in, ok := looksQuick(text[at:end]); ok && raw.quick(string(text[at:end])) {
			if count > 0 && in != indent {
				flush(at)
			}
			if count == 0 {
				start, indent = at, in
			}
			count++
		} else {
			flush(at)
		}
		at = end
	}
	flush(lastLine(text))
	return append(rest, text[kept:]...), runs
}

// lastLine returns where what follows the last newline begins.
func lastLine(text []byte) int { return bytes.LastIndexByte(text, '\n') + 1 }

// looksQuick tells at little cost that most lines are not of the kind.
func looksQuick(line []byte) (indent int, ok bool) {
	for indent < len(line) && line[indent] == ' ' {
		indent++
	}
	return indent, bytes.HasPrefix(line[indent:], []byte("- {"))
}

// runAt returns the run that n stands for, nil when n is itself.
func (r *reader) runAt(n *yaml.Node) *run {
	if len(r.runs) == 0 || n.Kind != yaml.ScalarNode || n.Style != 0 || n.Anchor != "" {
		return nil
	}
	digits, ok := strings.CutPrefix(n.Value, standIn)
	i, err := strconv.Atoi(digits)
	if !ok || err != nil || i < 0 || i >= len(r.runs) || n.Line != r.runs[i].line || n.Column != r.runs[i].indent+len("- ")+1 {
		return nil
	}
	return r.runs[i]
}

// each calls f with every line of u in turn.
func (u *run) each(f func(i int, raw *rawService)) {
	var raw rawService
	text := u.text
	for i := range u.count {
		line, rest, _ := strings.Cut(text, "\n")
		raw.quick(line)
		raw.stand(int32(u.line + i))
		f(i, &raw)
		text = rest
	}
}

// stand sets the line of everything in raw that was written.
func (raw *rawService) stand(line int32) {
	raw.Line = line
	for _, s := range raw.scalars() {
		if s.line != 0 {
			s.line = line
		}
	}
	for i := range raw.Pools {
		c := &raw.Pools[i]
		c.Line = line
		for _, s := range [...]*scalar{&c.Pool, &c.Policy, &c.Weight, &c.LastResort} {
			if s.line != 0 {
				s.line = line
			}
		}
	}
}

func (raw *rawService) scalars() [6]*scalar {
	return [6]*scalar{&raw.Name, &raw.Policy, &raw.TTL, &raw.TTLMin, &raw.Flatten, &raw.Moves}
}

// quick reads one line into raw, as standing in line 1, and reports whether
// the line is of the kind. It keeps the memory of raw.Pools.
func (raw *rawService) quick(line string) bool {
	*raw = rawService{Pools: raw.Pools[:0]}
	q := quickLine(strings.TrimRight(strings.TrimLeft(line, " "), " \r\n"))
	if !q.eat("- {") {
		return false
	}
	for {
		if !raw.field(&q) {
			return false
		}
		if q == "}" {
			return raw.Name.set() && len(raw.Pools) > 0
		}
		if !q.eat(", ") {
			return false
		}
	}
}

func (raw *rawService) field(q *quickLine) bool {
	dst := (*scalar)(nil)
	switch {
	case q.eat("name: "):
		dst = &raw.Name
	case q.eat("pools: ["):
		return len(raw.Pools) == 0 && raw.choices(q)
	case q.eat("policy: "):
		dst = &raw.Policy
	case q.eat("ttl: "):
		dst = &raw.TTL
	case q.eat("ttl_min: "):
		dst = &raw.TTLMin
	case q.eat("flatten: "):
		dst = &raw.Flatten
	case q.eat("moves: "):
		dst = &raw.Moves
	}
	return dst != nil && !dst.set() && q.value(dst)
}

func (raw *rawService) choices(q *quickLine) bool {
	for {
		var c rawChoice
		if q.eat("{") {
			if !c.quick(q) {
				return false
			}
		} else if !q.value(&c.Pool) {
			return false
		}
		raw.Pools = append(raw.Pools, c)
		if q.eat("]") {
			return len(raw.Pools) <= MaxList
		}
		if !q.eat(", ") {
			return false
		}
	}
}

// quick reads a choice behind its opening brace.
func (c *rawChoice) quick(q *quickLine) bool {
	if q.eat("pool: ") && !q.value(&c.Pool) || !c.Pool.set() && (!q.eat("policy: ") || !q.value(&c.Policy)) {
		return false
	}
	for !q.eat("}") {
		dst := &c.Weight
		if q.eat(", last_resort: ") {
			dst = &c.LastResort
		} else if !q.eat(", weight: ") {
			return false
		}
		if dst.set() || !q.value(dst) {
			return false
		}
	}
	return true
}

// A quickLine is what is left of a line.
type quickLine string

func (q *quickLine) eat(s string) bool {
	rest, ok := strings.CutPrefix(string(*q), s)
	*q = quickLine(rest)
	return ok
}

func (q *quickLine) value(dst *scalar) bool {
	quoted := q.eat(`"`)
	n := 0
	for n < len(*q) && quickOctet((*q)[n], quoted, n == 0) {
		n++
	}
	text := string((*q)[:n])
	*q = (*q)[n:]
	if n > MaxValue || quoted && !q.eat(`"`) || !quoted && (n == 0 || strings.EqualFold(text, "null")) {
		return false
	}
	*dst = scalar{text: text, line: 1}
	return true
}

func quickOctet(c byte, quoted, first bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	case c == '_', c == '.', c == '-':
		return quoted || !first
	case c == '@', c == '*':
		return quoted
	}
	return false
}
