package zone

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/place"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// said returns an RRset as sorted zone-file lines without class.
func said(set RRset) []string {
	var lines []string
	for _, rr := range set.Records {
		f := strings.Fields(rr.String())
		lines = append(lines, strings.Join(append([]string{f[0], f[1]}, f[3:]...), " "))
	}
	slices.Sort(lines)
	return lines
}

// contents returns all of zone i as sorted lines, the SOA first.
func contents(t *testing.T, s *Snapshot, i int32, c config.Content) []string {
	t.Helper()
	var first, lines []string
	seen := map[string]bool{}
	for set := range s.Contents(i, c) {
		if first == nil {
			first = said(set)
			if set.Type != dns.TypeSOA {
				t.Fatalf("the first is %v", set)
			}
			continue
		}
		key := fmt.Sprint(set.Name, set.Type)
		if seen[key] || len(set.Records) == 0 || set.Name != strings.ToLower(set.Name) || set.Type == dns.TypeSOA {
			t.Fatalf("RRset again, empty or odd: %v", set)
		}
		seen[key] = true
		for _, rr := range set.Records {
			if h := rr.Header(); h.Ttl != set.TTL || h.Rrtype != set.Type || h.Name != set.Name || h.Class != dns.ClassINET {
				t.Fatalf("%v in %+v", rr, set)
			}
		}
		lines = append(lines, said(set)...)
	}
	slices.Sort(lines)
	return append(first, lines...)
}

// given writes what pools answer: "a*2=192.0.2.1,2001:db8::1 b=cdn.test.".
func given(text string) (vs []Variant) {
	for _, word := range strings.Fields(text) {
		name, what, _ := strings.Cut(word, "=")
		v := Variant{Pool: name, Weight: 1, TTL: 5}
		if pool, weight, ok := strings.Cut(name, "*"); ok {
			v.Pool = pool
			fmt.Sscan(weight, &v.Weight)
		}
		switch {
		case strings.HasSuffix(what, "."):
			v.Target = what
		case what != "":
			for a := range strings.SplitSeq(what, ",") {
				v.Addrs = append(v.Addrs, netip.MustParseAddr(a))
			}
		}
		vs = append(vs, v)
	}
	return vs
}

// TestContent: what stands for all clients of a service whose pools are
// configured in the order a b c, with a TTL of 30 s. What is packed is listed
// class by class; the first is for clients whose place is unknown.
func TestContent(t *testing.T) {
	for _, c := range []struct {
		what      string
		classes   []string
		one, both string
	}{
		{"the only pool", []string{"b=192.0.2.2,192.0.2.1"}, "b 192.0.2.1 192.0.2.2", "b 192.0.2.1 192.0.2.2"},
		{"the largest share", []string{"a*1=192.0.2.1 b*3=192.0.2.2 c*2=192.0.2.3"}, "b 192.0.2.2", "b 192.0.2.1 192.0.2.2 192.0.2.3"},
		{"the first of equals, in the order configured", []string{"c*2=192.0.2.3 b*2=192.0.2.2 a*1=192.0.2.1"}, "b 192.0.2.2", "b 192.0.2.1 192.0.2.2 192.0.2.3"},
		{"the pool of another policy comes after", []string{"x=192.0.2.9 c=192.0.2.3"}, "c 192.0.2.3", "c 192.0.2.3 192.0.2.9"},
		{"a pool without anything is passed over", []string{"a*9= b*1=192.0.2.2"}, "b 192.0.2.2", "b 192.0.2.2"},
		{"weights of nothing are equal", []string{"b*0=192.0.2.2 a*0=192.0.2.1"}, "a 192.0.2.1", "a 192.0.2.1 192.0.2.2"},
		{"clients of an unknown place decide", []string{"c=192.0.2.3", "a*9=192.0.2.1"}, "c 192.0.2.3", "c 192.0.2.1 192.0.2.3"},
		{"an address of two pools stands once", []string{"a=192.0.2.1", "b=192.0.2.1,2001:db8::1"}, "a 192.0.2.1", "a 192.0.2.1 2001:db8::1"},
		{"a host name is one", []string{"a=cdn.test. b*3=other.test."}, "b other.test.", "b other.test."},
		{"nothing", []string{"a="}, "", ""},
		{"nothing for some, and for others something", []string{"a=", "b=192.0.2.2"}, "", "b 192.0.2.2"},
	} {
		svc := config.Service{Name: "www.example.test.", TTL: 30 * time.Second, Pools: []config.Choice{{Pool: "a"}, {Pool: "b"}, {Pool: "c"}}}
		svc.Alias = strings.Contains(c.what, "host name")
		st := packedFor(t, c.classes)
		for kind, want := range map[config.Content]string{config.OnePool: c.one, config.AllPools: c.both} {
			for range 2 { // worked out, and remembered
				v, ok := st.Content(&svc, kind)
				got := strings.TrimSpace(v.Pool + " " + v.Target + strings.Trim(fmt.Sprint(v.Addrs), "[]"))
				if got != want || ok != (want != "") || ok && v.TTL != 30 {
					t.Errorf("%s: %s: %q (TTL %d), want %q", c.what, kind, got, v.TTL, want)
				}
			}
		}
	}
}

