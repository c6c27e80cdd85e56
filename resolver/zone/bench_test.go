package zone

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/place"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// bigText is a master file of n names with one address each, beside
// delegations, wildcards and aliases.
func bigText(n int) string {
	var b strings.Builder
	b.WriteString("$TTL 300\n@ SOA ns hm 1 2 3 4 60\n@ NS ns\nns A 192.0.2.53\n*.wild A 192.0.2.9\n")
	b.WriteString("sub NS ns1.sub\nsub NS ns2.sub\nns1.sub A 192.0.2.1\nns2.sub A 192.0.2.2\nalias CNAME host1\n")
	for i := range n {
		fmt.Fprintf(&b, "host%d A 10.%d.%d.%d\n", i, i>>16&255, i>>8&255, i&255)
	}
	return b.String()
}

type asked struct {
	msg []byte
	q   Question
}

func questions(typ uint16, names ...string) (out []asked) {
	for _, n := range names {
		wire, _ := wireName(n)
		out = append(out, asked{queryMessage(wire, typ), Question{Name: wire, Type: typ}})
	}
	return out
}

// hosts returns n random names of a zone of many.
func hosts(n, many int) (names []string) {
	r := rand.New(rand.NewPCG(1, 1))
	for range n {
		names = append(names, fmt.Sprintf("host%d.example.test.", r.IntN(many)))
	}
	return names
}

func services(n int, pools ...config.Choice) (out []config.Service) {
	for i := range n {
		out = append(out, config.Service{Name: fmt.Sprintf("svc%d.example.test.", i), Policy: config.Weighted, Pools: pools, TTL: 30 * time.Second})
	}
	return out
}

func scene(t testing.TB, n int) *Snapshot {
	pools := []config.Choice{{Pool: "a", Weight: 95}, {Pool: "b", Weight: 5}}
	z := parse(t, "example.test.", bigText(n), append(services(100, pools[:1]...),
		config.Service{Name: "weighted.example.test.", Policy: config.Weighted, Pools: pools},
		config.Service{Name: "cname.example.test.", Policy: config.Failover, Pools: pools})...)
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	v := Variant{Pool: "a", Weight: 95, Addrs: addrs, TTL: 30}
	w := Variant{Pool: "b", Weight: 5, Addrs: addrs[1:], TTL: 30}
	c := Variant{Pool: "c", Target: "www.global.cdn.test.", TTL: 30}
	return NewSet([]*Zone{z}).Snapshot(1, []*Steered{
		Pack([]Variant{v}), Pack([]Variant{v, w}), Pack([]Variant{c})}, nil)
}

// kinds are the questions whose cost is watched.
func kinds(n int) map[string][]asked {
	return map[string][]asked{
		"static":   questions(dns.TypeA, hosts(1024, n)...),
		"steered":  questions(dns.TypeA, "svc1.example.test.", "svc55.example.test.", "svc99.example.test."),
		"weighted": questions(dns.TypeA, "weighted.example.test."),
		"cname":    questions(dns.TypeA, "cname.example.test."),
		"nxdomain": questions(dns.TypeA, "no.example.test.", "not.there.example.test."),
		"nodata":   questions(dns.TypeTXT, hosts(1024, n)...),
		"wildcard": questions(dns.TypeA, "x.wild.example.test.", "y.z.wild.example.test."),
		"referral": questions(dns.TypeA, "www.sub.example.test."),
		"alias":    questions(dns.TypeA, "alias.example.test."),
		"refused":  questions(dns.TypeA, "www.example.com."),
	}
}

// TestAppendAllocatesNothing holds for every kind of answer, as long as the
// message has the room.
func TestAppendAllocatesNothing(t *testing.T) {
	snap := scene(t, 1000)
	buf := make([]byte, 0, 4096)
	scratch, name := new(Scratch), new(Name)
	for kind, qs := range kinds(1000) {
		i := 0
		if n := testing.AllocsPerRun(200, func() {
			a := &qs[i%len(qs)]
			i++
			a.q.Client = clientAt(i)
			name.Take(a.q.Name)
			scratch.Append(snap, append(buf, a.msg...), name, &a.q, 1232)
		}); n != 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
}

func benchAppend(b *testing.B, snap *Snapshot, qs []asked) {
	buf := make([]byte, 0, 4096)
	scratch, name := new(Scratch), new(Name)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		a := &qs[i]
		if i++; i == len(qs) {
			i = 0
		}
		a.q.Client = clientAt(i)
		name.Take(a.q.Name)
		scratch.Append(snap, append(buf, a.msg...), name, &a.q, 1232)
	}
}

func BenchmarkAppend(b *testing.B) {
	snap := scene(b, 10_000)
	for _, kind := range []string{"static", "steered", "weighted", "cname", "nxdomain", "nodata", "wildcard", "referral", "alias", "refused"} {
		qs := kinds(10_000)[kind]
		b.Run(kind, func(b *testing.B) { benchAppend(b, snap, qs) })
	}
}

func BenchmarkAppendStatic100k(b *testing.B) {
	snap := scene(b, 100_000)
	benchAppend(b, snap, questions(dns.TypeA, hosts(1<<16, 100_000)...))
}

func BenchmarkParse100k(b *testing.B) { benchParse(b, 100_000) }

func BenchmarkParse1M(b *testing.B) { benchParse(b, 1_000_000) }

