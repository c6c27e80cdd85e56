//go:build peers

package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPromtool has Prometheus check what a node shows, the alert rules, their
// tests, and every query of the dashboard.
func TestPromtool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "shunt.yaml"), `
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock}
pools: [{name: alpha, addresses: [127.0.0.11]}]
zones: [{name: example.test, services: [{name: www, pools: [alpha], policy: failover}]}]
`)
	n := serve(t, dir)
	promtool(t, dir, n.metrics(), "check", "metrics")
	n.stop()

	deploy, err := filepath.Abs("../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, filepath.Join(deploy, "prometheus"), "", "check", "rules", "rules.yml")
	promtool(t, filepath.Join(deploy, "prometheus"), "", "test", "rules", "rules_test.yml")
	promtool(t, dir, "", "check", "rules", write(t, filepath.Join(dir, "queries.yml"), queriesAsRules(t, filepath.Join(deploy, "grafana", "shunt.json"))))
}

// metrics returns what the node shows at /metrics of its control socket.
func (n *node) metrics() string {
	n.t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", n.socket)
	}}}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://shunt/metrics")
	if err != nil {
		n.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || len(text) == 0 {
		n.t.Fatalf("GET /metrics: %s, %v", r.Status, err)
	}
	return string(text)
}

// promtool runs a command of it in dir that must succeed, and find no fault.
func promtool(t *testing.T, dir, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil || args[1] == "metrics" && len(out) > 0 {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// queriesAsRules writes each query of a dashboard as a recording rule, with
// its variables filled in: so promtool reads them.
func queriesAsRules(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels      []struct{ Targets []struct{ Expr string } }
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	var exprs []string
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			exprs = append(exprs, q.Expr)
		}
	}
	for _, a := range board.Annotations.List {
		exprs = append(exprs, a.Expr)
	}
	if len(exprs) < 20 {
		t.Fatalf("only %d queries in %s", len(exprs), path)
	}
	var b strings.Builder
	b.WriteString("groups:\n- name: dashboard\n  rules:\n")
	fill := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$service", ".*", "$pool", ".*")
	for i, e := range exprs {
		fmt.Fprintf(&b, "  - {record: 'query:%d', expr: %q}\n", i, fill.Replace(e))
	}
	return b.String()
}
