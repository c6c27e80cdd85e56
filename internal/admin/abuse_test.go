package admin_test

import (
	"net/http"
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
