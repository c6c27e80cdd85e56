package admin_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/admin"
)

// TestStreamsEndWithTheirToken: a stream does not outlive its token where there
// is another of the name, nor a log-out.
func TestStreamsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	s, reader, writer := open(t, true)
	at := s.wants("", "POST /login token="+writer+"&next=/", 303, "shunt=", "Content-Type: application/x-www-form-urlencoded")
	_, rest, _ := strings.Cut(at, "shunt=")
	value, _, _ := strings.Cut(rest, ";")
	cookie := "Cookie: shunt=" + value
	ofToken, stop := s.follow(reader, "")
	defer stop()
	ofBrowser, stop := s.follow(cookie, "")
	defer stop()

	path := filepath.Join(s.dir, "tokens")
	list, err := admin.ReadTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.WriteTokens(path, list[1:], ""); err != nil {
		t.Fatal(err)
	}
	s.token("reader", "read", time.Hour)
	s.wants("", "POST /logout", 303, "/login", cookie)
	time.Sleep(1100 * time.Millisecond) // the file is looked at each second
	if _, err := admin.NewClient(s.socket).Freeze(t.Context(), admin.Change{For: "1h", Reason: "a test"}); err != nil {
		t.Fatal(err)
	}
	ofToken("")
	ofBrowser("")
}

// TestAuditSeesAll: what is done is what the audit log saw, and one who may not
// do a thing cannot push out of it what others did.
func TestAuditSeesAll(t *testing.T) {
	t.Parallel()
	s, reader, writer := open(t, true)
	s.wants(writer, `PUT /v1/overrides/{pool=alpha} {"force":"down","for":"1h","reason":"x","anyway":true} {}`, 400, "behind its end")
	s.wants(writer, `PUT /v1/freeze {"for":"1h","reason":"x"}]`, 400, "behind its end")
	s.wants(writer, `POST /v1/drills {"pools":["alpha"],"for":"10m","reason":"x"}x`, 400, "behind its end")
	s.wants(writer, `PUT /v1/feeds/{pool=alpha} {"source":"rum","up":false} null`, 400, "behind its end")

	long := strings.Repeat("w", 20_000)
	if code, _ := s.ask(reader, `PUT /v1/freeze {"reason":"`+long+`","author":"`+long+`"}`); code != http.StatusForbidden {
		t.Errorf("who may not was answered with %d", code)
	}
	list, err := admin.NewClient(s.socket).Log(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	last := list[len(list)-1]
	if last.Outcome != admin.Refused || len(last.Why) > 1100 || len(last.Who) > 1100 || !strings.HasPrefix(last.Why, "www") {
		t.Errorf("noted are %d octets of who and %d of why: %.40q", len(last.Who), len(last.Why), last.Why)
	}
	if code, _ := s.ask(writer, `PUT /v1/freeze {"for":"1h","reason":"`+strings.Repeat("w", 70_000)+`"}`); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a long body was answered with %d", code)
	}
	code := 0
	for n := 0; code != http.StatusTooManyRequests; n++ {
		if code, _ = s.ask(reader, "DELETE /v1/freeze"); n > 200 {
			t.Fatal("there is no end of refusals")
		}
	}
	s.wants(writer, `PUT /v1/freeze {"for":"1h","reason":"x"}`, 200, "") // who may, is not held up
	s.wants(reader, "GET /v1/status", 200, "")
	after, err := admin.NewClient(s.socket).Log(t.Context(), "")
	if err != nil || len(after) > len(list)+110 {
		t.Errorf("%d are noted after %d (%v)", len(after), len(list), err)
	}
}

// TestHTTPS: what can be reached from elsewhere has its cookie come back over
// HTTPS alone, is shown in no frame, and waits for nobody for long.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	made, shown, err := admin.NewToken("kim", "write", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.WriteTokens(path, []admin.Token{made}, ""); err != nil {
		t.Fatal(err)
	}
	own := httptest.NewUnstartedServer(nil)
	own.StartTLS()
	defer own.Close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &admin.Server{Tokens: admin.NewKeyring(path), Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() {
		over <- s.ServeWeb(ctx, l, &tls.Config{Certificates: own.TLS.Certificates})
	}()
	defer func() {
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	}()
	c := own.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.PostForm("https://"+l.Addr().String()+"/login", url.Values{"token": {shown}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Set-Cookie"); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got, "__Host-shunt=") || !strings.Contains(got, "Secure") || !strings.Contains(got, "HttpOnly") {
		t.Errorf("%d, cookie %q", resp.StatusCode, got)
	}
	for name, want := range map[string]string{"Strict-Transport-Security": "max-age=31536000", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if resp, err := http.Get("http://" + l.Addr().String() + "/v1/status"); err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("HTTP in the clear: %d", resp.StatusCode)
		}
	}
}
