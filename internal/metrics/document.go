package metrics

import (
	"fmt"
	"strings"
)

// Document returns docs/metrics.md: every family, with what it means.
func Document() string {
	var b strings.Builder
	b.WriteString(`# Metrics

<!-- Written by go test ./internal/metrics -write; a test holds it to the code. -->

A running shunt shows these to Prometheus at ` + "`/metrics`" + `: over the control socket always, and at ` + "`listen.web`" + ` where
that is set. Beside them are those of Go's runtime (` + "`go_…`" + `) and of the process (` + "`process_…`" + `), as every
program in Go has them. [deploy/prometheus](../deploy/prometheus) has alert rules, [deploy/grafana](../deploy/grafana) a dashboard.

Numbers are bounded however large the configuration is; what is left out or joined under ` + "`other`" + ` is said below. No
label holds an address of a client. Times are in seconds, shares from 0 to 1. Counters begin anew with the process.
`)
	for _, part := range []struct {
		title    string
		families []Family
	}{
		{"Queries", dnsFamilies()},
		{"Pools", poolFamilies()},
		{"Probes", probeFamilies()},
		{"Services", serviceFamilies()},
		{"The node", nodeFamilies()},
		{"What goes out", outFamilies()},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| name | type | labels | meaning |\n|---|---|---|---|\n", part.title)
		for _, f := range part.families {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Kind, labels(f.Labels), f.Help)
		}
	}
	return b.String()
}

// labels lists the labels of a family.
func labels(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = "`" + n + "`"
	}
	return strings.Join(quoted, ", ")
}
