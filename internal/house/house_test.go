// Package house holds the import table of this code base, as a test: the
// picture of who knows whom. It fails on an import that is not declared here,
// and on a declaration that is no longer used, so the table is always true.
package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/shunt-dns/shunt/"

// table says what the non-test files of each package may import: packages of
// ours, and third-party modules. Whoever adds a line has thought about it.
var table = map[string]string{
	"config":                 "cron yaml viper mapstructure",
	"health":                 "",
	"health/probe":           "config health miekg/dns pro-bing",
	"health/probe/probetest": "miekg/dns",
	"health/monitor":         "config health health/probe",
	"resolver":               "config resolver/zone x/sys",
	"resolver/steer":         "config health",
	"resolver/place":         "config resolver/steer maxminddb",
	"resolver/xfr":           "config internal/durable internal/event resolver resolver/zone miekg/dns",
	"providers":              "config internal/durable internal/event providers/kind providers/plan resolver/zone libdns miekg/dns x/sync x/time",
	"providers/plan":         "miekg/dns",
	"providers/kind":         "config providers/plan libdns miekg/dns go-ovh hcloud scaleway aws smithy x/oauth2 godo",
	"internal/event":         "internal/durable",
	"internal/alert":         "config internal/durable go-pagerduty slack-go go-mail",
	"internal/durable":       "",
	"internal/self":          "",
	"internal/trace":         "config health otel",
	"internal/metrics":       "health internal/alert internal/controller internal/event providers resolver resolver/xfr prometheus",
	"internal/tap":           "config resolver dnstap framestream protobuf",
	"resolver/zone":          "config health resolver/place resolver/steer miekg/dns",
	"internal/drill":         "config health internal/chart resolver/steer",
	"internal/controller":    "config health internal/drill internal/durable internal/event resolver/place resolver/steer resolver/zone",
	"internal/admin":         "config health health/monitor internal/alert internal/controller internal/drill internal/durable internal/event resolver resolver/xfr x/net x/sys providers",
	"internal/dashboard":     "config health internal/admin internal/controller internal/drill internal/event resolver",
	"internal/node":          "config health health/monitor health/probe internal/admin internal/alert internal/audit/look internal/controller internal/dashboard internal/durable internal/event internal/known internal/metrics internal/tap internal/trace resolver resolver/xfr resolver/zone go-systemd x/sync providers providers/kind internal/self x/net x/sys",
	"internal/cdntest":       "",
	"internal/dnstest":       "miekg/dns",
	"internal/placetest":     "mmdbwriter",
	"internal/vendortest":    "",
	"internal/peertest":      "",
	"internal/kindtest":      "providers/kind providers/plan libdns",
	"internal/rehearse":      "config health health/monitor health/probe internal/chart internal/controller internal/known resolver/steer resolver/zone miekg/dns yaml",
	"internal/chart":         "gonum/plot",
	"internal/known":         "",
	"internal/audit":         "config health resolver/steer x/net",
	"internal/audit/look":    "config health health/probe internal/audit resolver/steer resolver/zone miekg/dns x/sys",
	"internal/demo":          "config internal/admin internal/cdntest internal/controller internal/node x/sync",
	"bench":                  "internal/peertest miekg/dns x/sys",
	"test/places":            "mmdbwriter",
	"cmd/shunt":              "cmd/shunt/command",
	"cmd/shunt/command":      "config health internal/admin internal/alert internal/controller internal/drill internal/event internal/node internal/demo internal/rehearse internal/audit internal/audit/look resolver/xfr cobra x/term providers providers/plan providers/kind",
}

