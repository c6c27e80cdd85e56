package resolver

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A web is a client of DNS over HTTPS.
type web struct{ client *http.Client }

func (v *vault) web() *web {
	tr := &http.Transport{TLSClientConfig: v.client(), ForceAttemptHTTP2: true}
	return &web{&http.Client{Transport: tr, Timeout: 10 * time.Second}}
}

func (w *web) do(t *testing.T, r *http.Request) (status int, h http.Header, body []byte) {
	t.Helper()
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.ProtoMajor != 2 {
		t.Errorf("spoke %s", resp.Proto)
	}
	t.Cleanup(w.client.CloseIdleConnections)
	return resp.StatusCode, resp.Header, body
}

func (w *web) post(t *testing.T, s *Server, query []byte) (int, http.Header, []byte) {
	t.Helper()
	r, _ := http.NewRequest("POST", "https://"+s.AddrsHTTPS()[0].String()+"/dns-query", bytes.NewReader(query))
	r.Header.Set("Content-Type", dnsMessage)
	return w.do(t, r)
}

// TestHTTPS: what a request is answered with. %s stands for a query of the
// question in the line, in base64url.
func TestHTTPS(t *testing.T) {
	s, v := serveSecure(t, settingsForTest())
	web := v.web()
	www := dnstest.Ask(t, "www.example.test. A")
	text := base64.RawURLEncoding.EncodeToString(www)
	long := base64.RawURLEncoding.EncodeToString(make([]byte, 4097))
	for _, c := range []struct {
		method, path, kind string
		body               []byte
		status             int
		cache              string
	}{
		{"GET", "/dns-query?dns=" + text, "", nil, 200, "max-age=300"},
		{"GET", "/dns-query?dns=" + text + "&x=1", "", nil, 200, "max-age=300"},
		{"POST", "/dns-query", dnsMessage, www, 200, "max-age=300"},
		{"POST", "/dns-query", dnsMessage + "; charset=x", www, 200, "max-age=300"},
		{"POST", "/dns-query", dnsMessage, dnstest.Ask(t, "missing.example.test. A"), 200, "max-age=60"},
		{"POST", "/dns-query", dnsMessage, dnstest.Ask(t, "www.example.test. MX"), 200, "max-age=60"},
		{"POST", "/dns-query", dnsMessage, dnstest.Ask(t, "svc.example.test. A"), 200, "max-age=30"},
		{"POST", "/dns-query", dnsMessage, dnstest.Ask(t, "elsewhere.test. A +edns"), 200, "no-store"},
		{"POST", "/dns-query", dnsMessage, www[:20], 200, "no-store"}, // FORMERR
		{"GET", "/dns-query", "", nil, 400, ""},
		{"GET", "/dns-query?dns=", "", nil, 400, ""},
		{"GET", "/dns-query?dns=***", "", nil, 400, ""},
		{"GET", "/dns-query?dns=" + text + "=", "", nil, 400, ""}, // padding is left out: RFC 8484 §6
		{"GET", "/dns-query?dns=AAAA", "", nil, 400, ""},
		{"GET", "/dns-query?dns=" + long, "", nil, 414, ""},
		{"POST", "/dns-query", dnsMessage, nil, 400, ""},
		{"POST", "/dns-query", dnsMessage, dnstest.Ask(t, "www.example.test. A +qr"), 400, ""},
		{"POST", "/dns-query", "text/plain", www, 415, ""},
		{"POST", "/dns-query", "", www, 415, ""},
		{"POST", "/dns-query", dnsMessage, make([]byte, 4097), 413, ""},
		{"PUT", "/dns-query", dnsMessage, www, 405, ""},
		{"HEAD", "/dns-query?dns=" + text, "", nil, 405, ""},
		{"GET", "/?dns=" + text, "", nil, 404, ""},
		{"GET", "/dns-query/?dns=" + text, "", nil, 404, ""},
	} {
		r, err := http.NewRequest(c.method, "https://"+s.AddrsHTTPS()[0].String()+c.path, bytes.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.kind != "" {
			r.Header.Set("Content-Type", c.kind)
		}
		status, h, body := web.do(t, r)
		name := fmt.Sprintf("%s %.60s %s", c.method, c.path, c.kind)
		if status != c.status || h.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d, %q, want %d, %q", name, status, h.Get("Cache-Control"), c.status, c.cache)
		}
		if status == 405 && h.Get("Allow") != "GET, POST" {
			t.Errorf("%s: Allow: %s", name, h.Get("Allow"))
		}
		if status == 200 && (h.Get("Content-Type") != dnsMessage || h.Get("Content-Length") != fmt.Sprint(len(body)) || len(body) < headerLen) {
			t.Errorf("%s: %s of %s, %d octets", name, h.Get("Content-Type"), h.Get("Content-Length"), len(body))
		}
		if c.cache == "max-age=300" && dnstest.Line(body) != wwwLine {
			t.Errorf("%s: %s", name, dnstest.Line(body))
		}
	}
}

