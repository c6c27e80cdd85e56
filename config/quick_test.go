package config

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var compare = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b *regexp.Regexp) bool {
		return (a == nil) == (b == nil) && (a == nil || a.String() == b.String())
	}),
}

// twoRuns has lines in two zones that are read quickly, and between them all
// that ends a run.
const twoRuns = `pools:
  - {name: a, addresses: 192.0.2.1}
  - {name: b, cname: b.cdn.example.net}
policies: [{name: own, pools: [a], chain: [healthy]}, {name: stay, chain: [healthy, sticky]}]
zones:
  - name: example.com
    services:
      - {name: n0, pools: [a, {policy: own}, {pool: b, last_resort: true}], moves: 3}
      - {name: n1, pools: [b], policy: failover}
      - {name: "@", pools: [a, b], policy: weighted}
      - {name: "*.shop", pools: [a], ttl: 60s, ttl_min: 5s}
      - {name: n4, pools: [{pool: a, weight: 3}, b], policy: weighted}
      - {name: n5.example.com., pools: [a], flatten: true}
      - {name: n6, pools: [{policy: own, weight: 3, last_resort: false}, {pool: a}], policy: stay}
      - {name: n7, pools: [a]}
      - {name: n8, pools: [a]}
      - {name: c0, pools: [a]} # a comment
      - name: c1
        pools: [a]
      - {pools: [a], name: d0}
      - {name: d1, policy: failover, pools: [a]}
      - {name: d2, pools: [a]}
      - {name: d3, pools: [a]}
      - {name: d4, pools: [a]}
      - {name: d5, pools: [a]}
      - {name: d6, pools: [a]}
      - {name: d7, pools: [a]}
  - name: example.net
    services:
    - {name: n0, pools: [a, b]}
    - {name: n1, pools: [a, b]}
    - {name: n2, pools: [a, b]}
    - {name: n3, pools: [a, b]}
    - {name: n4, pools: [a, b]}
    - {name: n5, pools: [a, b]}
    - {name: n6, pools: [a, b]}
    - {name: n7, pools: [a, b]}
    max_records: 10
`

func TestQuickReadsRuns(t *testing.T) {
	_, runs := lift([]byte(twoRuns))
	var got []int
	for _, u := range runs {
		got = append(got, u.line, u.count)
	}
	if diff := cmp.Diff([]int{8, 9, 20, 8, 30, 8}, got); diff != "" {
		t.Errorf("lines and counts of the runs: want -, got +\n%s", diff)
	}
	cfg, err := Parse([]byte(twoRuns), "shunt.yaml", Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	slow, err := parseSlow(t, []byte(twoRuns))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slow, cfg, compare...); diff != "" {
		t.Errorf("slow -, quick +\n%s", diff)
	}
	if n := len(cfg.Zones[0].Services); n != 19 {
		t.Errorf("%d services", n)
	}
}

// Lines that look like services but stand in a text, in a comment-less list
// of something else, or below a mistake, mean what YAML says.
func TestQuickLooksAlike(t *testing.T) {
	lines := strings.Repeat("      - {name: n0, pools: [a]}\n", 10)
	for _, text := range []string{
		"monitors:\n  - name: a\n    tcp:\n      port: 1\n      send: |\n" + lines,
		"node:\n  name: \"x\n" + lines + "\"\n",
		"pools:\n" + lines,
		"zones:\n  - name: a\n    services:\n" + lines + "        - {name: deeper, pools: [a]}\n",
		"zones:\n  - name: a\n    services:\n" + lines,
		"zones:\n  - name: a\n    servces:\n" + lines,
		"zones:\n  - name: a\n    services: &s\n" + lines + "  - name: b\n    services: *s\n",
		"zones:\n  - services:\n" + lines,
		"zones:\n  - name: a\n    services:\n" + lines + "      - lines0\n",
		"zones:\n  - name: a\n    services:\n" + lines + "    ns: [",
		"zones:\n  - name: a\n    services:\n" + lines + "      more\n",
		"zones:\r\n  - name: a\r\n    services:\r\n" + strings.ReplaceAll(lines, "\n", "\r\n"),
	} {
		_, got := Parse([]byte(text), "shunt.yaml", Overrides{})
		_, want := parseSlow(t, []byte(text))
		if diff := cmp.Diff(errorText(want), errorText(got)); diff != "" {
			t.Errorf("%s\nslow -, quick +\n%s", text, diff)
		}
	}
}
