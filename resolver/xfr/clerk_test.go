package xfr

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"testing"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// The journal of a zone that is gone goes, by the clerk's hand alone: a disk
// that hangs keeps nobody from being told. One that comes back has one again.
func TestJournalsOfZonesThatAreGone(t *testing.T) {
	cfg := &config.Config{Transfer: config.Transfer{Content: config.OnePool, Journal: 10, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	p, err := New(cfg, Deps{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(string(p.shelf), 0o700); err != nil {
		t.Fatal(err)
	}
	settle := func(zones ...*zone.Zone) {
		set := zone.NewSet(zones)
		p.Publish(set.Snapshot(1, []*zone.Steered{answering(1), answering(1)}, nil))
		p.settle(t.Context())
	}
	write := func() { // what the clerk has to write
		stop := make(chan struct{})
		close(stop)
		p.clerk.run(stop)
		p.clerk.run(stop)
	}
	want := func(when, origin string, there bool) {
		t.Helper()
		if _, err := os.Stat(p.shelf.path(origin)); there != (err == nil) || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the journal of %s: %v", when, origin, err)
		}
	}
	a, b := testZone(t, "a.test.", ""), testZone(t, "b.test.", "")
	settle(a, b)
	write()
	want("at first", "a.test.", true)
	want("at first", "b.test.", true)
	settle(a)
	want("before the clerk has the disk", "b.test.", true)
	write()
	want("without b", "a.test.", true)
	want("without b", "b.test.", false)
	settle(a, b)
	write()
	want("with b again", "b.test.", true)
}
