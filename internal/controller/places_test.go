package controller

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/placetest"
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
	if len(g) != 3 || g[0].places.of == nil || g[0].places.of != g[1].places.of || g[2].places.of != nil {
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
