package zone

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// generate obeys $GENERATE, as BIND and miekg/dns know it: a range
// start-stop[/step], then a record in which $ and ${offset,width,base} stand
// for the number.
func (r *reader) generate(f *frame, rest []byte) {
	word, rest := token(rest)
	start, stop, step, ok := parseRange(string(word))
	if !ok || len(rest) == 0 {
		r.problem(f.file, f.line, "write $GENERATE start-stop[/step] owner type data; at most 65,536 steps",
			"$GENERATE %s is no range", word)
		return
	}
	before := len(r.problems)
	for n := start; n <= stop && !r.stopped; n += step {
		text, wrong := substitute(rest, n)
		if wrong != "" {
			r.problem(f.file, f.line, "", "$GENERATE: %s", wrong)
			return
		}
		r.record(f, text)
		if len(r.problems) > before {
			return // each step would tell the same
		}
	}
}

func parseRange(word string) (start, stop, step int, ok bool) {
	word, by, has := strings.Cut(word, "/")
	step = 1
	if has {
		n, err := strconv.ParseUint(by, 10, 31)
		if err != nil || n == 0 {
			return 0, 0, 0, false
		}
		step = int(n)
	}
	from, to, _ := strings.Cut(word, "-")
	a, err1 := strconv.ParseUint(from, 10, 31)
	b, err2 := strconv.ParseUint(to, 10, 31)
	if err1 != nil || err2 != nil || b < a || (b-a)/uint64(step) > 65535 {
		return 0, 0, 0, false
	}
	return int(a), int(b), step, true
}

// substitute puts n where text has $ or ${offset,width,base}; \$ is a dollar.
func substitute(text []byte, n int) (out []byte, wrong string) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] != '$' {
				out = append(out, c)
			}
			out = append(out, text[i])
		case c != '$':
			out = append(out, c)
		case i+1 < len(text) && text[i+1] == '{':
			end := bytes.IndexByte(text[i:], '}')
			if end < 0 {
				return nil, "${ without }"
			}
			piece, ok := formatted(string(text[i+2:i+end]), n)
			if !ok {
				return nil, fmt.Sprintf("%s is no ${offset,width,base}", text[i:i+end+1])
			}
			out = append(out, piece...)
			i += end
		default:
			out = strconv.AppendInt(out, int64(n), 10)
		}
	}
	return out, ""
}

// formatted writes n as offset,width,base say; base is d, o, x or X.
func formatted(how string, n int) (string, bool) {
	parts := strings.Split(how, ",")
	offset, err := strconv.ParseInt(parts[0], 10, 32)
	width, base := uint64(0), "d"
	if err == nil && len(parts) > 1 {
		width, err = strconv.ParseUint(parts[1], 10, 8)
	}
	if len(parts) > 2 {
		base = parts[2]
	}
	n += int(offset)
	if err != nil || len(parts) > 3 || n < 0 || len(base) != 1 || !strings.Contains("doxX", base) {
		return "", false
	}
	return fmt.Sprintf("%0*"+base, int(width), n), true
}