// packedFor packs one answer for each class of clients.
func packedFor(t *testing.T, classes []string) *Steered {
	t.Helper()
	var answers []Answers
	var of []int32
	for i, text := range classes {
		answers = append(answers, Answers{Variants: given(text), Draw: steer.Again, Window: 50})
		of = append(of, int32(i))
	}
	if len(classes) == 1 {
		return PackPlaces(nil, of, answers)
	}
	atlas, err := place.Open(config.Places{})
	if err != nil {
		t.Fatal(err)
	}
	net := netip.MustParsePrefix("198.51.100.0/24")
	m, err := atlas.Compile(func(p steer.Place) string { return fmt.Sprint(net.Contains(p.Addr)) }, []netip.Prefix{net})
	if err != nil || len(m.Classes()) != 2 {
		t.Fatal(m, err)
	}
	return PackPlaces(m, of, answers)
}

const contentsZone = `$TTL 60
@ SOA ns hm 7 2 3 4 60
@ NS ns
@ MX 10 Mail
ns A 192.0.2.53
mail A 192.0.2.25
sub NS ns.sub
ns.sub A 192.0.2.99
*.wild 5 TXT "a b" c
any TYPE65280 \# 2 abcd
www MX 5 mail
`

// TestContents holds all of a zone against its lines.
func TestContents(t *testing.T) {
	z := parse(t, "example.test.", contentsZone, config.Service{Name: "www.example.test.", TTL: 30 * time.Second, Pools: []config.Choice{{Pool: "a"}}},
		config.Service{Name: "*.s.example.test.", TTL: 20 * time.Second, Pools: []config.Choice{{Pool: "b"}}},
		config.Service{Name: "example.test.", TTL: 10 * time.Second, Flatten: true, Pools: []config.Choice{{Pool: "c"}}})
	other := parse(t, "other.test.", smallZone)
	set := NewSet([]*Zone{other, z})
	with := func(vs ...[]Variant) []*Steered {
		all := make([]*Steered, len(set.Groups()))
		for i, g := range set.Groups() {
			all[i] = Pack(vs[g.Pools[0].Pool[0]-'a'])
		}
		return all
	}
	apex := given("c=192.0.2.3")
	apex[0].HTTPS, apex[0].Host = config.Binding{On: true, Alias: true, ALPN: []string{"h3"}}, "cdn.test."
	static := []string{
		"*.wild.example.test. 5 TXT \"a b\" \"c\"",
		"any.example.test. 60 TYPE65280 \\# 2 abcd",
		"example.test. 60 MX 10 Mail.example.test.",
		"example.test. 60 NS ns.example.test.",
		"mail.example.test. 60 A 192.0.2.25",
		"ns.example.test. 60 A 192.0.2.53",
		"ns.sub.example.test. 60 A 192.0.2.99",
		"sub.example.test. 60 NS ns.sub.example.test.",
		"www.example.test. 60 MX 5 mail.example.test.",
	}
	for _, c := range []struct {
		what     string
		steered  []*Steered
		serial   string
		services []string
	}{
		{"nothing to answer with", nil, "7", nil},
		{"all of them", with(given("a=192.0.2.2,192.0.2.1,2001:db8::1"), given("b=cdn.test."), apex), "4294967295", []string{
			"*.s.example.test. 20 CNAME cdn.test.",
			"example.test. 10 A 192.0.2.3",
			"example.test. 10 HTTPS 0 cdn.test.",
			"www.example.test. 30 A 192.0.2.1", "www.example.test. 30 A 192.0.2.2", "www.example.test. 30 AAAA 2001:db8::1"}},
	} {
		serials := []uint32{0, 0}
		fmt.Sscan(c.serial, &serials[1])
		snap := set.Snapshot(1, c.steered, serials)
		want := slices.Concat(static, c.services)
		slices.Sort(want)
		want = append([]string{"example.test. 60 SOA ns.example.test. hm.example.test. " + c.serial + " 2 3 4 60"}, want...)
		if got := contents(t, snap, 1, config.OnePool); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		sameWire(t, c.what, snap, 1)
		if fmt.Sprint(snap.Serial(1)) != c.serial || snap.Serial(0) != 1 {
			t.Errorf("%s: serials %d %d", c.what, snap.Serial(0), snap.Serial(1))
		}
		for _, name := range []string{"www.example.test.", "*.s.example.test.", "Example.test.", "ns.example.test.", "x.s.example.test.", "elsewhere.", "a..b"} {
			var lines []string
			for _, rrs := range snap.Service(name, config.OnePool) {
				lines = append(lines, said(rrs)...)
			}
			want := slices.DeleteFunc(slices.Clone(c.services), func(l string) bool { return !strings.HasPrefix(l, strings.ToLower(name)+" ") })
			if !slices.Equal(lines, want) {
				t.Errorf("%s: %s holds %q, want %q", c.what, name, lines, want)
			}
		}
	}
	for range set.Snapshot(1, nil, nil).Contents(1, config.OnePool) {
		break // whoever stops early is heard
	}
	for range set.Snapshot(1, with(apex, apex, apex), nil).Wire(1, config.OnePool) {
		break
	}
}

