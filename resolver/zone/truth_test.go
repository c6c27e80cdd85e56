package zone

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/place"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// stage has the pools east, west and spare, each with a host name, addresses
// and HTTPS parameters that are its own, and three services over them: flat,
// with addresses; cname, with host names; and the apex.
type stage struct {
	set    *Set
	pools  map[string]*config.Pool
	table  *health.Table
	places *place.Map
}

func newStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{pools: map[string]*config.Pool{}, table: &health.Table{Pools: map[string]*health.Pool{}}}
	for i, name := range []string{"east", "west", "spare"} {
		s.pools[name] = &config.Pool{Name: name, CNAME: name + ".cdn.test.", HTTPS: config.Binding{
			On: true, ALPN: []string{name}, Hints: true, Alias: name == "west"}}
		s.table.Pools[name] = endpoints(fmt.Sprintf("192.0.2.%d+ 2001:db8::%d+", i+1, i+1))
	}
	var services []config.Service
	for i, name := range []string{"example.test.", "flat.example.test.", "cname.example.test."} {
		services = append(services, config.Service{Name: name, Policy: fmt.Sprint(i), TTL: 30 * time.Second, Flatten: i < 2,
			Pools: []config.Choice{{Pool: "east"}}})
	}
	s.set = NewSet([]*Zone{parse(t, "example.test.", smallZone, services...)})
	atlas, err := place.Open(config.Places{Networks: []config.Located{
		{Network: netip.MustParsePrefix("64.0.0.0/3"), Country: "US"},
		{Network: netip.MustParsePrefix("70.1.2.128/25"), Country: "JP"},
		{Network: netip.MustParsePrefix("2001:db8::/33"), Country: "JP"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s.places, err = atlas.Compile(func(p steer.Place) string { return p.Country }, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// snapshot decides by country, "" for everyone else; a decision is a draw, and
// shares in percent, as "again east=90 west=10".
func (s *stage) snapshot(generation uint64, ttl time.Duration, decisions map[string]string) *Snapshot {
	steered := make([]*Steered, len(s.set.Groups()))
	for i, service := range s.set.Groups() {
		var answers []Answers
		var of []int32
		for class, sample := range s.places.Classes() {
			text, ok := decisions[sample.Country]
			if !ok {
				text = decisions[""]
			}
			words := strings.Fields(text)
			d := steer.Decision{TTL: ttl, Draw: map[string]steer.Draw{"fixed": steer.Fixed, "again": steer.Again, "stay": steer.Stay}[words[0]]}
			for _, w := range words[1:] {
				var p steer.Pick
				p.Pool, _, _ = strings.Cut(w, "=")
				fmt.Sscanf(w[len(p.Pool):], "=%d", &p.Weight)
				p.Weight *= steer.Million / 100
				d.Picks = append(d.Picks, p)
			}
			answers, of = append(answers, AnswersOf(d, service, s.pools, s.table)), append(of, int32(class))
		}
		steered[i] = PackPlaces(s.places, of, answers)
	}
	return s.set.Snapshot(generation, steered, nil)
}

// marks tells whose records a reply has, by their data: each pool has marks of
// its own.
func marks(m *dns.Msg) map[string]bool {
	found := map[string]bool{}
	text := fmt.Sprint(m.Answer, m.Extra)
	for i, name := range []string{"east", "west", "spare"} {
		for _, mark := range []string{name, fmt.Sprintf("192.0.2.%d", i+1), fmt.Sprintf("2001:db8::%d", i+1)} {
			if strings.Contains(text, mark) {
				found[name] = true
			}
		}
	}
	return found
}

// lowest returns the lowest TTL of a reply.
func lowest(m *dns.Msg) int64 {
	ttl := int64(maxTTL)
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			ttl = min(ttl, int64(rr.Header().Ttl))
		}
	}
	return ttl
}

// A held is an answer that a cache still holds.
type held struct {
	pool  string
	until int64
}

// TestOnePoolOneTruth asks for every type as many client networks of all
// places, over hours in which shares ramp up, as a cache would that keeps all
// answers to the end of their TTLs. While the decision stands, no answer of one
// pool is held beside one of another, whatever the types; where it moves, every
// client either stays or moves to the pool whose share grew. Nothing answers
// for longer than the TTL of the service.
func TestOnePoolOneTruth(t *testing.T) {
	s := newStage(t)
	ramp := []string{"again east=99 west=1", "again east=90 west=10", "again east=50 west=50", "again east=30 west=70"}
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeTXT, dns.TypeANY}
	names := []string{"example.test.", "flat.example.test.", "cname.example.test."}
	cache := map[string]held{} // by client and service
	drew, moved, cut := map[string]int{}, 0, 0
	for step := range int64(400) { // of 7 s
		now := 1_700_000_000 + 7*step
		stage := int(step / 100)
		snap := s.snapshot(uint64(stage), 30*time.Second, map[string]string{
			"": ramp[stage], "US": "stay west=50 spare=50", "JP": "fixed spare=100"})
		for i := range 40 {
			client := clientAt(i * 419_430) // all over the Internet
			if i%3 == 0 {
				client = clientAt6(i * 419_430)
			}
			for j, name := range names {
				key := fmt.Sprint(client, name)
				m, info, err := snap.Records(name, types[(int(step)*3+i+j)%len(types)], client, now)
				if err != nil {
					t.Fatal(err)
				}
				pool := snap.Variants(info.Group)[info.Variant].Pool
				for other := range marks(m) {
					if other != pool {
						t.Fatalf("%s drew %s and got\n%v", key, pool, m)
					}
				}
				was, ttl := cache[key], lowest(m)
				switch {
				case ttl > 30:
					t.Fatalf("%s: a TTL of %d\n%v", key, ttl, m)
				case now < was.until && pool != was.pool && step%100 < 5 && pool == "west" && was.pool == "east":
					moved++ // a step of the ramp
				case now < was.until && pool != was.pool:
					t.Fatalf("%s: %s at %d beside %s, which is held until %d", key, pool, now, was.pool, was.until)
				}
				if ttl < 30 {
					cut++
				}
				until := now + ttl
				if pool == was.pool {
					until = max(until, was.until)
				}
				cache[key] = held{pool, until}
				drew[pool]++
			}
		}
	}
	if len(drew) != 3 || moved == 0 || cut == 0 {
		t.Errorf("the test tests nothing: drew %v, %d moved within a TTL, %d TTLs cut", drew, moved, cut)
	}
}

// TestScope: how many bits of the client's address an answer depends on, by
// what is decided for the classes: everyone else, 64.0.0.0/3 and
// 2001:db8::/33's, and 70.1.2.128/25.
func TestScope(t *testing.T) {
	s := newStage(t)
	same := map[string]string{"": "fixed east=100"}
	byPlace := map[string]string{"": "fixed east=100", "US": "fixed west=100", "JP": "fixed spare=100"}
	drawn := map[string]string{"": "stay east=50 west=50"}
	both := map[string]string{"": "fixed east=100", "US": "again east=50 west=50", "JP": "fixed spare=100"}
	for _, c := range []struct {
		decisions map[string]string
		ask       string
		client    string
		want      uint8
	}{
		{same, "flat.example.test. A", "64.1.2.3", 0},
		{same, "flat.example.test. AAAA", "2001:db8::1", 0},
		{byPlace, "flat.example.test. A", "64.1.2.3", 6},
		{byPlace, "flat.example.test. A", "200.1.2.3", 1},
		{byPlace, "flat.example.test. TXT", "70.1.2.3", 25}, // NODATA too
		{byPlace, "flat.example.test. A", "70.1.2.200", 25},
		{byPlace, "cname.example.test. A", "70.1.2.200", 25},
		{byPlace, "flat.example.test. A", "2001:db8::1", 33},
		{byPlace, "flat.example.test. A", "2001:db9::1", 32},
		{byPlace, "flat.example.test. A", "2400::1", 6},
		{byPlace, "alias.example.test. A", "64.1.2.3", 0}, // leads to a name that is not there
		{byPlace, "ns.example.test. A", "64.1.2.3", 0},
		{byPlace, "none.example.test. A", "64.1.2.3", 0},
		{drawn, "flat.example.test. A", "64.1.2.3", 24},
		{drawn, "flat.example.test. A", "2001:db8::1", 56},
		{both, "flat.example.test. A", "64.1.2.3", 24},
		{both, "flat.example.test. A", "200.1.2.3", 1},
		{both, "flat.example.test. A", "70.1.2.3", 25},
		{both, "flat.example.test. A", "::ffff:64.1.2.3", 24},
	} {
		name, typ, _ := strings.Cut(c.ask, " ")
		_, info, err := s.snapshot(1, 30*time.Second, c.decisions).Records(name, dns.StringToType[typ], netip.MustParseAddr(c.client), 0)
		if err != nil || info.Scope != c.want {
			t.Errorf("%v: %s from %s: scope %d, want %d (%v)", c.decisions, c.ask, c.client, info.Scope, c.want, err)
		}
	}
}

// TestScopeHolds: every client within the scope of an answer gets that answer.
func TestScopeHolds(t *testing.T) {
	s := newStage(t)
	snap := s.snapshot(1, 30*time.Second, map[string]string{
		"": "again east=50 west=50", "US": "fixed west=100", "JP": "stay west=10 spare=90"})
	for i := range 1500 {
		client := clientAt(i * 11_184)
		if i%2 == 0 {
			client = clientAt6(i * 11_184)
		}
		_, info, _ := snap.Records("flat.example.test.", dns.TypeA, client, 1e9)
		p, err := client.Prefix(int(info.Scope))
		if err != nil {
			t.Fatal(err)
		}
		for _, near := range []netip.Addr{p.Addr(), lastIn(p)} {
			if _, other, _ := snap.Records("flat.example.test.", dns.TypeA, near, 1e9); other != info {
				t.Fatalf("%s gets %+v, and %s, of the same %s, gets %+v", client, info, near, p, other)
			}
		}
	}
}

func lastIn(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		for bit := range 8 {
			if i*8+bit >= p.Bits() {
				b[i] |= 0x80 >> bit
			}
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
