package plan_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/providers/plan"
)

const zone = "example.com."

// sets reads "www A 192.0.2.1,192.0.2.2; www HTTPS …": names are relative to
// the zone, TTLs 30.
func sets(t testing.TB, text string) []plan.RRset {
	t.Helper()
	var out []plan.RRset
	for part := range strings.SplitSeq(text, ";") {
		f := strings.SplitN(strings.TrimSpace(part), " ", 3)
		if len(f) < 3 {
			continue
		}
		data := strings.Split(f[2], ",")
		if f[1] == "TXT" || f[1] == "HTTPS" {
			data = []string{f[2]}
		}
		s, err := plan.New(absolute(f[0]), f[1], 30, data)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func absolute(name string) string {
	if name == "@" {
		return zone
	}
	return name + "." + zone
}

// mark reads "7 A+AAAA", "7 A gone", "7 A of other" as the mark of name.
func mark(t testing.TB, name, text string) []plan.RRset {
	t.Helper()
	if text == "" {
		return nil
	}
	f := strings.Fields(text)
	stamp, err := strconv.ParseUint(f[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	m := plan.Mark{Owner: "shunt", Node: "ns2", Stamp: stamp, Types: strings.Split(f[1], "+"), Gone: strings.Contains(text, "gone")}
	if strings.Contains(text, "of other") {
		m.Owner = "other"
	}
	s, err := plan.New(plan.MarkName(absolute(name), zone), "TXT", 60, []string{plan.Quote(m.String())})
	if err != nil {
		t.Fatal(err)
	}
	return []plan.RRset{s}
}

// told writes a plan as people would: what happens to each set, in order.
func told(p *plan.Plan) string {
	var out []string
	for _, s := range p.Steps {
		for i, c := range s.Changes {
			out = append(out, toldChange(s, i, c))
		}
	}
	for _, h := range p.Held {
		out = append(out, "held: "+h.Why)
	}
	if p.Drift > 0 {
		out = append(out, fmt.Sprintf("drift %d", p.Drift))
	}
	return strings.Join(out, "; ")
}

func toldChange(s plan.Step, i int, c plan.Change) string {
	if i == s.Mark && c.After != nil {
		for _, data := range c.After.Data {
			text, _ := plan.TXT(data)
			if m, ok := plan.ParseMark(text); ok {
				gone := map[bool]string{true: " gone"}[m.Gone]
				return fmt.Sprintf("mark %d %s%s", m.Stamp, strings.Join(m.Types, "+"), gone)
			}
		}
	}
	set := c.Set()
	line := strings.TrimSuffix(strings.TrimSuffix(set.Name, zone), ".") + " " + set.Type + " " + strings.Join(set.Data, ",")
	switch {
	case c.After == nil && i == s.Mark:
		return "unmark"
	case c.After == nil:
		return "-" + line
	case c.Before == nil:
		return "+" + line
	}
	return "~" + line
}

func rules() plan.Rules {
	return plan.Rules{Zone: zone, Owner: "shunt", Node: "ns1", TTL: 60, Repair: true, Now: 1000}
}

// TestDiff is the truth table of Diff, row by row, for the name www at the
// stamp 9.
func TestDiff(t *testing.T) {
	for _, c := range []struct{ what, mark, there, wanted, how, want string }{
		{"a new name is marked and made", "", "", "www A 192.0.2.1; www AAAA 2001:db8::1", "", "mark 9 A+AAAA; +www A 192.0.2.1; +www AAAA 2001:db8::1"},
		{"others' records beside it are no matter", "", "www TXT hello; www MX 10 mail.example.net.", "www A 192.0.2.1", "", "mark 9 A; +www A 192.0.2.1"},
		{"others' records are not taken over", "", "www A 192.0.2.9", "www A 192.0.2.1", "", "held: A records of others stand there: name it under adopt to take them over"},
		{"not even equal ones", "", "www A 192.0.2.1", "www A 192.0.2.1", "", "held: A records of others stand there: name it under adopt to take them over"},
		{"unless that is said", "", "www A 192.0.2.9", "www A 192.0.2.1", "adopt", "mark 9 A; ~www A 192.0.2.1"},
		{"equal ones need a mark", "", "www A 192.0.2.1", "www A 192.0.2.1", "adopt", "mark 9 A"},
		{"a CNAME of others is in the way of addresses", "", "www CNAME a.example.net.", "www A 192.0.2.1", "", "held: CNAME records of others stand there: name it under adopt to take them over"},
		{"and goes first when adopted", "", "www CNAME a.example.net.", "www A 192.0.2.1", "adopt", "mark 9 A+CNAME; -www CNAME a.example.net.; +www A 192.0.2.1"},
		{"nothing is done for a name of others that is gone", "", "www A 192.0.2.1", "", "gone", ""},
		{"another's mark is respected", "5 A of other", "www A 192.0.2.9", "www A 192.0.2.1", "adopt", "held: it is marked as other's"},

		{"in step", "9 A", "www A 192.0.2.1", "www A 192.0.2.1", "", ""},
		{"an older mark is renewed", "8 A", "www A 192.0.2.1", "www A 192.0.2.1", "", "mark 9 A"},
		{"another address", "8 A", "www A 192.0.2.9", "www A 192.0.2.1", "", "mark 9 A; ~www A 192.0.2.1"},
		{"made before deleted", "8 AAAA", "www AAAA 2001:db8::1", "www A 192.0.2.1", "", "mark 9 A+AAAA; +www A 192.0.2.1; -www AAAA 2001:db8::1"},
		{"a CNAME replaces addresses: they go first, HTTPS before them", "8 A+HTTPS", "www A 192.0.2.9; www HTTPS 1 .", "www CNAME a.example.net.", "", "mark 9 A+CNAME+HTTPS; -www HTTPS 1 .; -www A 192.0.2.9; +www CNAME a.example.net."},
		{"addresses replace a CNAME: answers come first", "8 CNAME", "www CNAME a.example.net.", "www HTTPS 1 .; www A 192.0.2.1", "", "mark 9 A+CNAME+HTTPS; -www CNAME a.example.net.; +www A 192.0.2.1; +www HTTPS 1 ."},
		{"a CNAME cannot stand beside MX of others", "8 A", "www A 192.0.2.9; www MX 10 mail.example.net.", "www CNAME a.example.net.", "adopt", "held: MX records of others stand there, beside which a CNAME may not (RFC 1034 §3.6.2): write flatten: true"},
		{"HTTPS of others stays", "8 A", "www A 192.0.2.9; www HTTPS 1 .", "www A 192.0.2.1", "", "mark 9 A; ~www A 192.0.2.1"},
		{"HTTPS of others is in the way of ours", "8 A", "www A 192.0.2.9; www HTTPS 1 .", "www A 192.0.2.1; www HTTPS 2 .", "", "held: HTTPS records of others stand there: name it under adopt to take them over"},

		{"a half-made push goes on", "9 A", "www A 192.0.2.9", "www A 192.0.2.1", "", "~www A 192.0.2.1"},
		{"what was to go still goes", "9 A+AAAA", "www A 192.0.2.1; www AAAA 2001:db8::1", "www A 192.0.2.1", "", "-www AAAA 2001:db8::1"},
		{"what has gone is no matter", "9 A+AAAA", "www A 192.0.2.1", "www A 192.0.2.1", "", ""},
		{"and is out of the mark with the next change", "8 A+AAAA", "www A 192.0.2.9", "www A 192.0.2.1", "", "mark 9 A; ~www A 192.0.2.1"},
		{"drift is repaired", "9 A", "www A 192.0.2.9", "www A 192.0.2.1", "settled", "~www A 192.0.2.1; drift 1"},
		{"drift that is a deletion", "9 A", "", "www A 192.0.2.1", "settled", "+www A 192.0.2.1; drift 1"},
		{"drift is shown", "9 A", "www A 192.0.2.9", "www A 192.0.2.1", "settled report", "drift 1"},
		{"a newer decision is no drift", "8 A", "www A 192.0.2.9", "www A 192.0.2.1", "settled report", "mark 9 A; ~www A 192.0.2.1"},

		{"newer records stay", "12 A", "www A 192.0.2.9", "www A 192.0.2.1", "adopt", "held: ns2 wrote newer records there"},
		{"newer records that are the same are fine", "12 A", "www A 192.0.2.1", "www A 192.0.2.1", "", ""},
		{"what newly went does not come back", "12 A gone", "", "www A 192.0.2.1", "adopt", "held: ns2 wrote newer records there"},
		{"what went earlier does", "8 A gone", "", "www A 192.0.2.1", "", "mark 9 A; +www A 192.0.2.1"},

		{"what is gone goes, and its mark says so first", "8 A+HTTPS", "www A 192.0.2.9; www HTTPS 1 .; www TXT hello", "", "gone", "mark 9 A+HTTPS gone; -www A 192.0.2.9; -www HTTPS 1 ."},
		{"half gone", "9 A gone", "www A 192.0.2.9", "", "gone", "-www A 192.0.2.9"},
		{"gone", "9 A gone", "", "", "gone", ""},
		{"gone for a day", "9 A gone", "", "", "gone tomorrow", "unmark"},
		{"newer than gone", "12 A", "www A 192.0.2.9", "", "gone", "held: ns2 wrote newer records there"},

		{"nothing to answer with changes nothing", "8 A", "www A 192.0.2.9", "", "", "held: there is nothing to answer with"},
		{"HTTPS alone answers nothing", "8 A", "www A 192.0.2.9", "www HTTPS 1 .", "", "held: there is nothing to answer with"},
	} {
		r := rules()
		r.Repair = !strings.Contains(c.how, "report")
		if strings.Contains(c.how, "adopt") {
			r.Adopt = func(string) bool { return true }
		}
		if strings.Contains(c.how, "tomorrow") {
			r.Now = 25 * 60 * 60 * 1000
		}
		w := plan.Wanted{Name: absolute("www"), RRsets: sets(t, c.wanted), Stamp: 9, Gone: strings.Contains(c.how, "gone"), Settled: strings.Contains(c.how, "settled")}
		is := append(sets(t, c.there), mark(t, "www", c.mark)...)
		if got := told(plan.Diff([]plan.Wanted{w}, is, r)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
	}
}

// TestStamps is the truth table of the stamp that a decision counts with.
func TestStamps(t *testing.T) {
	for _, c := range []struct {
		what        string
		stamp       uint64
		fresh       bool
		patient     bool // the process is young
		mark, there string
		want        string
	}{
		{"no memory, as wanted", 0, true, false, "5 A", "www A 192.0.2.1", ""},
		{"no memory, otherwise", 0, true, false, "5 A", "www A 192.0.2.9", "mark 40 A; ~www A 192.0.2.1"},
		{"no memory, a mark of a clock that is ahead", 0, true, false, "77 A", "www A 192.0.2.9", "mark 78 A; ~www A 192.0.2.1"},
		{"no memory, nothing there", 0, true, false, "", "", "mark 40 A; +www A 192.0.2.1"},
		{"started again, as wanted", 4, true, false, "5 A", "www A 192.0.2.1", ""},
		{"started again, otherwise", 4, true, false, "5 A", "www A 192.0.2.9", "mark 40 A; ~www A 192.0.2.1"},
		{"looked there since", 4, false, false, "5 A", "www A 192.0.2.9", "held: ns2 wrote newer records there"},
		{"above the mark", 6, true, false, "5 A", "www A 192.0.2.1", "mark 6 A"},
		{"just started, as wanted", 4, true, true, "5 A", "www A 192.0.2.1", ""},
		{"just started, otherwise", 4, true, true, "5 A", "www A 192.0.2.9", "held: ns2 wrote newer records there"},
		{"just started, no memory, otherwise", 0, true, true, "5 A", "www A 192.0.2.9", "held: ns2 wrote newer records there"},
		{"just started, no memory, nothing there", 0, true, true, "", "", "mark 40 A; +www A 192.0.2.1"},
		{"just started, decided since", 6, true, true, "5 A", "www A 192.0.2.9", "mark 6 A; ~www A 192.0.2.1"},
	} {
		r := rules()
		r.Next, r.Patient = 40, c.patient
		w := plan.Wanted{Name: absolute("www"), RRsets: sets(t, "www A 192.0.2.1"), Stamp: c.stamp, Fresh: c.fresh}
		p := plan.Diff([]plan.Wanted{w}, append(sets(t, c.there), mark(t, "www", c.mark)...), r)
		if got := told(p); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
		for _, s := range p.Steps {
			if stamp, ok := p.Stamps[s.Name]; ok && stamp != s.Stamp || !ok && s.Stamp != c.stamp {
				t.Errorf("%s: the step has stamp %d, the plan says %d", c.what, s.Stamp, stamp)
			}
		}
	}
}

// TestDiffOrder: names are made and changed before others go, and texts of
// others beside a mark stay.
func TestDiffOrder(t *testing.T) {
	is := append(sets(t, "a A 192.0.2.1; b A 192.0.2.1"), mark(t, "a", "5 A")...)
	m := mark(t, "b", "5 A")
	m[0].Data = append(m[0].Data, `"zz of others"`)
	is = append(is, m...)
	p := plan.Diff([]plan.Wanted{
		{Name: absolute("a"), Gone: true, Stamp: 9},
		{Name: absolute("b"), RRsets: sets(t, "b A 192.0.2.2"), Stamp: 8},
		{Name: absolute("c"), RRsets: sets(t, "c A 192.0.2.3"), Stamp: 7},
	}, is, rules())
	want := "mark 8 A; ~b A 192.0.2.2; mark 7 A; +c A 192.0.2.3; mark 9 A gone; -a A 192.0.2.1"
	if got := told(p); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if after := p.Steps[0].Changes[0].After; len(after.Data) != 2 || after.Data[1] != `"zz of others"` {
		t.Errorf("the text of others beside the mark: %v", after.Data)
	}
	if p.Newest != 5 {
		t.Errorf("the newest stamp is %d", p.Newest)
	}
}

// TestMarks: marks stand beside their names, and are read as they were written.
func TestMarks(t *testing.T) {
	for name, want := range map[string]string{
		"www.example.com.":           "_shunt-www.example.com.",
		"example.com.":               "_shunt.example.com.",
		"*.shop.example.com.":        "_shunt-_any.shop.example.com.",
		`a\.b.example.com.`:          `_shunt-a\.b.example.com.`,
		"deep.sub.zone.example.com.": "_shunt-deep.sub.zone.example.com.",
	} {
		if got := plan.MarkName(name, zone); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, n := range []int{56, 57, 63} {
		got, other := plan.MarkName(strings.Repeat("x", n)+".sub.example.com.", zone), plan.MarkName(strings.Repeat("x", n-1)+"y.sub.example.com.", zone)
		if label, rest, _ := strings.Cut(got, "."); len(label) > 63 || rest != "sub.example.com." || got == other {
			t.Errorf("%d octets: %s and %s", n, got, other)
		}
	}
	m := plan.Mark{Owner: "shunt", Node: "ns1.example.net", Stamp: 1763801110123, Types: []string{"A", "AAAA"}, Gone: true}
	if got, ok := plan.ParseMark(m.String() + ",later=x"); !ok || got.String() != m.String() {
		t.Errorf("%s is read as %s", m, got)
	}
	for _, text := range []string{"", "heritage=external-dns,external-dns/owner=x", "heritage=shunt,owner=x", "heritage=shunt,owner=x,stamp=z", "heritage=shunt,stamp=1"} {
		if m, ok := plan.ParseMark(text); ok {
			t.Errorf("%q is taken for the mark %s", text, m)
		}
	}
}

// TestFit is the table of what a zone can hold.
func TestFit(t *testing.T) {
	for _, c := range []struct {
		what        string
		limits      plan.Limits
		given, want string
	}{
		{"no limits", plan.Limits{Types: []string{"HTTPS"}}, "www A 192.0.2.1; www HTTPS 1 .", "www A 30 www HTTPS 30"},
		{"the lowest TTL", plan.Limits{MinTTL: 60}, "www A 192.0.2.1", "www A 60"},
		{"TTLs that may be", plan.Limits{TTLs: []uint32{10, 20, 120, 300}}, "www A 192.0.2.1", "www A 120"},
		{"the longest", plan.Limits{TTLs: []uint32{10, 20}}, "www A 192.0.2.1", "www A 20"},
		{"no HTTPS", plan.Limits{}, "www A 192.0.2.1; www HTTPS 1 .", "www A 30 left: HTTPS records of www.example.com. cannot be held there"},
		{"no alias", plan.Limits{}, "@ CNAME a.example.net.", "left: the apex example.com. cannot hold a CNAME there (RFC 1034 §3.6.2)"},
		{"alias", plan.Limits{Alias: true}, "@ CNAME a.example.net.; www CNAME a.example.net.", "@ ALIAS 30 www CNAME 30"},
	} {
		fit, left := c.limits.Fit(zone, sets(t, c.given))
		var got []string
		for _, s := range fit {
			name := strings.TrimSuffix(strings.TrimSuffix(s.Name, zone), ".")
			if name == "" {
				name = "@"
			}
			got = append(got, fmt.Sprint(name, " ", s.Type, " ", s.TTL))
		}
		for _, l := range left {
			got = append(got, "left: "+l)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", c.what, strings.Join(got, " "), c.want)
		}
	}
}

// TestCaps: too many changes and deletions are refused with the list of names;
// what is replaced is no deletion.
func TestCaps(t *testing.T) {
	step := func(name string, deletes bool) plan.Step { return plan.Step{Name: name, Deletes: deletes} }
	p := &plan.Plan{Steps: []plan.Step{step("a.", false), step("b.", true), step("c.", true)}}
	for _, c := range []struct {
		caps plan.Caps
		want string
	}{
		{plan.Caps{Changes: 3, Deletes: 2}, ""},
		{plan.Caps{Changes: 3, Deletes: 1}, "2 names would be deleted, more than 1 (b., c.)"},
		{plan.Caps{Changes: 2, Deletes: 2}, "3 names would change, more than 2 (a., b., c.)"},
	} {
		if got := c.caps.Refuse([]*plan.Plan{p}); got != c.want {
			t.Errorf("%+v: %q, want %q", c.caps, got, c.want)
		}
	}
	if got := (plan.Caps{Changes: 1, Deletes: 0}).Refuse([]*plan.Plan{{Steps: p.Steps[:1]}, {Steps: p.Steps[:1]}}); !strings.HasPrefix(got, "2 names") {
		t.Errorf("the zones of a run do not count together: %q", got)
	}
}

// TestBatches: steps stay whole.
func TestBatches(t *testing.T) {
	step := func(n int) plan.Step { return plan.Step{Changes: make([]plan.Change, n)} }
	steps := []plan.Step{step(2), step(2), step(3), step(9), step(1)}
	for most, want := range map[int]string{0: "1 1 1 1 1", 4: "2 1 1 1", 5: "2 1 1 1", 100: "5"} {
		var got []string
		for _, b := range plan.Batches(steps, most) {
			got = append(got, strconv.Itoa(len(b)))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("at most %d: %v, want %s", most, got, want)
		}
	}
}
