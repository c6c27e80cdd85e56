package controller

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/placetest"
	"github.com/shunt-dns/shunt/resolver/place"
	"github.com/shunt-dns/shunt/resolver/steer"
)

const placesConfig = `
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:5399"], control: shunt.sock}
places: {databases: [country.mmdb]}
pools:
  - {name: a, addresses: [192.0.2.1]}
  - {name: b, addresses: [192.0.2.2]}
  - {name: c, addresses: [192.0.2.3]}
policies:
  - name: placed
    chain:
      - healthy
      - prefer:
          lists:
            - {places: [DE], pools: [a, c]}
            - {places: [US], pools: [b, c]}
            - default: [c]
      - first: 1
zones:
  - name: example.test
    services:
      - {name: www, pools: [a, b, c], policy: placed}
      - {name: shop, pools: [a, b, c], policy: placed, ttl: 60s}
      - {name: plain, pools: [a, b, c]}
      - {name: few, pools: [c, b], policy: placed}
`

// soon looks for changed databases often.
func soon(c *Controller) { c.placesEvery = 10 * time.Millisecond }

// from checks what a client of addr is answered.
func (b *bench) from(addr, name, want string) {
	b.Helper()
	e, err := b.Explain(name, "A", Asker{Addr: netip.MustParseAddr(addr)})
	if err != nil {
		b.Fatal(err)
	}
	if len(e.Answer) != 1 || !strings.HasSuffix(e.Answer[0], " "+want) || len(e.Shares) != 1 {
		b.Errorf("%s asks for %s: %q, want %s (%s)", addr, name, e.Answer, want, e.Why)
	}
}

// until waits for ok.
func (b *bench) until(what string, ok func() bool) {
	b.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("never: %s", what)
		}
	}
}

// Answers differ by place, groups that see the same of places share one map,
// and others have none.
func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "shunt.yaml", placesConfig)
	placetest.Write(t, filepath.Join(dir, "country.mmdb"), "198.51.100.0/24 country=DE\n203.0.113.0/24 country=US\n2001:db8::/32 country=US\n")
	b := start(t, dir, "a+ b+ c+")
	b.from("198.51.100.7", "www.example.test", "192.0.2.1")
	b.from("203.0.113.7", "www.example.test", "192.0.2.2")
	b.from("10.0.0.1", "www.example.test", "192.0.2.3")
	b.from("203.0.113.7", "plain.example.test", "192.0.2.1")
	b.say("a- b+ c+")
	b.from("198.51.100.7", "www.example.test", "192.0.2.3")
	b.from("203.0.113.7", "www.example.test", "192.0.2.2")
	g := b.view.Load().groups
	if len(g) != 4 || g[0].places.of == nil || g[0].places.of != g[1].places.of || g[2].places.of != nil || g[3].places.of != g[0].places.of {
		t.Errorf("%d groups; maps are not shared as they should be", len(g))
	}
	s := b.Status().Services[0]
	if s.Places != 3 || !slices.Equal(s.Answering, []string{"c", "b"}) {
		t.Errorf("status: %d places, answering %v", s.Places, s.Answering)
	}
}

// A database that is replaced comes into force by itself; one that cannot be
// used changes nothing and is told of, and the next whole one ends that.
func TestPlacesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "country.mmdb")
	writeFile(t, dir, "shunt.yaml", placesConfig)
	placetest.Write(t, path, "198.51.100.0/24 country=DE\n")
	b := start(t, dir, "a+ b+ c+", soon)
	b.from("198.51.100.7", "www.example.test", "192.0.2.1")
	generation := b.Status().Generation

	placetest.Write(t, path, "198.51.100.0/24 country=US\n")
	b.until("the new database is in force", func() bool { return b.Status().Generation > generation })
	b.from("198.51.100.7", "www.example.test", "192.0.2.2")

	broken := placetest.Bytes(t, "198.51.100.0/24 country=DE\n")
	for i := range 32 {
		broken[i] ^= 0xFF // the search tree leads nowhere
	}
	if err := os.WriteFile(path+".new", broken, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	b.until("the alarm", func() bool { return hasAlarm(b.Status(), "places-stale") })
	b.from("198.51.100.7", "www.example.test", "192.0.2.2")
	for _, a := range b.Status().Alarms {
		if a.Code == "places-stale" && !strings.Contains(a.What, path) {
			t.Errorf("the alarm does not name the file: %s", a.What)
		}
	}
	if err := b.Reload(context.Background(), true); err == nil || !strings.Contains(err.Error(), "places.databases") {
		t.Errorf("a reload took the broken database: %v", err)
	}
	b.from("198.51.100.7", "www.example.test", "192.0.2.2")

	placetest.Write(t, path, "198.51.100.0/24 country=DE\n203.0.113.0/24 country=US\n")
	b.until("the alarm ends", func() bool { return !hasAlarm(b.Status(), "places-stale") })
	b.from("198.51.100.7", "www.example.test", "192.0.2.1")
	b.from("203.0.113.7", "www.example.test", "192.0.2.2")
}

