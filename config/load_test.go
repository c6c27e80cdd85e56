package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// oneZone is what every file must have.
const oneZone = "\nzones: [{name: example.com, services: [{name: www, pools: [one]}]}]\npools: [{name: one, addresses: [192.0.2.1]}]\n"

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadListenAndZonesAlone(t *testing.T) {
	path := writeFile(t, "shunt.yaml", "listen: {dns: 127.0.0.1:5300}\nzones:\n  - {name: Example.COM, file: zones/example.com.zone}\n")
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), "zones"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, Overrides{Hostname: "ns1.example.net"})
	want := path + ":3: zones[0].file: there is no file " + filepath.Join(filepath.Dir(path), "zones/example.com.zone") + " (a relative path starts at the folder of the configuration)"
	if err == nil || err.Error() != want {
		t.Errorf("a zone file that is not there:\n%v, want\n%s", err, want)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "zones/example.com.zone"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(path, Overrides{Hostname: "ns1.example.net"})
	if err != nil {
		t.Fatal(err)
	}
	zones := []Zone{{Name: "example.com.", File: filepath.Join(filepath.Dir(path), "zones/example.com.zone"), Max: 2_000_000}}
	if diff := cmp.Diff(zones, cfg.Zones, compare...); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	if cfg.Path != path || cfg.Node.Name != "ns1.example.net" || cfg.DNS.NSID != "ns1.example.net" || cfg.Listen.DNS[0].String() != "127.0.0.1:5300" {
		t.Errorf("%+v", cfg)
	}
}

func TestLoadNothingThere(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), Overrides{})
	if _, ok := IsProblems(err); !errors.Is(err, fs.ErrNotExist) || ok {
		t.Errorf("%v", err)
	}
}

// TestOversizeRefused is invariant 10 of the outages: a file that is too
// large is refused with words, before it is read.
func TestOversizeRefused(t *testing.T) {
	path := writeFile(t, "shunt.yaml", "")
	if err := os.Truncate(path, 1<<40); err != nil { // sparse: reading it whole would take memory and minutes
		t.Fatal(err)
	}
	_, err := Load(path, Overrides{})
	ps, ok := IsProblems(err)
	if !ok || len(ps) != 1 || !strings.Contains(ps[0].What, "larger than 16 MiB") {
		t.Errorf("%v", err)
	}
	if _, err := Parse(make([]byte, MaxFile+1), path, Overrides{}); err == nil {
		t.Error("Parse takes more than Load")
	}
}

func TestCookieSecret(t *testing.T) {
	for _, c := range []struct{ name, secret, want, problem string }{
		{"16 octets", "0123456789abcdef", "30313233343536373839616263646566", ""},
		{"hexadecimal", "000102030405060708090a0b0c0d0e0f\n", "000102030405060708090a0b0c0d0e0f", ""},
		{"too short", "0123", "", "holds no secret"},
		{"too long", "000102030405060708090a0b0c0d0e0f00", "", "holds no secret"},
		{"not there", "", "", "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "shunt.yaml")
			if err := os.WriteFile(path, []byte("node: {name: a}\ndns:\n  cookie_secret_file: secret\n"+oneZone), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.secret != "" {
				if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(c.secret), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cfg, err := Load(path, Overrides{})
			if c.problem != "" {
				ps, ok := IsProblems(err)
				if !ok || len(ps) != 1 || !strings.Contains(ps[0].What, c.problem) || ps[0].Line != 3 {
					t.Fatalf("want %q in line 3, got %v", c.problem, err)
				}
				return
			}
			if err != nil || fmt.Sprintf("%x", cfg.DNS.Secret) != c.want {
				t.Errorf("%x, %v", cfg.DNS.Secret, err)
			}
		})
	}
}

// What outranks what: default < file < environment < flag.
func TestOverrides(t *testing.T) {
	for _, c := range []struct{ name, file, env, flag, want string }{
		{"default", "", "", "", "info"},
		{"file", "warn", "", "", "warn"},
		{"environment over file", "warn", "error", "", "error"},
		{"flag over all", "warn", "error", "debug", "debug"},
		{"flag alone", "", "", "debug", "debug"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o Overrides
			text := ""
			if c.file != "" {
				text = "node: {log: {level: " + c.file + "}}"
			}
			if c.env != "" {
				o.Env = []string{"PATH=/bin", "SHUNT_NODE_LOG_LEVEL=" + c.env}
			}
			if c.flag != "" {
				o.Flags = []Setting{{Key: "node.log.level", Value: c.flag, From: "--log-level"}}
			}
			cfg, err := Parse([]byte(text+oneZone), "shunt.yaml", o)
			if err != nil || cfg.Node.Log.Level != c.want {
				t.Errorf("%v, %v", cfg, err)
			}
		})
	}
}

