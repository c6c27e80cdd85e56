package steer

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/config"
)

func TestPlaceIn(t *testing.T) {
	for _, c := range []struct{ place, in, notIn string }{
		{"DE", "DE EU continent:EU", "FR continent:AS DE-BE AS1 0.0.0.0/0"},
		{"CH", "CH continent:EU", "EU"},
		{"TR continent:EU", "continent:EU", "continent:AS EU"},
		{"US US-CA", "US US-CA continent:NA", "US-NY EU"},
		{"US-CA", "US US-CA continent:NA", "CA"},
		{"continent:AF", "continent:AF", "EG"},
		{"AS64500", "AS64500", "AS64501 DE"},
		{"192.0.2.9", "192.0.2.0/24 0.0.0.0/0", "192.0.3.0/24 ::/0"},
		{"::ffff:192.0.2.9", "192.0.2.0/24", "::/0"},
		{"2001:db8::1", "2001:db8::/32", "0.0.0.0/0"},
		{"", "", "DE EU continent:EU AS0 0.0.0.0/0"},
	} {
		p := placeOf(c.place)
		for _, w := range strings.Fields(c.in) {
			if !p.In(where(w)) {
				t.Errorf("%q is not in %s", c.place, w)
			}
		}
		for _, w := range strings.Fields(c.notIn) {
			if p.In(where(w)) {
				t.Errorf("%q is in %s", c.place, w)
			}
		}
		if !p.In(config.Where{}) {
			t.Errorf("%q is nowhere", c.place)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		km   float64
	}{
		{"52.5,13.4", "52.5,13.4", 0},
		{"52.52,13.405", "48.8566,2.3522", 877},      // Berlin, Paris
		{"40.7128,-74.006", "51.5074,-0.1278", 5570}, // New York, London
		{"-17.7,179.9", "-17.7,-179.9", 21},          // over the date line
		{"90,0", "-90,0", 20015},                     // pole to pole
		{"0,0", "0,180", 20015},
	} {
		if got := Distance(point(c.a), point(c.b)); math.Abs(got-c.km) > 0.005*c.km+1 {
			t.Errorf("%s to %s: %.0f km, want %.0f", c.a, c.b, got, c.km)
		}
	}
	if !math.IsInf(Distance(config.Point{}, point("0,0")), 1) {
		t.Error("an unknown place is somewhere")
	}
}

// Keys of several places, and whether places matter at all.
func TestClassKeys(t *testing.T) {
	for _, c := range []struct{ what, pools, defs, places, want string }{
		{"failover looks at no place", "a+ b+", "p: * healthy, first 1", "DE|US||192.0.2.1", "false 1"},
		{"a fence has two sides", "a+ b+", "p: * healthy, fence EU CH in eu, first 1", "DE|CH|US||FR", "true 2"},
		{"a fence for everyone has one", "a+ b+", "p: * healthy, fence in eu, first 1", "DE|US", "false 1"},
		{"lists", "a+ b+", "p: * healthy, prefer EU: a; DE: b; CN: b, first 1", "DE|FR|AT|CN|US|", "true 4"},
		{"only a default", "a+ b+", "p: * healthy, prefer else: b a, first 1", "DE|US", "false 1"},
		{"distances make orders, not points", "a+@0,0 b+@0,90", "p: * healthy, nearest, first 1", "0,1|0,2|10,30|0,80|", "true 3"},
		{"nobody says where it is", "a+ b+", "p: * healthy, nearest, first 1", "0,1|0,80", "false 1"},
		{"in a policy within", "{eu} | a+ b+", "p: * healthy, first 1\neu: a b * healthy, prefer DE: b, first 1", "DE|FR", "true 2"},
		{"networks", "a+ b+", "p: * healthy, prefer 192.0.2.0/24: a; 192.0.2.128/25: b, first 1", "192.0.2.1|192.0.2.200|192.0.3.1", "true 3"},
	} {
		s := stageOf(c.pools, "p").with(strings.Split(c.defs, "\n")...)
		classify := Classify(s.in.Service, s.in.Policies, s.in.Pools)
		keys := map[string]bool{}
		for _, p := range strings.Split(c.places, "|") {
			keys[classify(placeOf(p))] = true
		}
		if got := fmt.Sprint(Places(s.in.Service, s.in.Policies, s.in.Pools), len(keys)); got != c.want {
			t.Errorf("%s: %s, want %s (%v)", c.what, got, c.want, keys)
		}
	}
}

// Services of equal sight share a map of places, and those of another do not.
func TestSight(t *testing.T) {
	sees := func(pools, defs string) string {
		in := stageOf(pools, "p").with(strings.Split(defs, "\n")...).in
		return Sight(in.Service, in.Policies, in.Pools)
	}
	listed, near := "p: * healthy, prefer DE: a, first 1", "p: * healthy, nearest, first 1"
	within := "p: * healthy, first 1\neu: a b * healthy, prefer DE: b, first 1"
	for _, c := range []struct {
		what         string
		pools, defs  string
		pools2, def2 string
		same         bool
	}{
		{"lists see nothing of the pools", "a+ b+", listed, "b+ c+ a+", listed, true},
		{"nor do fences", "a+ b+", "p: * healthy, fence EU in eu, first 1", "c+", "p: * healthy, fence EU in eu, first 1", true},
		{"distances see where they are", "a+@0,0 b+@0,90", near, "c+@0,0 d+@0,90", near, true},
		{"and who comes first", "a+@0,0 b+@0,90", near, "b+@0,90 a+@0,0", near, false},
		{"a policy within", "{eu} | a+ b+", within, "c+ {eu} | a+ b+", within, true},
		{"and one without it", "{eu} | a+ b+", within, "c+ | a+ b+", within, false},
	} {
		if a, b := sees(c.pools, c.defs), sees(c.pools2, c.def2); (a == b) != c.same {
			t.Errorf("%s: %q and %q", c.what, a, b)
		}
	}
}

func TestNetworks(t *testing.T) {
	s := stageOf("{eu} c+ | a+ b+", "p").with(
		"p: * healthy, fence 198.51.100.0/24 DE in eu, prefer 192.0.2.0/24: c; 2001:db8::/32: c, first 1",
		"eu: a b * healthy, prefer 192.0.2.0/24: b; 192.0.0.0/16: a, first 1")
	if got := fmt.Sprint(Networks(s.in.Service, s.in.Policies)); got != "[192.0.0.0/16 192.0.2.0/24 198.51.100.0/24 2001:db8::/32]" {
		t.Error(got)
	}
	s.in.Policies["p"].Chain[2].Prefer.By = []config.WhereKind{config.Country}
	s.in.Policies["eu"].Chain[1].Prefer.By = []config.WhereKind{config.Network}
	if got := fmt.Sprint(Networks(s.in.Service, s.in.Policies)); got != "[192.0.0.0/16 192.0.2.0/24 198.51.100.0/24]" {
		t.Error(got)
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		n       int
		weights []int
		want    string
	}{
		{100, []int{95, 5}, "[95 5]"},
		{100, []int{1, 1, 1}, "[34 33 33]"},
		{100, []int{0, 1}, "[0 100]"},
		{100, []int{0, 0}, "[0 0]"},
		{100, []int{1000000, 1}, "[99 1]"},
		{2, []int{1, 1, 1}, "[1 1 0]"},
		{Million, []int{1000000, 5}, "[999995 5]"},
		{0, []int{3, 4}, "[0 0]"},
	} {
		if got := fmt.Sprint(split(c.n, c.weights)); got != c.want {
			t.Errorf("%d over %v: %s, want %s", c.n, c.weights, got, c.want)
		}
	}
}

// The index finds what going through all lists does.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f config.PreferFilter
		words := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"EU", "DE", "FR", "US", "US-CA", "CN", "continent:EU", "continent:NA", "AS64500", "AS64501",
			"192.0.2.0/24", "192.0.2.128/25", "192.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/32"}), 0, 12, rapid.ID).Draw(t, "places")
		for i, w := range words {
			if i%3 == 0 {
				f.Lists = append(f.Lists, config.PlaceList{})
			}
			l := &f.Lists[len(f.Lists)-1]
			l.Places = append(l.Places, where(w))
		}
		f.By = rapid.SliceOf(rapid.SampledFrom([]config.WhereKind{config.Country, config.Network, config.ASN, config.Union})).Draw(t, "by")
		text := strings.Join([]string{
			rapid.SampledFrom([]string{"", "DE", "US", "US US-CA", "CN", "continent:EU"}).Draw(t, "country"),
			rapid.SampledFrom([]string{"", "AS64500"}).Draw(t, "as"),
			rapid.SampledFrom([]string{"", "192.0.2.7", "192.0.2.200", "192.9.9.9", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "::1"}).Draw(t, "addr"),
		}, " ")
		p := placeOf(text)
		if got, want := indexOf(f).find(p), listFor(f, p); got != want {
			t.Fatalf("%q among %v by %v: %d, want %d", text, f.Lists, f.By, got, want)
		}
	})
}
