package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/providers/plan"
)

// aSet draws what may stand at a name.
func aSet(t *rapid.T, name string) []plan.RRset {
	var out []plan.RRset
	addr := func(typ string) plan.RRset {
		s := plan.RRset{Name: name, Type: typ, TTL: uint32(rapid.SampledFrom([]int{30, 60}).Draw(t, "ttl"))}
		for i := range rapid.IntRange(1, 3).Draw(t, "n") {
			s.Data = append(s.Data, map[string]string{"A": "192.0.2.%d", "AAAA": "2001:db8::%d"}[typ])
			s.Data[i] = fmt.Sprintf(s.Data[i], i+rapid.IntRange(1, 2).Draw(t, "host")*4)
		}
		slices.Sort(s.Data)
		s.Data = slices.Compact(s.Data)
		return s
	}
	switch rapid.IntRange(0, 3).Draw(t, "shape") {
	case 0:
		return []plan.RRset{{Name: name, Type: "CNAME", TTL: 30, Data: []string{fmt.Sprintf("cdn%d.example.net.", rapid.IntRange(1, 2).Draw(t, "cdn"))}}}
	case 1:
		out = append(out, addr("A"))
	case 2:
		out = append(out, addr("A"), addr("AAAA"))
	case 3:
		out = append(out, addr("AAAA"), plan.RRset{Name: name, Type: "HTTPS", TTL: 30, Data: []string{"1 ."}})
	}
	return out
}

// aZone draws wanted names, and what is there: nothing, what some older or
// newer plan left, or records of others.
func aZone(t *rapid.T) (wanted []plan.Wanted, is []plan.RRset) {
	for i := range rapid.IntRange(1, 6).Draw(t, "names") {
		name := fmt.Sprintf("n%d.%s", i, zone)
		w := plan.Wanted{Name: name, Stamp: uint64(rapid.IntRange(1, 20).Draw(t, "stamp")), Settled: rapid.Bool().Draw(t, "settled")}
		if w.Gone = rapid.IntRange(0, 4).Draw(t, "gone") == 0; !w.Gone {
			w.RRsets = aSet(t, name)
		}
		wanted = append(wanted, w)
		switch rapid.IntRange(0, 3).Draw(t, "there") {
		case 1: // ours
			there := aSet(t, name)
			is = append(is, there...)
			m := plan.Mark{Owner: "shunt", Node: "ns2", Stamp: uint64(rapid.IntRange(1, 20).Draw(t, "was"))}
			for _, s := range there {
				m.Types = append(m.Types, s.Type)
			}
			slices.Sort(m.Types)
			is = append(is, plan.RRset{Name: plan.MarkName(name, zone), Type: "TXT", TTL: 60, Data: []string{plan.Quote(m.String())}})
		case 2: // others'
			is = append(is, aSet(t, name)...)
		case 3: // beside it
			is = append(is, plan.RRset{Name: name, Type: "MX", TTL: 60, Data: []string{"10 mail.example.net."}})
		}
	}
	is = append(is, plan.RRset{Name: "foreign." + zone, Type: "A", TTL: 60, Data: []string{"192.0.2.250"}})
	return wanted, is
}

func at(is []plan.RRset, name string) (out []plan.RRset) {
	for _, s := range is {
		if s.Name == name {
			out = append(out, s)
		}
	}
	return out
}

func hasAnswer(is []plan.RRset, name string) bool {
	return slices.ContainsFunc(at(is, name), func(s plan.RRset) bool {
		return (s.Type == "A" || s.Type == "AAAA" || s.Type == "CNAME") && len(s.Data) > 0
	})
}

func markAt(is []plan.RRset, name string) (m plan.Mark) {
	for _, s := range at(is, plan.MarkName(name, zone)) {
		for _, d := range s.Data {
			text, _ := plan.TXT(d)
			m, _ = plan.ParseMark(text)
		}
	}
	return m
}

