package zone

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
)

const smallZone = "$TTL 60\n@ SOA ns hm 1 2 3 4 60\n@ NS ns\nns A 192.0.2.53\nalias CNAME www\n*.wild CNAME www\n"

func weights(ws ...uint32) (vs []Variant) {
	for i, w := range ws {
		vs = append(vs, Variant{Pool: fmt.Sprint(i), Weight: w, TTL: 30, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}})
	}
	return vs
}

// serviceZone has one service named www over the pool p.
func serviceZone(t testing.TB, names ...string) *Zone {
	var ss []config.Service
	for _, n := range names {
		ss = append(ss, config.Service{Name: n, Policy: config.Failover, Pools: []config.Choice{{Pool: "p"}}, TTL: 30 * time.Second})
	}
	return parse(t, "example.test.", smallZone, ss...)
}

// TestNeverEmpty holds invariants 1 and 13 of incidents: a steered name never
// answers NODATA or NXDOMAIN because nothing is there to answer; it fails, so
// that whoever has an older answer keeps it.
func TestNeverEmpty(t *testing.T) {
	set := NewSet([]*Zone{serviceZone(t, "www.example.test.")})
	for name, steered := range map[string][]*Steered{
		"no groups":                nil,
		"a nil group":              {nil},
		"no variants":              {Pack(nil)},
		"a variant of nothing":     {Pack([]Variant{{Pool: "p"}})},
		"a target that is no name": {Pack([]Variant{{Pool: "p", Target: "a..b."}})},
	} {
		snap := set.Snapshot(1, steered, nil)
		for _, ask := range []string{"www.example.test. A", "www.example.test. AAAA", "www.example.test. HTTPS", "www.example.test. ANY",
			"alias.example.test. A", "q.wild.example.test. TXT"} {
			if got := answer(t, snap, strings.Fields(ask)); got != "SERVFAIL steered\n" {
				t.Errorf("%s: %s: %s", name, ask, got)
			}
		}
	}
	// One pool that has nothing is passed over while another has something.
	vs := append([]Variant{{Pool: "bare", Weight: 1000}}, weights(1)...)
	snap := set.Snapshot(1, []*Steered{Pack(vs)}, nil)
	if got := answer(t, snap, []string{"www.example.test.", "A"}); !strings.Contains(got, "A 192.0.2.0") {
		t.Errorf("%v", got)
	}
}

// TestGroups: services that differ only in name share one group, over zones.
func TestGroups(t *testing.T) {
	svc := func(name string, policy string, ttl time.Duration, flatten bool, pools ...config.Choice) config.Service {
		return config.Service{Name: name, Policy: policy, TTL: ttl, TTLMin: time.Second, Flatten: flatten, Pools: pools}
	}
	a, b := config.Choice{Pool: "a", Weight: 1}, config.Choice{Pool: "b", Weight: 1}
	heavy := config.Choice{Pool: "b", Weight: 2}
	one := parse(t, "one.test.", smallZone,
		svc("x.one.test.", config.Failover, 30*time.Second, false, a, b),
		svc("y.one.test.", config.Failover, 30*time.Second, false, a, b),
		svc("*.z.one.test.", config.Failover, 30*time.Second, false, b, a))
	two := parse(t, "two.test.", smallZone,
		svc("x.two.test.", config.Failover, 30*time.Second, false, a, b),
		svc("p.two.test.", config.Weighted, 30*time.Second, false, a, b),
		svc("q.two.test.", config.Weighted, 30*time.Second, false, a, heavy),
		svc("t.two.test.", config.Failover, 31*time.Second, false, a, b),
		svc("f.two.test.", config.Failover, 30*time.Second, true, a, b))
	set := NewSet([]*Zone{one, two})
	if len(set.Groups()) != 6 {
		t.Errorf("%d groups, want 6", len(set.Groups()))
	}
	for name, want := range map[string]int{
		"x.one.test.": 0, "y.one.test.": 0, "*.z.one.test.": 1, "X.two.test.": 0, "p.two.test.": 2,
		"q.two.test.": 3, "t.two.test.": 4, "f.two.test.": 5, "ns.one.test.": -1, "a.z.one.test.": -1, "other.": -1, "a..b": -1,
	} {
		if got := set.Group(name); got != want {
			t.Errorf("group of %s is %d, want %d", name, got, want)
		}
	}
	if set.Names() != 2*4+3+5 {
		t.Errorf("%d names", set.Names())
	}
}

