package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// onSite writes a configuration of one zone with an include, and reads it.
func onSite(t *testing.T, dir string) *config.Config {
	t.Helper()
	put(t, filepath.Join(dir, "shunt.yaml"), "node: {state_dir: state}\nzones: [{name: example.test, file: zones/a.zone}]\n")
	put(t, filepath.Join(dir, "zones/a.zone"), "$TTL 60\n@ SOA ns1 host 1 2 3 4 5\n NS ns1.example.net.\n$include sub/b.zone other\n")
	put(t, filepath.Join(dir, "zones/sub/b.zone"), "b A 192.0.2.1\n")
	return loaded(t, dir)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func loaded(t *testing.T, dir string) *config.Config {
	t.Helper()
	cfg, err := config.Load(filepath.Join(dir, "shunt.yaml"), config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// recalled takes up what dir knows.
func recalled(t *testing.T, cfg *config.Config, soak time.Duration) *Known {
	t.Helper()
	k, err := Recall(cfg, soak, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		k.Close()
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
	})
	return k
}

// goods counts the copies that are kept.
func goods(t *testing.T, dir string) int {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "state/good/*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestSoak: what is in force for long enough is copied, with what it includes;
// what comes into force later begins its own time; three are kept.
func TestSoak(t *testing.T) {
	dir := t.TempDir()
	cfg := onSite(t, dir)
	const soak = 300 * time.Millisecond
	k := recalled(t, cfg, soak)
	k.Start(cfg, nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- k.Run(ctx) }()
	defer func() { stop(); <-done }()
	if time.Sleep(soak / 3); goods(t, dir) != 0 {
		t.Error("kept before it has soaked")
	}
	for i := range 4 {
		copied := filepath.Join(dir, "state/good", k.taken.hash, dir, "zones/sub/b.zone")
		comes(t, func() bool { _, err := os.Stat(copied); return err == nil && goods(t, dir) == min(i+1, 3) })
		if text, err := os.ReadFile(copied); err != nil || string(text) != "b A 192.0.2.1\n"+strings.Repeat("\n", i) {
			t.Fatalf("the include of %d: %q, %v", i, text, err)
		}
		put(t, filepath.Join(dir, "zones/sub/b.zone"), "b A 192.0.2.1\n"+strings.Repeat("\n", i+1))
		next := loaded(t, dir)
		settle, err := k.vet(next, false)
		if err != nil {
			t.Fatal(err)
		}
		settle(true)
	}
}

func comes(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came")
		}
	}
}

// TestNotKept: files that have changed since they were read are not what has
// proven itself, and what lies outside of the folder cannot be copied.
func TestNotKept(t *testing.T) {
	dir := t.TempDir()
	cfg := onSite(t, dir)
	k := recalled(t, cfg, 0)
	k.Start(cfg, nil)
	put(t, filepath.Join(dir, "zones/sub/b.zone"), "b A 192.0.2.2\n")
	if err := k.Keep(); err == nil || !strings.Contains(err.Error(), "changed since they were read") || goods(t, dir) != 0 {
		t.Errorf("kept %d: %v", goods(t, dir), err)
	}
	put(t, filepath.Join(dir, "zones/sub/b.zone"), "b A 192.0.2.1\n")
	if err := k.Keep(); err != nil || goods(t, dir) != 1 {
		t.Errorf("kept %d: %v", goods(t, dir), err)
	}
	put(t, filepath.Join(dir, "zones/a.zone"), "$INCLUDE ../../far.zone\n")
	if _, _, err := fingerprint(cfg); err == nil || !strings.Contains(err.Error(), "outside of its folder") {
		t.Error(err)
	}
	put(t, filepath.Join(dir, "zones/a.zone"), "$INCLUDE gone.zone\n")
	if _, _, err := fingerprint(cfg); err == nil {
		t.Error("an include that is not there has no hash")
	}
}

// TestRefused: what did not come into force, because a guard or the monitors
// would not have it, is not blamed for a later crash; while it is on its way it
// is.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	first := onSite(t, dir)
	k := recalled(t, first, 0)
	k.Start(first, nil)
	was := k.taken.hash
	put(t, filepath.Join(dir, "zones/a.zone"), "$TTL 61\n")
	settle, err := k.vet(loaded(t, dir), false)
	if err != nil {
		t.Fatal(err)
	}
	onWay, err := os.ReadFile(filepath.Join(dir, "state/running.json"))
	if err != nil || !strings.Contains(string(onWay), `"trying": "`+k.memory.Trying+`"`) || k.memory.Trying == was || k.memory.Trying == "" {
		t.Errorf("on its way: %s, %v", onWay, err)
	}
	settle(false)
	after, err := os.ReadFile(filepath.Join(dir, "state/running.json"))
	if err != nil || !strings.Contains(string(after), `"trying": ""`) || k.memory.Running != was || k.taken.cfg != first {
		t.Errorf("refused: %s, %v", after, err)
	}
}

