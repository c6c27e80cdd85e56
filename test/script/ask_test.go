package script

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// askCommands are dig, await and spread.
//
// After the arrow of dig and await stand the data of the answer's records, in
// any order; or, where it has none, the rcode, NODATA for NOERROR. Words with
// a plus go to the question as in dnstest.Ask, but these:
//
//	+tcp    asks over TCP
//	+all    the whole reply is compared, as dnstest.Line writes it
//	+ttl    each datum has its TTL before it, as 30:192.0.2.1
//
// Spread asks the question as often as the number behind it says, each time as
// another client network, and counts the answers.
func askCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"dig": func(ts *testscript.TestScript, neg bool, args []string) {
			question, want := arrow(ts, neg, args)
			if got := ask(ts, question); got != want {
				ts.Fatalf("%s → %s, want %s", strings.Join(question, " "), got, want)
			}
		},
		"await": func(ts *testscript.TestScript, neg bool, args []string) {
			question, want := arrow(ts, neg, args)
			got := ""
			if !within(patience, func() bool { got = ask(ts, question); return got == want }) {
				ts.Fatalf("%s → %s, and never %s", strings.Join(question, " "), got, want)
			}
		},
		"spread": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "spread")
			question, want := arrow(ts, neg, args)
			n, err := strconv.Atoi(question[len(question)-1])
			ts.Check(err)
			count := map[string]int{}
			question[len(question)-1] = ""
			for i := range n {
				question[len(question)-1] = fmt.Sprintf("+subnet=100.%d.%d.0/24", i>>8, i&255)
				count[ask(ts, question)]++
			}
			for word := range strings.FieldsSeq(want) {
				var low, high int
				answer, bounds, _ := strings.Cut(word, "=")
				if _, err := fmt.Sscanf(bounds, "%d-%d", &low, &high); err != nil {
					ts.Fatalf("spread: %q: %v", word, err)
				}
				if c := count[answer]; c < low || c > high {
					ts.Fatalf("%s came %d times of %d, want %s: %v", answer, c, n, bounds, count)
				}
				delete(count, answer)
			}
			if len(count) > 0 {
				ts.Fatalf("spread: and these came too: %v", count)
			}
		},
	}
}

// arrow splits "question → wanted". Wanted data are sorted, unless the whole
// reply is compared.
func arrow(ts *testscript.TestScript, neg bool, args []string) (question []string, want string) {
	i := slices.Index(args, "→")
	if neg || i < 1 {
		ts.Fatalf("usage: dig NAME [TYPE] [+WORD…] → DATA…")
	}
	want = strings.Join(args[i+1:], " ")
	if words := args[i+1:]; !slices.Contains(args[:i], "+all") {
		want = strings.Join(slices.Sorted(slices.Values(words)), " ")
	}
	return args[:i], want
}

// ask asks $DNS and writes the reply as the scripts do.
func ask(ts *testscript.TestScript, question []string) string {
	to, err := netip.ParseAddrPort(ts.Getenv("DNS"))
	ts.Check(err)
	ours := func(w string) bool { return w == "+tcp" || w == "+all" || w == "+ttl" }
	t := fatal{ts: ts}
	query := dnstest.Ask(t, strings.Join(slices.DeleteFunc(slices.Clone(question), ours), " "))
	var reply []byte
	if slices.Contains(question, "+tcp") {
		reply = dnstest.TCP(t, to, query)[0]
	} else {
		reply = dnstest.UDP(t, to, query)
	}
	if slices.Contains(question, "+all") {
		return dnstest.Line(reply)
	}
	return data(dnstest.Text(reply), slices.Contains(question, "+ttl"))
}

// data returns the answer's data from a reply as dnstest.Text writes it.
func data(text string, ttl bool) string {
	var found []string
	lines := strings.Split(text, "\n")
	for _, l := range lines {
		if f := strings.Fields(l); len(f) > 5 && f[0] == "an" {
			d := strings.Join(f[5:], " ")
			if ttl {
				d = f[2] + ":" + d
			}
			found = append(found, strings.Fields(d)...)
		}
	}
	rcode, _, _ := strings.Cut(lines[0], " ")
	switch {
	case rcode != "NOERROR":
		return rcode
	case len(found) == 0:
		return "NODATA"
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

// fatal is a testing.TB that fails a script.
type fatal struct {
	testing.TB
	ts *testscript.TestScript
}

func (f fatal) Helper()                           {}
func (f fatal) Fatal(args ...any)                 { f.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (f fatal) Fatalf(format string, args ...any) { f.ts.Fatalf(format, args...) }
