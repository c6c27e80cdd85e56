package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/providers/plan"
)

// TestTurns is the table of turns: "1=a 2=b 60" are records with their ids, and
// the TTL.
func TestTurns(t *testing.T) {
	for _, c := range []struct{ was, to, want string }{
		{"1=a 2=b 60", "b c 60", "1→c"},
		{"1=a 60", "b c 60", "1→b +c"},
		{"1=a 2=b 60", "c 60", "1→c -2"},
		{"1=a 60", "a 30", "1→a"},
		{"1=a 2=b 60", "b c 30", "2→b 1→c"},
		{"1=a 60", "a 60", ""},
		{"", "a b 60", "+a +b"},
		{"1=a 2=b 60", "", "-1 -2"},
	} {
		e := edit{}
		if f := strings.Fields(c.was); len(f) > 0 {
			e.was = &held{RRset: plan.RRset{Name: "x.", Type: "A"}}
			for _, r := range f[:len(f)-1] {
				id, data, _ := strings.Cut(r, "=")
				e.was.ids, e.was.Data = append(e.was.ids, id), append(e.was.Data, data)
			}
			_, _ = fmt.Sscan(f[len(f)-1], &e.was.TTL)
		}
		if f := strings.Fields(c.to); len(f) > 0 {
			e.to = &plan.RRset{Name: "x.", Type: "A", Data: f[:len(f)-1]}
			_, _ = fmt.Sscan(f[len(f)-1], &e.to.TTL)
		}
		var got []string
		for _, m := range turns(e) {
			switch {
			case m.id == "":
				got = append(got, "+"+m.data)
			case m.data == "":
				got = append(got, "-"+m.id)
			default:
				got = append(got, m.id+"→"+m.data)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q to %q: %v, want %s", c.was, c.to, got, c.want)
		}
	}
}

// TestStepwise: of a swap that does not come to its end, what went is put back;
// of a name that is to go, nothing is.
func TestStepwise(t *testing.T) {
	for _, c := range []struct{ edits, fails, did string }{
		{"-www/A -www/AAAA +www/CNAME", "", "-www/A -www/AAAA +www/CNAME"},
		{"-www/A -www/AAAA +www/CNAME", "+www/CNAME", "-www/A -www/AAAA +www/A +www/AAAA"},
		{"-www/AAAA -www/A +www/CNAME", "-www/A", "-www/AAAA +www/AAAA"},
		{"-www/CNAME +www/A +www/AAAA", "+www/AAAA", "-www/CNAME +www/A"},
		{"-www/A -www/AAAA", "-www/AAAA", "-www/A"},
		{"+api/A -www/A -www/AAAA", "-www/AAAA", "+api/A -www/A"},
	} {
		var edits []edit
		for _, word := range strings.Fields(c.edits) {
			name, typ, _ := strings.Cut(word[1:], "/")
			set := plan.RRset{Name: name, Type: typ}
			if word[0] == '+' {
				edits = append(edits, edit{to: &set})
			} else {
				edits = append(edits, edit{was: &held{RRset: set}})
			}
		}
		var did []string
		err := stepwise(t.Context(), edits, func(_ context.Context, e edit) error {
			word := "+" + e.name() + "/" + e.kind()
			if e.to == nil {
				word = "-" + word[1:]
			}
			if word == c.fails {
				return statusError{Status: 502}
			}
			did = append(did, word)
			return nil
		})
		if got := strings.Join(did, " "); got != c.did || (err != nil) != (c.fails != "") {
			t.Errorf("%s, where %q fails: %s (%v), want %s", c.edits, c.fails, got, err, c.did)
		}
	}
}

// TestOfRecord: an error is one record's only if all that is in it is.
func TestOfRecord(t *testing.T) {
	bad, broken := statusError{Status: 400}, statusError{Status: 502}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("a: %w", bad), true},
		{fmt.Errorf("a: %w: %w", ErrStale, statusError{Status: 409}), true},
		{errors.Join(bad, bad), true},
		{errors.Join(bad, broken), false},
		{broken, false},
		{fmt.Errorf("%w: %w", ErrDenied, statusError{Status: 403}), false},
		{Later{After: time.Second}, false},
		{errors.New("connection refused"), false},
		{errNoList, false},
	} {
		if got := ofRecord(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

// TestQualified: a target without a final dot is below its zone.
func TestQualified(t *testing.T) {
	for _, c := range []struct{ typ, data, want string }{
		{"CNAME", "cdn", "cdn.example.com."},
		{"CNAME", "cdn.example.net.", "cdn.example.net."},
		{"ALIAS", "@", "example.com."},
		{"MX", "10 mail", "10 mail.example.com."},
		{"MX", "10 @", "10 example.com."},
		{"SRV", "1 2 3 sip", "1 2 3 sip.example.com."},
		{"HTTPS", "1 cdn alpn=h2", "1 cdn.example.com. alpn=h2"},
		{"HTTPS", "1 . alpn=h2", "1 . alpn=h2"},
		{"MX", "10", "10"},
		{"TXT", `"a b"`, `"a b"`},
		{"A", "192.0.2.1", "192.0.2.1"},
	} {
		if got := qualified(c.typ, c.data, "example.com."); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.typ, c.data, got, c.want)
		}
	}
}

// TestFields: Retry-After and Link as servers write them.
func TestFields(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for field, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0.5": 500 * time.Millisecond, "-3": 0, "soon": 0, "NaN": 0, "Inf": time.Hour, "99999999999999999999": time.Hour,
		"Thu, 01 Jan 2026 00:01:00 GMT": time.Minute, "Wed, 31 Dec 2025 00:00:00 GMT": 0, "Fri, 02 Jan 2026 00:00:00 GMT": time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {field}}, now); got != want {
			t.Errorf("Retry-After %q: %v, want %v", field, got, want)
		}
	}
	for field, want := range map[string]string{
		"":                               "",
		`<http://x/?page=2>; rel="next"`: "page=2",
		`<http://x/?page=2>; rel=next`:   "page=2",
		`<http://x/?a=1>; rel="first", <http://y/?cursor=%3Ac2>; title="t"; rel="next"`: "cursor=%3Ac2",
		`<http://x/?a=1>; rel="prev"`: "",
		`http://x/?a=1; rel="next"`:   "",
		`<%zz>; rel="next"`:           "",
	} {
		if got := nextQuery(http.Header{"Link": {field}}); got != want {
			t.Errorf("Link %q: %q, want %q", field, got, want)
		}
	}
}
