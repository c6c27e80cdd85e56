package kind

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/providers/plan"
)

// TestOctal: what goes to Route 53 with octal escapes comes back as it was.
func TestOctal(t *testing.T) {
	for _, c := range []struct{ canonical, route53 string }{
		{`"plain"`, `"plain"`},
		{`"quote \" and \\ backslash"`, `"quote \" and \\ backslash"`},
		{`"\195\169"`, `"\303\251"`},
		{`"\\195"`, `"\\195"`},
		{`"end\\"`, `"end\\"`},
		{`"\255\000"`, `"\377\000"`},
	} {
		if got := octalEscapes(c.canonical); got != c.route53 {
			t.Errorf("%s goes as %s, want %s", c.canonical, got, c.route53)
		}
		if got := octal(c.route53); got != c.canonical {
			t.Errorf("%s comes as %s, want %s", c.route53, got, c.canonical)
		}
	}
	if got := octal(`\052.example.test.`); got != "*.example.test." {
		t.Errorf("a wildcard comes as %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		data := plan.Quote(string(rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "text")))
		if got := octal(octalEscapes(data)); got != data {
			t.Fatalf("%s came back as %s", data, got)
		}
	})
}

// TestSequence: edits as "+www A" (comes), "*www A" (changes) and "-www A"
// (goes), and the order in which they are made.
func TestSequence(t *testing.T) {
	for _, c := range []struct{ edits, order string }{
		{"-a A, +b A, *c A", "+b A, *c A, -a A"},
		{"+www A, -www CNAME", "-www CNAME, +www A"},
		{"+www A, +www AAAA, -www CNAME", "-www CNAME, +www A, +www AAAA"},
		{"+www CNAME, -www A, -www AAAA", "-www A, -www AAAA, +www CNAME"},
		{"-www A, +www TXT", "+www TXT, -www A"},
		{"-x A, +www CNAME, -www A, +z A", "-www A, +www CNAME, +z A, -x A"},
		{"*www CNAME, -www TXT", "*www CNAME, -www TXT"},
	} {
		var edits []edit
		for _, word := range strings.Split(c.edits, ", ") {
			name, typ, _ := strings.Cut(word[1:], " ")
			set := plan.RRset{Name: name, Type: typ}
			e := edit{was: &held{RRset: set}, to: &set}
			switch word[0] {
			case '+':
				e.was = nil
			case '-':
				e.to = nil
			}
			edits = append(edits, e)
		}
		var order []string
		for _, e := range sequence(edits) {
			sign := "*"
			if e.was == nil {
				sign = "+"
			} else if e.to == nil {
				sign = "-"
			}
			order = append(order, sign+fmt.Sprint(e))
		}
		if got := strings.Join(order, ", "); got != c.order {
			t.Errorf("%s → %s, want %s", c.edits, got, c.order)
		}
	}
}
