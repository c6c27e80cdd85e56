package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The readers below turn one scalar into a typed value. What was left out
// becomes def; what cannot be used is reported and becomes def too, so that
// the rest of the file is still looked at.

// count reads a whole number from least to most.
func (r *reader) count(p path, s scalar, def, least, most int) int {
	if !s.set() {
		return def
	}
	n, err := strconv.Atoi(s.text)
	if err != nil {
		r.problem(p, s, fmt.Sprintf("%q is not a whole number", clip(s.text)), fmt.Sprintf("write a number from %d to %d", least, most))
		return def
	}
	if n < least || n > most {
		r.problem(p, s, fmt.Sprintf("%d is out of range", n), fmt.Sprintf("write a number from %d to %d", least, most))
		return def
	}
	return n
}

// yes reads true or false.
func (r *reader) yes(p path, s scalar, def bool) bool {
	switch {
	case !s.set():
		return def
	case s.text == "true":
		return true
	case s.text == "false":
		return false
	}
	r.problem(p, s, fmt.Sprintf("%q is neither true nor false", clip(s.text)), "write true or false")
	return def
}

// word reads one of a few words; the first is the default.
func (r *reader) word(p path, s scalar, words ...string) string {
	if !s.set() {
		return words[0]
	}
	if i := slices.Index(words, s.text); i >= 0 {
		return words[i] // not s.text, which may hold on to the whole file
	}
	mend := "write one of " + listed(words)
	if near := nearest(s.text, words); near != "" {
		mend = "did you mean " + near + "? " + mend
	}
	r.problem(p, s, fmt.Sprintf("%q is not known here", clip(s.text)), mend)
	return words[0]
}

func (s scalar) or(def string) string {
	if !s.set() {
		return def
	}
	return s.text
}

// span reads a duration with its unit, from least to most; 0 needs none.
func (r *reader) span(p path, s scalar, def, least, most time.Duration) time.Duration {
	if !s.set() {
		return def
	}
	d, ok := parseSpan(s.text)
	if !ok {
		r.problem(p, s, fmt.Sprintf("%q is not a duration", clip(s.text)), mendSpan(s.text))
		return def
	}
	if d < least || d > most {
		r.problem(p, s, clip(s.text)+" is out of range", "write "+formatSpan(least)+" to "+formatSpan(most))
		return def
	}
	return d
}

// ParseDuration reads a duration as it is written in the configuration: whole
// numbers, each with its unit, ms, s, m, h or d, as in 1h30m; 0 alone is 0. It
// is never negative, and at most a little above 400 days. The error says how
// to write it.
func ParseDuration(text string) (time.Duration, error) {
	d, ok := parseSpan(text)
	if !ok {
		return 0, fmt.Errorf("%q is not a duration (%s)", clip(text), mendSpan(text))
	}
	return d, nil
}

// FormatDuration writes d, of whole milliseconds, as ParseDuration reads it,
// in the largest unit that d is a multiple of.
func FormatDuration(d time.Duration) string { return formatSpan(d) }

// mendSpan says how text, which is no duration, should be written.
func mendSpan(text string) string {
	if _, err := strconv.ParseUint(text, 10, 31); err == nil {
		return "write " + text + "s"
	}
	if near := wholeSpan(text); near != "" {
		return "write " + near + ": whole numbers, each with its unit behind it"
	}
	return "write a number and its unit: ms, s, m, h or d, as in 30s"
}

// parseSpan reads whole numbers with units ms, s, m, h and d, largest first
// or in any order, as in 1h30m. 0 alone is 0.
func parseSpan(text string) (time.Duration, bool) {
	if text == "0" {
		return 0, true
	}
	if text == "" {
		return 0, false
	}
	var sum time.Duration
	for text != "" {
		i := strings.IndexFunc(text, func(c rune) bool { return c < '0' || c > '9' })
		if i <= 0 || i > 12 {
			return 0, false
		}
		n, err := strconv.ParseInt(text[:i], 10, 64)
		unit, length := spanUnit(text[i:])
		const most = 400 * day
		if err != nil || length == 0 || n > int64(most/unit) || sum > most {
			return 0, false
		}
		sum += time.Duration(n) * unit
		text = text[i+length:]
	}
	return sum, true
}

