package probe

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// TestClock: a result has what the other end's clock showed, whichever way its
// answer was read.
func TestClock(t *testing.T) {
	long := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		about     string
		date, age string
		body      config.Match
		want      time.Time
	}{
		{"said", long.Format(http.TimeFormat), "", config.Match{}, long},
		{"of a copy", long.Format(http.TimeFormat), "90", config.Match{}, long.Add(90 * time.Second)},
		{"of no age", long.Format(http.TimeFormat), "old", config.Match{}, long},
		{"of an answer that fails", long.Format(http.TimeFormat), "90", config.Match{Text: "else"}, long.Add(90 * time.Second)},
		{"not said", "", "90", config.Match{}, time.Time{}},
		{"no time", "noon", "", config.Match{}, time.Time{}},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = nil
			if tt.date != "" {
				w.Header().Set("Date", tt.date)
			}
			if tt.age != "" {
				w.Header().Set("Age", tt.age)
			}
			_, _ = io.WriteString(w, "ok")
		}))
		at := netip.MustParseAddrPort(srv.Listener.(*net.TCPListener).Addr().String())
		p, err := New(config.Monitor{Name: "m", Kind: config.HTTP, Timeout: 5 * time.Second, HTTP: config.HTTPCheck{Host: "x", Port: at.Port(), Path: "/", Body: tt.body}})
		if err != nil {
			t.Fatal(err)
		}
		if got := p(context.Background(), at.Addr()).Clock; !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.about, got, tt.want)
		}
		srv.Close()
	}
}
