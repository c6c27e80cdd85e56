package controller

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/placetest"
	"github.com/shunt-dns/shunt/resolver/zone"
)

const glanceConfig = `
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:5399"], control: shunt.sock}
pools:
  - {name: a, addresses: [192.0.2.1]}
  - {name: b, addresses: [192.0.2.2]}
  - {name: c, addresses: [192.0.2.3]}
zones:
  - name: example.test
    services:
      - {name: www, pools: [a, b]}
      - {name: shop, pools: [a, b]}
      - {name: plain, pools: [b, a]}
      - {name: alone, pools: [c]}
      - {name: lonely, pools: [c]}
`

// names writes a list as "www+1 plain!": names without their zone, how many
// others share the entry, and ! for one that fails open.
func (l List) names() string {
	var out []string
	for _, s := range l.Services {
		name := strings.TrimSuffix(s.Name, ".example.test.")
		if s.Alike > 0 {
			name += fmt.Sprintf("+%d", s.Alike)
		}
		if s.FailOpen {
			name += "!"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "shunt.yaml", glanceConfig)
	b := start(t, dir, "a+ b+ c-")
	for _, c := range []struct {
		want  Want
		list  string
		found int
	}{
		{Want{Most: 10}, "alone! lonely! www shop plain", 5},
		{Want{Most: 2}, "alone! lonely!", 5},
		{Want{Most: 2, From: 1}, "lonely! www", 5},
		{Want{Most: 2, From: 9}, "", 5},
		{Want{Most: 10, Together: true}, "alone+1! www+1 plain", 3},
		{Want{Most: 10, Text: "O"}, "alone! lonely! shop", 3},
		{Want{Most: 10, Text: "lonel", Together: true}, "lonely!", 1},
		{Want{Most: 10, Pool: "a"}, "www shop", 2},
		{Want{Most: 10, Like: "shop.example.test."}, "www shop", 2},
		{Want{Most: 10, Like: "none.example.test."}, "", 0},
		{Want{Most: 10, Trouble: true}, "alone! lonely!", 2},
		{Want{Text: "www"}, "", 1},
	} {
		l := b.List(c.want)
		if l.names() != c.list || l.Found != c.found || l.All != 5 {
			t.Errorf("%+v: %s, %d of %d; want %s, %d of 5", c.want, l.names(), l.Found, l.All, c.list, c.found)
		}
	}
	if l := b.List(Want{Most: 10, Text: "shop"}); l.Services[0].Like != "www.example.test." {
		t.Errorf("shop is counted under %s", l.Services[0].Like)
	}
	if s := b.Glance(); len(s.Services) > 0 || len(s.Pools) != 3 || s.Node != "ns1.example.test" {
		t.Errorf("at a glance: %+v", s)
	}
}

// Regions are the countries that are answered alike, most first: DE, US, and
// all others as those of whom nothing is known.
func TestRegions(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "shunt.yaml", placesConfig)
	placetest.Write(t, filepath.Join(dir, "country.mmdb"), "198.51.100.0/24 country=DE\n203.0.113.0/24 country=US\n")
	b := start(t, dir, "a+ b+ c+")
	say := func(name string) string {
		var out []string
		for _, r := range b.Regions(name) {
			countries := strings.Join(r.Countries, " ")
			if len(r.Countries) > 2 {
				countries = "others"
			}
			out = append(out, countries+":"+r.Shares[0].Pool)
		}
		return strings.Join(out, ", ")
	}
	if got, want := say("www.example.test."), "others:c, DE:a, US:b"; got != want && got != "others:c, US:b, DE:a" {
		t.Errorf("%s, want %s", got, want)
	}
	for _, name := range []string{"plain.example.test.", "none.example.test."} {
		if got := say(name); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	b.say("a- b+ c+")
	if got, want := say("www.example.test."), "others:c, US:b"; got != want {
		t.Errorf("without a: %s, want %s", got, want)
	}
}

// BenchmarkListOfTenThousand is one page of a list of 10,000 services.
func BenchmarkListOfTenThousand(b *testing.B) {
	var services strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&services, "      - {name: s%d, pools: [a, b], ttl: %ds}\n", i, 30+i%100)
	}
	path := filepath.Join(b.TempDir(), "shunt.yaml")
	text := strings.Replace(glanceConfig, "      - {name: alone", services.String()+"      - {name: alone", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cfg, err := config.Load(path, config.Overrides{})
	if err != nil {
		b.Fatal(err)
	}
	l, err := Load(cfg, nil)
	if err != nil {
		b.Fatal(err)
	}
	monitor := newFakeMonitor()
	monitor.say("a+ b+ c+")
	m := NewManual(l, Deps{Monitor: monitor, Log: slog.New(slog.DiscardHandler), Publish: func(*zone.Snapshot) {}})
	for b.Loop() {
		if l := m.List(Want{Text: "s9", Most: 50}); len(l.Services) != 50 {
			b.Fatal(l.Found)
		}
	}
}
