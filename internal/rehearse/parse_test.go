package rehearse

import (
	"strings"
	"testing"
)

const sound = `id: x
title: X
phases:
  - {at: 0m, for: 10m, target: cdn-a, plane: edge-http, fault: {kind: http_status, status: 500}}
`

// What is wrong in a scenario is said with its line, all of it at once.
func TestParseProblems(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		want []string // what the problems contain, one after the other
	}{
		{"sound", sound, nil},
		{"not YAML", "id: [", []string{"x.yaml:1: this is not YAML"}},
		{"empty", "", []string{"x.yaml:1: the scenario is empty"}},
		{"unknown key", sound + "color: red\n", []string{`x.yaml:5: a scenario has no key "color"`}},
		{"twice", sound + "title: Y\n", []string{`x.yaml:5: a scenario has the key "title" twice`}},
		{"lacks keys", "id: x\n", []string{"lacks the key title", "lacks the key phases"}},
		{"unknown plane", strings.Replace(sound, "edge-http", "edge-smtp", 1), []string{`x.yaml:4: there is no plane "edge-smtp"`}},
		{"unknown kind", strings.Replace(sound, "http_status", "teapot", 1), []string{`x.yaml:4: there is no kind of fault "teapot"`}},
		{"unknown parameter", strings.Replace(sound, "status: 500", "status: 500, colour: red", 1), []string{`x.yaml:4: a fault has no key "colour"`}},
		{"parameter of another kind", strings.Replace(sound, "status: 500", "status: 500, keep: 0.4", 1), []string{"x.yaml:4: a fault of kind http_status has no keep"}},
		{"parameter missing", strings.Replace(sound, ", status: 500", "", 1), []string{"x.yaml:4: a fault of kind http_status needs status"}},
		{"unknown target", strings.Replace(sound, "cdn-a", "moon", 1), []string{`x.yaml:4: the target "moon" stands for nothing`}},
		{"target without the plane", strings.Replace(sound, "cdn-a", "ns1", 1), []string{"x.yaml:4: ns1 is a node (ns1, ns2, …), and the plane edge-http is not one of its planes"}},
		{"ratio", strings.Replace(sound, "edge-http,", "edge-http, ratio: 95%,", 1), []string{`x.yaml:4: ratio must be a number from 0 to 1, not "95%"`}},
		{"duration", strings.Replace(sound, "10m", "10 minutes", 1), []string{`x.yaml:4: for must be a duration`}},
		{"flap without a period", strings.Replace(sound, "edge-http,", "edge-http, pattern: flap,", 1), []string{"x.yaml:4: a phase that flaps needs period and bad"}},
		{"period without flap", strings.Replace(sound, "edge-http,", "edge-http, period: 5m,", 1), []string{"x.yaml:4: period and bad need pattern: flap"}},
		{"unknown metric", sound + "expect:\n  - {metric: happiness, ge: 1}\n", []string{`x.yaml:6: there is no metric "happiness"`}},
		{"unknown alarm", sound + "expect:\n  - {metric: alarm_moon, eq: false}\n", []string{`x.yaml:6: there is no metric "alarm_moon"`}},
		{"share of nothing", sound + "expect:\n  - {metric: moon_share, ge: 1}\n", []string{`x.yaml:6: there is no metric "moon_share"`}},
		{"no comparison", sound + "expect:\n  - {metric: mode}\n", []string{"x.yaml:6: the expectation says nothing"}},
		{"two comparisons", sound + "expect:\n  - {metric: cdn_a_share, ge: 0, le: 1}\n", []string{"x.yaml:6: an expectation has one of eq, le and ge"}},
		{"words have no order", sound + "expect:\n  - {metric: mode, le: fail-open}\n", []string{`x.yaml:6: "fail-open" cannot be compared by le`}},
		{"unknown rule", sound + "never: [N0, sleep]\n", []string{`x.yaml:5: there is no never-rule "sleep"`}},
		{"all at once", "id: X Y\ntitle: t\nphases:\n  - {at: x, for: 1m, target: cdn-a, plane: edge-http, fault: {kind: none}}\nnever: [sleep]\n",
			[]string{"x.yaml:1: the id", "x.yaml:4: at must be", "x.yaml:5: there is no never-rule"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse("x.yaml", []byte(c.text))
			if c.want == nil {
				if err != nil || s == nil {
					t.Fatalf("got %v", err)
				}
				return
			}
			if s != nil || err == nil {
				t.Fatal("it was taken")
			}
			rest := err.Error()
			for _, w := range c.want {
				_, after, found := strings.Cut(rest, w)
				if !found {
					t.Fatalf("no %q in\n%v", w, err)
				}
				rest = after
			}
		})
	}
}

func TestN0StandsForItsRules(t *testing.T) {
	s, err := Parse("x.yaml", []byte(sound+"never: [N0]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Never) != len(standard()) {
		t.Errorf("N0 gave %d rules, want %d", len(s.Never), len(standard()))
	}
	for _, n := range s.Never {
		if !isNever(n.Rule) {
			t.Errorf("N0 stands for %s, which is no rule", n.Rule)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sound))
	all, err := library.ReadDir("library")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range all {
		text, err := library.ReadFile("library/" + e.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("x.yaml", text)
		if (s == nil) == (err == nil) {
			t.Fatalf("a scenario %v and the error %v", s != nil, err)
		}
	})
}
