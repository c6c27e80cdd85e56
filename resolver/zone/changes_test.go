package zone

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// foreverKey is the key of contentsZone.
const foreverKey = "308afe2501dda5f025d47f33c9fc1c24"

// TestContentKey: the key is equal exactly while the content is.
func TestContentKey(t *testing.T) {
	steered := func(set *Set, answers string) (all []*Steered) {
		for range set.Groups() {
			all = append(all, Pack(given(answers)))
		}
		return all
	}
	type made struct {
		key   [16]byte
		lines string
	}
	var seen []made
	for _, text := range []string{
		contentsZone,
		strings.Replace(contentsZone, "hm 7", "hm 8", 1),
		strings.Replace(contentsZone, "hm 7 2", "hm 7 3", 1),
		strings.Replace(contentsZone, "*.wild 5", "*.wild 6", 1),
		strings.Replace(contentsZone, "192.0.2.25", "192.0.2.26", 1),
		strings.Replace(contentsZone, "Mail", "mail", 1),
		contentsZone + "more TXT x\n",
		contentsZone + "other TXT x\n",
		contentsZone + "more TXT x\nmore TXT y\n",
		contentsZone + "more TXT y\nmore TXT x\n",
		contentsZone + "more 30 A 192.0.2.1\n",
		contentsZone + "a A 192.0.2.1\nb A 192.0.2.2\n",
		contentsZone + "b A 192.0.2.1\na A 192.0.2.2\n",
	} {
		for _, names := range []string{"", "x", "x y", "y x", "y", "x more", "@", "@ x", "more"} {
			for _, answers := range []string{"", "a=192.0.2.1", "a=192.0.2.2,192.0.2.1", "a=192.0.2.1,192.0.2.2", "b*3=192.0.2.1", "a=192.0.2.1 b=192.0.2.2", "a=cdn.test."} {
				if strings.Contains(names, "more") && strings.Contains(text, "\nmore") || strings.Contains(names, "@") && strings.Contains(answers, ".test.") {
					continue
				}
				var ss []config.Service
				for i, n := range strings.Fields(names) {
					n = strings.TrimPrefix(n+".example.test.", "@.")
					ss = append(ss, config.Service{Name: n, TTL: 30 * time.Second, Moves: i * len(n), Pools: []config.Choice{{Pool: "a"}, {Pool: "b"}}})
				}
				z := parse(t, "example.test.", text, ss...)
				set := NewSet([]*Zone{parse(t, "other.test.", smallZone), z})
				snap := set.Snapshot(1, steered(set, answers), []uint32{0, 99})
				for _, c := range []config.Content{config.OnePool, config.AllPools} {
					seen = append(seen, made{snap.ContentKey(1, c), strings.Join(contents(t, snap, 1, c), "\n")})
				}
			}
		}
	}
	byLines, byKey := map[string][16]byte{}, map[[16]byte]string{}
	for _, m := range seen {
		if key, ok := byLines[m.lines]; ok && key != m.key {
			t.Fatalf("keys %x and %x of\n%s", key, m.key, m.lines)
		}
		if lines, ok := byKey[m.key]; ok && lines != m.lines {
			t.Fatalf("key %x of\n%s\nand\n%s", m.key, lines, m.lines)
		}
		byLines[m.lines], byKey[m.key] = m.key, m.lines
	}
	if len(byKey) < 150 || len(byKey) > len(seen)/2 {
		t.Errorf("%d contents of %d made: equal ones and others must be among them", len(byKey), len(seen))
	}
}

// TestContentKeyIsForever: a key outlives the process, so it must not change.
func TestContentKeyIsForever(t *testing.T) {
	snap := NewSet([]*Zone{parse(t, "example.test.", contentsZone)}).Snapshot(1, nil, nil)
	if got := fmt.Sprintf("%x", snap.ContentKey(0, config.OnePool)); got != foreverKey {
		t.Errorf("%s: every node that is upgraded would raise its serials", got)
	}
}