// sameWire holds Wire against Contents, octet by octet.
func sameWire(t *testing.T, what string, s *Snapshot, i int32) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{} // by owner
	for set := range s.Contents(i, config.OnePool) {
		for _, rr := range set.Records {
			buf := make([]byte, dns.MaxMsgSize)
			end, err := dns.PackRR(rr, buf, 0, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			if set.Type != dns.TypeSOA {
				want[string(buf[:nameLen(buf)])] += string(buf[:end])
			}
		}
	}
	for wire := range s.Wire(i, config.OnePool) {
		owner := string(wire[:nameLen(wire)])
		if _, again := got[owner]; again {
			t.Errorf("%s: %q comes twice", what, owner)
		}
		got[owner] = string(wire)
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s: records\n%q\nwant\n%q", what, slices.Sorted(maps.Values(got)), slices.Sorted(maps.Values(want)))
	}
}

// TestWire: what the library makes of records of many types when it reads
// them and writes them again is what they are in wire form, so that a
// secondary deletes by IXFR what it was given by AXFR.
func TestWire(t *testing.T) {
	z := parse(t, "example.test.", `$TTL 60
@ SOA ns hm 7 2 3 4 60
@ NS ns
ns A 192.0.2.53
UPPER A 192.0.2.1
several 30 A 192.0.2.1
several 30 A 192.0.2.2
six AAAA 2001:db8::1
mixed MX 10 Mail.Example.TEST.
srv SRV 1 2 80 Www.other.test.
c\.d\032e TXT "a\"b" "\255\000" ""
caa CAA 0 issue "ca.test; a=b"
naptr NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:i@x!" .
svcb SVCB 1 Svc.test. mandatory=alpn alpn=h2,h3 port=53 ipv4hint=192.0.2.1 key65000=abc
https HTTPS 1 . alpn=h3 ech=AQID ipv6hint=2001:db8::1
sshfp SSHFP 4 2 123456789ABCDEF67890123456789ABCDEF67890123456789ABCDEF123456789
tlsa TLSA 3 1 1 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
ds DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
ds NS ns.ds
ptr PTR Host.other.test.
hinfo HINFO "a b" c
uri URI 10 1 "https://example.test/"
odd TYPE65280 \# 3 abcdef
strange TYPE1 \# 4 c0000201
eui EUI48 00-00-5e-00-53-2a
dname DNAME other.test.
rp RP Mbox.other.test. txt.other.test.
`)
	sameWire(t, "many types", NewSet([]*Zone{z}).Snapshot(1, nil, nil), 0)
}

