package controller

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-dns/shunt/config"
)

// What follows a configuration says what loading it anew would: the answers
// of its zones, what is gone, and every problem.
func TestNextIsLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const head = "@ 60 SOA ns. me. 1 1 1 1 1\n@ 60 NS ns.\n"
	write("still.zone", head+"www 60 A 192.0.2.1\n")
	write("moves.zone", head+"www 60 A 192.0.2.1\nold 60 A 192.0.2.2\n")
	cfg, err := config.Parse([]byte("zones: [{name: still.test, file: still.zone}, {name: moves.test, file: moves.zone}]"),
		filepath.Join(dir, "shunt.yaml"), config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Load(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ moves, www, gone string }{
		{head + "www 60 A 192.0.2.7\nold 60 A 192.0.2.2\n", "192.0.2.7", ""},
		{head + "www 60 A 192.0.2.8\n", "192.0.2.8", "old.moves.test."},
		{head + "www 60 A 192.0.2.8\n", "192.0.2.8", ""},
	} {
		write("moves.zone", c.moves)
		next, err := l.Next(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"www.moves.test.": c.www, "www.still.test.": "192.0.2.1"} {
			if got := next.Set.Static(name).Addrs; !cmp.Equal(got, []netip.Addr{netip.MustParseAddr(want)}, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) {
				t.Errorf("%s: %v, want %s", name, got, want)
			}
		}
		var want []string
		if c.gone != "" {
			want = []string{c.gone}
		}
		if gone, _ := l.Set.Gone(next.Set); !cmp.Equal(gone, want) {
			t.Errorf("gone: %v, want %v", gone, want)
		}
		l = next
	}
	write("moves.zone", head+"www 60 A 192.0.2.8\nwww 60 BOGUS x\n")
	_, anew := Load(cfg, nil)
	if _, after := l.Next(cfg, nil); anew == nil || after == nil || after.Error() != anew.Error() {
		t.Errorf("after: %v\nanew: %v", after, anew)
	}
}
