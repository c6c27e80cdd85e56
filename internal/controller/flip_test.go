package controller

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// flipPools is how many pools stand beside a in placed: the most that config
// lets a service have.
const flipPools = 63

// placed returns a controller over so many services that share a policy with
// so many classes of clients. Each class splits its answers over pool a and two
// others, no two classes over the same, so that a flip of a changes every
// answer of every class.
func placed(tb testing.TB, services, classes int) (*Controller, *fakeMonitor) {
	tb.Helper()
	var s, names strings.Builder
	s.WriteString("listen: {dns: [\"127.0.0.1:5399\"], control: shunt.sock}\nnode: {state_dir: state}\npools:\n  - {name: a, addresses: [192.0.2.1]}\n")
	for i := range flipPools {
		fmt.Fprintf(&s, "  - {name: p%d, addresses: [198.51.100.%d]}\n", i, i+1)
		fmt.Fprintf(&names, ", p%d", i)
	}
	fmt.Fprintf(&s, "policies:\n  - name: placed\n    pools: [a%s]\n", names.String())
	s.WriteString("    chain:\n      - healthy\n      - prefer:\n          lists:\n")
	list := func(i int) string {
		x := i % flipPools
		return fmt.Sprintf("pools: [a, p%d, p%d]", x, (x+1+i/flipPools)%flipPools)
	}
	for i := range classes - 1 {
		fmt.Fprintf(&s, "            - {places: [10.%d.0.0/16], %s}\n", i, list(i))
	}
	fmt.Fprintf(&s, "            - {default: [a, p0]}\n      - sticky\nzones:\n  - name: example.test\n    services:\n")
	for i := range services {
		fmt.Fprintf(&s, "      - {name: n%d, policy: placed, moves: 0}\n", i)
	}
	cfg, err := config.Parse([]byte(s.String()), filepath.Join(tb.TempDir(), "shunt.yaml"), config.Overrides{})
	if err != nil {
		tb.Fatal(err)
	}
	l, err := Load(cfg, nil)
	if err != nil {
		tb.Fatal(err)
	}
	m := newFakeMonitor()
	return New(l, &State{}, Deps{Monitor: m, Log: slog.New(slog.DiscardHandler), Publish: func(*zone.Snapshot) {}}), m
}

// flip makes a down or up; all other pools are always up.
func (m *fakeMonitor) flip(down bool) {
	t := &health.Table{At: time.Now(), Pools: map[string]*health.Pool{"a": {Name: "a", State: health.Up}}}
	if down {
		t.Pools["a"] = &health.Pool{Name: "a", State: health.Down, Reason: "HTTP 500"}
	}
	for i := range flipPools {
		name := fmt.Sprintf("p%d", i)
		t.Pools[name] = &health.Pool{Name: name, State: health.Up}
	}
	m.mu.Lock()
	m.table = t
	m.mu.Unlock()
}

// BenchmarkFlipPlaces measures one changed verdict to the next snapshot, over
// 100,000 services and 250 classes of clients with different answers.
func BenchmarkFlipPlaces(b *testing.B) {
	c, m := placed(b, 100_000, 250)
	m.flip(false)
	c.decide(reloaded)
	if n := len(c.groups[0].decided); n < 250 {
		b.Fatalf("%d different decisions", n)
	}
	b.ReportAllocs()
	down := false
	for b.Loop() {
		down = !down
		m.flip(down)
		before := c.gen
		c.decide(probed)
		if c.gen != before+1 {
			b.Fatal("no new snapshot")
		}
	}
}

// A verdict costs the groups that have its pool, and what changes no answer
// costs none.
func TestOnlyWhatBearsIsDecided(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	decided := func(say string) (which string) {
		before := b.view.Load().groups
		b.say(say)
		for i, g := range b.view.Load().groups {
			if g != before[i] {
				which += g.service.Name + " "
			}
		}
		return which
	}
	for _, c := range [][2]string{
		{"a+ b+ c+", ""}, // other values that say the same
		{"a- b+ c+", "www.example.test. "},
		{"a- b+ c?", "www.example.test. api.example.test. "},
		{"a- b+ c?", ""},
	} {
		if got := decided(c[0]); got != c[1] {
			t.Errorf("%q decides %q, want %q", c[0], got, c[1])
		}
	}
}

// Until the snapshot of before is collected, a flip takes no more memory than
// there was: it makes new answers, and no new names.
func TestFlipMemory(t *testing.T) {
	live := func() uint64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	empty := live()
	c, m := placed(t, 2_000, 250)
	m.flip(false)
	c.decide(reloaded)
	before := c.view.Load()
	one := live() - empty
	m.flip(true)
	c.decide(probed)
	two := live() - empty
	if two > 2*one {
		t.Errorf("%d octets for one moment, %d while there are two", one, two)
	}
	if c.view.Load().snapshot == before.snapshot {
		t.Error("nothing was published")
	}
	runtime.KeepAlive(before)
}
