package script

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shunt-dns/shunt/internal/placetest"
)

// fileCommands are json, fill, example and database.
//
// A PATH of json has its steps parted by slashes: a key of an object, or the
// place of an item in a list, by number or by its name field. "pools/alpha/state"
// is the state of the pool named alpha. Without an arrow the path must exist.
// Values are compared as JSON writes them, texts without their quotes; "count" as
// the last step is how many items there are. "as" keeps what is there in a
// variable of the script.
func fileCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"json": func(ts *testscript.TestScript, neg bool, args []string) {
			if len(args) == 0 || len(args) > 1 && !slices.Contains([]string{"→", ">", "as"}, args[1]) {
				ts.Fatalf("usage: json PATH [→ VALUE] · json PATH > NUMBER · json PATH as VARIABLE")
			}
			var all any
			if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &all); err != nil {
				ts.Fatalf("json: %v:\n%s", err, ts.ReadFile("stdout"))
			}
			v, ok := walk(all, strings.Split(args[0], "/"))
			got := written(v)
			switch want := strings.Join(args[min(2, len(args)):], " "); {
			case len(args) == 1:
			case args[1] == "as":
				ts.Setenv(want, got)
			case args[1] == ">":
				limit, err := strconv.ParseFloat(want, 64)
				ts.Check(err)
				n, isNumber := v.(float64)
				ok = ok && isNumber && n > limit
			default:
				ok = ok && got == want
			}
			if ok == neg {
				ts.Fatalf("json: %s is %s in\n%s", args[0], got, ts.ReadFile("stdout"))
			}
		},
		"fill": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "fill")
			for _, name := range args {
				text := os.Expand(ts.ReadFile(name), ts.Getenv)
				ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
			}
		},
		"example": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "example")
			if len(args) != 2 {
				ts.Fatalf("usage: example NAME EDITS")
			}
			example(ts, filepath.Join(root, "examples", args[0]), ts.ReadFile(args[1]))
		},
		"database": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "database")
			if len(args) != 2 {
				ts.Fatalf("usage: database FILE TEXT")
			}
			placetest.Write(fatal{ts: ts}, ts.MkAbs(args[0]), ts.ReadFile(args[1]))
		},
	}
}

// example copies the files of folder here, and edits its shunt.yaml by lines
// "old → new", in which \n is the end of a line. What an edit is about must be
// there.
func example(ts *testscript.TestScript, folder, edits string) {
	files, err := os.ReadDir(folder)
	ts.Check(err)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		ts.Check(err)
		if f.Name() == "shunt.yaml" {
			for edit := range strings.Lines(edits) {
				before, after, _ := strings.Cut(strings.TrimSuffix(edit, "\n"), " → ")
				if !strings.Contains(string(text), before) {
					ts.Fatalf("example: shunt.yaml has no %q any more", before)
				}
				text = []byte(strings.ReplaceAll(string(text), before, strings.ReplaceAll(after, `\n`, "\n")))
			}
		}
		ts.Check(os.WriteFile(ts.MkAbs(f.Name()), text, 0o644))
	}
}

// walk follows steps into v.
func walk(v any, steps []string) (any, bool) {
	for _, step := range steps {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[step]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(step)
			if step == "count" {
				v = float64(len(at))
				continue
			}
			if err != nil {
				i = slices.IndexFunc(at, func(item any) bool {
					m, ok := item.(map[string]any)
					return ok && (m["name"] == step || m["code"] == step)
				})
			}
			if i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// written returns v as scripts write it.
func written(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
