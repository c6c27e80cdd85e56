package node

import (
	"os"
	"path/filepath"

	"github.com/shunt-dns/shunt/internal/durable"
)

// sweep removes what processes that were killed have left half written in the
// state directory dir and in its folders. The caller holds the directory, and
// writes nothing yet.
func sweep(dir string) {
	durable.Sweep(dir)
	entries, _ := os.ReadDir(dir) // it could be read a moment ago
	for _, e := range entries {
		if e.IsDir() {
			durable.Sweep(filepath.Join(dir, e.Name()))
		}
	}
}
