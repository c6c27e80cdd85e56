package xfr

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// loopback may transfer everything.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func open(journal int) *config.Config {
	return &config.Config{Transfer: config.Transfer{Allow: loopback, Journal: journal}}
}

// TestWhole: AXFR gives the zone as it is answered, services and glue and all.
func TestWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), open(100))
	w.publish([]*zone.Zone{testZone(t, "example.test.", "kid NS ns.kid\nns.kid A 192.0.2.99\n*.wild TXT \"a b\"\n")}, 7, 41)
	got := strings.Join(w.whole("example.test."), "\n")
	want := strings.Join(linesOf(parsed(t, `
*.wild.example.test. 60 IN TXT "a b"
example.test. 60 IN NS ns.example.test.
example.test. 60 IN SOA ns.example.test. hm.example.test. 41 7200 900 1209600 60
kid.example.test. 60 IN NS ns.kid.example.test.
ns.example.test. 60 IN A 192.0.2.53
ns.kid.example.test. 60 IN A 192.0.2.99
www.example.test. 30 IN A 192.0.2.7`)), "\n")
	if got != want {
		t.Errorf("AXFR:\n%s\nwant\n%s", got, want)
	}
}

// parsed reads lines of a zone file.
func parsed(t *testing.T, text string) (rrs []dns.RR) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

// TestManyMessages: a large zone takes many messages, each of them signed, and
// none of its records is lost.
func TestManyMessages(t *testing.T) {
	t.Parallel()
	cfg := open(100)
	cfg.Keys = []config.Key{testKey("hmac-sha256")}
	cfg.Secondaries = []config.Secondary{{Name: "two", Address: netip.MustParseAddrPort("127.0.0.2:9"), Key: "k.test."}}
	var text strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&text, "h%d A 10.0.%d.%d\nh%d TXT \"%s\"\n", i, i/250, i%250, i, strings.Repeat("x", i%50))
	}
	for i := range 240 { // one owner, over the end of a message
		fmt.Fprintf(&text, "many TXT \"%0200d\"\n", i)
	}
	fmt.Fprintf(&text, "huge TXT %s\n", strings.Repeat("\""+strings.Repeat("y", 250)+"\" ", 240)) // 60,240 octets in one record
	w := newWorld(t, t.TempDir(), cfg)
	w.publish([]*zone.Zone{testZone(t, "example.test.", text.String())}, 7, 41)
	for _, key := range []bool{false, true} {
		rrs, err := w.take("example.test.", nil, key)
		if err != nil || len(rrs) != 10_000+240+1+2+2+1 {
			t.Fatalf("signed %v: %d records, %v", key, len(rrs), err)
		}
		seen := map[string]bool{}
		for _, l := range linesOf(rrs) {
			seen[l] = true
		}
		many := 0
		for l := range seen {
			if strings.HasPrefix(l, "many.example.test. ") {
				many++
			}
		}
		if len(seen) != len(rrs)-1 || many != 240 {
			t.Errorf("%d of %d records differ, %d of many", len(seen), len(rrs), many)
		}
	}
	if s := w.p.Status()[0]; s.Transfer == nil || s.Transfer.Kind != AXFR || s.Transfer.Messages < 10 {
		t.Errorf("the transfer was %+v", s.Transfer)
	}
}

