package node

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Of a state directory that holds more than the state, only that changes its
// owner; of what is ours, all does, whoever made it.
func TestOursAlone(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	put(t, filepath.Join(elsewhere, "system.journal"), "")
	put(t, filepath.Join(elsewhere, "secret.json"), "")
	const given = ".state-123 alerts.json audit.jsonl audit.jsonl.1 crash.log drills drills/d-1.json events.jsonl good good/0a good/0a/etc good/0a/etc/shunt.yaml " +
		"providers providers/cf.json running.json state.json state.json.bad"
	for name := range strings.FieldsSeq(given + " shadow state.json.mine passwd crash.mine other/state.json") {
		if !slices.Contains([]string{"drills", "good", "good/0a", "good/0a/etc", "providers"}, name) {
			put(t, filepath.Join(dir, name), "")
		}
	}
	for name, to := range map[string]string{"journals": elsewhere, "crash.last.log": filepath.Join(elsewhere, "secret.json"), "providers/link.json": filepath.Join(elsewhere, "secret.json")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(elsewhere, "secret.json"), filepath.Join(dir, "drills/d-2.json")); err != nil {
		t.Fatal(err)
	}
	want := append([]string{"."}, strings.Fields(given)...)
	if got := ours(os.DirFS(dir)); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = 12345, 12345
	}
	if err := give(uid, gid, []string{dir, filepath.Join(dir, "shadow")}); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(want, "shadow") {
		if got := ownerOf(t, filepath.Join(dir, name)); got != uid {
			t.Errorf("%s is of user %d", name, got)
		}
	}
	for _, path := range []string{filepath.Join(dir, "passwd"), filepath.Join(dir, "other/state.json"), filepath.Join(elsewhere, "system.journal"), filepath.Join(elsewhere, "secret.json"), elsewhere} {
		if got := ownerOf(t, path); got != os.Geteuid() {
			t.Errorf("%s was given to user %d", path, got)
		}
	}
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
