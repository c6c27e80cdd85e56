package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What stands in queries beside the families of shunt.
var (
	seriesName = regexp.MustCompile(`\bshunt_[a-z0-9_]+`)
	selector   = regexp.MustCompile(`\b(shunt_[a-z0-9_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
)

// TestRulesUseWhatThereIs: every metric and label that an alert rule uses is
// one of the code's, and so in their tests.
func TestRulesUseWhatThereIs(t *testing.T) {
	for _, path := range []string{"../../deploy/prometheus/rules.yml", "../../deploy/prometheus/rules_test.yml"} {
		text := readFile(t, path)
		if n := check(t, path, text); n < 15 {
			t.Errorf("%s uses only %d metrics", path, n)
		}
	}
}

// TestDashboardUsesWhatThereIs is the same for the dashboard, which must also
// use every family that there is.
func TestDashboardUsesWhatThereIs(t *testing.T) {
	const path = "../../deploy/grafana/shunt.json"
	text := readFile(t, path)
	for _, query := range queries(t, text) {
		check(t, path, query)
	}
	// Shown in another form: by state, or as alarms.
	elsewhere := []string{"shunt_blind", "shunt_freeze_end_timestamp_seconds", "shunt_lookup_results_total", "shunt_pool_override_end_timestamp_seconds",
		"shunt_pool_state_since_timestamp_seconds", "shunt_service_fail_open_seconds_total"}
	for _, f := range Families() {
		if used := strings.Contains(text, f.Name); used == slices.Contains(elsewhere, f.Name) {
			t.Errorf("%s: used by the dashboard: %v", f.Name, used)
		}
	}
}

// TestRulesLeadSomewhere: each alert has a severity, a summary, and a section
// of the runbook.
func TestRulesLeadSomewhere(t *testing.T) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "../../deploy/prometheus/rules.yml")), &file); err != nil {
		t.Fatal(err)
	}
	operations := strings.ToLower(readFile(t, "../../docs/operations.md"))
	tests := readFile(t, "../../deploy/prometheus/rules_test.yml")
	const runbook = "https://github.com/shunt-dns/shunt/blob/main/docs/operations.md#"
	seen := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			seen++
			if s := r.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s has the severity %q", r.Alert, s)
			}
			anchor, ok := strings.CutPrefix(r.Annotations["runbook_url"], runbook)
			if !ok || r.Annotations["summary"] == "" {
				t.Errorf("%s: %v", r.Alert, r.Annotations)
			}
			if anchor != "{{ $labels.code }}" && !strings.Contains(operations, "# "+anchor+"\n") {
				t.Errorf("%s leads to %s, which docs/operations.md does not have", r.Alert, anchor)
			}
			if !strings.Contains(tests, "alertname: "+r.Alert+"\n        exp_alerts:") {
				t.Errorf("no test has %s fire", r.Alert)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d rules", seen)
	}
}

// queries returns all that the dashboard asks.
func queries(t *testing.T, text string) []string {
	t.Helper()
	var board struct {
		Panels []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Expr string } }
		Templating  struct {
			List []struct{ Definition string }
		}
	}
	if err := json.Unmarshal([]byte(text), &board); err != nil {
		t.Fatal(err)
	}
	var all []string
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %d, %q, has no title, no query, or the number of another", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			all = append(all, q.Expr)
		}
	}
	for _, a := range board.Annotations.List {
		all = append(all, a.Expr)
	}
	for _, v := range board.Templating.List {
		all = append(all, v.Definition)
	}
	return all
}

// check holds every series that text names to the code, and returns how many
// there are.
func check(t *testing.T, where, text string) int {
	t.Helper()
	names := seriesName.FindAllString(text, -1)
	for _, name := range names {
		if _, ok := family(name); !ok {
			t.Errorf("%s: there is no metric %s", where, name)
		}
	}
	for _, m := range selector.FindAllStringSubmatch(text, -1) {
		f, _ := family(m[1])
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "instance" && l[1] != "job" && l[1] != "le" && !slices.Contains(f.Labels, l[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
		}
	}
	return len(names)
}

// family returns the family that a series is of.
func family(series string) (Family, bool) {
	for _, f := range Families() {
		if f.Name == series {
			return f, true
		}
		rest, ok := strings.CutPrefix(series, f.Name)
		if ok && f.Kind == Histogram && (rest == "_bucket" || rest == "_sum" || rest == "_count") {
			return f, true
		}
	}
	return Family{}, false
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