// TestPlans holds what every plan must hold.
func TestPlans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wanted, is := aZone(t)
		r := rules()
		if rapid.Bool().Draw(t, "adopt") {
			r.Adopt = func(string) bool { return true }
		}
		p := plan.Diff(wanted, is, r)
		held := map[string]bool{}
		for _, h := range p.Held {
			held[h.Name] = true
		}
		now := is
		for _, s := range p.Steps { // as an atomic provider takes it: a step at once
			had := map[string]bool{}
			for _, w := range wanted {
				had[w.Name] = hasAnswer(now, w.Name)
			}
			next, ok := plan.Apply(now, s.Changes)
			if !ok {
				t.Fatalf("the step of %s expects what is not there", s.Name)
			}
			for _, w := range wanted {
				if !w.Gone && had[w.Name] && !hasAnswer(next, w.Name) {
					t.Fatalf("%s had an answer, and the step of %s leaves it without one", w.Name, s.Name)
				}
			}
			now = next
		}
		for _, w := range wanted {
			before, after := at(is, w.Name), at(now, w.Name)
			for _, s := range before { // what is not steered stays, and what we never marked unless adopted
				ours := slices.Contains(markAt(is, w.Name).Types, s.Type)
				stays := slices.ContainsFunc(after, func(a plan.RRset) bool { return a.Type == s.Type && slices.Equal(a.Data, s.Data) })
				if (s.Type == "MX" || !ours && r.Adopt == nil) && !stays {
					t.Fatalf("%s %s of others was changed", s.Name, s.Type)
				}
			}
			if m := markAt(is, w.Name); m.Owner != "" && m.Stamp > w.Stamp && !slices.EqualFunc(before, after, func(a, b plan.RRset) bool { return a.Type == b.Type && slices.Equal(a.Data, b.Data) }) {
				t.Fatalf("%s follows the stamp %d, and a plan of %d changed it", w.Name, m.Stamp, w.Stamp)
			}
			if held[w.Name] || w.Gone {
				continue
			}
			for _, want := range w.RRsets {
				if !slices.ContainsFunc(after, func(a plan.RRset) bool {
					return a.Type == want.Type && a.TTL == want.TTL && slices.Equal(a.Data, want.Data)
				}) {
					t.Fatalf("%s %s is not as wanted: %+v", w.Name, want.Type, after)
				}
			}
			for _, a := range after {
				if slices.Contains([]string{"A", "AAAA", "CNAME"}, a.Type) && slices.Contains(markAt(is, w.Name).Types, a.Type) && !slices.ContainsFunc(w.RRsets, func(x plan.RRset) bool { return x.Type == a.Type }) {
					t.Fatalf("%s %s of ours is left over", w.Name, a.Type)
				}
			}
		}
		if got := at(now, "foreign."+zone); len(got) != 1 {
			t.Fatal("records of others were touched")
		}
		if again := plan.Diff(wanted, now, r); len(again.Steps) != 0 {
			t.Fatalf("once in step there is still to do: %s", told(again))
		}
	})
}

// TestTwoEnactors is the race that took DynamoDB down on 2025-10-20: an enactor
// with an old plan is slow, a newer plan is applied by another and cleaned up
// after, and then the old one goes on. Nothing that it still wants to do is
// possible, at a provider that compares, and nothing is planned where it reads
// anew.
func TestTwoEnactors(t *testing.T) {
	old := []plan.Wanted{{Name: absolute("www"), RRsets: sets(t, "www A 192.0.2.1"), Stamp: 100}}
	is := append(sets(t, "www A 192.0.2.9"), mark(t, "www", "50 A")...)
	slow := plan.Diff(old, is, rules())
	if told(slow) != "mark 100 A; ~www A 192.0.2.1" {
		t.Fatal(told(slow))
	}

	apply := func(w plan.Wanted) {
		t.Helper()
		after, ok := plan.Apply(is, plan.Merge(plan.Diff([]plan.Wanted{w}, is, rules()).Steps))
		if !ok {
			t.Fatal("the newer plan does not fit")
		}
		is = after
	}
	for _, newer := range []plan.Wanted{
		{Name: absolute("www"), RRsets: sets(t, "www A 192.0.2.2"), Stamp: 200},
		{Name: absolute("www"), RRsets: sets(t, "www A 192.0.2.9"), Stamp: 210}, // as it was: only the mark tells
		{Name: absolute("www"), Gone: true, Stamp: 300},
	} {
		apply(newer)
		if _, ok := plan.Apply(is, plan.Merge(slow.Steps)); ok {
			t.Errorf("the old plan is applied after that of stamp %d", newer.Stamp)
		}
		if again := plan.Diff(old, is, rules()); len(again.Steps) != 0 || len(again.Held) != 1 {
			t.Errorf("after the stamp %d the old decision is planned again: %s", newer.Stamp, told(again))
		}
	}
	if len(at(is, absolute("www"))) != 0 {
		t.Error("what was cleaned up stands there")
	}
}

// manyNames are n services of which each is moved.
func manyNames(n int) (wanted []plan.Wanted, is []plan.RRset) {
	for i := range n {
		name := fmt.Sprintf("n%07d.%s", i, zone)
		wanted = append(wanted, plan.Wanted{Name: name, Stamp: 9, RRsets: []plan.RRset{{Name: name, Type: "A", TTL: 30, Data: []string{"192.0.2.1"}}}})
		m := plan.Mark{Owner: "shunt", Node: "ns1", Stamp: 8, Types: []string{"A"}}
		is = append(is, plan.RRset{Name: name, Type: "A", TTL: 30, Data: []string{"192.0.2.2"}},
			plan.RRset{Name: plan.MarkName(name, zone), Type: "TXT", TTL: 60, Data: []string{plan.Quote(m.String())}})
	}
	return wanted, is
}

// BenchmarkDiff plans 100,000 records: 50,000 names that all move, and their
// marks.
func BenchmarkDiff(b *testing.B) {
	wanted, is := manyNames(50_000)
	for b.Loop() {
		if p := plan.Diff(wanted, is, rules()); len(p.Steps) != 50_000 {
			b.Fatal(len(p.Steps))
		}
	}
}