// TestEveryKeyFromEnvironment sets each single key by its variable, to what
// the reference shows, and then to nonsense.
func TestEveryKeyFromEnvironment(t *testing.T) {
	for _, s := range singles() {
		name := envName(s.key)
		switch def := s.def.(type) {
		case string:
			if _, err := Parse([]byte(oneZone), "shunt.yaml", Overrides{Env: []string{name + "=" + def}}); err != nil {
				t.Errorf("%s=%s: %v", name, def, err)
			}
		case []string:
			if _, err := Parse([]byte(oneZone), "shunt.yaml", Overrides{Env: []string{name + "=" + strings.Join(def, ",")}}); err != nil {
				t.Errorf("%s=%s: %v", name, def, err)
			}
		}
		_, err := Parse([]byte(oneZone), "shunt.yaml", Overrides{Env: []string{name + "=x\n" + strings.Repeat("x", 200)}})
		ps, ok := IsProblems(err)
		if !ok || ps[0].File != name || ps[0].Key != strings.TrimSuffix(ps[0].Key, "[0]") && !s.list {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg, err := Parse([]byte("dns: {tcp: {idle: 3s}}\n"+oneZone), "shunt.yaml", Overrides{Env: []string{
		"SHUNT_LISTEN_DNS=127.0.0.1:5300, [::1]:5300", "SHUNT_DNS_RATE_LIMIT_EXEMPT=", "SHUNT_SAFETY_MAX_REMOVE=10%", "SHUNT_DNS_NSID=", "SHUNT_VANTAGE_CONTROLS=1.1.1.1:443",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Listen.DNS) != 2 || len(cfg.DNS.RateLimit.Exempt) != 0 || cfg.Safety.MaxRemove != 0.1 || cfg.DNS.NSID != "" || len(cfg.Vantage.Controls) != 1 || cfg.DNS.TCP.Idle != 3*time.Second {
		t.Errorf("%+v", cfg)
	}
}

func TestFlagOfNoKey(t *testing.T) {
	_, err := Parse(nil, "shunt.yaml", Overrides{Flags: []Setting{{Key: "pools", Value: "a", From: "--pools"}}})
	if ps, ok := IsProblems(err); !ok || ps[0].File != "--pools" {
		t.Errorf("%v", err)
	}
}

func TestLimits(t *testing.T) {
	const pool = "pools: [{name: p, addresses: 192.0.2.1}]\n"
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, c := range []struct{ name, text, want string }{
		{"monitors", "monitors: [" + many(MaxMonitors+1, "{name: m%d},") + "]", "10001 items are too many (at most 10000"},
		{"pools", "pools: [" + many(MaxPools+1, "{name: m%d},") + "]", "10001 items are too many (at most 10000"},
		{"zones", "zones: [" + many(MaxZones+1, "z%d,") + "]", "100001 items are too many (at most 100000"},
		{"addresses", "pools: [{name: a, addresses: [" + many(MaxAddresses+1, "192.0.2.%d,") + "]}]", "65 items are too many (at most 64"},
		{"monitors of a pool", "pools: [{name: a, addresses: 192.0.2.1, monitors: [" + many(MaxPoolMonitors+1, "m%d,") + "]}]", "17 items are too many (at most 16"},
		{"name servers", "zones: [{name: a, ns: [" + many(MaxNS+1, "n%d,") + "]}]", "17 items are too many (at most 16"},
		{"pools of a service", pool + "zones: [{name: a, services: [{name: b, pools: [" + many(MaxChoices+1, "p%d,") + "]}]}]", "65 items are too many (at most 64"},
		{"services", pool + "zones:\n- name: z\n  services: &s\n" + many(1000, "  - {name: n%d, pools: [p]}\n") + many(1000, "- {name: z%d, services: *s}\n"), "1001000 services up to here are too many (at most 1000000"},
		{"separators", strings.Repeat("- ", maxSlow+1), "the file has 1000001 values or more"},
		{"separators in flow", "[" + strings.Repeat(",", maxSlow+1), "values or more"},
		{"brackets", strings.Repeat("[", 20_000), "exceeded max depth"},
		{"problems", "pools: [" + many(5000, "{name: m%d},") + "]", "4000 further problems are not shown"},
		{"a label", "node: {name: " + strings.Repeat("a", 64) + "}", "longer than 63"},
		{"a name", "node: {name: " + strings.Repeat("abcdefg.", 32) + "}", "longer than 255"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.text), "shunt.yaml", Overrides{})
			ps, ok := IsProblems(err)
			if !ok || !strings.Contains(err.Error(), c.want) || len(ps) > MaxProblems+1 {
				t.Errorf("want %q, got %d problems: %.300v", c.want, len(ps), err)
			}
		})
	}
}

// A few lines of aliases can stand for more values than memory holds.
func TestAliasesAreBounded(t *testing.T) {
	text := "pools: [{name: p, addresses: 192.0.2.1}]\nzones:\n- {name: z, services: [&s {name: a, pools: [p]}]}\n- {name: y, services: [*s, *s, *s]}\n"
	r, cfg := newReader("shunt.yaml"), &Config{}
	r.visits = maxVisits - 15
	if err := r.parse(cfg, []byte(text), Overrides{}, "/"); err != nil {
		t.Fatal(err)
	}
	if got := r.sorted().Error(); !strings.Contains(got, "with aliases followed there are more than") {
		t.Error(got)
	}
}