// A change of places is nobody's failure: it takes nothing from the budget,
// and ramps go on.
func TestPlacesAreNoMove(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "country.mmdb")
	writeFile(t, dir, "shunt.yaml", placesConfig)
	placetest.Write(t, path, "198.51.100.0/24 country=DE\n")
	b := start(t, dir, "a+ b+ c+", soon)
	for i, country := range []string{"US", "DE", "US", "DE"} {
		generation := b.Status().Generation
		placetest.Write(t, path, strings.Repeat("198.51.100.0/24 country="+country+"\n", i+1))
		b.until(country, func() bool { return b.Status().Generation > generation })
	}
	if m := b.Status().Services[0].Moves; m.Used != 0 {
		t.Errorf("%d moves by another database", m.Used)
	}
}

// The operator's own networks come into force by themselves too; a file with a
// mistake changes nothing and is told of, and so is one that is gone.
func TestNetworksAreReplaced(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "shunt.yaml", strings.Replace(placesConfig, "databases: [country.mmdb]", "networks: own.yaml", 1))
	writeFile(t, dir, "own.yaml", "- {network: 198.51.100.0/24, country: DE}\n")
	b := start(t, dir, "a+ b+ c+", soon)
	b.from("198.51.100.7", "www.example.test", "192.0.2.1")
	replace := func(text string) {
		writeFile(t, dir, "own.new", text)
		if err := os.Rename(filepath.Join(dir, "own.new"), filepath.Join(dir, "own.yaml")); err != nil {
			t.Fatal(err)
		}
	}
	alarmed := func() bool { return hasAlarm(b.Status(), "places-stale") }
	generation := b.Status().Generation
	replace("- {network: 198.51.100.0/24, country: US}\n")
	b.until("the new networks are in force", func() bool { return b.Status().Generation > generation })
	b.from("198.51.100.7", "www.example.test", "192.0.2.2")

	replace("- {network: 198.51.100.0/24, country: Nowhere}\n")
	b.until("the alarm", alarmed)
	b.from("198.51.100.7", "www.example.test", "192.0.2.2")
	replace("- {network: 198.51.100.0/24, country: US}\n\n")
	b.until("the alarm ends", func() bool { return !alarmed() })

	if err := os.Remove(filepath.Join(dir, "own.yaml")); err != nil {
		t.Fatal(err)
	}
	b.until("the alarm", alarmed)
	b.from("198.51.100.7", "www.example.test", "192.0.2.2")
	replace("- {network: 198.51.100.0/24, country: DE}\n")
	b.until("the alarm ends", func() bool { return !alarmed() })
	b.from("198.51.100.7", "www.example.test", "192.0.2.1")
}

// A database that is gone is told of: answers go on, and no restart would find
// it. A broken one that is taken away is no end of the alarm.
func TestPlacesAreGone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "country.mmdb")
	writeFile(t, dir, "shunt.yaml", placesConfig)
	placetest.Write(t, path, "198.51.100.0/24 country=DE\n")
	b := start(t, dir, "a+ b+ c+", soon)
	told := func(words string) func() bool {
		return func() bool {
			return slices.ContainsFunc(b.Status().Alarms, func(a Alarm) bool { return a.Code == "places-stale" && strings.Contains(a.What, words) })
		}
	}
	writeFile(t, dir, "country.new", "garbage")
	if err := os.Rename(filepath.Join(dir, "country.new"), path); err != nil {
		t.Fatal(err)
	}
	b.until("told of garbage", told("no database in MaxMind's format"))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	b.until("told that it is gone", told("country.mmdb is no longer there"))
	if err := b.Reload(context.Background(), true); err == nil || !strings.Contains(err.Error(), "places.databases") {
		t.Errorf("a reload without its database: %v", err)
	}
	b.from("198.51.100.7", "www.example.test", "192.0.2.1")
	placetest.Write(t, path, "198.51.100.0/24 country=US\n")
	b.until("the alarm ends", func() bool { return !hasAlarm(b.Status(), "places-stale") })
	b.from("198.51.100.7", "www.example.test", "192.0.2.2")
}