// TestIncremental follows one zone over its changes: what changed goes out, and
// the whole zone where that is not known.
func TestIncremental(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, dir, open(3))
	z := testZone(t, "example.test.", "a A 192.0.2.100\n")
	set := zone.NewSet([]*zone.Zone{z})
	had := map[uint32][]string{}
	for serial := uint32(10); serial <= 15; serial++ {
		w.publishSet(set, int(serial), serial)
		had[serial] = w.whole("example.test.")
	}
	expect := func(w *world, from, now uint32, want Kind) {
		t.Helper()
		rrs, err := w.take("example.test.", &from, false)
		if err != nil {
			t.Errorf("from %d: %v", from, err)
			return
		}
		got, kind, err := apply(had[from], rrs)
		if err != nil || kind != want || kind != SOA && !slices.Equal(got, had[now]) {
			t.Errorf("from %d: %s, %v\n%s\nwant %s\n%s", from, kind, err, strings.Join(got, "\n"), want, strings.Join(had[now], "\n"))
		}
		if serial := rrs[0].(*dns.SOA).Serial; serial != now {
			t.Errorf("from %d: serial %d, want %d", from, serial, now)
		}
	}
	for from, want := range map[uint32]Kind{10: AXFR, 11: AXFR, 12: IXFR, 13: IXFR, 14: IXFR, 15: SOA, 16: SOA, 9: AXFR} {
		expect(w, from, 15, want)
	}
	// A reload replaces the set; the zone's other content is other records.
	w.publish([]*zone.Zone{testZone(t, "example.test.", "b A 192.0.2.101\nb A 192.0.2.102\n")}, 15, 16)
	had[16] = w.whole("example.test.")
	for from, want := range map[uint32]Kind{12: AXFR, 13: IXFR, 15: IXFR, 16: SOA} {
		expect(w, from, 16, want)
	}
	w.stop()

	// After a restart the journal goes on, under the same serial or a later one,
	// as long as the content is the same.
	for _, serial := range []uint32{16, 1000} {
		w = newWorld(t, dir, open(3))
		w.publish([]*zone.Zone{testZone(t, "example.test.", "b A 192.0.2.102\nb A 192.0.2.101\n")}, 15, serial)
		had[serial] = w.whole("example.test.")
		expect(w, 15, serial, IXFR)
		w.stop()
	}
	w = newWorld(t, dir, open(3))
	w.publish([]*zone.Zone{testZone(t, "example.test.", "c A 192.0.2.101\n")}, 15, 1001)
	had[1001] = w.whole("example.test.")
	expect(w, 1000, 1001, AXFR) // what changed while nobody ran is not known
}

// TestAtOnce: who asks as soon as a change is published gets that change.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), open(10))
	set := zone.NewSet([]*zone.Zone{testZone(t, "example.test.", "")})
	w.publishSet(set, 1, 10)
	for serial := uint32(11); serial < 40; serial++ {
		s := set.Snapshot(uint64(serial), []*zone.Steered{answering(int(serial))}, []uint32{serial})
		w.server.Swap(s)
		w.p.Publish(s)
		from := serial - 1
		rrs, err := w.take("example.test.", &from, false)
		if err != nil || len(rrs) != 6 || rrs[0].(*dns.SOA).Serial != serial {
			t.Fatalf("from %d: %v, %v", from, rrs, err)
		}
	}
}

// TestAnyHistory: applying the answer to IXFR from any earlier serial gives
// exactly the present zone, whatever happened between, over restarts too.
func TestAnyHistory(t *testing.T) {
	t.Parallel()
	kinds := map[Kind]int{}
	rapid.Check(t, func(rt *rapid.T) {
		journal := rapid.IntRange(0, 8).Draw(rt, "journal")
		dir := t.TempDir()
		w := newWorld(t, dir, open(journal))
		defer func() { w.stop() }()
		had := map[uint32][]string{}
		serial, set, text := uint32(rapid.SampledFrom([]uint32{1, 4294967290}).Draw(rt, "first")), (*zone.Set)(nil), ""
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			serial += uint32(rapid.IntRange(1, 3).Draw(rt, "rise"))
			if serial == 0 {
				serial = 1
			}
			switch n := rapid.IntRange(0, 9).Draw(rt, "n"); {
			case set == nil || n == 0:
				text = ""
				for _, name := range rapid.SliceOfNDistinct(rapid.IntRange(0, 9), 0, 6, rapid.ID[int]).Draw(rt, "names") {
					ttl := rapid.IntRange(60, 61).Draw(rt, "ttl")
					for a := range rapid.IntRange(1, 3).Draw(rt, "records") {
						text += fmt.Sprintf("n%d %d A 192.0.2.%d\n", name, ttl, 100+a)
					}
				}
				set = zone.NewSet([]*zone.Zone{testZone(t, "example.test.", text)})
			case n == 1:
				w.stop()
				w = newWorld(t, dir, open(journal))
			}
			w.publishSet(set, rapid.IntRange(0, 3).Draw(rt, "answer"), serial)
			had[serial] = w.whole("example.test.")
		}
		for from, zone := range had {
			rrs, err := w.take("example.test.", &from, false)
			if err != nil {
				rt.Fatal(err)
			}
			got, kind, err := apply(zone, rrs)
			if err != nil || !slices.Equal(got, had[serial]) {
				rt.Fatalf("from %d to %d, %s: %v\n%s\nwant\n%s", from, serial, kind, err, strings.Join(got, "\n"), strings.Join(had[serial], "\n"))
			}
			kinds[kind]++
		}
	})
	t.Log(kinds)
	if kinds[AXFR] == 0 || kinds[IXFR] == 0 || kinds[SOA] == 0 {
		t.Errorf("not every kind came up: %v", kinds)
	}
}

