package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/shunt-dns/shunt/internal/admin"
)

// byForce is how the API says to the command line what can be forced; a page
// has a form for that.
const byForce = " (use --force to do it all the same)"

// A refusal is an answer of the API that is no yes.
type refusal struct {
	code int
	admin.Fault
}

func (r refusal) Error() string { return r.Fault.Error }

// ask makes one request of the API in the name of r's viewer, and reads the
// answer into a T. The error is a refusal where the API says no.
func ask[T any](b *Dashboard, r *http.Request, method, path string, body any) (answer T, err error) {
	text := []byte{}
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return answer, err
		}
	}
	target, err := url.Parse(path)
	if err != nil {
		return answer, err
	}
	// The context says who asks, as whoever let r in noted it there.
	q := r.Clone(r.Context())
	q.Method, q.URL, q.RequestURI = method, target, path
	q.Body, q.ContentLength = readCloser{bytes.NewReader(text)}, int64(len(text))
	q.Form, q.PostForm, q.MultipartForm = nil, nil, nil
	q.Header.Set("Content-Type", "application/json")
	w := reply{header: http.Header{}, code: http.StatusOK}
	b.deps.API.ServeHTTP(&w, q)
	if w.code != http.StatusOK {
		f := refusal{code: w.code}
		if json.Unmarshal(w.body.Bytes(), &f.Fault) != nil || f.Fault.Error == "" {
			f.Fault.Error = fmt.Sprintf("%s %s: %s", method, path, http.StatusText(w.code))
		}
		f.Fault.Error = strings.Replace(f.Fault.Error, byForce, "", 1)
		return answer, f
	}
	return answer, json.Unmarshal(w.body.Bytes(), &answer)
}

// refused returns what the API said no with.
func refused(err error) (refusal, bool) {
	var f refusal
	ok := errors.As(err, &f)
	return f, ok
}

// A readCloser is a body in memory.
type readCloser struct{ *bytes.Reader }

// Close does nothing.
func (readCloser) Close() error { return nil }

// A reply takes down what a handler answers.
type reply struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

// Header returns the headers.
func (w *reply) Header() http.Header { return w.header }

// WriteHeader takes down the status.
func (w *reply) WriteHeader(code int) { w.code = code }

// Write takes down a part of the body.
func (w *reply) Write(p []byte) (int, error) { return w.body.Write(p) }
