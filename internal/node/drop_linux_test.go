package node

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Of a state directory that holds more than the state, only that changes its
// owner.
func TestOursAlone(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"state.json", "state.json.bad", ".state-123", "shadow", "state.json.mine", "passwd", "running.json", "crash.log", "crash.mine", "good"} {
		if err := os.WriteFile(file(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := ours([]string{dir, file("shadow")})
	want := []string{dir, file(".state-123"), file("crash.log"), file("good"), file("running.json"), file("state.json"), file("state.json.bad"), file("shadow")}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := give(os.Geteuid(), os.Getegid(), []string{dir}); err != nil {
		t.Error(err)
	}
}