func benchParse(b *testing.B, n int) {
	text := []byte(bigText(n))
	files := fstest.MapFS{"z": {Data: text}}
	var z *Zone
	b.SetBytes(int64(len(text)))
	before := heap()
	for b.Loop() {
		z = nil
		var ps config.Problems
		if z, ps = Parse(config.Zone{Name: "example.test.", File: "/z"}, "", files); len(ps) > 0 {
			b.Fatal(ps)
		}
	}
	b.ReportMetric(float64(heap()-before)/float64(n), "bytes/record")
	runtime.KeepAlive(z)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkFlip is one verdict change over 100,000 services that share a
// policy: from its variants to the new snapshot.
func BenchmarkFlip(b *testing.B) {
	z, ps := Parse(config.Zone{Name: "example.test.", Services: services(100_000, config.Choice{Pool: "a"}, config.Choice{Pool: "b"})}, "ns.", nil)
	if len(ps) > 0 {
		b.Fatal(ps)
	}
	set := NewSet([]*Zone{z})
	vs := weights(95, 5)
	for b.Loop() {
		steered := make([]*Steered, len(set.Groups()))
		for i := range steered {
			steered[i] = Pack(vs)
		}
		set.Snapshot(2, steered, nil)
	}
}

// geoScene has three services: plain answers everyone alike, geo by the
// country of the client, of 250 and of n networks, and draw by the client's
// network among three pools.
func geoScene(t testing.TB, n int) *Snapshot {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 7))
	var p config.Places
	for i := range n {
		country := string([]byte{'A' + byte(i%25), 'A' + byte(i/25%10)})
		p.Networks = append(p.Networks, config.Located{Network: netip.PrefixFrom(clientAt(r.IntN(1<<24)), 24).Masked(), Country: country})
	}
	atlas, err := place.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	m, err := atlas.Compile(func(p steer.Place) string { return p.Country }, nil)
	if err != nil {
		t.Fatal(err)
	}
	var services []config.Service
	for i, name := range []string{"plain", "geo", "draw"} {
		services = append(services, config.Service{Name: name + ".example.test.", Policy: fmt.Sprint(i), TTL: 30 * time.Second, Pools: []config.Choice{{Pool: "a"}}})
	}
	set := NewSet([]*Zone{parse(t, "example.test.", bigText(10_000), services...)})
	vs := weights(60, 30, 10)
	of := make([]int32, len(m.Classes()))
	for i := range of {
		of[i] = int32(i % 3)
	}
	return set.Snapshot(1, []*Steered{
		Pack(vs[:1]),
		PackPlaces(m, of, []Answers{{Variants: vs[:1]}, {Variants: vs[1:2]}, {Variants: vs[2:]}}),
		PackPlaces(nil, []int32{0}, []Answers{{Variants: vs, Draw: steer.Again, Window: 300}}),
	}, nil)
}

// TestPlacesAllocateNothing: neither a look-up of the client's class nor a draw
// does, nor a TTL that is cut.
func TestPlacesAllocateNothing(t *testing.T) {
	snap := geoScene(t, 1000)
	buf, scratch, name := make([]byte, 0, 4096), new(Scratch), new(Name)
	for _, kind := range []string{"plain", "geo", "draw"} {
		q := questions(dns.TypeA, kind+".example.test.")[0]
		i := 0
		if n := testing.AllocsPerRun(2000, func() {
			q.q.Client, q.q.Now = clientAt(i*8191), int64(i)
			if i++; i%2 == 0 {
				q.q.Client = clientAt6(i * 8191)
			}
			name.Take(q.q.Name)
			scratch.Append(snap, append(buf, q.msg...), name, &q.q, 1232)
		}); n != 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
}

// BenchmarkPlaces compares answers by place and by draw with plain ones, for
// clients from everywhere.
func BenchmarkPlaces(b *testing.B) {
	snap := geoScene(b, 100_000)
	for _, kind := range []string{"plain", "geo", "draw"} {
		qs := questions(dns.TypeA, slices.Repeat([]string{kind + ".example.test."}, 4096)...)
		r := rand.New(rand.NewPCG(5, 8))
		for i := range qs {
			qs[i].q.Client = clientAt(r.IntN(1 << 24))
		}
		b.Run(kind, func(b *testing.B) {
			buf, sc, name := make([]byte, 0, 4096), new(Scratch), new(Name)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				a := &qs[i&4095]
				i++
				name.Take(a.msg[question:])
				sc.Append(snap, append(buf, a.msg...), name, &a.q, 1232)
			}
		})
	}
}

// BenchmarkPackPlaces packs what 250 classes of clients get, of which ten
// differ; the bytes are what stays.
func BenchmarkPackPlaces(b *testing.B) {
	var answers []Answers
	for i := range 10 {
		vs := weights(60, 30, 10)
		for j := range vs {
			vs[j].Weight += uint32(i)
		}
		answers = append(answers, Answers{Variants: vs, Draw: steer.Again, Window: 300})
	}
	of := make([]int32, 250)
	for i := range of {
		of[i] = int32(i % 10)
	}
	b.ReportAllocs()
	const kept = 1000
	before := heap()
	var all [kept]*Steered
	i := 0
	for b.Loop() {
		all[i%kept] = PackPlaces(new(place.Map), of, answers)
		i++
	}
	b.ReportMetric(float64(heap()-before)/float64(min(i, kept)), "bytes/group")
	runtime.KeepAlive(all)
}
