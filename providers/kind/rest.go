package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// maxBody, in octets, is the most that is read of one answer of an API.
const maxBody = 64 << 20

// maxExcerpt, in octets, is what an error tells of an answer.
const maxExcerpt = 300

// A caller speaks JSON with an API over HTTP. Each of its calls is one request.
type caller struct {
	base   string      // URL without a final slash
	header http.Header // sent with each request, credentials among it
	client *http.Client
}

// newCaller returns a caller of endpoint, or of vendor if that is "", whose
// requests carry the header fields: a name and a value each.
func newCaller(endpoint, vendor string, fields ...string) *caller {
	if endpoint == "" {
		endpoint = vendor
	}
	c := &caller{base: strings.TrimSuffix(endpoint, "/"), header: http.Header{}, client: newHTTPClient()}
	for i := 0; i+1 < len(fields); i += 2 {
		c.header.Set(fields[i], fields[i+1])
	}
	return c
}

// do sends in, if it is not nil, as JSON to path, which may have a query or be
// a whole URL below base, and decodes the answer into out, if it is not nil. It
// returns the answer's header. Fields are header fields of this request alone:
// a name and a value each. Its errors are those of newHTTPClient.
func (c *caller) do(ctx context.Context, method, path string, in, out any, fields ...string) (http.Header, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+strings.TrimPrefix(path, c.base), body)
	if err != nil {
		return nil, err
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "shunt")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", method, req.URL, err)
	}
	if out == nil {
		return resp.Header, nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return resp.Header, fmt.Errorf("%s %q: its answer cannot be read: %w", method, req.URL, err)
	}
	return resp.Header, nil
}

// newHTTPClient returns a client for our own requests and for vendors' SDKs. It
// follows no redirect, so that credentials go nowhere but to the API, waits for
// each request's turn (Pace), and has no time limit of its own: contexts have.
//
// An answer that is not success is an error, whose text is that of the API:
//
//	status     error
//	401, 403   wraps ErrDenied and a statusError
//	429, 503   a Later
//	others     a statusError
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport:     strict{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A statusError is an answer of an API that is not success.
type statusError struct {
	Status int    // of HTTP
	Body   string // what it says, cut short and in one line
	full   string // all that it says
}

func (e statusError) Error() string {
	if e.Body == "" {
		return fmt.Sprintf("HTTP %d", e.Status)
	}
	return fmt.Sprintf("HTTP %d: %s", e.Status, e.Body)
}

// Is reports whether target is what e's status means: ErrRefused or ErrDown.
func (e statusError) Is(target error) bool {
	return target == ErrRefused && e.Status < 500 || target == ErrDown && e.Status >= 500
}

// veil blots out of an answer the credentials that the request carried: some
// APIs say a key again that they do not know.
func veil(text []byte, header http.Header) []byte {
	for name, values := range header {
		switch name {
		case "Accept", "Content-Type", "User-Agent":
			continue
		}
		for word := range strings.FieldsSeq(strings.Join(values, " ")) {
			if len(word) >= shortestKey {
				text = bytes.ReplaceAll(text, []byte(word), []byte(config.NewSecret(word).String()))
			}
		}
	}
	return text
}

// shortestKey, in octets, is how long a word in a header is at least that may be
// a credential: Bearer and Token are none.
const shortestKey = 8

// A strict transport makes an error of each answer that is not success. No
// vendor's SDK tells 429 with its Retry-After from others in one way; so they
// all hear of it like this.
type strict struct{ next http.RoundTripper }

// RoundTrip sends one request when its turn has come.
func (s strict) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := Pace(req.Context()); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as a RoundTripper must
		}
		return nil, err
	}
	resp, err := s.next.RoundTrip(req)
	if err != nil || resp.StatusCode < 300 {
		return resp, err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // what came of it will do
	text = veil(text, req.Header)
	said := statusError{resp.StatusCode, excerpt(text), string(text)}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("%w: %w", ErrDenied, said)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return nil, Later{After: retryAfter(resp.Header, time.Now()), Why: said.Error()}
	}
	return nil, said
}

// excerpt returns the beginning of an answer in one line.
func excerpt(text []byte) string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "?")), " ")
	if len(line) > maxExcerpt {
		line = strings.ToValidUTF8(line[:maxExcerpt], "") + "…"
	}
	return line
}

// retryAfter returns what Retry-After says, as seconds or as a date (RFC 9110
// §10.2.3), at most an hour; 0: nothing.
func retryAfter(h http.Header, now time.Time) time.Duration {
	const most = time.Hour
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 {
		return min(time.Duration(min(seconds, most.Seconds())*float64(time.Second)), most)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, min(at.Sub(now), most))
	}
	return 0
}

// next returns the URL that a Link field calls the next page (RFC 8288); "":
// there is none.
func next(h http.Header) string {
	for _, field := range h.Values("Link") {
		for _, link := range strings.Split(field, ",") {
			target, params, _ := strings.Cut(link, ";")
			target, ok := strings.CutPrefix(strings.TrimSpace(target), "<")
			for _, p := range strings.Split(params, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
				if ok && strings.EqualFold(name, "rel") && strings.Trim(value, `"`) == "next" {
					return strings.TrimSuffix(target, ">")
				}
			}
		}
	}
	return ""
}

// segment escapes one segment of a path; "*" and "@" stay as they are.
func segment(text string) string {
	return strings.NewReplacer("%2A", "*", "%40", "@").Replace(url.PathEscape(text))
}
