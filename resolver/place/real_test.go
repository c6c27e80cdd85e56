package place

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// realPlaces returns the databases of countries and of AS numbers that
// test/install-places fetches, beside some networks of an operator.
func realPlaces(t testing.TB) config.Places {
	t.Helper()
	dir := os.Getenv("SHUNT_PLACES")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(cache, "shunt-places")
	}
	p := config.Places{Networks: own(t, `
		10.0.0.0/8 country=SE
		10.7.0.0/16 country=NO
		8.8.8.0/24 country=CH`)}
	for _, name := range []string{"country.mmdb", "asn.mmdb"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("the databases of places that the tests use are not there: run test/install-places (%v)", err)
		}
		p.Databases = append(p.Databases, path)
	}
	return p
}

func byAll(p steer.Place) string { return fmt.Sprint(p.Country, " ", p.ASN) }

// TestRealPlaces: what everyone knows is found; look-ups in the map and in the
// databases agree all over the Internet, and so does everyone within the scope.
func TestRealPlaces(t *testing.T) {
	a, err := Open(realPlaces(t))
	if err != nil {
		t.Fatal(err)
	}
	m := compile(t, a, byAll)
	for addr, want := range map[string]string{
		"1.1.1.1":                   "US 13335",
		"8.8.4.4":                   "US 15169",
		"8.8.8.8":                   "CH 15169", // the operator's word, and the rest from the database
		"193.0.6.139":               "NL 3333",
		"10.1.2.3":                  "SE 0",
		"10.7.2.3":                  "NO 0",
		"192.168.1.1":               " 0",
		"127.0.0.1":                 " 0",
		"::1":                       " 0",
		"2001:4860:4860::8888":      "US 15169",
		"2001:67c:2e8:22::c100:68b": "NL 3333",
	} {
		class, _ := m.Lookup(netip.MustParseAddr(addr))
		if got, located := byAll(m.Classes()[class]), byAll(a.Locate(netip.MustParseAddr(addr))); got != want || located != want {
			t.Errorf("%s: mapped to %s, located in %s, want %s", addr, got, located, want)
		}
	}
	byCountry := compile(t, a, func(p steer.Place) string { return p.Country })
	r := rand.New(rand.NewPCG(4, 6))
	known := 0
	for i := range 5000 {
		addr := clientAnywhere(r, i%3 == 0)
		where := a.Locate(addr)
		class, bits := m.Lookup(addr)
		country, wider := byCountry.Lookup(addr)
		if got, want := byAll(m.Classes()[class]), byAll(where); got != want || byCountry.Classes()[country].Country != where.Country {
			t.Fatalf("%s: mapped to %s, located in %s", addr, got, want)
		}
		if wider > bits {
			t.Fatalf("%s: its country alone depends on %d bits, with its AS on %d", addr, wider, bits)
		}
		if where.Country != "" {
			known++
		}
		if i%50 == 0 {
			checkScope(t, m, addr)
			checkScope(t, byCountry, addr)
		}
	}
	if known < 2000 {
		t.Errorf("only %d of 5000 addresses have a country", known)
	}
	t.Logf("%d networks by country and AS, in %d classes; %d by country, in %d", m.Networks(), len(m.Classes()), byCountry.Networks(), len(byCountry.Classes()))
}

// clientAnywhere returns some address.
func clientAnywhere(r *rand.Rand, six bool) netip.Addr {
	if !six {
		return u128{0, uint64(r.Uint32())}.addr(v4)
	}
	// Where most IPv6 networks are: 2000::/4 and 2a00::/12.
	return u128{0x2a00<<48 | r.Uint64()>>uint(4+8*r.IntN(2)), r.Uint64()}.addr(v6)
}

func BenchmarkOpen(b *testing.B) {
	p := realPlaces(b)
	for b.Loop() {
		if _, err := Open(p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompile reads both databases, of 900,000 networks, and merges them.
// KiB are what the map takes.
func BenchmarkCompile(b *testing.B) {
	a, err := Open(realPlaces(b))
	if err != nil {
		b.Fatal(err)
	}
	for name, classify := range map[string]func(steer.Place) string{
		"country":     func(p steer.Place) string { return p.Country },
		"country+asn": byAll,
	} {
		b.Run(name, func(b *testing.B) {
			var m *Map
			before := heap()
			for b.Loop() {
				b.StopTimer()
				heap() // what was read is forgotten
				b.StartTimer()
				if m, err = a.Compile(classify, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(m.Networks()), "networks")
			b.ReportMetric(float64(heap()-before)/1024, "KiB")
			runtime.KeepAlive(m)
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkLookup(b *testing.B) {
	a, err := Open(realPlaces(b))
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 6))
	for _, family := range []string{"IPv4", "IPv6"} {
		var clients [4096]netip.Addr
		for i := range clients {
			clients[i] = clientAnywhere(r, family == "IPv6")
		}
		for name, classify := range map[string]func(steer.Place) string{
			"country":     func(p steer.Place) string { return p.Country },
			"country+asn": byAll,
		} {
			m := compile(b, a, classify)
			b.Run(family+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					m.Lookup(clients[i%len(clients)])
					i++
				}
			})
		}
	}
}

// TestLookupAllocatesNothing for clients of both families.
func TestLookupAllocatesNothing(t *testing.T) {
	m := compile(t, atlas(t, "", world, systems), byAll)
	for _, addr := range []string{"17.5.128.1", "2a00:1:2::1", "::ffff:17.5.128.1"} {
		client := netip.MustParseAddr(addr)
		if n := testing.AllocsPerRun(100, func() { m.Lookup(client) }); n != 0 {
			t.Errorf("%s: %v allocations", addr, n)
		}
	}
}
