package rehearse

import (
	"embed"
	"fmt"
	"path"
	"slices"
)

//go:embed library/*.yaml
var library embed.FS

//go:embed builtin.yaml
var builtin []byte

// BuiltIn returns the configuration that scenarios are rehearsed with when no
// other one is given, as text.
func BuiltIn() []byte { return slices.Clone(builtin) }

// Library returns the scenarios that come with the program: the outages that
// it was made for first, in the order of their ids.
func Library() ([]*Scenario, error) {
	files, err := library.ReadDir("library")
	if err != nil {
		return nil, fmt.Errorf("library: %w", err)
	}
	var out []*Scenario
	for _, f := range files {
		s, err := shipped(f.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Shipped returns the scenario of the library with an id; it reports false for
// one that is not there.
func Shipped(id string) (*Scenario, bool, error) {
	all, err := Library()
	if err != nil {
		return nil, false, err
	}
	i := slices.IndexFunc(all, func(s *Scenario) bool { return s.ID == id })
	if i < 0 {
		return nil, false, nil
	}
	return all[i], true, nil
}

func shipped(name string) (*Scenario, error) {
	text, err := library.ReadFile(path.Join("library", name))
	if err != nil {
		return nil, fmt.Errorf("library: %w", err)
	}
	return Parse(name, text)
}
