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
)

// maxBody, in octets, is the most that is read of one answer of an API.
const maxBody = 64 << 20

// maxExcerpt, in octets, is what an error tells of an answer.
const maxExcerpt = 300

// A caller speaks JSON with an API over HTTP. Each of its calls is one request.
type caller struct {
	base   string                 // URL without a final slash
	header http.Header            // sent with each request, credentials among it
	client *http.Client           // of newHTTPClient
	later  laterFunc              // nil: retryAfter
	denied func(statusError) bool // nil: 401 and 403
}

// A laterFunc returns how long an answer of 429 or 503 asks to wait.
type laterFunc func(http.Header, time.Time) time.Duration

// A statusError is an answer of an API that is not success.
type statusError struct {
	Status int    // of HTTP
	Body   string // what it says, cut short and in one line
	What   string // method and path
}

func (e statusError) Error() string {
	text := fmt.Sprintf("%s: HTTP %d", e.What, e.Status)
	if e.Body != "" {
		text += ": " + e.Body
	}
	return text
}

// newHTTPClient returns a client that follows no redirect, so that credentials
// go nowhere but to the API. It has no time limit of its own: contexts have.
func newHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.IdleConnTimeout = 30 * time.Second
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// do sends in, if it is not nil, as JSON to path, which may have a query or be
// a whole URL, and decodes the answer into out, if it is not nil. It returns the
// answer's header. The error wraps ErrDenied, or is a Later or a statusError.
func (c *caller) do(ctx context.Context, method, path string, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	target := path
	if !strings.HasPrefix(path, "http://") && !strings.HasPrefix(path, "https://") {
		target = c.base + path
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
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
		return nil, fmt.Errorf("%s %s: %w", method, req.URL.Path, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.Header, c.refusal(resp, statusError{resp.StatusCode, excerpt(text), method + " " + req.URL.Path})
	}
	if out == nil {
		return resp.Header, nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return resp.Header, fmt.Errorf("%s %s: its answer cannot be read: %w", method, req.URL.Path, err)
	}
	return resp.Header, nil
}

// refusal says what an answer that is not success means.
func (c *caller) refusal(resp *http.Response, e statusError) error {
	denied := e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	if c.denied != nil {
		denied = c.denied(e)
	}
	if denied {
		return fmt.Errorf("%w: %w", ErrDenied, e)
	}
	if e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable {
		wait := retryAfter
		if c.later != nil {
			wait = c.later
		}
		return Later{After: wait(resp.Header, time.Now()), Why: e.Error()}
	}
	return e
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
// §10.2.3); 0: nothing.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// segment escapes one segment of a path; "*" and "@" stay as they are.
func segment(text string) string {
	text = url.PathEscape(text)
	text = strings.ReplaceAll(text, "%2A", "*")
	return strings.ReplaceAll(text, "%40", "@")
}
