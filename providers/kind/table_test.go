package kind_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/kind"
)

// account returns what the row demands, and a little more.
func account(k config.ProviderKind) config.Account {
	a := config.Account{Endpoint: "http://127.0.0.1:1", Values: map[string]string{}, Secrets: map[string]config.Secret{}}
	if k.Kind == "rfc2136" {
		a.Endpoint = "127.0.0.1:1"
	}
	for _, key := range k.Keys {
		switch {
		case key.Secret && key.Required:
			a.Secrets[key.Name] = config.NewSecret(credential(k.Kind, key.Name))
		case !key.Secret && key.Required:
			a.Values[key.Name] = "x"
		case !key.Secret:
			a.Values[key.Name] = key.Default
		}
	}
	return a
}

// credential returns a secret of the form that the kind wants.
func credential(kind, key string) string {
	if kind == "googleclouddns" && key == "credentials" {
		return serviceAccount
	}
	return "c2VjcmV0"
}

// TestTable holds the table of constructors and that of the configuration
// together: the same kinds in the same order, each opened with nothing but
// what its row requires, whatever it says of its abilities sound.
func TestTable(t *testing.T) {
	var described, opened []string
	for _, k := range config.ProviderKinds() {
		described = append(described, k.Kind)
	}
	for _, row := range kind.Table() {
		opened = append(opened, row.Kind)
	}
	if !slices.Equal(described, opened) {
		t.Errorf("the configuration has %s,\npackage kind opens %s", strings.Join(described, " "), strings.Join(opened, " "))
	}
	for _, k := range config.ProviderKinds() {
		if !slices.Contains(opened, k.Kind) {
			continue
		}
		p, err := kind.Open(config.Provider{Name: "x", Kind: k.Kind, Account: account(k)}, nil)
		if err != nil {
			t.Errorf("%s cannot be opened with what its row requires: %v", k.Kind, err)
			continue
		}
		if a, ok := p.(kind.Abler); ok {
			checkAbilities(t, k.Kind, a.Abilities(), p)
		}
	}
}

func checkAbilities(t *testing.T, name string, a kind.Abilities, p kind.Provider) {
	t.Helper()
	_, applies := p.(kind.Applier)
	switch {
	case (a.Atomic || a.Expects || a.Batch > 1) && !applies:
		t.Errorf("%s claims abilities that need Apply, which it has not", name)
	case a.Batch < 0 || a.Rate < 0 || a.MinTTL < 0 || a.MinTTL > time.Hour:
		t.Errorf("%s: %+v", name, a)
	case !a.Atomic && !a.Expects && a.Batch > 20:
		t.Errorf("%s would change %d names' records one by one after one look", name, a.Batch)
	case !slices.IsSorted(a.TTLs):
		t.Errorf("%s: its TTLs are not in order", name)
	}
}

// TestDocument holds the table of abilities in docs/beside-your-providers.md
// to what the kinds say.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "beside-your-providers.md"))
	if err != nil {
		t.Fatal(err)
	}
	yes := map[bool]string{true: "yes", false: "no"}
	compares := map[bool]string{true: "yes", false: "a look before"}
	for _, k := range config.ProviderKinds() {
		p, err := kind.Open(config.Provider{Name: "x", Kind: k.Kind, Account: account(k)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := p.(kind.Abler).Abilities()
		lowest := "–"
		if a.MinTTL > 0 {
			lowest = fmt.Sprint(int(a.MinTTL.Seconds()), " s")
		}
		cells := []string{yes[a.Atomic], compares[a.Expects], lowest, yes[slices.Contains(a.Types, "HTTPS")], yes[a.Alias]}
		row := regexp.MustCompile("(?m)^\\| `" + k.Kind + "`[^|]* \\| " + regexp.QuoteMeta(strings.Join(cells, " | ")) + ` \|$`)
		if !row.Match(text) {
			t.Errorf("the document has no row: | `%s` | %s |", k.Kind, strings.Join(cells, " | "))
		}
	}
}

// TestOpen: a kind that this build does not have is refused by name.
func TestOpen(t *testing.T) {
	own := config.Provider{Name: "own", Kind: config.Custom, Account: config.Account{Values: map[string]string{"module": "porkbun"}}}
	if _, err := kind.Open(own, nil); err == nil || !strings.Contains(err.Error(), `"porkbun"`) {
		t.Errorf("%v", err)
	}
	asked := ""
	open := func(a config.Account) (kind.Provider, error) { asked = a.Module(); return nil, nil }
	if _, err := kind.Open(own, map[string]kind.Opener{"porkbun": open}); err != nil || asked != "porkbun" {
		t.Errorf("%q, %v", asked, err)
	}
}

// TestPace: who has no pace only minds the end of the context.
func TestPace(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := kind.Pace(ctx); err != nil {
		t.Error(err)
	}
	turns := 0
	paced := kind.WithPace(ctx, func(context.Context) error { turns++; return nil })
	_, _ = kind.Pace(paced), kind.Pace(paced)
	if cancel(); turns != 2 || kind.Pace(ctx) == nil {
		t.Errorf("%d turns", turns)
	}
}
