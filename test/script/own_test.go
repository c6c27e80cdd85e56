package script

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// ownModule is a libdns provider that keeps records in a file, in the place of
// the published module of the document.
const ownModule = `package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/libdns/libdns"
)

type filed struct {
	mu   sync.Mutex
	path string
}

func (f *filed) GetRecords(context.Context, string) ([]libdns.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list, err := f.load()
	var out []libdns.Record
	for _, r := range list {
		out = append(out, r)
	}
	return out, err
}

func (f *filed) load() (list []libdns.RR, err error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	return list, err
}

func (f *filed) change(recs []libdns.Record, set bool) ([]libdns.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list, err := f.load()
	if err != nil {
		return nil, err
	}
	for _, r := range recs {
		list = slices.DeleteFunc(list, func(x libdns.RR) bool { return x.Name == r.RR().Name && x.Type == r.RR().Type })
	}
	for _, r := range recs {
		if set {
			list = append(list, r.RR())
		}
	}
	text, err := json.MarshalIndent(list, "", " ")
	if err == nil {
		err = os.WriteFile(f.path, text, 0o600)
	}
	return recs, err
}

func (f *filed) SetRecords(_ context.Context, _ string, recs []libdns.Record) ([]libdns.Record, error) {
	return f.change(recs, true)
}

func (f *filed) DeleteRecords(_ context.Context, _ string, recs []libdns.Record) ([]libdns.Record, error) {
	return f.change(recs, false)
}
`

// TestOwnBuild builds the main of docs/beside-your-providers.md as it is written,
// but with a provider of our own in the place of the published module, and runs
// it: what is answered stands at that provider then.
func TestOwnBuild(t *testing.T) {
	text := read(t, "docs/beside-your-providers.md")
	main := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindStringSubmatch(text)
	if main == nil {
		t.Fatal("the document has no main")
	}
	own := strings.Replace(main[1], "\t\"github.com/libdns/porkbun\"\n\n", "", 1)
	own = regexp.MustCompile(`&porkbun\.Provider\{.*\}, nil`).ReplaceAllString(own, `&filed{path: a.Values["path"] + a.Secrets["ending"].Reveal()}, nil`)
	if strings.Contains(own, "porkbun.") {
		t.Fatalf("the main of the document is otherwise than this test believes:\n%s", own)
	}
	dir := t.TempDir()
	module, err := os.MkdirTemp("../..", ".own-build-") // within the module, whose versions it uses; go ./... passes over it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(module)
	put := func(dir, name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(module, "main.go", own)
	put(module, "filed.go", ownModule)
	built := filepath.Join(dir, "own")
	build := exec.Command("go", "build", "-o", built, ".")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	put(dir, "ending", ".json\n")
	put(dir, "shunt.yaml", `
node: {name: ns1.example.net, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: c.sock}
pools: [{name: alpha, addresses: [192.0.2.1]}]
zones: [{name: example.com, services: [{name: www, pools: [alpha]}]}]
providers:
  - name: pork
    custom: {module: porkbun, settings: ["path: `+filepath.Join(dir, "records")+`"], secret_files: ["ending: ending"]}
    servers: ["127.0.0.1:9"]
`)
	if out, err := exec.Command(filepath.Join(binDir, "shunt"), "check", "-c", filepath.Join(dir, "shunt.yaml")).CombinedOutput(); err == nil || !strings.Contains(string(out), `this build has no module "porkbun"`) {
		t.Errorf("shunt check without the module: %v %s", err, out)
	}
	serve := exec.Command(built, "serve", "-c", filepath.Join(dir, "shunt.yaml"))
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	serve.Stderr = log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = serve.Wait() }() // its end is what the signal below makes it
	defer serve.Process.Signal(os.Interrupt)
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		records, _ := os.ReadFile(filepath.Join(dir, "records.json"))
		if strings.Contains(string(records), `"192.0.2.1"`) && strings.Contains(string(records), "heritage=shunt,owner=shunt,node=ns1.example.net") {
			break
		}
		if time.Since(began) > 15*time.Second {
			said, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("at the provider there is %s\n%s", records, said)
		}
	}
}
