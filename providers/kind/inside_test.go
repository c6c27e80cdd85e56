package kind

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
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

// TestMeanings: vendors' codes, and what they are to us: stale, denied, no
// zone, later, refused or down.
func TestMeanings(t *testing.T) {
	answer := func(status int, body string) error {
		said := statusError{status, excerpt([]byte(body)), body}
		if status == 401 || status == 403 {
			return fmt.Errorf("%w: %w", ErrDenied, said) // as strict has it
		}
		return said
	}
	cf := func(status, code int) error {
		return (&cloudflare{zones: &zoneIDs{}}).failed("example.test.", answer(status, fmt.Sprintf(`{"success": false, "errors": [{"code": %d, "message": "x"}]}`, code)))
	}
	google := func(status int, reason, message string) error {
		g := &googleDNS{grant: &grant{}}
		return g.failed("example.test.", answer(status, fmt.Sprintf(`{"error": {"code": %d, "message": %q, "errors": [{"reason": %q}]}}`, status, message, reason)))
	}
	ms := func(status int, code string) error {
		return (&azure{grant: &grant{}}).failed(answer(status, fmt.Sprintf(`{"error":{"code":%q,"message":"x"}}`, code)))
	}
	aws := func(code string) error {
		return (&route53Store{}).failed("example.test.", &smithy.GenericAPIError{Code: code, Message: "x"})
	}
	for _, c := range []struct {
		what string
		err  error
		want string
	}{
		{"cloudflare: a record has gone", cf(404, 81044), "stale"},
		{"cloudflare: another is there", cf(400, 81053), "stale"},
		{"cloudflare: a CNAME is there", cf(400, 81054), "stale"},
		{"cloudflare: the same is there", cf(400, 81057), "stale"},
		{"cloudflare: an identical one is there", cf(400, 81058), "stale"},
		{"cloudflare: a header that is none", cf(400, 6003), "denied"},
		{"cloudflare: a wrong token", cf(403, 9109), "denied"},
		{"cloudflare: no rights", cf(403, 10000), "denied"},
		{"cloudflare: no such zone", cf(404, 7003), "no zone"},
		{"cloudflare: a TTL that is too low", cf(400, 9021), "refused"},
		{"cloudflare: broken", cf(500, 10001), "down"},
		{"google: no such zone", google(404, "notFound", "The 'parameters.managedZone' resource named 'x' does not exist."), "no zone"},
		{"google: it has gone", google(404, "notFound", "The 'entity.change.deletions[0]' resource named 'x (A)' does not exist."), "stale"},
		{"google: it is there", google(409, "alreadyExists", "The resource 'entity.change.additions[0]' named 'x (A)' already exists"), "stale"},
		{"google: it is another", google(412, "conditionNotMet", "Precondition not met"), "stale"},
		{"google: too many", google(403, "rateLimitExceeded", "Quota exceeded"), "later"},
		{"google: too many of a user", google(403, "userRateLimitExceeded", "Quota exceeded"), "later"},
		{"google: no rights", google(403, "forbidden", "Forbidden"), "denied"},
		{"google: a bad record", google(400, "invalid", "Invalid value"), "refused"},
		{"azure: no such zone", ms(404, "ParentResourceNotFound"), "no zone"},
		{"azure: it has gone", ms(404, "NotFound"), "stale"},
		{"azure: it is another", ms(412, "PreconditionFailed"), "stale"},
		{"azure: no rights", ms(403, "AuthorizationFailed"), "denied"},
		{"azure: a bad record", ms(400, "BadRequest"), "refused"},
		{"route53: no such zone", aws("NoSuchHostedZone"), "no zone"},
		{"route53: too many", aws("Throttling"), "later"},
		{"route53: too many", aws("ThrottlingException"), "later"},
		{"route53: one at a time", aws("PriorRequestNotComplete"), "later"},
		{"route53: a wrong key", aws("InvalidClientTokenId"), "denied"},
		{"route53: a wrong secret", aws("SignatureDoesNotMatch"), "denied"},
		{"route53: an old token", aws("ExpiredToken"), "denied"},
	} {
		if got := meaning(c.err); got != c.want {
			t.Errorf("%s: %s, want %s: %v", c.what, got, c.want, c.err)
		}
	}
}

// meaning returns what err is to those who call.
func meaning(err error) string {
	var later Later
	switch {
	case errors.As(err, &later):
		return "later"
	case errors.Is(err, ErrStale):
		return "stale"
	case errors.Is(err, ErrDenied):
		return "denied"
	case errors.Is(err, ErrNoZone):
		return "no zone"
	case errors.Is(err, ErrRefused):
		return "refused"
	case errors.Is(err, ErrDown):
		return "down"
	}
	return "unknown"
}
