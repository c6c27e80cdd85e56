package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Traces go to a path of the receiver, and headers are secrets.
func TestTraces(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const rest = "\npools: [{name: a, addresses: [192.0.2.1]}]\nzones: [{name: example.com, services: [{name: www, pools: [a], policy: failover}]}]\n"
	write("headers", "Authorization: Bearer abc\n\n  X-Team:dns:ops \n")
	for _, c := range []struct{ written, endpoint string }{
		{"http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"},
		{"http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"},
		{"https://otel.example.net/otlp/v1/traces", "https://otel.example.net/otlp/v1/traces"},
	} {
		write("shunt.yaml", "traces: {endpoint: \""+c.written+"\", sample: 12.5%}"+rest)
		cfg, err := Load(filepath.Join(dir, "shunt.yaml"), Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Traces.Endpoint != c.endpoint || cfg.Traces.Sample != 0.125 || cfg.Traces.Headers != nil {
			t.Errorf("%s: %+v", c.written, cfg.Traces)
		}
	}
	write("shunt.yaml", "traces: {headers_file: headers}"+rest)
	cfg, err := Load(filepath.Join(dir, "shunt.yaml"), Overrides{Env: []string{"SHUNT_TRACES_ENDPOINT=http://localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	h := cfg.Traces.Headers
	if cfg.Traces.Endpoint != "http://localhost/v1/traces" || len(h) != 2 || h[0].Reveal() != "Authorization: Bearer abc" || h[1].Reveal() != "X-Team: dns:ops" {
		t.Errorf("%+v", cfg.Traces)
	}
	if text := fmt.Sprintf("%v %+v %#v", cfg.Traces, cfg.Traces, cfg.Traces); strings.Contains(text, "abc") {
		t.Errorf("a header is shown: %s", text)
	}
}
