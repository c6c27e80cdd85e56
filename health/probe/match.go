package probe

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/shunt-dns/shunt/config"
)

// matches reports whether m is found in text.
func matches(m config.Match, text []byte) bool {
	if m.Regexp != nil {
		return m.Regexp.Match(text)
	}
	return bytes.Contains(text, []byte(m.Text))
}

// empty reports whether m asks for nothing.
func empty(m config.Match) bool { return m.Text == "" && m.Regexp == nil }

// matchText returns m as the operator wrote it.
func matchText(m config.Match) string {
	if m.Regexp != nil {
		return printable("/"+m.Regexp.String()+"/", 60)
	}
	return strconv.Quote(printable(m.Text, 60))
}

// hasField reports whether h has a field want, with its value where it names
// one.
func hasField(h http.Header, want config.Header) bool {
	values := h.Values(want.Name)
	if want.Value == "" {
		return len(values) > 0
	}
	return slices.Contains(values, want.Value)
}

func fieldText(f config.Header) string {
	if f.Value == "" {
		return f.Name
	}
	return printable(f.Name+": "+f.Value, 80)
}

// printable returns the first n characters of s on one line, fit for a log
// and a terminal: runs of blanks become one, other control characters vanish.
func printable(s string, n int) string {
	var b strings.Builder
	count, blank := 0, false
	for _, r := range s {
		if unicode.IsSpace(r) {
			blank = count > 0
			continue
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			continue
		}
		if count >= n {
			b.WriteString("…")
			break
		}
		if blank {
			b.WriteByte(' ')
			count++
			blank = false
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}
