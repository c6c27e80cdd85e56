package controller

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// TestNextSerial: what follows what, by RFC 1982.
func TestNextSerial(t *testing.T) {
	const most = 1<<32 - 1
	for _, c := range []struct {
		what            string
		kind            config.SerialKind
		last, file, now uint32
		want            uint32
	}{
		{"one more", config.Counter, 7, 1, 1_800_000_000, 8},
		{"the file is ahead", config.Counter, 7, 2026112201, 1_800_000_000, 2026112201},
		{"the file is behind", config.Counter, 2026112201, 5, 1_800_000_000, 2026112202},
		{"over the end, past 0", config.Counter, most, 5, 1_800_000_000, 5},
		{"over the end, the file far behind", config.Counter, most, 3_000_000_000, 1_800_000_000, 1},
		{"the file is as far as can be", config.Counter, 10, 10 + 1<<31 - 1, 0, 10 + 1<<31 - 1},
		{"the file is neither ahead nor behind", config.Counter, 10, 10 + 1<<31, 0, 11},
		{"the time", config.UnixTime, 7, 1, 1_800_000_000, 1_800_000_000},
		{"within a second", config.UnixTime, 1_800_000_000, 1, 1_800_000_000, 1_800_000_001},
		{"a clock that was set back", config.UnixTime, 1_800_000_000, 1, 1_700_000_000, 1_800_000_001},
		{"dates are ahead of the time", config.UnixTime, 2026112201, 2026112201, 1_800_000_000, 2026112202},
		{"the file ahead of the time", config.UnixTime, 1_800_000_000, 2026112201, 1_800_000_005, 2026112201},
		{"the time after its end", config.UnixTime, most - 3, 1, 4, 4},
		{"the time is 0", config.UnixTime, most, 1, 0, 1},
	} {
		now := time.Unix(int64(c.now), 0)
		if got := next(c.kind, c.last, c.file, now); got != c.want || !newer(got, c.last) || got == 0 {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]config.SerialKind{config.Counter, config.UnixTime}).Draw(t, "kind")
		last, file, now := rapid.Uint32Min(1).Draw(t, "last"), rapid.Uint32().Draw(t, "file"), rapid.Uint32().Draw(t, "now")
		got := next(kind, last, file, time.Unix(int64(now), 0))
		if got == 0 || !newer(got, last) || newer(file, last) && file != 0 && newer(file, got) && file-last < 1<<31 {
			t.Errorf("%d after %d with %d in the file", got, last, file)
		}
	})
}

// TestFirstSerial: a zone begins no lower than its file.
func TestFirstSerial(t *testing.T) {
	for _, c := range []struct {
		kind       config.SerialKind
		file, want uint32
	}{
		{config.Counter, 0, 1}, {config.Counter, 5, 5}, {config.Counter, 2026112201, 2026112201},
		{config.UnixTime, 0, 1_800_000_000}, {config.UnixTime, 5, 1_800_000_000}, {config.UnixTime, 2026112201, 2026112201},
	} {
		if got := first(c.kind, c.file, time.Unix(1_800_000_000, 0)); got != c.want {
			t.Errorf("%s with %d in the file: %d, want %d", c.kind, c.file, got, c.want)
		}
	}
}

// serialConfig has one zone with a file; its secondaries take all of it.
const serialConfig = `
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:5399"], control: shunt.sock}
transfer: {allow: [127.0.0.1], serial: KIND}
safety: {max_remove: 100%}
pools:
  - {name: a, addresses: [192.0.2.1]}
  - {name: b, addresses: [192.0.2.2]}
  - {name: h, cname: cdn.example.net}
zones:
  - name: example.test
    file: zone
    services:
      - {name: www, pools: [a, b], policy: failover}
      - {name: flat, pools: [h], flatten: true}
`

func serialZone(serial uint32, rest string) string {
	return fmt.Sprintf("$TTL 60\n@ SOA ns hm %d 2 3 4 60\n@ NS ns\nns A 192.0.2.53\n%s\n", serial, rest)
}