// TestOneState: a second process does not touch what the first has.
func TestOneState(t *testing.T) {
	dir := t.TempDir()
	cfg := onSite(t, dir)
	k := recalled(t, cfg, 0)
	k.Start(cfg, nil)
	if _, err := Recall(cfg, 0, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "in use by another shunt") {
		t.Error(err)
	}
}

// TestKnownKeys: the secret of a TSIG key is not copied; a known good
// configuration reads it from where it is, also when it was renewed.
func TestKnownKeys(t *testing.T) {
	dir := t.TempDir()
	onSite(t, dir)
	put(t, filepath.Join(dir, "shunt.yaml"), "node: {state_dir: state}\nzones: [{name: example.test, file: zones/a.zone}]\n"+
		"keys: [{name: k, secret_file: k.key}]\nsecondaries: [{name: s, address: 192.0.2.53, key: k}]\n")
	put(t, filepath.Join(dir, "k.key"), "c2l4dGVlbiBvY3RldHMhIQ==\n")
	cfg := loaded(t, dir)
	k := recalled(t, cfg, 0)
	k.Start(cfg, nil)
	if err := k.Keep(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(filepath.Join(dir, "state"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "c2l4dGVlbi") || d.Name() == "k.key" {
			t.Errorf("%s has the secret (%v)", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "k.key"), "U0lYVEVFTiBPQ1RFVFMhIQ==\n")
	good, err := k.goodCopy(k.taken.hash, func(instead map[string]string) (*config.Config, error) {
		return config.Load(filepath.Join(dir, "shunt.yaml"), config.Overrides{Instead: instead})
	})
	if err != nil || good.Keys[0].Secret.Reveal() != "SIXTEEN OCTETS!!" {
		t.Errorf("%v, %v", good, err)
	}
}

// A link where the trace of a crash would be leads root nowhere.
func TestCrashFileIsOurOwn(t *testing.T) {
	dir := t.TempDir()
	cfg := onSite(t, dir)
	precious := filepath.Join(dir, "precious")
	put(t, precious, "for root alone")
	put(t, filepath.Join(dir, "state/x"), "")
	if err := os.Symlink(precious, filepath.Join(dir, "state", crashFile)); err != nil {
		t.Fatal(err)
	}
	k := recalled(t, cfg, 0)
	if k.memory.Bad != nil {
		t.Errorf("%v was read behind a link", k.memory.Bad)
	}
	info, err := os.Lstat(filepath.Join(dir, "state", crashFile))
	if err != nil || !info.Mode().IsRegular() {
		t.Errorf("the trace would be written behind a link: %v, %v", info.Mode(), err)
	}
}

// A copy belongs to the user that the node becomes: it does not say which user
// that is.
func TestCopyOfAnotherUser(t *testing.T) {
	dir := t.TempDir()
	cfg := onSite(t, dir)
	k := recalled(t, cfg, 0)
	k.Start(cfg, nil)
	if err := k.Keep(); err != nil {
		t.Fatal(err)
	}
	load := func(map[string]string) (*config.Config, error) { return cfg, nil }
	if _, err := k.goodCopy(k.taken.hash, load); err != nil {
		t.Error(err)
	}
	k.user = "shunt" // as the configuration that was named has it
	if _, err := k.goodCopy(k.taken.hash, load); err == nil || !strings.Contains(err.Error(), "it runs as") {
		t.Errorf("a copy that stays root is taken: %v", err)
	}
}
