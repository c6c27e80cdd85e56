package script

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRehearsals rehearses every scenario of the program with the built-in
// configuration, and those that SHUNT_SCENARIOS names, a pattern of files: each
// expectation must be met. The program is built without the race detector, in which twelve
// days of virtual time would take minutes.
func TestRehearsals(t *testing.T) {
	t.Parallel()
	shunt := filepath.Join(t.TempDir(), "shunt")
	if out, err := exec.Command("go", "build", "-o", shunt, "github.com/shunt-dns/shunt/cmd/shunt").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	out, err := exec.Command(shunt, "rehearse", "--list", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var library []struct{ ID, Title, Source string }
	if err := json.Unmarshal(out, &library); err != nil {
		t.Fatal(err)
	}
	if len(library) < 15 {
		t.Errorf("only %d scenarios", len(library))
	}
	names, err := filepath.Glob(os.Getenv("SHUNT_SCENARIOS"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range library {
		names = append(names, s.ID)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			out, err := exec.Command(shunt, "rehearse", name).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "every expectation is met, and no never-rule is broken") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