// TestStatic follows our own names for background look-ups.
func TestStatic(t *testing.T) {
	z := parse(t, "example.test.", smallZone+"dual A 192.0.2.1\ndual AAAA 2001:db8::1\nto CNAME dual\ntxt TXT x\nout CNAME cdn.test.\nsub NS ns\ndn DNAME elsewhere.test.\n",
		config.Service{Name: "www.example.test.", Pools: []config.Choice{{Pool: "p"}}},
		config.Service{Name: "*.any.example.test.", Pools: []config.Choice{{Pool: "p"}}})
	set := NewSet([]*Zone{z})
	for _, c := range []struct {
		name, target, addrs string
		ours, steered       bool
	}{
		{"dual.example.test.", "dual.example.test.", "[192.0.2.1 2001:db8::1]", true, false},
		{"TO.example.test.", "dual.example.test.", "[192.0.2.1 2001:db8::1]", true, false},
		{"txt.example.test.", "txt.example.test.", "[]", true, false},
		{"no.example.test.", "no.example.test.", "[]", true, false},
		{"alias.example.test.", "www.example.test.", "[]", true, true},
		{"www.example.test.", "www.example.test.", "[]", true, true},
		{"out.example.test.", "cdn.test.", "[]", false, false},
		{"x.dn.example.test.", "x.elsewhere.test.", "[]", false, false},
		{"x.sub.example.test.", "x.sub.example.test.", "[]", false, false},
		{"x.any.example.test.", "x.any.example.test.", "[]", true, true},
		{"cdn.test.", "cdn.test.", "[]", false, false},
	} {
		l := set.Static(c.name)
		if l.Name != c.target || fmt.Sprint(l.Addrs) != c.addrs || l.Ours != c.ours || l.Steered != c.steered {
			t.Errorf("%s: %+v, want %+v", c.name, l, c)
		}
	}
}

// TestInfo: what the frame and the counters are told.
func TestInfo(t *testing.T) {
	other := parse(t, "other.test.", smallZone)
	set := NewSet([]*Zone{other, serviceZone(t, "www.example.test.")})
	snap := set.Snapshot(42, []*Steered{Pack(weights(0, 1))}, nil)
	_, info, err := snap.Records("alias.example.test", 1, netip.Addr{}, 7)
	if err != nil || info != (Info{Zone: 1, Group: 0, Variant: 1}) {
		t.Errorf("%+v %v", info, err)
	}
	if snap.Generation() != 42 || snap.Set() != set || snap.Zone(1).Name() != "example.test." || snap.Zone(-1) != nil {
		t.Error("the snapshot does not know itself")
	}
	if v := snap.Variants(0); len(v) != 2 || v[1].Pool != "1" || snap.Variants(-1) != nil {
		t.Errorf("variants %v", v)
	}
}

// TestConcurrentReaders asks one snapshot from many goroutines while new ones
// are made of the same set: readers share everything and write nothing.
func TestConcurrentReaders(t *testing.T) {
	set := NewSet([]*Zone{serviceZone(t, "www.example.test.", "*.w.example.test.")})
	st := Pack(weights(1, 2, 3))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				snap := set.Snapshot(uint64(i), []*Steered{st}, nil)
				if m, _, err := snap.Records("alias.example.test.", 1, clientAt(g*i), int64(i)); err != nil || len(m.Answer) != 2 {
					t.Error(m, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestScratch: a scratch that has been through other questions changes no
// answer, and keeps no snapshot alive.
func TestScratch(t *testing.T) {
	snap := scene(t, 100)
	var used Scratch
	for range 2 {
		for kind, qs := range kinds(100) {
			for _, a := range qs[:min(len(qs), 50)] {
				fresh, info := snap.Append(slices.Clone(a.msg), a.q, 512)
				var name Name
				if n := name.Take(a.q.Name); n != len(a.q.Name) {
					t.Fatalf("%s: took %d octets of %d", kind, n, len(a.q.Name))
				}
				again, infoAgain := used.Append(snap, slices.Clone(a.msg), &name, &a.q, 512)
				if !slices.Equal(fresh, again) || info != *infoAgain {
					t.Fatalf("%s: %x\n%x, %+v %+v", kind, fresh, again, info, *infoAgain)
				}
				if !slices.Equal(name.Wire(), a.q.Name) {
					t.Fatalf("%s: the name is %q after %q", kind, name.Wire(), a.q.Name)
				}
				if r := &used.reply; r.snap != nil || r.asked != nil || r.zone != nil || r.msg != nil || slices.ContainsFunc(r.dnames[:], func(n *node) bool { return n != nil }) {
					t.Fatalf("%s: the scratch holds on to what it answered from", kind)
				}
			}
		}
	}
}
