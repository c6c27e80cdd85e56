package zone

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/fstest"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// FuzzParse compiles any text: it must end as a zone or as problems, and a
// zone must answer any of its names with a message that unpacks.
func FuzzParse(f *testing.F) {
	f.Add([]byte(bigText(2)))
	f.Add([]byte("@ 60 SOA a b (1 2\n 3 4 5) ; c\n@ 60 NS a\nx TXT \"q;\" \\# \n$ORIGIN y\n$TTL 1h\n$GENERATE 1-9/3 h${1,2,x} A 192.0.2.$\n$INCLUDE part sub\n"))
	f.Add([]byte("@ 60 SOA . . 1 2 3 4 5\n@ 60 NS .\n* SVCB 1 . alpn=h2\nw HTTPS 0 x.\n\\000\\255 A \\# 4 01020304\nz LOC 1 N 1 E 1m\n"))
	f.Add([]byte("@ 60 SOA \\# 1 00\n@ 60 NS \\# 1 00\nm MX \\# 2 0000\ns SRV \\# 0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		files := fstest.MapFS{"main": {Data: text}, "part": {Data: []byte("in 60 A 192.0.2.1\n$INCLUDE part\n")}}
		z, ps := Parse(config.Zone{Name: "example.test.", File: "/z/main", Max: 5000}, "", files)
		if (z == nil) == (len(ps) == 0) {
			t.Fatal("neither a zone nor a problem")
		}
		for _, p := range ps {
			if p.What == "" || p.File == "" {
				t.Errorf("%+v", p)
			}
		}
		if z == nil {
			return
		}
		snap := NewSet([]*Zone{z}).Snapshot(1, nil, nil)
		for i := range z.nodes {
			n := &z.nodes[i]
			if n.at <= tomb {
				continue
			}
			name := presentation(z.arena[n.at:])
			for _, typ := range []uint16{dns.TypeA, dns.TypeANY, dns.TypeNS, dns.TypeMX} {
				if _, _, err := snap.Records(name, typ, netip.Addr{}, 0); err != nil {
					t.Fatalf("%s %s: %v", name, dns.Type(typ), err)
				}
			}
		}
	})
}

// FuzzLookup makes a small zone and questions of the octets it gets, and
// compares the answers with those of the oracle; then it asks with a limit,
// which must hold.
func FuzzLookup(f *testing.F) {
	f.Add([]byte("a small zone comes out of these octets, whatever they are"), uint16(100))
	f.Add(bytes.Repeat([]byte{1, 3, 2, 0, 4, 1}, 20), uint16(40))
	f.Fuzz(func(t *testing.T, octets []byte, limit uint16) {
		i := 0
		pick := func(n int) int {
			if i++; i > len(octets) {
				return 0
			}
			return int(octets[i-1]) % n
		}
		origin := []string{".", "test.", "zone.test."}[pick(3)]
		text := smallText(origin, pick)
		o, err := newOracle(origin, text)
		if err != nil {
			t.Fatal(err)
		}
		snap := NewSet([]*Zone{parse(t, origin, text)}).Snapshot(1, nil, nil)
		for range 8 {
			name, typ := smallName(origin, pick), oracleTypes[pick(len(oracleTypes))]
			if diff := compare(o, snap, name, typ); diff != "" {
				t.Fatalf("%s\n%s %s\n%s", text, name, dns.Type(typ), diff)
			}
			wire, _ := wireName(name)
			query := queryMessage(wire, typ)
			bound := len(query) + int(limit)%400
			msg, _ := snap.Append(query, Question{Name: wire, Type: typ}, bound)
			m := new(dns.Msg)
			if err := m.Unpack(msg); err != nil || len(msg) > bound {
				t.Fatalf("%s %s: %d octets of %d: %v", name, dns.Type(typ), len(msg), bound, err)
			}
		}
	})
}

// FuzzRecord holds the quick reading of common types to what miekg/dns makes
// of the same data.
func FuzzRecord(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "2001:db8::1", "1.2.3.04", "::ffff:1.2.3.4", "ns.example.", "@", "a\\.b", "10 mail", "65536 x", "..", "a..b.", "x y"} {
		f.Add(uint8(0), s)
		f.Add(uint8(3), s)
		f.Add(uint8(5), s)
	}
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeCNAME, dns.TypePTR, dns.TypeMX, dns.TypeDNAME}
	origin, _ := wireName("example.test.")
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		if bytes.ContainsAny([]byte(text), "\n\r;()\"\x00") || len(bytes.TrimSpace([]byte(text))) == 0 {
			return
		}
		typ := types[int(which)%len(types)]
		r := &reader{b: newBuilder(origin)}
		fr := &frame{origin: origin}
		quick, wrong1 := r.parseData(fr, typ, []byte(text))
		quick = bytes.Clone(quick)
		slow, wrong2 := r.parseAny(fr, typ, []byte(text))
		if (wrong1 == "") != (wrong2 == "") || wrong1 == "" && !bytes.Equal(quick, slow) {
			t.Errorf("%s %q: quick %x %s, miekg/dns %x %s", dns.Type(typ), text, quick, wrong1, slow, wrong2)
		}
	})
}
