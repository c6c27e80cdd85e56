package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Those who look for a running node find its socket, whatever else is wrong
// with the file.
func TestControlSocket(t *testing.T) {
	for _, c := range []struct{ name, text, env, want, from string }{
		{"a good file", "listen: {dns: [\"127.0.0.1:0\"], control: a.sock}\n", "", "DIR/a.sock", "listen.control in FILE"},
		{"an absolute path", "listen: {control: /run/a.sock}\n", "", "/run/a.sock", "listen.control in FILE"},
		{"a mistake elsewhere", "nod: {nam: x}\nlisten:\n  control: a.sock\npools: [{name: a}]\n", "", "DIR/a.sock", "listen.control in FILE"},
		{"a mistake in its own section", "listen: {dns: [nonsense], contrl: b, control: a.sock}\n", "", "DIR/a.sock", "listen.control in FILE"},
		{"another key of that name", "vantage: {controls: [x]}\nother: {control: b.sock}\n", "", DefaultControl, "the default of listen.control, which FILE does not set"},
		{"broken YAML", "monitors: [\nlisten:\n  dns: [\"127.0.0.1:0\"]\n  control: a.sock # here\n", "", "DIR/a.sock", "listen.control in FILE"},
		{"broken YAML, in braces", "monitors: [\nlisten: {dns: [\"127.0.0.1:0\"], control: \"a b.sock\"}\n", "", "DIR/a b.sock", "listen.control in FILE"},
		{"broken YAML, a comment", "monitors: [\n# control: b.sock\nlisten: {} # {control: c.sock}\n", "", DefaultControl, "the default of listen.control, which FILE does not set"},
		{"a merge key", "x: &x {control: a.sock}\nlisten: {<<: *x}\n", "", "DIR/a.sock", "listen.control in FILE"},
		{"services of a line each", "listen: {control: a.sock}\nzones:\n  - name: e.test\n    services:\n" + strings.Repeat("      - {name: a, pools: [p]}\n", 20), "", "DIR/a.sock", "listen.control in FILE"},
		{"an empty file", "", "", DefaultControl, "the default of listen.control, which FILE does not set"},
		{"a list", "- a\n", "", DefaultControl, "the default of listen.control, which FILE does not set"},
		{"the environment", "listen: {control: a.sock}\n", "b.sock", "DIR/b.sock", "SHUNT_LISTEN_CONTROL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "shunt.yaml")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var env []string
			if c.env != "" {
				env = []string{"SHUNT_LISTEN_CONTROL=" + c.env, "SHUNT_NODE_NMAE=x"}
			}
			got, from, err := ControlSocket(file, Overrides{Env: env})
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(c.want, "DIR", dir, 1); got != want {
				t.Errorf("the socket is %s, want %s", got, want)
			}
			if want := strings.Replace(c.from, "FILE", file, 1); from != want {
				t.Errorf("it is from %q, want %q", from, want)
			}
		})
	}
	if _, _, err := ControlSocket(filepath.Join(t.TempDir(), "none.yaml"), Overrides{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file that is not there is no error")
	}
	if got, _, err := ControlSocket("", Overrides{}); got != DefaultControl || err != nil {
		t.Errorf("without a file: %s, %v", got, err)
	}
}