// wholeSpan returns what 1.5s or "5 m" should be written as; "" when text is
// no duration to anyone, or is shorter than a millisecond.
func wholeSpan(text string) string {
	d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	if err != nil || d < time.Millisecond || d%time.Millisecond != 0 {
		return ""
	}
	return formatSpan(d)
}

func spanUnit(text string) (time.Duration, int) {
	switch {
	case strings.HasPrefix(text, "ms"):
		return time.Millisecond, 2
	case text[0] == 's':
		return time.Second, 1
	case text[0] == 'm':
		return time.Minute, 1
	case text[0] == 'h':
		return time.Hour, 1
	case text[0] == 'd':
		return day, 1
	}
	return 0, 0
}

// formatSpan writes d as an operator would.
func formatSpan(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if d >= u.unit && d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return "0"
}

// share reads a percentage, from least to most percent, as a share of 1.
func (r *reader) share(p path, s scalar, def float64, least, most float64) float64 {
	if !s.set() {
		return def
	}
	digits, ok := strings.CutSuffix(s.text, "%")
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || strings.ContainsAny(digits, "xXpPeE_iInN+") {
		ok = false
	}
	if !ok {
		mend := "write a number and %, as in 25%"
		if err == nil && f > 0 && f <= 1 {
			mend = "write " + strconv.FormatFloat(f*100, 'g', 6, 64) + "%"
		} else if err == nil && f > 1 && f <= 100 {
			mend = "write " + digits + "%"
		}
		r.problem(p, s, fmt.Sprintf("%q is not a percentage", clip(s.text)), mend)
		return def
	}
	if f < least || f > most {
		r.problem(p, s, clip(s.text)+" is out of range", fmt.Sprintf("write %g%% to %g%%", least, most))
		return def
	}
	return f / 100
}

// port reads a TCP or UDP port.
func (r *reader) port(p path, s scalar, def uint16) uint16 {
	return uint16(r.count(p, s, int(def), 1, 65535))
}

// sockets reads addresses with ports; the port may be left out where def is
// not 0. Port 0 is allowed where any is true: the system picks one.
func (r *reader) sockets(p path, list []scalar, def uint16, any bool) []netip.AddrPort {
	var out []netip.AddrPort
	for i, s := range list {
		ap, err := netip.ParseAddrPort(s.text)
		if addr, err2 := netip.ParseAddr(strings.Trim(s.text, "[]")); err != nil && err2 == nil && def != 0 {
			ap, err = netip.AddrPortFrom(addr, def), nil
		}
		switch {
		case err != nil:
			r.problem(p.item(i), s, fmt.Sprintf("%q is not an address with a port", clip(s.text)), `write "192.0.2.1:53" or "[2001:db8::1]:53", in quotes`)
		case ap.Port() == 0 && !any:
			r.problem(p.item(i), s, "port 0 is no port", "write a port from 1 to 65535")
		case slices.Contains(out, ap):
			r.problem(p.item(i), s, ap.String()+" stands here twice", "keep one of them")
		default:
			out = append(out, ap)
		}
	}
	return out
}

// match reads a substring, or a regular expression between slashes.
func (r *reader) match(p path, s scalar) Match {
	if len(s.text) < 2 || s.text[0] != '/' || s.text[len(s.text)-1] != '/' {
		return Match{Text: s.text}
	}
	expr := s.text[1 : len(s.text)-1]
	re, err := regexp.Compile(expr)
	if err != nil {
		r.problem(p, s, "the regular expression is wrong: "+clip(strings.TrimPrefix(err.Error(), "error parsing regexp: ")), "see https://pkg.go.dev/regexp/syntax")
		return Match{}
	}
	return Match{Text: expr, Regexp: re}
}

// label reads the name of a monitor or pool, or of a company: 1 to 63
// letters, digits, and . _ - inside.
func (r *reader) label(p path, s scalar, def string) string {
	if !s.set() {
		return def
	}
	if why := badLabel(s.text); why != "" {
		r.problem(p, s, fmt.Sprintf("%q cannot be a name: %s", clip(s.text), why), "write 1 to 63 letters, digits, dots, hyphens or underscores, the first a letter or digit")
		return def
	}
	return s.text
}

func badLabel(s string) string {
	if s == "" {
		return "it is empty"
	}
	if len(s) > 63 {
		return "it is too long"
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._-", rune(c))) {
			return fmt.Sprintf("%q is not allowed there", c)
		}
	}
	return ""
}
