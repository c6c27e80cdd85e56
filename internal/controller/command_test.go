package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// Of two reloads at once, by signal and by command, the one that read later
// has the last word.
func TestReloadsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		b := start(t, t.TempDir(), "a+ b+ c+")
		read, first, go1 := b.deps.Load, true, make(chan struct{})
		b.deps.Load = func() (*config.Config, error) {
			cfg, err := read()
			if first {
				first = false
				<-go1
			}
			return cfg, err
		}
		done := make(chan error, 2)
		go func() { done <- b.Reload(ctx, false) }()
		synctest.Wait()
		b.write(strings.Replace(testConfig, "[a, b, c]", "[c, b, a]", 1))
		go func() { done <- b.Reload(ctx, false) }()
		synctest.Wait()
		close(go1)
		if err := errors.Join(<-done, <-done); err != nil {
			t.Fatal(err)
		}
		b.want("www.example.test", "192.0.2.3")
		b.stop()
	})
}

// A stop does not wait for a configuration that takes long to read.
func TestReloadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, t.TempDir(), "a+ b+ c+")
		long := make(chan struct{})
		defer close(long)
		b.deps.Load = func() (*config.Config, error) { <-long; return nil, errors.New("late") }
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := b.Reload(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		b.stop()
	})
}

// Invariant 10: what breaks the reader does not break the node.
func TestInvariantReloadNeverPanics(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	b.deps.Load = func() (*config.Config, error) { panic("a file that nobody thought of") }
	if err := b.Reload(context.Background(), false); err == nil || !strings.Contains(err.Error(), "nobody thought of") {
		t.Errorf("got %v", err)
	}
	b.want("www.example.test", "192.0.2.1")
}

// Keys that wait for a restart are named until it comes, or until they are
// as they were.
func TestRestartKeysStayNamed(t *testing.T) {
	ctx := context.Background()
	b := start(t, t.TempDir(), "a+ b+ c+")
	reload := func(text, want string) {
		t.Helper()
		b.write(text)
		if err := b.Reload(ctx, false); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(b.Status().Reload.Restart, " "); got != want {
			t.Errorf("%q wait for a restart, want %q", got, want)
		}
	}
	moved := strings.Replace(testConfig, "5399", "5398", 1)
	reload(moved, "listen.dns")
	reload(moved+"\n# nothing else\n", "listen.dns")
	reload(testConfig, "")
}

// The handbook names every key that waits for a restart, and no other.
func TestRestartKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "These keys wait for a restart")
	list, _, _ = strings.Cut(list, "\n\n")
	var named []string
	for i, word := range strings.Split(list, "`") {
		if i%2 == 1 && strings.Contains(word, ".") {
			named = append(named, word)
		}
	}
	other := &config.Config{}
	at := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}
	other.Listen.DNS, other.Listen.DoT, other.Listen.DoH, other.Listen.Web = at, at, at, at
	other.Listen.DoHPath, other.Listen.Control, other.Listen.Tokens = "/x", "x", "x"
	other.Node.StateDir, other.Node.User = "x", "x"
	other.Node.Log.Level = "warn"
	if keys := needsRestart(&config.Config{}, other); !slices.Equal(keys, named) {
		t.Errorf("docs/operations.md names %q, and %q wait", named, keys)
	}
}

// Invariant 2: the last good order survives a reload in the middle of an
// outage that touches TTLs, weights or policies.
func TestInvariantGoodOrderOverReload(t *testing.T) {
	b := start(t, t.TempDir(), "a- b+ c+")
	b.say("a- b- c-")
	b.want("www.example.test", "192.0.2.2")
	b.write(strings.Replace(testConfig, "[a, b, c], policy: failover", "[a, b, c], policy: failover, ttl: 7s", 1))
	if err := b.Reload(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	b.want("www.example.test", "192.0.2.2")
}

// Explain names the service as it is written, whatever name was asked.
func TestExplainNamesTheService(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "example.test.zone", "@ 60 SOA ns. me. 1 1 1 1 1\n@ 60 NS ns.\nalias 60 CNAME www\nplain 60 TXT x\n")
	writeFile(t, dir, "shunt.yaml", strings.Replace(testConfig, "  - name: example.test\n    services:\n",
		"  - name: example.test\n    file: example.test.zone\n    services:\n      - {name: \"*\", pools: [a], policy: failover}\n", 1))
	b := start(t, dir, "a+ b+ c+")
	for name, want := range map[string]string{
		"www.example.test": "www.example.test.", "alias.example.test": "www.example.test.",
		"any.example.test": "*.example.test.", "x.y.example.test": "*.example.test.", "plain.example.test": "",
	} {
		if e, err := b.Explain(name, "A", Asker{}); err != nil || e.Service != want {
			t.Errorf("%s is answered by the service %q, want %q (%v)", name, e.Service, want, err)
		}
	}
}

// Thousands of alarms at once, as when everything fails, must not slow the
// goroutine that steers.
func TestManyAlarms(t *testing.T) {
	const n = 10_000
	cfg := &config.Config{}
	table := &health.Table{Pools: map[string]*health.Pool{}}
	for i := range n {
		name := fmt.Sprintf("p%d", i)
		cfg.Pools = append(cfg.Pools, config.Pool{Name: name})
		table.Pools[name] = &health.Pool{Name: name, State: health.Down, Reason: "HTTP 500"}
	}
	l, err := Load(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := New(l, &State{}, Deps{})
	v := &view{loaded: l, live: table, table: table, snapshot: l.Set.Snapshot(1, nil, nil)}
	begin := time.Now()
	first, second := c.status(v, begin), c.status(v, begin.Add(time.Hour))
	if took := time.Since(begin); took > time.Second {
		t.Errorf("two rounds of %d alarms took %v", n, took)
	}
	if len(first.Alarms) != n || !slices.EqualFunc(first.Alarms, second.Alarms, func(a, b Alarm) bool { return a == b }) {
		t.Errorf("%d alarms, then %d; since when they hold is to stay", len(first.Alarms), len(second.Alarms))
	}
}

// A zone that breaks its reader is a problem of that zone.
func TestInvariantLoadNeverPanics(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "example.test.zone", "@ 60 SOA ns. me. 1 1 1 1 1\n@ 60 NS ns.\n")
	cfg := &config.Config{Zones: []config.Zone{{Name: "example.test.", File: filepath.Join(dir, "example.test.zone")}}}
	if _, err := Load(cfg, func(int, int) { panic("a zone that nobody thought of") }); err == nil || !strings.Contains(err.Error(), "nobody thought of") {
		t.Errorf("got %v", err)
	}
}
