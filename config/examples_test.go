package config

import (
	"path/filepath"
	"testing"
)

// TestExamplesLoad loads the examples with the files beside them.
func TestExamplesLoad(t *testing.T) {
	names, err := filepath.Glob("../examples/*/shunt.yaml")
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if _, err := Load(name, Overrides{}); err != nil {
			t.Error(err)
		}
	}
}