// modules are the third-party modules by the short names of the table.
var modules = map[string]string{
	"yaml":         "go.yaml.in/yaml/v3",
	"viper":        "github.com/spf13/viper",
	"mapstructure": "github.com/go-viper/mapstructure/v2",
	"cron":         "github.com/robfig/cron/v3",
	"cobra":        "github.com/spf13/cobra",
	"miekg/dns":    "github.com/miekg/dns",
	"maxminddb":    "github.com/oschwald/maxminddb-golang/v2",
	"mmdbwriter":   "github.com/maxmind/mmdbwriter",
	"pro-bing":     "github.com/prometheus-community/pro-bing",
	"go-systemd":   "github.com/coreos/go-systemd/v22",
	"x/sys":        "golang.org/x/sys",
	"x/net":        "golang.org/x/net",
	"x/sync":       "golang.org/x/sync",
	"x/term":       "golang.org/x/term",
	"x/time":       "golang.org/x/time",
	"gonum/plot":   "gonum.org/v1/plot",
	"libdns":       "github.com/libdns/libdns",
	"go-pagerduty": "github.com/PagerDuty/go-pagerduty",
	"slack-go":     "github.com/slack-go/slack",
	"go-mail":      "github.com/wneessen/go-mail",
	"aws":          "github.com/aws/aws-sdk-go-v2",
	"smithy":       "github.com/aws/smithy-go",
	"godo":         "github.com/digitalocean/godo",
	"x/oauth2":     "golang.org/x/oauth2",
	"go-ovh":       "github.com/ovh/go-ovh",
	"hcloud":       "github.com/hetznercloud/hcloud-go/v2",
	"scaleway":     "github.com/scaleway/scaleway-sdk-go",
	"dnstap":       "github.com/dnstap/golang-dnstap",
	"framestream":  "github.com/farsightsec/golang-framestream",
	"protobuf":     "google.golang.org/protobuf",
	"otel":         "go.opentelemetry.io/otel",
	"prometheus":   "github.com/prometheus/client_golang",
}

// values are the packages that compute and nothing else: no goroutine, no
// socket, no clock.
var values = []string{"health", "resolver/steer", "resolver/zone", "internal/audit", "internal/known", "internal/self", "providers/plan"}

func TestImportTable(t *testing.T) {
	found := imports(t)
	for _, pkg := range slices.Sorted(maps.Keys(found)) {
		declared := strings.Fields(table[pkg])
		for _, name := range slices.Sorted(maps.Keys(found[pkg])) {
			if !slices.Contains(declared, name) {
				t.Errorf("%s imports %s, which the table does not declare", pkg, name)
			}
		}
		for _, name := range declared {
			if !found[pkg][name] {
				t.Errorf("%s no longer imports %s: take it out of the table", pkg, name)
			}
		}
	}
	for pkg := range table {
		if found[pkg] == nil {
			t.Errorf("the table names %s, which is not there", pkg)
		}
	}
}

// TestValuePackages holds value packages to their word.
func TestValuePackages(t *testing.T) {
	forbidden := []string{"net", "net/http", "os", "os/exec", "context", "log", "log/slog"}
	walk(t, func(pkg, file string) {
		if !slices.Contains(values, pkg) {
			return
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{"time.Now(", "time.Sleep(", "time.After(", "\tgo func"} {
			if strings.Contains(string(text), call) {
				t.Errorf("%s: a value package calls %s", file, strings.TrimSpace(call))
			}
		}
		for _, path := range fileImports(t, file) {
			if slices.Contains(forbidden, path) {
				t.Errorf("%s: a value package imports %s", file, path)
			}
		}
	})
}

// imports returns what each package's non-test files import, by the short
// names of the table; the standard library is left out.
func imports(t *testing.T) map[string]map[string]bool {
	found := map[string]map[string]bool{}
	walk(t, func(pkg, file string) {
		if found[pkg] == nil {
			found[pkg] = map[string]bool{}
		}
		for _, path := range fileImports(t, file) {
			if own, ok := strings.CutPrefix(path, module); ok {
				found[pkg][own] = true
				continue
			}
			if !strings.Contains(strings.Split(path, "/")[0], ".") {
				continue
			}
			found[pkg][short(path)] = true
		}
	})
	return found
}

// short returns the table's name of a third-party import.
func short(path string) string {
	for name, mod := range modules {
		if path == mod || strings.HasPrefix(path, mod+"/") {
			return name
		}
	}
	return path
}

// walk calls f for every non-test Go file of the project.
func walk(t *testing.T, f func(pkg, file string)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir // no package: what a test builds for a while, and git's own
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		f(filepath.ToSlash(rel), path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fileImports returns the import paths of one file.
func fileImports(t *testing.T, file string) []string {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, i := range parsed.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}
