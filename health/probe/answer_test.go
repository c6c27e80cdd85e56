package probe

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// plainCases are answers, and what readPlain makes of each; those that are a
// whole one are cut short at every octet too, and must then be partial.
var plainCases = []struct {
	shape  shape
	answer string
}{
	{whole, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nshunt-ok"},
	{whole, "HTTP/1.1 503 \r\nserver: x\r\ncontent-length:0\r\nCONNECTION: Close\r\n\r\n"},
	{whole, "HTTP/1.1 200 Fine: thanks\r\nDate: Mon, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\nContent-Length:   3   \r\nEtag: \"a:b\"\r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nshunt-ok+"},
	{other, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\n\r\n"},
	{other, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\nContent-Length: 3\r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 3\r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\nA: b\r\r\nContent-Length: 3\r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\nA: caf\xc3\xa9\r\nContent-Length: 3\r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\nok\n"},
	{other, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 3\r\n\r\nok\n"},
	{other, "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nok\n"},
	{other, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	{other, "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"},
	{other, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"},
	{other, "SSH-2.0-OpenSSH_9.2\r\n"},
	{partial, ""},
}

func TestReadPlain(t *testing.T) {
	for _, c := range plainCases {
		a, s := readPlain([]byte(c.answer))
		if s != c.shape {
			t.Errorf("%q: shape %d, want %d", c.answer, s, c.shape)
		}
		if s != whole {
			continue
		}
		agree(t, []byte(c.answer), a)
		for n := range len(c.answer) {
			if _, s := readPlain([]byte(c.answer[:n])); s != partial {
				t.Errorf("%q: shape %d, want %d", c.answer[:n], s, partial)
			}
		}
	}
	b := []byte(plainCases[0].answer)
	if n := testing.AllocsPerRun(100, func() { readPlain(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzReadPlain: what readPlain takes for a whole answer, net/http takes for
// the same.
func FuzzReadPlain(f *testing.F) {
	for _, c := range plainCases {
		f.Add([]byte(c.answer))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, s := readPlain(b); s == whole {
			agree(t, b, a)
		}
	})
}

// agree checks a, read from b, against what net/http reads.
func agree(t *testing.T, b []byte, a plainAnswer) {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(b))
	r, err := http.ReadResponse(br, &http.Request{Method: http.MethodGet})
	if err != nil {
		t.Fatalf("%q: net/http: %v", b, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || !bytes.Equal(body, a.body) || r.StatusCode != a.status || r.Close != a.close || br.Buffered() != 0 {
		t.Errorf("%q: %d %q close %t; net/http: %d %q close %t, %d octets left, %v",
			b, a.status, a.body, a.close, r.StatusCode, body, r.Close, br.Buffered(), err)
	}
	if strings.Contains(r.Status, "\r") {
		t.Errorf("status %q", r.Status)
	}
}