// TestHTTPSBadAtFirst: a server whose first request is no DNS says so, as it
// does later, and the connection goes on.
func TestHTTPSBadAtFirst(t *testing.T) {
	s, v := serveSecure(t, settingsForTest())
	web := v.web()
	for range 2 * cores() {
		if status, _, _ := web.post(t, s, []byte("no DNS")); status != http.StatusBadRequest {
			t.Errorf("status %d", status)
		}
	}
	if st := s.Stats(); st.Panics != 0 || st.Accepted != 1 {
		t.Errorf("%d panics, %d connections", st.Panics, st.Accepted)
	}
}

// TestHTTPSUntaken: a client that asks for large replies on many streams and
// takes none has few of them made; they all come once it reads. Another
// connection does not notice.
func TestHTTPSUntaken(t *testing.T) {
	s, v := serveSecure(t, settingsForTest())
	text := "$TTL 60\n@ SOA ns hm 1 2 3 4 60\n@ NS ns\n"
	for i := range 200 {
		text += fmt.Sprintf("@ TXT %03d%s\n", i, strings.Repeat("x", 200))
	}
	z, ps := zone.Parse(config.Zone{Name: "large.test.", File: "zone"}, "ns.test.", fstest.MapFS{"zone": {Data: []byte(text)}})
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	s.Swap(zone.NewSet([]*zone.Zone{z}).Snapshot(1, nil, nil))
	lazy := v.web()
	lazy.client.Transport.(*http.Transport).HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 4 << 10}
	const all = 3 * untaken
	query, read := dnstest.Ask(t, "large.test. TXT"), make(chan struct{})
	var asking sync.WaitGroup
	for range all {
		asking.Go(func() {
			r, _ := http.NewRequest("POST", "https://"+s.AddrsHTTPS()[0].String()+"/dns-query", bytes.NewReader(query))
			r.Header.Set("Content-Type", dnsMessage)
			resp, err := lazy.client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			<-read
			if body, err := io.ReadAll(resp.Body); err != nil || len(body) < 40_000 {
				t.Errorf("%d octets, %v", len(body), err)
			}
		})
	}
	for end := time.Now().Add(5 * time.Second); s.Stats().HTTPS < untaken && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	if n, open := s.Stats().HTTPS, s.Stats().Connections; n != untaken || open != 1 {
		t.Errorf("%d replies were made, want %d; %d connections", n, untaken, open)
	}
	if status, _, _ := v.web().post(t, s, query); status != http.StatusOK {
		t.Errorf("another client got %d", status)
	}
	close(read)
	asking.Wait()
	lazy.client.CloseIdleConnections()
}

// TestLeastTTL: for how long a reply may be kept.
func TestLeastTTL(t *testing.T) {
	_, w := workerForTest(t, settingsForTest())
	for ask, want := range map[string]string{
		"www.example.test. A +edns": "max-age=300", // OPT has no TTL
		"example.test. SOA":         "max-age=60",  // its own MINIMUM is a TTL too
		"example.test. NS":          "max-age=300",
		"addr.example.test. A":      "max-age=30",
		"missing.example.test. A":   "max-age=60",
		"elsewhere.test. A":         "no-store",
		"example.test. A +header":   "no-store",
	} {
		if got := cacheControl(w.Answer(make([]byte, 0, maxTCP), dnstest.Ask(t, ask), client, moment, HTTPS), false); got != want {
			t.Errorf("%s: %s, want %s", ask, got, want)
		}
	}
	if got := cacheControl(w.Answer(make([]byte, 0, maxTCP), dnstest.Ask(t, "www.example.test. A"), client, moment, HTTPS), true); got != "private, max-age=300" {
		t.Error(got)
	}
}

// TestManyOverHTTPS: streams of one connection, and several clients.
func TestManyOverHTTPS(t *testing.T) {
	s, v := serveSecure(t, settingsForTest())
	var asking sync.WaitGroup
	for range 4 {
		web := v.web()
		t.Cleanup(web.client.CloseIdleConnections)
		asking.Go(func() {
			for range 50 {
				r, _ := http.NewRequest("POST", "https://"+s.AddrsHTTPS()[0].String()+"/dns-query", bytes.NewReader(dnstest.Ask(t, "www.example.test. A")))
				r.Header.Set("Content-Type", dnsMessage)
				resp, err := web.client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if dnstest.Line(body) != wwwLine {
					t.Error(dnstest.Line(body))
				}
			}
		})
	}
	asking.Wait()
	if st := s.Stats(); st.HTTPS != 200 || st.Accepted != 4 {
		t.Errorf("stats: %+v", st)
	}
}