// TestMayTransfer: who may have what, and what the others are told.
func TestMayTransfer(t *testing.T) {
	t.Parallel()
	elsewhere := netip.MustParseAddrPort("127.0.0.2:9")
	here := netip.MustParseAddrPort("127.0.0.1:9")
	key := []config.Key{testKey("hmac-sha256")}
	for _, c := range []struct {
		name   string
		cfg    config.Config
		signed bool
		one    string // of AXFR one.test.
		two    string // of AXFR two.test.
	}{
		{"nobody", config.Config{}, false, "REFUSED", "REFUSED"},
		{"nobody, signed", config.Config{Keys: key}, true, "REFUSED", "REFUSED"},
		{"an address", config.Config{Transfer: config.Transfer{Allow: loopback}}, false, "ok", "ok"},
		{"another address", config.Config{Transfer: config.Transfer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}}, false, "REFUSED", "REFUSED"},
		{"a secondary", config.Config{Secondaries: []config.Secondary{{Name: "a", Address: here}}}, false, "ok", "ok"},
		{"a secondary of one zone", config.Config{Secondaries: []config.Secondary{{Name: "a", Address: here, Zones: []string{"one.test."}}}}, false, "ok", "REFUSED"},
		{"a secondary elsewhere", config.Config{Secondaries: []config.Secondary{{Name: "a", Address: elsewhere}}}, false, "REFUSED", "REFUSED"},
		{"one with a key, without it", config.Config{Keys: key, Secondaries: []config.Secondary{{Name: "a", Address: here, Key: "k.test."}}}, false, "REFUSED", "REFUSED"},
		{"one with a key", config.Config{Keys: key, Secondaries: []config.Secondary{{Name: "a", Address: elsewhere, Key: "k.test.", Zones: []string{"two.test."}}}}, true, "REFUSED", "ok"},
		{"two of one key", config.Config{Keys: key, Secondaries: []config.Secondary{
			{Name: "a", Address: elsewhere, Key: "k.test.", Zones: []string{"two.test."}}, {Name: "b", Address: elsewhere, Key: "k.test.", Zones: []string{"one.test."}}}}, true, "ok", "ok"},
		{"an unknown key", config.Config{Transfer: config.Transfer{Allow: loopback}}, true, "NOTAUTH", "NOTAUTH"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Transfer.Journal = 10
			w := newWorld(t, t.TempDir(), &c.cfg)
			s := zone.NewSet([]*zone.Zone{testZone(t, "one.test.", ""), testZone(t, "two.test.", "")}).Snapshot(1, []*zone.Steered{answering(1)}, nil)
			w.server.Swap(s)
			w.p.Publish(s)
			if c.cfg.Transfers() {
				w.until("settled", func() bool { return w.p.state.Load().snapshot == s })
			}
			for origin, want := range map[string]string{"one.test.": c.one, "two.test.": c.two} {
				_, err := w.take(origin, nil, c.signed)
				got := "ok"
				if err != nil {
					got = err.Error()
				}
				if got != want && !strings.Contains(got, codes[want]) {
					t.Errorf("%s: %s, want %s", origin, got, want)
				}
			}
		})
	}
}

// codes are how miekg/dns tells of an rcode in a transfer.
var codes = map[string]string{"REFUSED": "bad xfr rcode: 5", "NOTAUTH": "bad authentication", "ok": "ok"}
