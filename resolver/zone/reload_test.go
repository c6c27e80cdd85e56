package zone

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// A twin reads one file twice after each change: anew, and after the version
// before. Both must be the same to whoever asks.
type twin struct {
	config config.Zone
	zone   *Zone
	texts  []string
	edits  int // how often a change was put in by an edit
}

func (w *twin) files(text string) fstest.MapFS {
	return fstest.MapFS{"main": {Data: []byte(text)}, "part": {Data: []byte("in 60 A 192.0.2.1\n")}}
}

// differ changes the file and returns how the two readings differ.
func (w *twin) differ(text string, names []string) string {
	files := w.files(text)
	anew, ps1 := Parse(w.config, "ns.test.", files)
	after, ps2 := Reparse(w.zone, w.config, "ns.test.", files, func(int) {})
	w.texts = append(w.texts, text)
	if diff := cmp.Diff(ps1, ps2); diff != "" || (anew == nil) != (after == nil) {
		return fmt.Sprintf("problems (%v, %v):\n%s", anew != nil, after != nil, diff)
	}
	if anew == nil {
		return ""
	}
	if w.zone != nil {
		if g1, g2 := goneOf(w.zone, anew), goneOf(w.zone, after); g1 != g2 {
			return fmt.Sprintf("gone: %s, %s", g1, g2)
		}
		if after.plan.from == w.zone.plan.made {
			w.edits++
		}
	}
	w.zone = after
	if w.zone.plan.chunks == nil || w.zone.plan.size != smallChunk {
		r := &cutter{size: smallChunk, seed: newCutter().seed}
		w.zone, _ = parseAfter(nil, r, w.config, "ns.test.", files, func(int) {})
	}
	return different(anew, after, names)
}

const smallChunk = 60

// goneOf says what the guard would.
func goneOf(before, after *Zone) string {
	gone, of := NewSet([]*Zone{before}).Gone(NewSet([]*Zone{after}))
	return fmt.Sprint(gone, of)
}

// different compares two zones: what they say of themselves, all that their
// nodes know, and their answers.
func different(a, b *Zone, names []string) string {
	told := func(z *Zone) string { return fmt.Sprint(z.Name(), z.Names(), z.Records(), z.Serial(), z.owners) }
	na, nb := nodesOf(a), nodesOf(b)
	if diff := cmp.Diff(na, nb); diff != "" {
		return diff
	}
	if told(a) != told(b) {
		return fmt.Sprintf("%s, %s", told(a), told(b))
	}
	sa, sb := NewSet([]*Zone{a}).Snapshot(1, nil, nil), NewSet([]*Zone{b}).Snapshot(1, nil, nil)
	if ka, kb := sa.ContentKey(0, config.OnePool), sb.ContentKey(0, config.OnePool); ka != kb {
		return fmt.Sprintf("keys %x and %x", ka, kb)
	}
	for was, is := range sb.Changes(sa, 0, config.OnePool) {
		return fmt.Sprintf("%v changed to %v", was, is)
	}
	for _, name := range names {
		for _, typ := range oracleTypes {
			ma, _, _ := sa.Records(name, typ, netip.Addr{}, 0)
			mb, _, _ := sb.Records(name, typ, netip.Addr{}, 0)
			if ma.String() != mb.String() {
				return fmt.Sprintf("%s %s: %s\n%s", name, dns.Type(typ), ma, mb)
			}
		}
	}
	return ""
}

// nodesOf writes each node as a line, in the order of their names.
func nodesOf(z *Zone) (lines []string) {
	ref := func(n uint32) string {
		if n == 0 {
			return "-"
		}
		return presentation(z.arena[z.at(n).at:])
	}
	for i := range z.nodes {
		n := &z.nodes[i]
		if n.at <= tomb {
			continue
		}
		var sets bytes.Buffer
		for set := range z.each(n) {
			fmt.Fprintf(&sets, " %d×%d:%x", set.typ, set.count, set.body)
		}
		lines = append(lines, fmt.Sprintf("%s cut=%s star=%s group=%d kind=%d labels=%d kids=%d%s",
			presentation(z.arena[n.at:]), ref(n.cut), ref(n.star), n.group, n.kind, n.labels, z.plan.kids[i], sets.String()))
	}
	slices.Sort(lines)
	return lines
}

// A scribe writes a file of lines and changes it as people and programs do.
type scribe struct {
	pick   func(int) int
	lines  []string
	serial int
}

func (s *scribe) owner() string {
	n := ""
	for range 1 + s.pick(2) {
		n += []string{"a", "b", "c", "*", "A", "host17", "_tcp", "h" + fmt.Sprint(s.pick(40)), "h" + fmt.Sprint(s.pick(200)), "H" + fmt.Sprint(s.pick(200))}[s.pick(10)] + "."
	}
	return strings.TrimSuffix(n, ".")
}

