package config

import (
	"bytes"
	"io"
	"net/url"
	"os"
	"strings"
)

// Traces say where spans of probes, reloads and pushes go, over OTLP/HTTP.
type Traces struct {
	Endpoint    string   // URL of the receiver, with its path; "": there are no traces
	Sample      float64  // of the probes, 0–1, default 0.01; reloads and pushes are traced always
	Headers     []Secret // "Name: value" each, sent with every request; Load reads them from HeadersFile
	HeadersFile string   // absolute; a header a line; "": none
}

// tracesPath is where receivers listen (OTLP/HTTP specification, §request).
const tracesPath = "/v1/traces"

// traces reads the section traces, but for the file of headers.
func (r *reader) traces(raw *rawSettings, dir string) (t Traces) {
	p, s := r.one("traces.endpoint", raw.Traces.Endpoint)
	if s.text != "" {
		u, err := url.Parse(s.text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			r.problem(p, s, clip(s.text)+" is not the URL of a receiver", "write it as in http://127.0.0.1:4318; credentials go into traces.headers_file")
		} else {
			if strings.Trim(u.Path, "/") == "" {
				u.Path = tracesPath
			}
			t.Endpoint = u.String()
		}
	}
	p, s = r.one("traces.sample", raw.Traces.Sample)
	t.Sample = r.share(p, s, 0.01, 0, 100)
	p, s = r.one("traces.headers_file", raw.Traces.HeadersFile)
	if s.text != "" {
		t.HeadersFile = r.filePath(p, s, dir)
	}
	return t
}

// traceHeaders reads the file of headers.
func (r *reader) traceHeaders(t *Traces) {
	if t.HeadersFile == "" {
		return
	}
	p, s := r.one("traces.headers_file", t.HeadersFile)
	const mend = "write a header a line, as in Authorization: Bearer TOKEN"
	f, err := os.Open(t.HeadersFile)
	if err != nil {
		r.problem(p, s, err.Error(), mend)
		return
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxValue))
	if err != nil {
		r.problem(p, s, err.Error(), mend)
		return
	}
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		name, value, ok := strings.Cut(string(line), ":")
		if value = strings.TrimSpace(value); !ok || value == "" || strings.ContainsFunc(name, notToken) || name == "" {
			r.problem(p, s, t.HeadersFile+" holds a line that is no header", mend)
			return
		}
		t.Headers = append(t.Headers, NewSecret(name+": "+value))
	}
}

// notToken reports whether c cannot be in the name of a header field
// (RFC 9110 §5.6.2).
func notToken(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", c)
}
