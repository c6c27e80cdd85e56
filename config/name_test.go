package config

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ text, origin, want string }{ // want: the canonical name, or part of the error
		{"www", "example.com.", "www.example.com."},
		{"WWW", "example.com.", "www.example.com."},
		{"@", "example.com.", "example.com."},
		{"@", ".", "."},
		{".", "example.com.", "."},
		{"www", ".", "www."},
		{"www.", "example.com.", "www."},
		{"*", "example.com.", "*.example.com."},
		{"*", ".", "*."},
		{"*.Shop", "example.com.", "*.shop.example.com."},
		{`\*`, "example.com.", "*.example.com."},
		{`a\.b`, "example.com.", `a\.b.example.com.`},
		{`a\046b`, "example.com.", `a\.b.example.com.`},
		{`\065\097`, "a.", "aa.a."},
		{`\000\255`, "a.", `\000\255.a.`},
		{`a\ b`, "a.", `a\ b.a.`},
		{"a\\\t", "a.", "printing character"},
		{`a\032b`, "a.", `a\ b.a.`},
		{`a\"b\(c\)`, "a.", `a\"b\(c\).a.`},
		{"_acme-challenge", "example.com.", "_acme-challenge.example.com."},
		{"", "a.", "empty"},
		{"..", "a.", "a label is empty"},
		{".a", "a.", "a label is empty"},
		{"a..b", "a.", "a label is empty"},
		{"a b", "a.", "not allowed in a name"},
		{"a\tb", "a.", "not allowed in a name"},
		{`a\`, "a.", "escapes nothing"},
		{`a\1`, "a.", "three digits"},
		{`a\12x`, "a.", "three digits"},
		{`a\256`, "a.", `more than \255`},
		{"bücher", "a.", "xn--"},
		{"a*", "a.", "wildcard"},
		{"*a", "a.", "wildcard"},
		{"a.*", "a.", "wildcard"},
		{"*.*.a", "a.", "wildcard"},
		{"www", "x.*.a.", "www.x.*.a."},
		{"*", "x.*.a.", "*.x.*.a."},
		{"www.x.*.a.", "x.*.a.", "www.x.*.a."},
		{"@", "*.a.", "*.a."},
		{"www.*", "x.*.a.", "wildcard"},
		{"a.*.b.", "x.*.a.", "wildcard"},
		{strings.Repeat("a", 63), "a.", strings.Repeat("a", 63) + ".a."},
		{strings.Repeat("a", 64), "a.", "longer than 63"},
		{strings.Repeat(`\065`, 63), "a.", strings.Repeat("a", 63) + ".a."},
		{strings.Repeat(`\065`, 64), "a.", "longer than 63"},
		{strings.Repeat("abcdefg.", 31) + "abcde.", "", strings.Repeat("abcdefg.", 31) + "abcde."},
		{strings.Repeat("abcdefg.", 31) + "abcdef.", "", "longer than 255"},
	} {
		got, err := parseName(c.text, c.origin)
		if err != nil {
			got = err.Error()
			if !strings.Contains(got, c.want) {
				t.Errorf("%q in %q: want %q, got error %q", c.text, c.origin, c.want, got)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%q in %q: want %q, got %q", c.text, c.origin, c.want, got)
		}
	}
}

// A canonical name is its own canonical form, and its parents lead to the
// root a label at a time.
func TestCanonicalIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a-zA-Z0-9_-]|\\[.@;]|\\[01][0-9][0-9]|\.){1,40}`).Draw(t, "text")
		name, err := parseName(text, "example.com.")
		if err != nil {
			return
		}
		again, err := parseName(name, "other.test.")
		if err != nil || again != name {
			t.Fatalf("%q became %q and then %q, %v", text, name, again, err)
		}
		steps, size := 0, 1
		for up := name; up != "."; up = parent(up) {
			if !within(name, up) || steps > 127 {
				t.Fatalf("%q is not within %q", name, up)
			}
			size += wireLen(up) - wireLen(parent(up))
			steps++
		}
		if size != wireLen(name) {
			t.Fatalf("%q takes %d octets, or %d", name, wireLen(name), size)
		}
	})
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		name, zone string
		want       bool
	}{
		{"www.example.com.", "example.com.", true},
		{"example.com.", "example.com.", true},
		{"example.com.", ".", true},
		{".", ".", true},
		{"com.", "example.com.", false},
		{"notexample.com.", "example.com.", false},
		{`www\.example.com.`, "example.com.", false},
	} {
		if got := within(c.name, c.zone); got != c.want {
			t.Errorf("%s within %s: %v", c.name, c.zone, got)
		}
	}
}

func TestSpans(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration // -1: refused
	}{
		{"0", 0}, {"0s", 0}, {"100ms", 100 * time.Millisecond}, {"5s", 5 * time.Second}, {"1h30m", 90 * time.Minute}, {"14d", 14 * day}, {"1d12h", 36 * time.Hour},
		{"", -1}, {"5", -1}, {"s", -1}, {"-5s", -1}, {"1.5s", -1}, {"5 s", -1}, {"5S", -1}, {"5s5", -1}, {"5us", -1}, {"9999999999999s", -1}, {"99999999999d", -1}, {"401d", -1}, {"٣s", -1},
	} {
		got, ok := parseSpan(c.text)
		if !ok {
			got = -1
		}
		if got != c.want {
			t.Errorf("%q: want %v, got %v", c.text, c.want, got)
		}
		if ok && got > 0 {
			if back, ok := parseSpan(formatSpan(got)); !ok || back != got {
				t.Errorf("%v is written %q", got, formatSpan(got))
			}
		}
	}
}
