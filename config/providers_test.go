package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestReferenceNamesEveryProvider: each kind of the table and each of its keys
// stands in the reference, and the raw form has a key for each kind.
func TestReferenceNamesEveryProvider(t *testing.T) {
	said := map[string]bool{}
	var doc struct {
		Providers []map[string]yaml.Node `yaml:"providers"`
	}
	if err := yaml.Unmarshal([]byte(Reference), &doc); err != nil {
		t.Fatal(err)
	}
	for _, p := range doc.Providers {
		for kind, n := range p {
			for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
				said[kind+"."+n.Content[i].Value] = true
			}
		}
	}
	raw := newReader("").shape(reflect.TypeFor[rawProvider]()).names
	for _, k := range ProviderKinds() {
		if !strings.Contains(strings.Join(raw, " "), k.Kind) {
			t.Errorf("providers cannot be of kind %s", k.Kind)
		}
		for _, key := range append([]ProviderKey{{Name: "endpoint", Help: "x"}}, k.Keys...) {
			if !said[k.Kind+"."+written(key)] {
				t.Errorf("config/reference.yaml does not have %s of %s", written(key), k.Kind)
			}
			if key.Help == "" || key.Secret && key.Default != "" {
				t.Errorf("%s of %s: %+v", key.Name, k.Kind, key)
			}
		}
	}
}

const secretive = `
zones:
  - {name: example.com, services: [{name: www, pools: [origin]}]}
pools: [{name: origin, addresses: [192.0.2.1]}]
providers:
  - {name: cf, cloudflare: {token_file: cf.token}}
  - {name: eu-1.dns, desec: }
  - {name: own, custom: {module: porkbun, settings: ["user: me"], secret_files: ["api_key: own.key"]}}
`

// TestSecrets: secrets come from files and from the environment, which
// outranks them, and show themselves to nobody who does not ask for them.
func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"shunt.yaml": secretive, "cf.token": "of-the-file\n", "own.key": "  k3y  \n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := Load(filepath.Join(dir, "shunt.yaml"), Overrides{Env: []string{"SHUNT_PROVIDER_EU_1_DNS_TOKEN=of-the-environment", "SHUNT_PROVIDER_OWN_PASSWORD=word"}})
	if err != nil {
		t.Fatal(err)
	}
	secret := func(i int, name string) string { return cfg.Providers[i].Account.Secrets[name].Reveal() }
	if a, b, c, d := secret(0, "token"), secret(1, "token"), secret(2, "api_key"), secret(2, "password"); a != "of-the-file" || b != "of-the-environment" || c != "k3y" || d != "word" {
		t.Errorf("%q %q %q %q", a, b, c, d)
	}
	if own := cfg.Providers[2].Account; own.Module() != "porkbun" || own.Values["user"] != "me" {
		t.Errorf("%+v", own)
	}
	if file := cfg.Providers[0].Account.Files["token"]; file != filepath.Join(dir, "cf.token") {
		t.Errorf("the secret is of %s", file)
	}
	text, err := json.Marshal(cfg.Providers)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cfg", cfg.Providers, "secret", cfg.Providers[0].Account.Secrets["token"])
	for _, dump := range []string{string(text), log.String(), fmt.Sprintf("%v %+v %#v %s", cfg.Providers, cfg.Providers, cfg.Providers, cfg.Providers[0].Account.Secrets["token"])} {
		for _, s := range []string{"of-the-file", "of-the-environment", "k3y", "word"} {
			if strings.Contains(strings.ReplaceAll(dump, "password", ""), s) {
				t.Errorf("%s shows itself in %s", s, dump)
			}
		}
	}
	outranked, err := Load(filepath.Join(dir, "shunt.yaml"), Overrides{Env: []string{"SHUNT_PROVIDER_EU_1_DNS_TOKEN=x", "SHUNT_PROVIDER_CF_TOKEN=newer"}})
	if err != nil || outranked.Providers[0].Account.Secrets["token"].Reveal() != "newer" {
		t.Errorf("the environment does not outrank the file: %v", err)
	}
}
