package place

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/placetest"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// inWords writes a place as the lines of placetest have it.
func inWords(p steer.Place) string {
	var b strings.Builder
	say := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, " %s=%s", key, value)
		}
	}
	say("continent", p.Continent)
	say("country", p.Country)
	say("sub", p.Subdivision)
	if p.ASN > 0 {
		fmt.Fprintf(&b, " asn=%d", p.ASN)
	}
	if p.At.Known {
		fmt.Fprintf(&b, " at=%g,%g", p.At.Lat, p.At.Lon)
	}
	return strings.TrimPrefix(b.String(), " ")
}

// own reads networks of the operator, a line each.
func own(t testing.TB, text string) (out []config.Located) {
	t.Helper()
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		l := config.Located{Network: netip.MustParsePrefix(words[0])}
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, "=")
			switch key {
			case "continent":
				l.Continent = value
			case "country":
				l.Country = value
			case "sub":
				l.Subdivision = value
			case "asn":
				fmt.Sscan(value, &l.ASN)
			case "at":
				l.At.Known = true
				fmt.Sscanf(value, "%g,%g", &l.At.Lat, &l.At.Lon)
			}
		}
		out = append(out, l)
	}
	return out
}

// atlas opens databases made from texts, beside networks of the operator.
func atlas(t testing.TB, networks string, texts ...string) *Atlas {
	t.Helper()
	a, err := Open(places(t, networks, texts...))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func places(t testing.TB, networks string, texts ...string) config.Places {
	t.Helper()
	p := config.Places{Networks: own(t, networks)}
	for i, text := range texts {
		p.Databases = append(p.Databases, placetest.Write(t, filepath.Join(t.TempDir(), fmt.Sprintf("%d.mmdb", i)), text))
	}
	return p
}

// compile returns the map that tells everything apart.
func compile(t testing.TB, a *Atlas, classify func(steer.Place) string, networks ...netip.Prefix) *Map {
	t.Helper()
	m, err := a.Compile(classify, networks)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const world = `
	16.0.0.0/8        continent=NA country=US sub=CA at=37.4,-122
	17.0.0.0/8        continent=EU country=de
	17.5.0.0/16       continent=EU country=FR at=48.8,2.3
	18.0.0.0/9        country=ZZ
	2a00::/12         continent=EU country=NL
	2a00:1::/32       continent=EU country=BE`

const systems = `
	16.0.0.0/10       asn=64500
	17.5.128.0/17     asn=64501
	19.0.0.0/8        asn=64502
	2a00:1:2::/48     asn=64503`

// TestLocate: what is said of an address, from several databases and the
// operator's own word: where, then what.
func TestLocate(t *testing.T) {
	networks := `
		16.1.0.0/16   country=CA continent=NA
		16.1.2.0/24   asn=64999
		16.2.0.0/16   country=US
		19.1.0.0/16   country=JP continent=AS at=35.6,139.7
		17.7.0.0/16   country=US
		17.8.0.0/16   sub=US-CA
		17.9.0.0/16   continent=NA`
	a := atlas(t, networks, world, systems)
	for addr, want := range map[string]string{
		"16.0.0.1":         "continent=NA country=US sub=US-CA asn=64500 at=37.4,-122",
		"16.128.0.1":       "continent=NA country=US sub=US-CA at=37.4,-122",
		"16.1.0.1":         "continent=NA country=CA asn=64500",                        // not the coordinates of another country
		"16.1.2.3":         "continent=NA country=US sub=US-CA asn=64999 at=37.4,-122", // the longest network only
		"16.2.0.1":         "continent=NA country=US sub=US-CA asn=64500 at=37.4,-122", // what is not said is asked for
		"17.0.0.1":         "continent=EU country=DE",                                  // codes in any case
		"17.5.128.1":       "continent=EU country=FR asn=64501 at=48.8,2.3",
		"17.7.0.1":         "country=US", // not the continent of another country
		"17.8.0.1":         "sub=US-CA",
		"17.9.0.1":         "continent=NA",
		"18.0.0.1":         "", // ZZ is nowhere
		"19.0.0.1":         "asn=64502",
		"19.1.0.1":         "continent=AS country=JP asn=64502 at=35.6,139.7",
		"127.0.0.1":        "",
		"10.1.2.3":         "",
		"::1":              "",
		"2a00::1":          "continent=EU country=NL",
		"2a00:1:2::1":      "continent=EU country=BE asn=64503",
		"2a10::1":          "",
		"::ffff:17.0.0.1":  "continent=EU country=DE",
		"2002:1100:1::1":   "", // 6to4 of 17.0.0.1
		"2001:0:1100:1::1": "", // Teredo
		"::17.0.0.1":       "",
		"fe80::1%eth0":     "",
	} {
		p := a.Locate(netip.MustParseAddr(addr))
		if got := inWords(p); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
		if p.Addr != netip.MustParseAddr(addr).Unmap().WithZone("") {
			t.Errorf("%s: Addr is %s", addr, p.Addr)
		}
	}
	if p := a.Locate(netip.Addr{}); p != (steer.Place{}) {
		t.Errorf("no address: %v", p)
	}
}

// TestForms: records as other makers write them.
func TestForms(t *testing.T) {
	a := atlas(t, "", `
		16.0.0.0/8 country_code=US asn=64500 latitude=10.5 longitude=-20
		17.0.0.0/8 country_code=de asn=AS64501
		18.0.0.0/8 autonomous_system_organization=Nobody continent_code=EU`, `
		16.0.0.0/8 continent=NA
		19.0.0.0/8 at=0,0 country=GB
		20.0.0.0/8 at=91,0 country=TOOLONG`)
	for addr, want := range map[string]string{
		"16.0.0.1": "continent=NA country=US asn=64500 at=10.5,-20",
		"17.0.0.1": "country=DE asn=64501",
		"18.0.0.1": "continent=EU",
		"19.0.0.1": "country=GB",
		"20.0.0.1": "",
	} {
		if got := inWords(a.Locate(netip.MustParseAddr(addr))); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// TestMap: an address, then the class's sample and the prefix for which the
// class is the same.
func TestMap(t *testing.T) {
	byCountry := func(p steer.Place) string { return p.Country }
	rules := []netip.Prefix{netip.MustParsePrefix("17.1.2.0/24"), netip.MustParsePrefix("2a00:9::/32")}
	byRule := func(p steer.Place) string {
		for _, r := range rules {
			if r.Contains(p.Addr) {
				return r.String()
			}
		}
		return p.Country
	}
	a := atlas(t, "10.1.0.0/16 country=SE\n", world, systems)
	for _, c := range []struct {
		classify func(steer.Place) string
		addr     string
		want     string
		prefix   string
	}{
		{byCountry, "16.1.2.3", "US", "16.0.0.0/8"},
		{byCountry, "17.1.2.3", "DE", "17.0.0.0/14"},
		{byCountry, "17.4.2.3", "DE", "17.4.0.0/16"},
		{byCountry, "17.5.2.3", "FR", "17.5.0.0/16"},
		{byCountry, "17.5.200.3", "FR", "17.5.0.0/16"}, // the ASN changes nothing
		{byCountry, "18.0.0.1", "", "18.0.0.0/7"},
		{byCountry, "11.0.0.1", "", "11.0.0.0/8"},
		{byCountry, "10.1.255.1", "SE", "10.1.0.0/16"},
		{byCountry, "10.2.255.1", "", "10.2.0.0/15"},
		{byCountry, "255.255.255.255", "", "128.0.0.0/1"},
		{byCountry, "0.0.0.0", "", "0.0.0.0/5"},
		{byCountry, "2a00:2::1", "NL", "2a00:2::/31"},
		{byCountry, "2a00:1:2::1", "BE", "2a00:1::/32"},
		{byCountry, "::1", "", "::/3"},
		{byCountry, "ffff::1", "", "8000::/1"},
		{byCountry, "2002:1100:1::1", "", "2000::/5"},
		{byCountry, "::ffff:16.1.2.3", "US", "16.0.0.0/8"},
		{byRule, "17.1.2.3", "17.1.2.0/24", "17.1.2.0/24"},
		{byRule, "17.1.3.3", "DE", "17.1.3.0/24"},
		{byRule, "2a00:9:1::", "2a00:9::/32", "2a00:9::/32"},
		{func(steer.Place) string { return "all alike" }, "17.1.2.3", "all alike", "0.0.0.0/0"},
		{func(steer.Place) string { return "all alike" }, "2a00:1::", "all alike", "::/0"},
	} {
		m := compile(t, a, c.classify, rules...)
		addr := netip.MustParseAddr(c.addr)
		class, bits := m.Lookup(addr)
		prefix := netip.PrefixFrom(addr.Unmap(), int(bits)).Masked()
		if got := c.classify(m.Classes()[class]); got != c.want || prefix.String() != c.prefix {
			t.Errorf("%s: %q in %s, want %q in %s", c.addr, got, prefix, c.want, c.prefix)
		}
	}
	m := compile(t, a, byCountry)
	if class, bits := m.Lookup(netip.Addr{}); class != 0 || bits != 0 {
		t.Errorf("no address: class %d, %d bits", class, bits)
	}
	if m.Classes()[0] != (steer.Place{}) || len(m.Classes()) != 7 {
		t.Errorf("classes %v", m.Classes())
	}
	if m.Networks() != 9+4 {
		t.Errorf("%d networks: %v %v", m.Networks(), m.four.cells, m.six.his)
	}
}

// TestWholeInternet: one word for everything is one for both families, but not
// for where IPv6 embeds IPv4.
func TestWholeInternet(t *testing.T) {
	a := atlas(t, "", "::/1 country=DE\n")
	m := compile(t, a, func(p steer.Place) string { return p.Country })
	for addr, want := range map[string]string{"1.2.3.4": "DE", "255.0.0.0": "DE", "2a00::": "DE", "::1:2:3:4": "DE", "::1.2.3.4": "", "8000::": ""} {
		class, _ := m.Lookup(netip.MustParseAddr(addr))
		if got, located := m.Classes()[class].Country, a.Locate(netip.MustParseAddr(addr)).Country; got != want || located != want {
			t.Errorf("%s: mapped to %q, located in %q, want %q", addr, got, located, want)
		}
	}
}

// TestOpenErrors: what is wrong is said, with the file it is wrong in.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	good := placetest.Bytes(t, world)
	bent := slices.Clone(good)
	for i := range bent[:600] {
		bent[i] ^= 0x55
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty.mmdb":   {nil, "no database in MaxMind's format"},
		"text.mmdb":    {[]byte("not a database, but a text"), "no database in MaxMind's format"},
		"half.mmdb":    {good[:len(good)/2], "no database in MaxMind's format"},
		"tail.mmdb":    {good[len(good)/2:], "o"},
		"bent.mmdb":    {bent, "it is damaged: "},
		"noplace.mmdb": {placetest.Bytes(t, "16.0.0.0/8 is_anonymous=1\ntype=Anonymous"), "no network in it has a country, a continent, coordinates or an AS number (it is of type \"Anonymous\")"},
		"nothing.mmdb": {placetest.Bytes(t, ""), "no network in it"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.text, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Open(config.Places{Databases: []string{path}})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "places database "+path+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Open(config.Places{Databases: []string{filepath.Join(dir, "missing.mmdb")}})
	if want := "places database " + filepath.Join(dir, "missing.mmdb") + ": no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// TestDatabases and TestChanged: what is open, and whether it still is what is
// there.
func TestDatabases(t *testing.T) {
	p := places(t, "", "epoch=1700000000\n"+world, "version=4 type=Systems epoch=1700000000\n"+strings.ReplaceAll(systems, "2a00:1:2::/48     asn=64503", ""))
	a, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	built := time.Unix(1_700_000_000, 0)
	for i, d := range a.Databases() {
		if want := (Database{p.Databases[i], []string{"Test", "Systems"}[i], built}); d.Path != want.Path || d.Type != want.Type || !d.Built.Equal(want.Built) {
			t.Errorf("%+v, want %+v", d, want)
		}
	}
	if got := inWords(a.Locate(netip.MustParseAddr("2a00::1"))); got != "continent=EU country=NL" {
		t.Errorf("beside a database of IPv4 alone: %s", got)
	}
}

func TestChanged(t *testing.T) {
	p := places(t, "", world)
	a, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	path := p.Databases[0]
	if a.Changed() {
		t.Error("changed at once")
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if a.Changed() {
		t.Error("a file on its way counts as changed")
	}
	if err := os.WriteFile(path, placetest.Bytes(t, world), 0o644); err != nil { // the same, but another file
		t.Fatal(err)
	}
	if !a.Changed() {
		t.Error("a replaced file is not seen")
	}
	if got := inWords(a.Locate(netip.MustParseAddr("17.0.0.1"))); got != "continent=EU country=DE" {
		t.Errorf("the old one no longer answers: %q", got)
	}
	if b, err := Open(p); err != nil || b.Changed() {
		t.Errorf("%v", err)
	}
	if empty, err := Open(config.Places{}); err != nil || empty.Changed() {
		t.Errorf("%v", err)
	}
}

// TestCutShort: a file that is cut while it is in use is an error, and not
// the end of the process.
func TestCutShort(t *testing.T) {
	var big strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&big, "20.%d.%d.0/24 country=DE asn=%d\n", i/256, i%256, i+1)
	}
	p := places(t, "10.0.0.0/8 country=SE\n", big.String())
	a, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(p.Databases[0], 0); err != nil {
		t.Fatal(err)
	}
	if !a.Changed() {
		t.Error("not seen")
	}
	if got := inWords(a.Locate(netip.MustParseAddr("20.3.1.1"))); got != "" {
		t.Errorf("located in a file that is gone: %s", got)
	}
	if got := inWords(a.Locate(netip.MustParseAddr("10.0.0.1"))); got != "country=SE" {
		t.Errorf("the operator's own word is lost: %q", got)
	}
	runtime.GC() // what was read when it was opened is forgotten
	_, err = a.Compile(func(steer.Place) string { return "" }, nil)
	if err == nil || !strings.Contains(err.Error(), p.Databases[0]+": it was cut short while it was read") {
		t.Errorf("%v", err)
	}
}
