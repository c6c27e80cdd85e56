package metrics

import (
	"flag"
	"os"
	"testing"
)

var write = flag.Bool("write", false, "write docs/metrics.md anew")

// TestDocument holds docs/metrics.md to the code.
func TestDocument(t *testing.T) {
	const path = "../../docs/metrics.md"
	if *write {
		if err := os.WriteFile(path, []byte(Document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Document() {
		t.Error("docs/metrics.md is not what the code has: go test ./internal/metrics -write")
	}
}
