//go:build peers

package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
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

// TestPrometheusScrapes has a real Prometheus scrape a node at listen.web, with
// the alert rules as they are: the node is up, and an alarm of its own fires.
func TestPrometheusScrapes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	edge, web, own := freeTCP(t), freeTCP(t), freeTCP(t)
	write(t, filepath.Join(dir, "shunt.yaml"), fmt.Sprintf(`
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock, web: ["%s"]}
monitors: [{name: web, tcp: {port: %d}, interval: 500ms, timeout: 300ms}]
pools: [{name: alpha, addresses: [127.0.0.1], monitors: [web]}]
zones: [{name: example.test, services: [{name: www, pools: [alpha], policy: failover}]}]
`, web, edge.Port()))
	serve(t, dir) // its only pool is down: the service fails open
	rules, err := filepath.Abs("../../deploy/prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 500ms, evaluation_interval: 500ms}
rule_files: [%s]
scrape_configs: [{job_name: shunt, static_configs: [{targets: ["%s"]}]}]
`, rules, web))
	p := start(t, dir, "prometheus", "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+own.String())
	ask := func(path string) string {
		r, err := http.Get("http://" + own.String() + path)
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return string(text)
	}
	p.until("it has scraped the node", func() bool {
		return strings.Contains(ask("/api/v1/query?query=up{job=%22shunt%22}"), `"1"]`) && strings.Contains(ask("/api/v1/query?query=shunt_services_failing_open"), `"1"]`)
	})
	p.until("the alarm of the node fires", func() bool {
		text := ask("/api/v1/alerts")
		return strings.Contains(text, `"alertname":"ShuntAlarmCritical","code":"fail-open"`) && strings.Contains(text, `"state":"firing"`)
	})
}

// freeTCP returns an address of loopback that nobody listens on.
func freeTCP(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}
