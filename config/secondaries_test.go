package config

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const secondariesConfig = `
transfer: {serial: counter, allow: [192.0.2.7, "2001:db8::/32"], catalog: Catalog.invalid, behind: 10s}
keys:
  - {name: One.Example.net, algorithm: hmac-sha512, secret_file: one.key}
  - {name: two, secret_file: /etc/two.key}
secondaries:
  - {name: a, address: 192.0.2.53, key: one.example.net., zones: [example.com, catalog.invalid]}
  - {name: b, address: "[2001:db8::53]:5353", notify: false}
  - {name: c, address: "2001:db8::54", serves: 192.0.2.55}
zones: [{name: example.com, file: z}]
`

// TestSecondaries: what is written means what.
func TestSecondaries(t *testing.T) {
	cfg, err := Parse([]byte(secondariesConfig), "/etc/shunt/shunt.yaml", Overrides{Env: []string{"SHUNT_TRANSFER_CONTENT=all", "SHUNT_TRANSFER_JOURNAL=0"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Key{
		{Name: "one.example.net.", Algorithm: "hmac-sha512", SecretFile: "/etc/shunt/one.key"},
		{Name: "two.", Algorithm: "hmac-sha256", SecretFile: "/etc/two.key"},
	}, cfg.Keys, append(slices.Clone(compare), cmp.AllowUnexported(Secret{}))...); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Transfer{
		Serial: Counter, Content: AllPools, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32")},
		Catalog: "catalog.invalid.", Behind: 10 * time.Second,
	}, cfg.Transfer, compare...); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Secondary{
		{Name: "a", Address: netip.MustParseAddrPort("192.0.2.53:53"), Key: "one.example.net.", Zones: []string{"example.com.", "catalog.invalid."}, Notify: true},
		{Name: "b", Address: netip.MustParseAddrPort("[2001:db8::53]:5353")},
		{Name: "c", Address: netip.MustParseAddrPort("[2001:db8::54]:53"), Serves: netip.MustParseAddrPort("192.0.2.55:53"), Notify: true},
	}, cfg.Secondaries, compare...); diff != "" {
		t.Error(diff)
	}
}

// TestTransfers: zones have serials of their own once anybody may take them.
func TestTransfers(t *testing.T) {
	const zones = "\nzones: [{name: example.com, file: z}]\n"
	for text, want := range map[string]bool{
		"": false, "transfer: {catalog: c.invalid, serial: counter}": false,
		"transfer: {allow: [\"::1\"]}": true, "secondaries: [{name: a, address: \"::1\", notify: false}]": true,
	} {
		cfg, err := Parse([]byte(text+zones), "shunt.yaml", Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.Transfers(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestKeySecrets: the octets of a key are read, and nothing that prints a
// configuration shows them.
func TestKeySecrets(t *testing.T) {
	dir := t.TempDir()
	octets := "sixteen octets!!"
	text := base64.StdEncoding.EncodeToString([]byte(octets))
	for name, text := range map[string]string{
		"shunt.yaml": strings.Replace(secondariesConfig, "/etc/two.key", "one.key", 1), "one.key": text + "\n", "z": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := Load(filepath.Join(dir, "shunt.yaml"), Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range cfg.Keys {
		if k.Secret.Reveal() != octets {
			t.Errorf("%s is %q", k.Name, k.Secret.Reveal())
		}
	}
	if shown := fmt.Sprintf("%v %+v %#v", cfg.Keys, cfg.Keys, cfg.Keys); strings.Contains(shown, "sixteen") || strings.Contains(shown, text) {
		t.Error("a secret is printed: ", shown)
	}
}

func TestCutLabel(t *testing.T) {
	for name, want := range map[string]string{
		".": "", "com.": "com|.", "a.com.": "a|com.", `a\.b.com.`: `a\.b|com.`, `a\046.com.`: `a\046|com.`, `a\\.com.`: `a\\|com.`,
	} {
		label, rest, ok := cutLabel(name)
		if got := strings.TrimSuffix(label+"|"+rest, "|"); got != want || ok != (want != "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