// TestChanges: what differs is yielded, whether answers, files or services
// changed.
func TestChanges(t *testing.T) {
	service := config.Service{Name: "www.example.test.", TTL: 30 * time.Second, Pools: []config.Choice{{Pool: "a"}}}
	set := func(z *Zone) *Set { return NewSet([]*Zone{parse(t, "other.test.", smallZone), z}) }
	cfg := config.Zone{Name: "example.test.", File: "/z", Services: []config.Service{service}, Max: 1000}
	file := func(text string) fstest.MapFS { return fstest.MapFS{"z": {Data: []byte(text)}} }
	old, ps := Parse(cfg, "ns.test.", file(contentsZone))
	edited, ps2 := Reparse(old, cfg, "ns.test.", file(strings.Replace(contentsZone, "192.0.2.25\n", "192.0.2.26\nnew A 192.0.2.1\n", 1)), func(int) {})
	anew := parse(t, "example.test.", strings.Replace(strings.Replace(contentsZone, "*.wild 5", "*.wild 6", 1), "any TYPE", "any2 TYPE", 1))
	if len(ps) > 0 || len(ps2) > 0 {
		t.Fatal(ps, ps2)
	}
	a, b := []*Steered{Pack(given("a=192.0.2.1"))}, []*Steered{Pack(given("a=192.0.2.1,2001:db8::1"))}
	for _, c := range []struct {
		what    string
		was, is *Snapshot
		want    int // RRsets that differ
	}{
		{"nothing", set(old).Snapshot(1, a, nil), set(old).Snapshot(2, a, []uint32{0, 3}), 0},
		{"an answer", set(old).Snapshot(1, a, nil), set(old).Snapshot(2, b, nil), 1},
		{"an answer that ends", set(old).Snapshot(1, b, nil), set(old).Snapshot(2, nil, nil), 2},
		{"a file", set(old).Snapshot(1, a, nil), set(edited).Snapshot(2, a, nil), 2},
		{"a file and an answer", set(old).Snapshot(1, b, nil), set(edited).Snapshot(2, a, nil), 3},
		{"the service went, and records", set(edited).Snapshot(1, a, nil), set(anew).Snapshot(2, nil, nil), 6},
		{"a zone that is new", NewSet([]*Zone{parse(t, "other.test.", smallZone)}).Snapshot(1, nil, nil), set(old).Snapshot(2, a, nil), 10},
	} {
		had := map[string]bool{}
		if len(c.was.set.zones) > 1 {
			for _, l := range contents(t, c.was, 1, config.OnePool)[1:] {
				had[l] = true
			}
		}
		n := 0
		for was, is := range c.is.Changes(c.was, 1, config.OnePool) {
			n++
			for _, l := range said(was) {
				if !had[l] {
					t.Errorf("%s: %q goes, and was not there", c.what, l)
				}
				delete(had, l)
			}
			for _, l := range said(is) {
				had[l] = true
			}
		}
		want := map[string]bool{}
		for _, l := range contents(t, c.is, 1, config.OnePool)[1:] {
			want[l] = true
		}
		if fmt.Sprint(had) != fmt.Sprint(want) || n != c.want {
			t.Errorf("%s: %d changes, want %d, lead to\n%v\nwant\n%v", c.what, n, c.want, had, want)
		}
		for range c.is.Changes(c.was, 1, config.OnePool) {
			break
		}
	}
}

// BenchmarkContentKey is what a flip costs for one zone of 100,000 records and
// three groups, once the zone was looked at.
func BenchmarkContentKey(b *testing.B) {
	snap := scene(b, 100_000)
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			snap.set.zones[0].digest.Store(nil)
			snap.ContentKey(0, config.OnePool)
		}
	})
	b.Run("flip", func(b *testing.B) {
		b.ReportAllocs()
		snap.ContentKey(0, config.OnePool)
		for b.Loop() {
			for _, st := range snap.steered {
				st.memos[0].Store(nil)
			}
			snap.ContentKey(0, config.OnePool)
		}
	})
}

// BenchmarkChanges compares two snapshots of 100,000 records of which one
// service moved.
func BenchmarkChanges(b *testing.B) {
	snap := scene(b, 100_000)
	steered := slices.Clone(snap.steered)
	steered[1] = Pack(given("a=192.0.2.77"))
	next := snap.set.Snapshot(2, steered, nil)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range next.Changes(snap, 0, config.OnePool) {
			n++
		}
		if n != 1 {
			b.Fatal(n)
		}
	}
}
