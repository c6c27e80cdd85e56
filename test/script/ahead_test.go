package script

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/internal/vendortest"
)

// TestPlanAhead: before any node serves a file, `shunt plan --ahead` shows what
// the first push would do, records of others and what was taken over among it,
// by what probes see now; and it changes nothing, here or there.
func TestPlanAhead(t *testing.T) {
	api, err := vendortest.Start(vendortest.Cloudflare("s3cret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	api.Load("example.test.", "www.example.test. 300 A 203.0.113.9", "shop.example.test. 300 A 203.0.113.9", "mail.example.test. 300 A 203.0.113.9", "both.example.test. 300 AAAA 2001:db8::9")
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("key", "s3cret\n")
	put("shunt.yaml", fmt.Sprintf(`node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: c.sock}
monitors: [{name: web, tcp: {port: 1}, interval: 1s, timeout: 300ms}]
pools: [{name: alpha, addresses: [127.0.0.1], monitors: [web]}, {name: beta, addresses: [192.0.2.2]}]
zones:
  - name: example.test
    services:
      - {name: www, pools: [alpha, beta]}
      - {name: shop, pools: [alpha, beta]}
      - {name: new, pools: [alpha, beta]}
      - {name: both, pools: [alpha, beta]}
providers:
  - {name: cf, cloudflare: {endpoint: %q, token_file: key}, adopt: [shop.example.test]}
`, api.URL()))
	before := api.Zone("example.test")
	plan := func(args ...string) (string, error) {
		t.Helper()
		cmd := exec.Command(filepath.Join(binDir, "shunt"), append([]string{"plan", "-c", filepath.Join(dir, "shunt.yaml")}, args...)...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := plan(); err == nil || !strings.Contains(out, "shunt plan --ahead") {
		t.Errorf("without a node: %v\n%s", err, out)
	}
	out, err := plan("--ahead")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"pool alpha is down", "cf (cloudflare): 3 names to change",
		"+ new.example.test. A 60 192.0.2.2", "~ shop.example.test. A 300 203.0.113.9 -> 60 192.0.2.2",
		"! www.example.test. stays as it is: A records of others stand there: name it under adopt",
		"! both.example.test.: AAAA records of others stand beside ours, and steer nothing",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan lacks %q:\n%s", want, out)
		}
	}
	if out, err := plan("--ahead", "--provider", "none"); err == nil || !strings.Contains(out, `there is no provider "none"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if after := api.Zone("example.test"); api.Writes() > 0 || strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("%d writes; the zone is now\n%s", api.Writes(), strings.Join(after, "\n"))
	}
	var files []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			files = append(files, filepath.Base(path))
		}
		return err
	})
	if err != nil || strings.Join(files, " ") != "key shunt.yaml" {
		t.Errorf("there are now %s (%v)", files, err)
	}

	// Beside a node that runs, its overrides count.
	whole, err := os.ReadFile(filepath.Join(dir, "shunt.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	without, _, _ := strings.Cut(string(whole), "providers:")
	put("shunt.yaml", without)
	serve := exec.Command(filepath.Join(binDir, "shunt"), "serve", "-c", filepath.Join(dir, "shunt.yaml"))
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = serve.Wait() }() // its end is what the signal below makes it
	defer serve.Process.Signal(os.Interrupt)
	if !within(patience, func() bool {
		return exec.Command(filepath.Join(binDir, "shunt"), "override", "set", "alpha", "up", "--for", "1h", "--reason", "test", "-c", filepath.Join(dir, "shunt.yaml")).Run() == nil
	}) {
		t.Fatal("no override could be set")
	}
	put("shunt.yaml", string(whole))
	if !within(patience, func() bool {
		out, err = plan("--ahead")
		return err == nil && strings.Contains(out, "+ new.example.test. A 60 127.0.0.1")
	}) {
		t.Errorf("the override does not count: %v\n%s", err, out)
	}
	if api.Writes() > 0 {
		t.Errorf("%d writes", api.Writes())
	}
}
