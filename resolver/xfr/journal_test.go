package xfr

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/resolver/zone"
)

// history is a chain of deltas from serial 1 on.
func history(t testing.TB, n int) (chain []*delta) {
	t.Helper()
	soa := func(serial uint32) []byte {
		wire, err := catalogSOA("example.test.", serial)
		if err != nil {
			t.Fatal(err)
		}
		return wire
	}
	a := func(i int) []byte {
		rr, err := dns.NewRR(fmt.Sprintf("www.example.test. 30 IN A 192.0.2.%d", i%250))
		if err != nil {
			t.Fatal(err)
		}
		wire, _, err := appendSet(nil, zone.RRset{Records: []dns.RR{rr}})
		if err != nil {
			t.Fatal(err)
		}
		return wire
	}
	chain = append(chain, base(1, [16]byte{1}, soa(1)))
	for i := 1; i <= n; i++ {
		chain = append(chain, &delta{from: uint32(i), to: uint32(i + 1), key: [16]byte{byte(i + 1)}, was: soa(uint32(i)), is: soa(uint32(i + 1)),
			deleted: a(i), added: a(i + 1), records: 2})
	}
	return chain
}

// serials are where the deltas of a chain lead.
func serials(chain []*delta) (out []uint32) {
	for _, d := range chain {
		out = append(out, d.to)
	}
	return out
}

// TestJournalCutOff: wherever a crash cuts a journal off, what was whole is
// read, and nothing else.
func TestJournalCutOff(t *testing.T) {
	t.Parallel()
	s := shelf(t.TempDir())
	chain := history(t, 4)
	if _, err := s.replace("example.test.", chain); err != nil {
		t.Fatal(err)
	}
	path := s.path("example.test.")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var ends []int
	for i := range chain {
		text := first("example.test.")
		for _, d := range chain[:i+1] {
			text = encode(text, d)
		}
		ends = append(ends, len(text))
	}
	for cut := len(first("example.test.")); cut <= len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		list, good, err := s.read("example.test.")
		want, _ := slices.BinarySearch(ends, cut+1)
		if err != nil || len(list) != want || want > 0 && good != ends[want-1] {
			t.Fatalf("cut at %d of %d: %d deltas, %d octets, %v; want %d", cut, len(whole), len(list), good, err, want)
		}
	}
}

// TestJournalDamaged: an octet that is not as it was written is found, and the
// file is set aside; what lies before it is used.
func TestJournalDamaged(t *testing.T) {
	t.Parallel()
	chain := history(t, 4)
	rapid.Check(t, func(rt *rapid.T) {
		s := shelf(t.TempDir())
		if _, err := s.replace("example.test.", chain); err != nil {
			t.Fatal(err)
		}
		path := s.path("example.test.")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.IntRange(0, len(text)-1).Draw(rt, "at")
		text[at] ^= byte(rapid.IntRange(1, 255).Draw(rt, "bits"))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		list, _, err := s.read("example.test.")
		if len(list) >= len(chain) {
			rt.Fatalf("all %d deltas are read", len(list))
		}
		for i, d := range list {
			if d.to != chain[i].to || string(d.added) != string(chain[i].added) {
				rt.Fatalf("delta %d is another one", i)
			}
		}
		_, gone := os.Stat(path)
		_, aside := os.Stat(path + damaged)
		if err != nil && (!errors.Is(gone, os.ErrNotExist) || aside != nil) {
			rt.Fatalf("%v, but the file is at its place (%v), and none aside (%v)", err, gone, aside)
		}
	})
}

// TestClerk: journals are appended to while that pays, and written anew where
// much of them is no longer wanted, or where they do not lead on.
func TestClerk(t *testing.T) {
	t.Parallel()
	s := shelf(t.TempDir())
	c := newClerk(s, slog.New(slog.DiscardHandler))
	stop, over := make(chan struct{}), make(chan struct{})
	go func() { c.run(stop); close(over) }()
	defer func() { close(stop); <-over }()
	chain := history(t, 3000)
	largest := int64(0)
	for i := 1; i <= len(chain); i++ {
		<-c.put(map[string][]*delta{"example.test.": chain[max(0, i-10):i]})
		if i%100 != 0 {
			continue
		}
		list, _, err := s.read("example.test.")
		if err != nil || !slices.Equal(serials(list)[max(0, len(list)-10):], serials(chain[max(0, i-10):i])) {
			t.Fatalf("after %d: %v, %v", i, serials(list), err)
		}
		info, err := os.Stat(s.path("example.test."))
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	if largest > 1<<17 {
		t.Errorf("the file grew to %d octets", largest)
	}
	// What a failed write left behind is overwritten, and a file that somebody
	// took away is written anew.
	f, err := os.OpenFile(s.path("example.test."), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("half an entry")
	f.Close()
	other := []*delta{chain[0], chain[1]}
	<-c.put(map[string][]*delta{"example.test.": other})
	os.Remove(s.path("example.test."))
	other = append(other, chain[2])
	<-c.put(map[string][]*delta{"example.test.": other})
	if list, _, err := s.read("example.test."); err != nil || !slices.Equal(serials(list), []uint32{1, 2, 3}) {
		t.Errorf("%v, %v", serials(list), err)
	}
}

// TestClerkWithoutDisk: a disk that takes nothing is told of once, and does not
// keep anybody.
func TestClerkWithoutDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gone")
	var log lockedLog
	c := newClerk(shelf(dir), slog.New(slog.NewTextHandler(&log, nil)))
	stop, over := make(chan struct{}), make(chan struct{})
	go func() { c.run(stop); close(over) }()
	chain := history(t, 3)
	for i := 1; i <= 3; i++ {
		<-c.put(map[string][]*delta{"example.test.": chain[:i]})
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	<-c.put(map[string][]*delta{"example.test.": chain})
	close(stop)
	<-over
	if list, _, err := c.shelf.read("example.test."); err != nil || len(list) != 4 {
		t.Errorf("%v, %v", serials(list), err)
	}
	if n := strings.Count(log.String(), "journal not saved"); n != 1 || !strings.Contains(log.String(), "saved again") {
		t.Errorf("the log says so %d times:\n%s", n, &log)
	}
}

// TestJournalNames: each zone has a file of its own, whatever its name.
func TestJournalNames(t *testing.T) {
	t.Parallel()
	s, seen := shelf("d"), map[string]bool{}
	for _, origin := range []string{".", "example.test.", "0/25.2.0.192.in-addr.arpa.", "..%2f.", `a\.b.test.`, "a.b.test.", strings.Repeat("a.", 127), strings.Repeat("a.", 120) + "b."} {
		p := s.path(origin)
		if seen[p] || filepath.Dir(p) != "d" || len(filepath.Base(p)) > 250 || strings.HasPrefix(filepath.Base(p), ".") && origin != "." {
			t.Errorf("%s is at %s", origin, p)
		}
		seen[p] = true
	}
}
