package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/shunt-dns/shunt/config"
)

// TestInstead: files are read in place of those that are named, by their clean
// paths, and the configuration is still that of the path that was named.
func TestInstead(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	named := put("shunt.yaml", "node: {nam: broken}\n")
	copied := put("copy.yaml", "node: {name: copied, state_dir: state}\nplaces: {networks: ./sub/../networks.yaml}\nzones: [{name: example.test, file: a.zone}]\n")
	networks := put("networks.copy", "- {network: 192.0.2.0/24, country: DE}\n")
	zone := put("a.copy", "")
	cfg, err := config.Load(named, config.Overrides{Instead: map[string]string{
		named: copied, filepath.Join(dir, "networks.yaml"): networks, filepath.Join(dir, "a.zone"): zone}})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Node.Name != "copied" || cfg.Path != named || cfg.Zones[0].File != zone || len(cfg.Places.Networks) != 1 {
		t.Errorf("%q from %q, zone %q, %d networks", cfg.Node.Name, cfg.Path, cfg.Zones[0].File, len(cfg.Places.Networks))
	}
	if cfg.Node.StateDir != filepath.Join(dir, "state") {
		t.Errorf("relative paths start at %q", filepath.Dir(cfg.Node.StateDir))
	}
}
