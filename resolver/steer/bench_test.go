package steer

import (
	"fmt"
	"testing"

	"github.com/shunt-dns/shunt/config"
)

func BenchmarkDecide(b *testing.B) {
	ten := "a- b+ c+ d+ e+ f+ g+ h+ i+ j+"
	for _, c := range []struct {
		name, pools string
		defs        []string
	}{
		{"failover of 3", "a- b+ c+", []string{"p: * healthy, first 1"}},
		{"failover of 10", ten, []string{"p: * healthy, first 1"}},
		{"weighted of 10", ten, []string{"p: * healthy, weighted"}},
		{"fence, fastest and capacity of 10", "a-#1:eu%30 b+#2:eu%30 c+#3:eu%30 d+#4:us e+#5 f+#6:eu g+#7 h+#8 i+#9 j+#10",
			[]string{"p: * healthy, fence EU in eu, fastest 20% 60s, capacity"}},
		{"nested, of 10", "{eu} {us} | " + ten, []string{"p: * healthy, first 1", "eu: a b c d e * healthy, weighted", "us: f g h i j * healthy, weighted"}},
		{"in doubt, of 10", "a-~11 b+~12 c+~13 d+ e+ f+ g+ h+ i+ j+", []string{"p: * healthy, first 1"}},
	} {
		s := stageOf(c.pools, "p").with(c.defs...).from("DE")
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decide(s.in)
			}
		})
	}
}

// BenchmarkClasses decides for the clients of 250 places, each with a list of
// its own, as a flip does.
func BenchmarkClasses(b *testing.B) {
	s := stageOf("a- b+ c+ d+ e+ f+ g+ h+ i+ j+", "p").with("p: * healthy, prefer else: a b c, first 1")
	var places []Place
	prefer := &s.in.Policies["p"].Chain[1].Prefer
	for i := range 250 {
		as := uint32(64500 + i)
		places = append(places, Place{ASN: as})
		prefer.Lists = append(prefer.Lists, config.PlaceList{Places: []config.Where{{Kind: config.ASN, ASN: as}}, Pools: []string{"c", "b", "a", fmt.Sprintf("%c", 'a'+i%10)}})
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range places {
			s.in.Place = p
			Decide(s.in)
		}
	}
}

// BenchmarkClassify tells the class of one place by 250 lists.
func BenchmarkClassify(b *testing.B) {
	s := stageOf("a+ b+", "p").with("p: * healthy, prefer else: a b, first 1")
	prefer := &s.in.Policies["p"].Chain[1].Prefer
	for i := range 250 {
		prefer.Lists = append(prefer.Lists, config.PlaceList{Places: []config.Where{{Kind: config.ASN, ASN: uint32(64500 + i)}}, Pools: []string{"a"}})
	}
	classify := Classify(s.in.Service, s.in.Policies, s.in.Pools)
	b.ReportAllocs()
	for b.Loop() {
		classify(Place{Country: "DE", Continent: "EU", ASN: 64600})
	}
}
