package node

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/controller"
)

// What keeps a node from starting is found without starting it, all at once.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("text.pem", "no certificate\n")
	path := write("shunt.yaml", `node: {state_dir: state, user: nobody-has-this-name}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock}
monitors:
  - {name: good, http: {host: www.example.test}}
  - {name: web, https: {host: www.example.test, root_cas: none.pem}}
  - {name: hand, tls: {host: www.example.test, root_cas: text.pem}}
zones: [{name: example.test, ns: [ns1.example.net], services: [{name: www, pools: [a]}]}]
pools: [{name: a, addresses: [127.0.0.1]}]
`)
	cfg, err := config.Load(path, config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(`DIR/shunt.yaml: monitors[web].https.root_cas: open DIR/none.pem: no such file or directory (name a readable PEM file, or leave it out to trust the system's authorities)
DIR/shunt.yaml: monitors[hand].tls.root_cas: DIR/text.pem holds no certificate (it must hold BEGIN CERTIFICATE blocks)
DIR/shunt.yaml: node.user: there is no user "nobody-has-this-name" (make it, name another, or leave the key out)`, "DIR", dir)
	said := "fine"
	if err := Check(cfg, nil); err != nil {
		said = err.Error()
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	l, err := controller.Load(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(l, Options{}); err == nil || err.Error() != want {
		t.Errorf("opening it: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("the state folder was made before the check")
	}
	cfg.Node.User, cfg.Monitors = "", cfg.Monitors[:1]
	if err := Check(cfg, nil); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

// All that a reload reads is looked at.
func TestFilesOf(t *testing.T) {
	cfg := &config.Config{Path: "shunt.yaml", Places: config.Places{Databases: []string{"a.mmdb", "b.mmdb"}, File: "networks.yaml"},
		Policies: []config.Policy{{Name: "eu", Chain: []config.Filter{{Kind: config.Healthy}, {Kind: config.Prefer, Prefer: config.PreferFilter{File: "geo.yaml"}}}}},
		Zones:    []config.Zone{{Name: "example.", File: "example.zone"}}}
	cfg.DNS.SecretFile = "secret"
	var got []string
	for _, f := range filesOf(cfg) {
		got = append(got, f.path)
	}
	if want := "shunt.yaml secret example.zone a.mmdb b.mmdb networks.yaml geo.yaml"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// What the user may read follows from owner, group and mode.
func TestRights(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	other := &user.User{Uid: "4294967290", Gid: "4294967290", Username: "other"}
	for _, c := range []struct {
		name         string
		folder, mode os.FileMode
		owner, group bool // the user asked about owns the file, or is in its group
		want         string
	}{
		{"all may", 0o755, 0o644, false, false, ""},
		{"the owner alone", 0o755, 0o600, false, false, "the user other may not read FILE"},
		{"its owner", 0o755, 0o600, true, false, ""},
		{"its group", 0o755, 0o640, false, true, ""},
		{"its group, not", 0o755, 0o604, false, true, "the user other may not read FILE"},
		{"a closed folder", 0o700, 0o644, false, false, "the user other may not pass FOLDER to read FILE"},
		{"a folder without list", 0o711, 0o644, false, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "-"))
			file := filepath.Join(folder, "zone")
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			for path, mode := range map[string]os.FileMode{file: c.mode, folder: c.folder} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			defer os.Chmod(folder, 0o755)
			u := *other
			if c.owner {
				u.Uid = me.Uid
			}
			r := &rights{user: &u, folders: map[string]string{dir: ""}}
			if c.group {
				r.groups = []string{me.Gid}
			}
			if want := strings.NewReplacer("FILE", file, "FOLDER", folder).Replace(c.want); r.read(file) != want {
				t.Errorf("got %q, want %q", r.read(file), want)
			}
		})
	}
}