// A ledger notes all that a node publishes over its restarts, and holds it to
// the promises of serials.
type ledger struct {
	*testing.T
	kind   string
	dir    string
	had    map[uint32]string // contents by serial
	last   uint32
	lines  string
	killed bool // since the last that was published
}

func newLedger(t *testing.T, kind string) *ledger {
	l := &ledger{T: t, kind: kind, dir: t.TempDir(), had: map[uint32]string{}}
	writeFile(t, l.dir, "shunt.yaml", strings.Replace(serialConfig, "KIND", kind, 1))
	writeFile(t, l.dir, "zone", serialZone(5, ""))
	return l
}

// start starts a node, and notes what it publishes.
func (l *ledger) start(states string) *bench {
	l.Helper()
	return start(l.T, l.dir, states, func(c *Controller) {
		publish := c.deps.Publish
		c.deps.Publish = func(s *zone.Snapshot) {
			l.see(s)
			publish(s)
		}
	})
}

// kill ends b as a crash does: what it has not saved by now never was.
func (l *ledger) kill(b *bench) {
	l.Helper()
	file := filepath.Join(l.dir, "state", stateFile)
	text, err := os.ReadFile(file)
	b.stop()
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		l.Fatal(err)
	}
	l.killed = true
}

func contentOf(s *zone.Snapshot) string {
	var lines []string
	for set := range s.Contents(0, config.OnePool) {
		for _, rr := range set.Records {
			text := strings.Join(strings.Fields(rr.String()), " ")
			if f := strings.Fields(text); f[3] == "SOA" {
				f[6] = "-"
				text = strings.Join(f, " ")
			}
			lines = append(lines, text)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (l *ledger) see(s *zone.Snapshot) {
	serial, lines := s.Serial(0), contentOf(s)
	switch {
	case l.last == 0:
	case l.killed && serial != l.last && !newer(serial, l.last):
		l.Errorf("serial %d after %d and a crash", serial, l.last)
	case !l.killed && lines == l.lines && serial != l.last:
		l.Errorf("serial %d after %d with the same content", serial, l.last)
	case lines != l.lines && !newer(serial, l.last):
		l.Errorf("serial %d after %d with another content", serial, l.last)
	}
	if was, ok := l.had[serial]; ok && was != lines {
		l.Errorf("serial %d had\n%s\nand has\n%s", serial, was, lines)
	}
	l.had[serial], l.last, l.lines, l.killed = lines, serial, lines, false
}

// saved waits until b has its state on disk.
func saved(b *bench) {
	b.Helper()
	var done <-chan error
	b.do(context.Background(), func() error { done = b.save(); return nil })
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// TestSerials goes through a life of one zone: each step, and the serial after
// it. Serials are counted, from 5 in the file.
func TestSerials(t *testing.T) {
	l := newLedger(t, "counter")
	var b *bench
	file := func(serial uint32, rest string) func() {
		return func() {
			writeFile(t, l.dir, "zone", serialZone(serial, rest))
			if err := b.Reload(context.Background(), false); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []struct {
		what string
		do   func()
		want uint32
	}{
		{"the first start", func() { b = l.start("a+ b+") }, 5},
		{"an answer moves", func() { b.say("a- b+") }, 6},
		{"and back", func() { b.say("a+ b+") }, 7},
		{"nobody is answered otherwise", func() { b.say("a+ b-") }, 7},
		{"a reload of the same", file(5, ""), 7},
		{"a higher serial in the file alone", file(6, ""), 7},
		{"a record more, and a lower serial", file(1, "x TXT y"), 8},
		{"a record less, and a higher serial", file(2000, ""), 2000},
		{"a clean restart", func() { b.stop(); b = l.start("a+ b+") }, 2000},
		{"an answer moves", func() { b.say("a- b+") }, 2001},
		{"another answer after a clean restart", func() { b.stop(); b = l.start("a+ b+") }, 2002},
		{"saved, then killed", func() { saved(b); l.kill(b); b = l.start("a+ b+"); saved(b) }, 2002 + leap + 2},
		{"moved unsaved, killed, and back", func() { b.say("a- b+"); l.kill(b); b = l.start("a+ b+"); saved(b) }, 2002 + 2*leap + 4},
		{"a clean restart", func() { b.stop(); b = l.start("a+ b+") }, 2002 + 2*leap + 4},
		{"killed at once after a clean start", func() { l.kill(b); b = l.start("a+ b+"); saved(b) }, 2002 + 3*leap + 6},
		{"a file beyond half of all", file(1<<32-1-3000, "n1 TXT x"), 2002 + 3*leap + 7},
		{"halfway", file(1<<31, "n2 TXT x"), 1 << 31},
		{"near the end", file(1<<32-1, "n3 TXT x"), 1<<32 - 1},
		{"over it", func() { b.say("a- b+") }, 1},
		{"transfers are off", func() {
			writeFile(t, l.dir, "shunt.yaml", strings.Replace(strings.Replace(serialConfig, "KIND", "counter", 1), "allow: [127.0.0.1], ", "", 1))
			l.last = 0 // nobody can tell
			l.had = map[uint32]string{}
			if err := b.Reload(context.Background(), false); err != nil {
				t.Fatal(err)
			}
		}, 1<<32 - 1},
		{"and on again", func() {
			writeFile(t, l.dir, "shunt.yaml", strings.Replace(serialConfig, "KIND", "counter", 1))
			l.last = 0
			if err := b.Reload(context.Background(), false); err != nil {
				t.Fatal(err)
			}
		}, 1},
	} {
		step.do()
		s := b.view.Load().snapshot
		if got := s.Serial(0); got != step.want {
			t.Errorf("%s: serial %d, want %d", step.what, got, step.want)
		}
		if said, err := s.Ask("example.test", "SOA", netip.Addr{}, 0); err != nil || !strings.Contains(said.Records[0], fmt.Sprintf(" %d 2 3 4 60", s.Serial(0))) {
			t.Errorf("%s: the SOA is %v, %v", step.what, said, err)
		}
	}
}

// TestSerialsByTime: the time of a change is its serial, and what follows within
// the second is above it.
func TestSerialsByTime(t *testing.T) {
	l := newLedger(t, "unixtime")
	before := uint32(time.Now().Unix())
	b := l.start("a+ b+")
	b.say("a- b+")
	b.say("a+ b+")
	b.stop()
	b = l.start("a- b+")
	after := uint32(time.Now().Unix())
	if got := b.view.Load().snapshot.Serial(0); got < before+3 || got > after+3 {
		t.Errorf("serial %d between %d and %d", got, before, after)
	}
}

// TestDoubtIsNoContent: a TTL that is short because something is in doubt is
// answered, and not transferred.
func TestDoubtIsNoContent(t *testing.T) {
	l := newLedger(t, "counter")
	b := l.start("a+ b+")
	ttl := func() string {
		e, err := b.Explain("www.example.test", "A", Asker{})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(e.Answer[0])[1]
	}
	calm, gen := ttl(), b.Status().Generation
	tell(b, "a+ b+", func(t *health.Table) { t.Pools["a"].ChangeIn = time.Second })
	if ttl() == calm || b.Status().Generation == gen {
		t.Fatal("nothing was in doubt: ", ttl())
	}
	if got := b.view.Load().snapshot.Serial(0); got != 5 {
		t.Errorf("serial %d", got)
	}
	if !strings.Contains(l.lines, "www.example.test. 30 IN A 192.0.2.1") {
		t.Error(l.lines)
	}
}

// tell says states with a change to their table.
func tell(b *bench, states string, change func(*health.Table)) {
	b.Helper()
	m := newFakeMonitor()
	m.say(states)
	change(m.table)
	b.monitor.mu.Lock()
	b.monitor.table = m.table
	b.monitor.mu.Unlock()
	b.answers(states)
}

// resolved says that the pool h has these addresses.
func resolved(b *bench, addrs string) {
	b.Helper()
	tell(b, "a+ b+ h+", func(t *health.Table) {
		for _, a := range strings.Fields(addrs) {
			h := t.Pools["h"]
			h.Endpoints = append(h.Endpoints, health.Endpoint{Addr: netip.MustParseAddr(a), State: health.Up})
		}
	})
}

// TestEmptyKeepsContent: a service whose host name no longer resolves answers
// nothing, and secondaries keep what it had: over reloads and restarts too, and
// with the serial that it had. One that never resolved is not there.
func TestEmptyKeepsContent(t *testing.T) {
	l := newLedger(t, "counter")
	b := l.start("a+ b+")
	holds := func(what, addr string, serial uint32) {
		t.Helper()
		s := b.view.Load().snapshot
		got := ""
		for _, set := range s.Service("flat.example.test.", config.OnePool) {
			for _, rr := range set.Records {
				f := strings.Fields(rr.String())
				got = strings.TrimSpace(got + " " + f[4])
			}
		}
		if got != addr || s.Serial(0) != serial {
			t.Errorf("%s: it holds %q with serial %d, want %q with %d", what, got, s.Serial(0), addr, serial)
		}
	}
	holds("never resolved", "", 5)
	resolved(b, "198.51.100.2 198.51.100.1")
	holds("resolved", "198.51.100.1 198.51.100.2", 6)
	resolved(b, "198.51.100.1 198.51.100.2")
	holds("in another order", "198.51.100.1 198.51.100.2", 6)
	resolved(b, "")
	if e, err := b.Explain("flat.example.test", "A", Asker{}); err != nil || len(e.Answer) > 0 {
		t.Fatal(e, err)
	}
	holds("no longer resolved", "198.51.100.1 198.51.100.2", 6)
	if err := b.Reload(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	holds("reloaded", "198.51.100.1 198.51.100.2", 6)
	text := strings.Replace(serialConfig, "KIND", "counter", 1)
	another := "      - {name: first, pools: [h], flatten: true}\n"
	writeFile(t, l.dir, "shunt.yaml", strings.Replace(text, "      - {name: flat", another+"      - {name: flat", 1))
	if err := b.Reload(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	holds("reloaded with a service that is like it, and before it", "198.51.100.1 198.51.100.2", 7)
	writeFile(t, l.dir, "shunt.yaml", text)
	if err := b.Reload(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	holds("and without it", "198.51.100.1 198.51.100.2", 8)
	b.stop()
	b = l.start("a+ b+")
	holds("restarted", "198.51.100.1 198.51.100.2", 8)
	b.stop()
	b = l.start("a+ b+")
	holds("restarted again", "198.51.100.1 198.51.100.2", 8)
	saved(b)
	l.kill(b)
	b = l.start("a+ b+")
	holds("killed", "198.51.100.1 198.51.100.2", 8+leap+2)
	resolved(b, "198.51.100.9")
	holds("resolved again", "198.51.100.9", 8+leap+3)
}

// TestSerialsHold draws lives: whatever happens in whatever order, a serial
// rises exactly when the content changes, and after a crash never falls and
// never stands for anything else.
func TestSerialsHold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "life"), 1))
		l := newLedger(t, []string{"counter", "unixtime"}[r.IntN(2)])
		states := []string{"a+ b+", "a- b+", "a- b-", "a+ b-"}
		b := l.start(states[0])
		for range 3 + r.IntN(10) {
			state := states[r.IntN(len(states))]
			switch r.IntN(8) {
			case 0:
				b.stop()
				b = l.start(state)
			case 1:
				l.kill(b)
				b = l.start(state)
			case 2:
				saved(b)
			case 3:
				writeFile(t, l.dir, "zone", serialZone([]uint32{1, 5, 500, 2026112201, 4294967290}[r.IntN(5)], []string{"", "x TXT y", "y TXT x"}[r.IntN(3)]))
				if err := b.Reload(context.Background(), true); err != nil {
					rt.Fatal(err)
				}
			case 4:
				resolved(b, []string{"", "198.51.100.1", "198.51.100.2"}[r.IntN(3)])
			default:
				b.say(state)
			}
		}
		b.stop()
		if t.Failed() {
			rt.FailNow()
		}
	})
}