// TestKeep: what has nothing to answer with keeps the content it had, however
// long, and drops it for the next.
func TestKeep(t *testing.T) {
	svc := &config.Service{Name: "www.example.test.", TTL: 30 * time.Second, Pools: []config.Choice{{Pool: "a"}, {Pool: "b"}}}
	var st *Steered
	for _, c := range []struct{ answers, want string }{
		{"a=", "none"}, {"a=192.0.2.1", "192.0.2.1"}, {"a=", "192.0.2.1"}, {"", "192.0.2.1"}, {"a= b=", "192.0.2.1"},
		{"b=192.0.2.2", "192.0.2.2"}, {"a=", "192.0.2.2"},
	} {
		st = Pack(given(c.answers)).Keep(st, svc)
		for _, kind := range []config.Content{config.OnePool, config.AllPools} {
			got := "none"
			if v, ok := st.Content(svc, kind); ok {
				got = v.Addrs[0].String()
			}
			if got != c.want {
				t.Errorf("%q holds %s, want %s", c.answers, got, c.want)
			}
		}
		if empty := strings.HasSuffix(c.answers, "=") || c.answers == ""; st.choose(netip.Addr{}, 1, 1).variant < 0 != empty {
			t.Errorf("%q: what is kept must not be answered, nor the other way round", c.answers)
		}
		if st.kept != nil && st.kept.kept != nil {
			t.Error("what is kept keeps what was before it")
		}
	}
	var none *Steered
	if _, ok := none.Keep(st, svc).Content(svc, config.OnePool); !ok {
		t.Error("a group without an answer keeps nothing")
	}
}

// TestSerial: wherever an SOA is answered it has the snapshot's serial.
func TestSerial(t *testing.T) {
	z := parse(t, "example.test.", contentsZone+"out CNAME ns.other.test.\n")
	set := NewSet([]*Zone{z, parse(t, "other.test.", smallZone)})
	snap := set.Snapshot(1, nil, []uint32{2695938256, 17})
	for _, c := range []struct{ ask, want string }{
		{"example.test. SOA", "an example.test. 60 IN SOA ns.example.test. hm.example.test. 2695938256 2 3 4 60"},
		{"example.test. TXT", "ns example.test. 60 IN SOA ns.example.test. hm.example.test. 2695938256 2 3 4 60"},
		{"no.example.test. A", "ns example.test. 60 IN SOA ns.example.test. hm.example.test. 2695938256 2 3 4 60"},
		{"out.example.test. TXT", "ns other.test. 60 IN SOA ns.other.test. hm.other.test. 17 2 3 4 60"},
		{"other.test. SOA", "an other.test. 60 IN SOA ns.other.test. hm.other.test. 17 2 3 4 60"},
	} {
		if got := answer(t, snap, strings.Fields(c.ask)); !strings.Contains(got, c.want+"\n") {
			t.Errorf("%s:\n%s\nwant %s", c.ask, got, c.want)
		}
	}
	if got := answer(t, set.Snapshot(2, nil, []uint32{5}), []string{"example.test.", "SOA"}); !strings.Contains(got, " 5 2 3") {
		t.Error(got)
	}
	if got := answer(t, set.Snapshot(2, nil, []uint32{5}), []string{"other.test.", "SOA"}); !strings.Contains(got, " 1 2 3") {
		t.Error(got)
	}
}

// BenchmarkContents streams a zone of 100,000 records.
func BenchmarkContents(b *testing.B) {
	snap := scene(b, 100_000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = 0
		for set := range snap.Contents(0, config.OnePool) {
			n += len(set.Records)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
}

// BenchmarkWire streams a zone of 100,000 records in wire form.
func BenchmarkWire(b *testing.B) {
	snap := scene(b, 100_000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = 0
		for range snap.Wire(0, config.OnePool) {
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
}
