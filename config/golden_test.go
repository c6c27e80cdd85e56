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
// shunt.yaml, and perhaps an environment and files beside it, → want, a problem
// a line. The folder of all is called /etc/shunt there.
func TestProblems(t *testing.T) {
	names, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no cases", err)
	}
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := "no problem\n"
			folder, beside := unpack(t, a)
			o := Overrides{Env: lines(section(a, "env"))}
			_, err = Parse(section(a, "shunt.yaml"), "shunt.yaml", o)
			if beside {
				t.Chdir(folder)
				_, err = Load("shunt.yaml", o)
			}
			if err != nil {
				got = strings.ReplaceAll(err.Error(), folder, "/etc/shunt") + "\n"
				if _, ok := IsProblems(err); !ok {
					t.Fatal(err)
				}
			}
			if *update {
				replace(a, "want", got)
				if err := os.WriteFile(filepath.Join(home, name), txtar.Format(a), 0o644); err != nil {
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

// unpack writes the files of a into a folder, and reports whether there are
// some beside shunt.yaml.
func unpack(t *testing.T, a *txtar.Archive) (folder string, beside bool) {
	t.Helper()
	folder = t.TempDir()
	for _, f := range a.Files {
		if f.Name == "env" || f.Name == "want" {
			continue
		}
		beside = beside || f.Name != "shunt.yaml"
		if err := os.WriteFile(filepath.Join(folder, f.Name), f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder, beside
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