// A reload compiles anew only what it changes: maps are shared with the
// configuration before, and whoever leads a race still does.
func TestReloadKeepsPlaces(t *testing.T) {
	dir := t.TempDir()
	text := strings.NewReplacer("      - first: 1\n", "      - fastest\n      - first: 1\n",
		"pools:\n", "monitors: [{name: m, tcp: {port: 1}}]\npools:\n", "addresses: [192.0.2.1]", "addresses: [192.0.2.1], monitors: [m]",
		"addresses: [192.0.2.2]", "addresses: [192.0.2.2], monitors: [m]", "addresses: [192.0.2.3]", "addresses: [192.0.2.3], monitors: [m]",
		"zones:", "  - {name: other, chain: [healthy, {prefer: {lists: [{places: [DE], pools: [b]}]}}, first: 1]}\nzones:",
		"{name: plain, pools: [a, b, c]}", "{name: plain, pools: [a, b, c], policy: other}").Replace(placesConfig)
	writeFile(t, dir, "shunt.yaml", text)
	placetest.Write(t, filepath.Join(dir, "country.mmdb"), "198.51.100.0/24 country=DE\n203.0.113.0/24 country=US\n")
	b := start(t, dir, "a+ b+ c+")
	before := b.view.Load().groups
	reload := func(text string) []*group {
		writeFile(t, dir, "shunt.yaml", text)
		if err := b.Reload(context.Background(), false); err != nil {
			t.Fatal(err)
		}
		return b.view.Load().groups
	}
	after := reload(strings.Replace(text, "places: [DE], pools: [b]", "places: [US], pools: [b]", 1) + "      - {name: new, pools: [a, b, c], policy: placed, ttl: 20s}\n")
	if before[0].places.of == nil || after[0].places.of != before[0].places.of || after[4].places.of != before[0].places.of {
		t.Error("what did not change was compiled anew")
	}
	if after[2].places.of == before[2].places.of {
		t.Error("what changed was not compiled anew")
	}
	if len(after[0].calm.Races) != 3 {
		t.Errorf("races are forgotten: %v", after[0].calm.Races)
	}
	b.from("203.0.113.7", "plain.example.test", "192.0.2.2")

	placetest.Write(t, filepath.Join(dir, "country.mmdb"), "198.51.100.0/24 country=US\n")
	if last := reload(text); last[0].places.of == after[0].places.of {
		t.Error("another database, and the same map")
	}
	b.from("198.51.100.7", "www.example.test", "192.0.2.2")
}

// Another database is no reason for another leader: the races of a place go on
// where it is told apart again, and nothing says that answers came from nowhere.
func TestRacesOutlastADatabase(t *testing.T) {
	race := func(leader string) steer.Race { return steer.Race{Heats: []steer.Heat{{Order: []string{leader}}}} }
	was := &group{places: placing{samples: []steer.Place{{}, {Country: "DE"}, {Country: "US"}}}, decided: []steer.Decision{{Why: "x"}}}
	was.calm.Races = []steer.Race{race("a"), race("b"), race("c")}
	g := &group{places: placing{of: new(place.Map), samples: []steer.Place{{}, {Country: "US"}, {Country: "FR"}},
		key: func(p steer.Place) string { return p.Country }}}
	g.inherit(was)
	want := []steer.Race{race("a"), race("c"), {}}
	if !reflect.DeepEqual(g.calm.Races, want) || g.main().Why != "x" || g.was() != nil {
		t.Errorf("races %v, before %q", g.calm.Races, g.main().Why)
	}
}

// A configuration whose database is missing or damaged is refused, and the
// problem names key and file.
func TestPlacesMustBeWhole(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "shunt.yaml", placesConfig)
	cfg, err := config.Load(filepath.Join(dir, "shunt.yaml"), config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "no database"} {
		if text != "" {
			writeFile(t, dir, "country.mmdb", text)
		}
		_, err := Load(cfg, nil)
		if err == nil || !strings.Contains(err.Error(), "places.databases") || !strings.Contains(err.Error(), "country.mmdb") {
			t.Errorf("with %q: %v", text, err)
		}
	}
}