// line returns one entry, which may be wrong.
func (s *scribe) line() string {
	o := s.owner()
	switch s.pick(24) {
	case 0:
		return o + " NS ns1." + o
	case 1:
		return o + " DNAME target." + s.owner()
	case 2:
		return o + " CNAME " + s.owner()
	case 3:
		return o + " MX 1 " + s.owner()
	case 4:
		return fmt.Sprintf("%s %d A 192.0.2.%d", o, s.pick(3), s.pick(4))
	case 5:
		return " TXT again"
	case 6:
		return "$TTL " + fmt.Sprint(60+s.pick(2))
	case 7:
		return "$ORIGIN " + []string{"example.test.", "a.example.test.", "@"}[s.pick(3)]
	case 8:
		return o + " TXT ( one ; comment ( \"\n\"two; 2\" )"
	case 9:
		return "; a comment"
	case 10:
		return "@ TXT apex" + fmt.Sprint(s.pick(3))
	case 11:
		return "$GENERATE 1-3 g$." + o + " A 192.0.2.$"
	case 12:
		if s.pick(12) == 0 {
			return []string{"$INCLUDE part", "x TXT (", "x BOGUS", "out.test. A 192.0.2.1", "@ 60 SOA a b 1 2 3 4 5", "x TXT \"", ")"}[s.pick(7)]
		}
		return ""
	default:
		return fmt.Sprintf("%s A 192.0.2.%d", o, s.pick(4))
	}
}

// change changes some lines.
func (s *scribe) change() {
	for range 1 + s.pick(3) {
		at := s.pick(len(s.lines) + 1)
		switch n := min(len(s.lines)-at, 1+s.pick(4)); s.pick(7) {
		case 0:
			s.lines = slices.Delete(s.lines, at, at+n)
		case 1:
			s.lines = slices.Insert(s.lines, at, s.lines[at:at+n]...)
		case 2:
			s.lines = append(s.lines, s.line())
		case 3, 4:
			if at < len(s.lines) {
				s.lines[at] = s.line()
			}
		default:
			s.lines = slices.Insert(s.lines, at, s.line())
		}
	}
	s.serial++
}

// text returns the file; its last line may lack its end.
func (s *scribe) text() string {
	head := fmt.Sprintf("$TTL 60\n@ SOA ns hm %d 2 3 4 60\n@ NS ns\n", s.serial)
	text := head + strings.Join(s.lines, "\n")
	if s.pick(4) > 0 {
		text += "\n"
	}
	if s.pick(12) == 0 {
		text = byteOrder + text
	}
	return text
}

// story changes one file some times, and returns how often by an edit, or what
// went wrong.
func story(pick func(int) int, changes int) (edits int, wrong string) {
	w := &twin{config: config.Zone{Name: "example.test.", File: "/zones/main", Max: 500}}
	if pick(2) == 0 {
		for _, name := range []string{"svc", "c.b", "a.c"} {
			w.config.Services = append(w.config.Services, config.Service{Name: name + ".example.test.", Alias: pick(2) == 0})
		}
	}
	s := &scribe{pick: pick}
	for range 10 + pick(120) {
		s.lines = append(s.lines, s.line())
		if _, ps := Parse(w.config, "ns.test.", w.files(s.text())); len(ps) > 0 {
			s.lines = s.lines[:len(s.lines)-1]
		}
	}
	var names []string
	for range 6 {
		names = append(names, s.owner()+".example.test.")
	}
	good := s.lines
	for range changes {
		if diff := w.differ(s.text(), names); diff != "" {
			return w.edits, diff + "\n" + strings.Join(w.texts[max(0, len(w.texts)-2):], "\n-----\n")
		}
		if w.zone == nil || w.zone.serial != uint32(s.serial) {
			s.lines = good // the file was refused: there must be a zone to go on with
		}
		good = slices.Clone(s.lines)
		s.change()
	}
	return w.edits, ""
}

// TestReparse tells stories of files that change, in which reading anew and
// reading after the version before must give the same.
func TestReparse(t *testing.T) {
	edits := 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		n, wrong := story(r.IntN, 12)
		if edits += n; wrong != "" {
			t.Fatalf("seed %d: %s", seed, wrong)
		}
	}
	if t.Logf("%d changes were put in by edits", edits); edits < 300 {
		t.Errorf("only %d changes were put in by edits", edits)
	}
}

// FuzzReparse is TestReparse with the stories that the fuzzer thinks of.
func FuzzReparse(f *testing.F) {
	f.Add([]byte("a story comes out of these octets, whatever they are"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		i := 0
		pick := func(n int) int {
			if i++; i > len(octets) {
				return i * 7 % n
			}
			return int(octets[i-1]) % n
		}
		if _, wrong := story(pick, 6); wrong != "" {
			t.Fatal(wrong)
		}
	})
}
