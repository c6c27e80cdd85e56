package place

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/placetest"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A naive is a set of networks, looked through one by one.
type naive map[netip.Prefix]string

func (n naive) find(addr netip.Addr) (said string) {
	longest := -1
	for p, what := range n {
		if p.Contains(addr) && p.Bits() > longest {
			longest, said = p.Bits(), what
		}
	}
	return said
}

// network draws one that is likely to lie in, around or beside others.
func network(r *rapid.T) netip.Prefix {
	if rapid.Bool().Draw(r, "IPv6") {
		var a [16]byte
		a[0] = 0x24
		for _, i := range []int{1, 2, 5, 15} {
			a[i] = byte(rapid.SampledFrom([]int{0, 1, 2, 0x80, 0xff}).Draw(r, "octet"))
		}
		p, _ := netip.AddrFrom16(a).Prefix(rapid.IntRange(6, 128).Draw(r, "bits"))
		return p
	}
	a := [4]byte{16}
	for i := range a {
		a[i] += byte(rapid.SampledFrom([]int{0, 1, 2, 0x80, 0xff - 16}).Draw(r, "octet"))
	}
	p, _ := netip.AddrFrom4(a).Prefix(rapid.IntRange(0, 32).Draw(r, "bits"))
	return p
}

// networks draws some, in the form of placetest, with what they say.
func networks(r *rapid.T, key string, values ...string) (naive, string) {
	n, lines := naive{}, []string{}
	for range rapid.IntRange(0, 12).Draw(r, "networks") {
		p := network(r)
		n[p] = rapid.SampledFrom(values).Draw(r, key)
	}
	for p, what := range n {
		lines = append(lines, fmt.Sprintf("%s %s=%s\n", p, key, what))
	}
	slices.SortFunc(lines, func(a, b string) int { // the longer ones replace parts of the shorter ones
		p, q := netip.MustParsePrefix(strings.Fields(a)[0]), netip.MustParsePrefix(strings.Fields(b)[0])
		return p.Bits() - q.Bits()
	})
	return n, strings.Join(lines, "")
}

// TestMapAgreesWithLongestMatch over random databases, own networks and
// networks of rules: the class of an address is that of its longest matches;
// Locate says the same; the whole prefix that a look-up names has that class,
// and the prefix twice as large has not.
func TestMapAgreesWithLongestMatch(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		countries, a := networks(r, "country", "DE", "FR", "US")
		systems, b := networks(r, "asn", "64500", "64501")
		said, mine := networks(r, "country", "DE", "JP")
		rules, _ := networks(r, "rule", "x", "y")
		p := config.Places{Networks: own(t, mine), Databases: []string{
			placetest.Write(t, filepath.Join(dir, "a.mmdb"), a+"192.0.2.0/24 country=SE\n"),
			placetest.Write(t, filepath.Join(dir, "b.mmdb"), b+"192.0.2.0/24 asn=1\n"),
		}}
		atlas, err := Open(p)
		if err != nil {
			r.Fatal(err)
		}
		var named []netip.Prefix
		for p := range rules {
			named = append(named, p)
		}
		classify := func(p steer.Place) string { return fmt.Sprint(p.Country, p.ASN, rules.find(p.Addr)) }
		m, err := atlas.Compile(classify, named)
		if err != nil {
			r.Fatal(err)
		}
		class := func(addr netip.Addr) string {
			c, _ := m.Lookup(addr)
			return classify(m.Classes()[c])
		}
		for _, addr := range corners(countries, systems, said, rules) {
			want := steer.Place{Country: said.find(addr), Addr: addr}
			if want.Country == "" {
				want.Country = countries.find(addr)
			}
			fmt.Sscan(systems.find(addr), &want.ASN)
			if got := atlas.Locate(addr); got != want {
				r.Fatalf("%s is located in %v, want %v", addr, got, want)
			}
			if got := class(addr); got != classify(want) {
				r.Fatalf("%s: class %s, want %s", addr, got, classify(want))
			}
			checkScope(r, m, addr)
		}
	})
}

// corners returns the addresses at and beside the ends of networks.
func corners(ns ...naive) (out []netip.Addr) {
	for _, n := range ns {
		for p := range n {
			s, family := spanOf(p)
			for _, a := range []u128{s.first, s.last} {
				out = append(out, a.addr(family))
			}
			if s.first != (u128{}) {
				out = append(out, s.first.before().addr(family))
			}
			if s.last != lastOf[family] {
				out = append(out, s.last.next().addr(family))
			}
		}
	}
	return out
}

// checkScope: the prefix that a look-up names lies in one cell, and the one
// that is a bit shorter does not.
func checkScope(t interface{ Fatalf(string, ...any) }, m *Map, addr netip.Addr) {
	class, bits := m.Lookup(addr)
	prefix, err := addr.Prefix(int(bits))
	if err != nil {
		t.Fatalf("%s: %d bits", addr, bits)
	}
	if !uniform(m, prefix, class) {
		t.Fatalf("%s: not all of %s is of class %d", addr, prefix, class)
	}
	if bits == 0 {
		return
	}
	if wider, _ := addr.Prefix(int(bits) - 1); uniform(m, wider, class) {
		t.Fatalf("%s: %s is all of class %d, and %s is named", addr, wider, class, prefix)
	}
}

// uniform reports whether every address of p is of this class: it is where the
// ends are, and no range begins between them.
func uniform(m *Map, p netip.Prefix, class int32) bool {
	s, family := spanOf(p)
	for _, a := range []u128{s.first, s.last} {
		if c, _ := m.Lookup(a.addr(family)); c != class {
			return false
		}
	}
	begins := func(start u128) bool { return s.first.less(start) && !s.last.less(start) }
	if family == v4 {
		return !slices.ContainsFunc(m.four.cells, func(c cell4) bool { return begins(u128{0, uint64(c.start)}) })
	}
	for i := range m.six.his {
		if begins(m.six.start(uint32(i))) {
			return false
		}
	}
	return true
}

// FuzzOpen: whatever a file holds, Open says so or makes use of it.
func FuzzOpen(f *testing.F) {
	good := placetest.Bytes(f, world)
	f.Add(good)
	f.Add(placetest.Bytes(f, "version=4\n16.0.0.0/8 country_code=US asn=AS64500 latitude=1 longitude=x"))
	f.Add(good[:len(good)-20])
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		bent := slices.Clone(good)
		bent[r.IntN(len(bent))] ^= 1 << r.IntN(8)
		f.Add(bent)
	}
	path := filepath.Join(f.TempDir(), "fuzz.mmdb")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path+".new", text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		a, err := Open(config.Places{Databases: []string{path}})
		if err != nil {
			return
		}
		m := compile(t, a, func(p steer.Place) string { return p.Country })
		for _, addr := range []string{"16.0.0.1", "17.5.128.1", "2a00:1:2::1", "2002:1100::1", "::1", "255.255.255.255"} {
			addr := netip.MustParseAddr(addr)
			a.Locate(addr)
			checkScope(t, m, addr)
		}
	})
}
