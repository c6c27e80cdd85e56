package zone

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/config"
)

// slips are what a hand that edits a file leaves in it by mistake, or puts
// there on purpose: what opens, closes, joins, hides or ends entries.
var slips = strings.Split("\n|\r|\r\n|\"|(|)|;|\\| |\t|$|@|*|a|.|1|\\\n|\n | ( |\n)|\x00|$TTL 61\n|$ORIGIN a\n|\" \"|\\034|\n\n| IN | 60 |b.|; a comment\n|", "|")

// slip changes text somewhere, whatever stands there.
func slip(pick func(int) int, text string) string {
	at := pick(len(text) + 1)
	switch pick(6) {
	case 0:
		return text[:at] + text[min(len(text), at+1+pick(3)):]
	case 1:
		return text[:at] + text[min(len(text), at+pick(80)):]
	case 2:
		to := pick(len(text) + 1)
		return text[:to] + text[at:min(len(text), at+pick(200))] + text[to:]
	case 3:
		lines := strings.SplitAfter(text, "\n")
		i, j := pick(len(lines)), pick(len(lines))
		lines[i], lines[j] = lines[j], lines[i]
		return strings.Join(lines, "")
	}
	return text[:at] + slips[pick(len(slips))] + text[at:]
}

// TestReparseOctets changes files octet by octet, at whatever borders lie
// there, with and without a new serial number.
func TestReparseOctets(t *testing.T) {
	edits, good := 0, 0
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 5))
		w := &twin{config: config.Zone{Name: "example.test.", File: "/zones/main", Max: 500}}
		if seed%2 == 0 {
			w.config.Services = []config.Service{{Name: "svc.example.test."}, {Name: "c.b.example.test.", Alias: true}}
		}
		s := &scribe{pick: r.IntN}
		for range 10 + r.IntN(60) {
			s.lines = append(s.lines, s.line())
			if _, ps := Parse(w.config, "ns.test.", w.files(s.text())); len(ps) > 0 {
				s.lines = s.lines[:len(s.lines)-1]
			}
		}
		names := []string{s.owner() + ".example.test.", s.owner() + ".a.example.test.", "c.b.example.test."}
		text := s.text()
		if r.IntN(3) == 0 {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		for last := text; len(w.texts) < 14; {
			if diff := w.differ(text, names); diff != "" {
				t.Fatalf("seed %d: %s\n%q", seed, diff, w.texts[max(0, len(w.texts)-2):])
			}
			if _, ps := Parse(w.config, "ns.test.", w.files(text)); len(ps) > 0 {
				text = last
			} else {
				good++
			}
			last = text
			for range 1 + r.IntN(3) {
				text = slip(r.IntN, text)
			}
		}
		edits += w.edits
	}
	if t.Logf("%d of %d files were good, %d came by edits", good, 24*14, edits); edits < 24 || good < 60 {
		t.Error("too few changes were of any use")
	}
}

// TestReparseComments: what changes no record changes no answer, and costs no
// reading of the rest.
func TestReparseComments(t *testing.T) {
	const base = "$TTL 60\n@ SOA ns hm 1 2 3 4 60\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n"
	for _, text := range []string{
		base + "; at the end\n",
		base + "\n\n",
		base + "; without an end of its line",
		base + "$TTL 61\n",
		base + "$ORIGIN a\n; and below it\n",
		"; in front\n" + base,
		strings.Replace(base, "\nwww", " ; behind\nwww", 1),
	} {
		w := &twin{config: config.Zone{Name: "example.test.", File: "/zones/main"}}
		for _, text := range slices.Concat([]string{base, text}, []string{base}) {
			if diff := w.differ(text, []string{"www.example.test.", "example.test."}); diff != "" {
				t.Errorf("%q: %s", text, diff)
			}
		}
		if w.edits != 2 {
			t.Errorf("%q: %d of 2 changes were edits", text, w.edits)
		}
	}
}
