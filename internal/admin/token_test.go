package admin

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	if list, err := ReadTokens(path); err != nil || len(list) != 0 {
		t.Errorf("a file that is not there: %v %v", list, err)
	}
	end := time.Now().Add(time.Hour)
	var list []Token
	for name, rights := range map[string]string{"a": "read", "b-1": "write", "c@host": "feed"} {
		made, shown, err := NewToken(name, rights, end)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(shown, tokenPrefix) || len(shown) < 40 || strings.Contains(made.line(), shown) {
			t.Errorf("token %q in the line %q", shown, made.line())
		}
		list = append(list, made)
	}
	if err := WriteTokens(path, list, ""); err != nil {
		t.Fatal(err)
	}
	got, err := ReadTokens(path)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(list) {
		t.Errorf("%v %v, want %v", got, err, list)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	feeds, _, err := NewToken("edge", "feed", end, "rum", "logs")
	if err != nil {
		t.Fatal(err)
	}
	list = append(list, feeds)
	if _, _, err := NewToken("kim", "write", end, "rum"); err == nil {
		t.Error("one who may write was bound to a feed")
	}
	if _, _, err := NewToken("rum", "feed", end, "a b"); err == nil {
		t.Error("a feed of two words was taken")
	}
	if err := WriteTokens(path, list, ""); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadTokens(path); err != nil || fmt.Sprint(got) != fmt.Sprint(list) {
		t.Errorf("%v %v, want %v", got, err, list)
	}
	for _, c := range []struct{ name, rights string }{{"", "read"}, {"two words", "read"}, {"-x", "read"}, {strings.Repeat("x", 64), "read"}, {"x", "all"}, {"x", ""}, {"x\ny", "read"}} {
		if _, _, err := NewToken(c.name, c.rights, end); err == nil {
			t.Errorf("%q with rights %q was made", c.name, c.rights)
		}
	}
}

func TestParseTokens(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	for _, c := range []struct{ text, want string }{
		{"# nothing\n\n", "0"},
		{"kim write 2026-01-01T00:00:00Z " + hash + "\n", "1"},
		{"kim write 2026-01-01T00:00:00Z " + hash, "1"},
		{"rum feed 2026-01-01T00:00:00Z " + hash + " rum,logs", "1"},
		{"rum feed 2026-01-01T00:00:00Z " + hash + " rum,", "is no list of feeds"},
		{"kim write 2026-01-01T00:00:00Z " + hash + " rum", "is no list of feeds"},
		{"kim write 2026-01-01T00:00:00Z", "line 1: this is no token"},
		{"\nkim all 2026-01-01T00:00:00Z " + hash, `line 2: "all" is no right`},
		{"kim read soon " + hash, `"soon" is no moment`},
		{"kim read 2026-01-01T00:00:00Z abcd", "this is no token"},
		{"k!m read 2026-01-01T00:00:00Z " + hash, "this is no token"},
		{"kim read 2026-01-01T00:00:00Z " + hash + "\nkim read 2026-01-01T00:00:00Z " + hash, "line 2: there are two tokens called kim"},
	} {
		list, err := parseTokens([]byte(c.text))
		if got := fmt.Sprint(len(list)); err == nil && got != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v %v, want %s", c.text, list, err, c.want)
		}
	}
}

func FuzzParseTokens(f *testing.F) {
	f.Add([]byte("kim write 2026-01-01T00:00:00Z " + strings.Repeat("ab", 32) + "\n# x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseTokens(text)
		if err != nil {
			return
		}
		var again strings.Builder
		for _, x := range list {
			again.WriteString(x.line() + "\n")
		}
		if back, err := parseTokens([]byte(again.String())); err != nil || len(back) != len(list) {
			t.Errorf("%q is not read again: %v", again.String(), err)
		}
	})
}

func TestSessions(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var s sessions
	tok := Token{Name: "kim", Expires: now.Add(time.Hour), hash: [32]byte{1}}
	first := s.begin(tok, now)
	if hash, ok := s.token(first, now.Add(59*time.Minute)); !ok || hash != tok.hash {
		t.Error("it is not open")
	}
	if _, ok := s.token(first, now.Add(time.Hour)); ok {
		t.Error("it outlives its token")
	}
	if _, ok := s.token("nonsense", now); ok {
		t.Error("nonsense is a session")
	}
	tok.Expires = now.Add(1000 * time.Hour)
	long := s.begin(tok, now)
	if _, ok := s.token(long, now.Add(sessionLasts)); ok {
		t.Error("it lasts too long")
	}
	for range mostSessions {
		s.begin(tok, now.Add(time.Minute))
	}
	if len(s.open) != mostSessions {
		t.Errorf("%d are open", len(s.open))
	}
	if _, ok := s.token(first, now); ok {
		t.Error("the one that ends first did not make room")
	}
	s.end(long)
	if _, ok := s.token(long, now); ok {
		t.Error("it was ended")
	}
}

func TestTries(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a, b, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("192.0.2.1")
	var s tries
	for i := range triesAtOnce {
		if !s.left(a, now, triesAtOnce) {
			t.Fatalf("after %d tries none is left", i)
		}
		s.wrong(a, now)
	}
	if s.left(a, now, triesAtOnce) || s.left(b, now, triesAtOnce) {
		t.Error("one is left in the same /64")
	}
	if !s.left(other, now, triesAtOnce) || !s.left(netip.Addr{}, now, triesAtOnce) {
		t.Error("another address has none left")
	}
	if !s.left(a, now.Add(tryEvery), triesAtOnce) {
		t.Error("none comes back")
	}
	for i := range mostTriers + 10 {
		s.wrong(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(s.from) > mostTriers {
		t.Errorf("%d addresses are remembered", len(s.from))
	}
}

func TestLocal(t *testing.T) {
	for next, want := range map[string]string{"/pools?x=1": "/pools?x=1", "": "/", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "javascript:x": "/", "pools": "/", "/x\r\ny": "/"} {
		if got := Local(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}
