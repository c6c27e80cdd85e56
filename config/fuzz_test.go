package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// seed adds the reference, every golden case and some known ways to hurt a
// YAML parser.
func seed(f *testing.F) {
	f.Add([]byte(Reference))
	f.Add([]byte(twoRuns))
	names, _ := filepath.Glob("testdata/problems/*.txtar")
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(section(a, "shunt.yaml"))
	}
	for _, s := range []string{
		"", "\x00", "\xff\xfe", "{", "[[[[", "- - - -", "? ? ?", "&a *a", "&a [*a, *a]", "a: &a {<<: *a}", "%YAML 9.9\n---\n", "!!map", "|", ">", "'", "\"\\",
		"zones: &z [{name: a, services: &s [{name: b, pools: &p [c, c]}, *p]}, *z, *s]",
		"node: {name: \"\\0\"}", "zones: [{name: '\\', services: [{name: '\\0', pools: [a]}]}]",
	} {
		f.Add([]byte(s))
	}
}

// FuzzParse: no text makes Parse panic, and each makes either a
// configuration or problems, never both and never neither.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := Parse(text, "shunt.yaml", Overrides{})
		var ps Problems
		switch {
		case err == nil && cfg == nil:
			t.Fatal("neither a configuration nor an error")
		case err == nil:
			checkSound(t, cfg)
		case cfg != nil:
			t.Fatal("both a configuration and an error")
		case !errors.As(err, &ps) || len(ps) == 0:
			t.Fatalf("the error is no list of problems: %v", err)
		}
		last := 0
		for _, p := range ps {
			if p.What == "" || p.Line > 0 && p.Line < last {
				t.Errorf("%v follows line %d", p, last)
			}
			last = max(last, p.Line)
		}
	})
}

// checkSound checks what the rest of shunt relies on.
func checkSound(t *testing.T, cfg *Config) {
	pools := map[string]bool{}
	for _, p := range cfg.Pools {
		if pools[p.Name] || (p.CNAME == "") == (len(p.Addresses) == 0) {
			t.Errorf("pool %+v", p)
		}
		pools[p.Name] = true
	}
	policies := map[string]int{}
	for _, p := range cfg.Policies {
		if _, ok := policies[p.Name]; ok || len(p.Chain) == 0 {
			t.Errorf("policy %+v", p)
		}
		policies[p.Name] = len(p.Pools)
	}
	for _, z := range cfg.Zones {
		for _, s := range z.Services {
			if !within(s.Name, z.Name) || len(s.Pools) == 0 || s.TTL < s.TTLMin || wireLen(s.Name) > 255 {
				t.Errorf("service %+v of %s", s, z.Name)
			}
			if _, ok := policies[s.Policy]; !ok {
				t.Errorf("service %s: policy %q", s.Name, s.Policy)
			}
			if s.Name == z.Name && !s.Flatten {
				t.Errorf("%s is an apex and not flattened", s.Name)
			}
			for _, c := range s.Pools {
				if (c.Pool == "") == (c.Policy == "") || c.Pool != "" && !pools[c.Pool] || c.Policy != "" && policies[c.Policy] == 0 {
					t.Errorf("service %s: %+v", s.Name, c)
				}
			}
		}
	}
}

// FuzzBeside: no map and no file of networks makes its reader panic, and what
// is read without a problem is sound.
func FuzzBeside(f *testing.F) {
	names, _ := filepath.Glob("testdata/problems/*.txtar")
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(section(a, "geo.yaml"))
		f.Add(section(a, "networks.yaml"))
	}
	f.Add([]byte("- {places: [DE, NO, 192.0.2.0/24], pools: [a], last_resort: b}\n- {default: [b, a]}\n"))
	f.Add([]byte("- {network: 198.51.100.0/24, subdivision: DE-BE, asn: 64500, location: \"52.5, 13.4\"}\n"))
	pools := map[string]place{"a": {}, "b": {i: 1}}
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := parseYAML(text)
		if err != nil || doc == nil || len(text) > 1<<16 {
			return
		}
		c := &chooser{reader: newReader("geo.yaml"), cfg: &Config{Places: Places{File: "x"}}, pools: pools, listable: pools}
		seen := map[Where]bool{}
		for _, l := range c.mapped(doc).lists {
			if len(c.problems) == 0 && (len(l.Pools) == 0 || len(l.Places) == 0) {
				t.Errorf("%+v", l)
			}
			for _, w := range l.Places {
				if seen[w] || w.Kind == Anywhere {
					t.Errorf("%v in %+v", w, l)
				}
				seen[w] = true
			}
		}
		r := newReader("networks.yaml")
		for _, l := range r.located(doc) {
			if !l.Network.IsValid() || l.Network != l.Network.Masked() || len(r.problems) == 0 && l.Country != "" && l.Continent != ContinentOf(l.Country) {
				t.Errorf("%+v", l)
			}
		}
	})
}

// FuzzQuick: a file means the same with and without the quick reader.
func FuzzQuick(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		quick, qerr := Parse(text, "shunt.yaml", Overrides{})
		slow, serr := parseSlow(t, text)
		if diff := cmp.Diff(errorText(serr), errorText(qerr)); diff != "" {
			t.Fatalf("problems: slow -, quick +\n%s", diff)
		}
		if diff := cmp.Diff(slow, quick, compare...); diff != "" {
			t.Fatalf("slow -, quick +\n%s", diff)
		}
	})
}

func parseSlow(t *testing.T, text []byte) (*Config, error) {
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r, cfg := newReader("shunt.yaml"), &Config{Path: filepath.Join(folder, "shunt.yaml")}
	if err := r.parse(cfg, text, Overrides{}, folder); err != nil {
		return nil, err
	}
	if ps := r.sorted(); len(ps) > 0 {
		return nil, ps
	}
	return cfg, nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
