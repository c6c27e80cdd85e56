package zone

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// A ferret is one zone of the public set: what several servers of 2021
// answered from it.
type ferret struct {
	ID   int    `json:"id"`
	Zone string `json:"zone"`
	Q    []struct {
		Query    struct{ Name, Type string }
		Expected []struct {
			Servers  string `json:"Server/s"`
			Response []string
		} `json:"Expected Response"`
	} `json:"q"`
}

// recorded asks the questions of a set whose answers were recorded: each must
// agree with one of them.
func recorded(t *testing.T, file string) {
	asked, failed := 0, 0
	for _, c := range readFerrets(t, file) {
		z := parse(t, soaOwner(t, c.Zone), c.Zone)
		snap := NewSet([]*Zone{z}).Snapshot(1, nil, nil)
		for _, q := range c.Q {
			asked++
			got, agreed := ask(t, snap, q.Query.Name, q.Query.Type), false
			for _, e := range q.Expected {
				agreed = agreed || agrees(got, parseReply(t, e.Response))
			}
			if agreed {
				continue
			}
			if failed++; failed <= 10 {
				t.Errorf("case %d: %s %s\n%s\ngot\n%s\nwant %s\n%s", c.ID, q.Query.Name, q.Query.Type, c.Zone, got,
					q.Expected[0].Servers, strings.Join(q.Expected[0].Response, "\n"))
			}
		}
	}
	t.Logf("%s: %d of %d agree", file, asked-failed, asked)
	if asked == 0 || failed > 0 {
		t.Errorf("%s: %d of %d do not agree", file, failed, asked)
	}
}

func soaOwner(t *testing.T, text string) string {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); slices.Contains(f, "SOA") {
			return f[0]
		}
	}
	t.Fatalf("no SOA in\n%s", text)
	return ""
}

func readFerrets(t *testing.T, file string) (cases []ferret) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(zr).Decode(&cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// A dig is one reply as a set of lines a section.
type dig struct {
	rcode, flags                string
	answer, authority, addition []string
}

func (d dig) String() string {
	return fmt.Sprintf("%s %s\nAN %s\nNS %s\nAR %s", d.rcode, d.flags, strings.Join(d.answer, "\n   "),
		strings.Join(d.authority, "\n   "), strings.Join(d.addition, "\n   "))
}

// agrees compares as the set's authors do: sections as sets, authority only
// when there is no answer.
func agrees(got, want dig) bool {
	return got.rcode == want.rcode && got.flags == want.flags && slices.Equal(got.answer, want.answer) &&
		slices.Equal(got.addition, want.addition) && (len(want.answer) > 0 || slices.Equal(got.authority, want.authority))
}

func ask(t testing.TB, snap *Snapshot, name, typ string) dig {
	t.Helper()
	m, _, err := snap.Records(name, dns.StringToType[typ], netip.Addr{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := dig{rcode: dns.RcodeToString[m.Rcode], flags: "QR"}
	if m.Authoritative {
		d.flags += " AA"
	}
	if m.Truncated {
		d.flags += " TC"
	}
	d.answer, d.authority, d.addition = lines(m.Answer), lines(m.Ns), lines(m.Extra)
	return d
}

// lines returns records as a sorted set of lines.
func lines(rrs []dns.RR) (out []string) {
	for _, rr := range rrs {
		out = append(out, strings.ToLower(strings.Join(strings.Fields(rr.String()), " ")))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func parseReply(t *testing.T, text []string) (d dig) {
	var section *[]string
	for _, line := range text {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "rcode":
			d.rcode = rest
		case word == "flags":
			for _, f := range []string{"QR", "AA", "TC"} {
				if slices.Contains(strings.Fields(rest), f) {
					d.flags = strings.TrimSpace(d.flags + " " + f)
				}
			}
		case word == ";ANSWER":
			section = &d.answer
		case word == ";AUTHORITY":
			section = &d.authority
		case word == ";ADDITIONAL":
			section = &d.addition
		case word == ";QUESTION":
			section = nil
		case section != nil:
			rr, err := dns.NewRR(line)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			*section = append(*section, lines([]dns.RR{rr})...)
		}
	}
	for _, s := range []*[]string{&d.answer, &d.authority, &d.addition} {
		slices.Sort(*s)
		*s = slices.Compact(*s)
	}
	return d
}
