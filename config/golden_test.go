package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what is found into testdata")

// TestProblems reads files with mistakes, and compares what is said of them:
// shunt.yaml, and perhaps an environment, → want, a problem a line.
func TestProblems(t *testing.T) {
	names, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no cases", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := "no problem\n"
			if _, err := Parse(section(a, "shunt.yaml"), "shunt.yaml", Overrides{Env: lines(section(a, "env"))}); err != nil {
				got = err.Error() + "\n"
				if _, ok := IsProblems(err); !ok {
					t.Fatal(err)
				}
			}
			if *update {
				replace(a, "want", got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(section(a, "want")), got); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
			if got == "no problem\n" {
				t.Error("a case without a problem shows nothing")
			}
		})
	}
}

func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func replace(a *txtar.Archive, name, text string) {
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = []byte(text)
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
}

func lines(text []byte) []string {
	return strings.FieldsFunc(string(text), func(c rune) bool { return c == '\n' })
}
