package script

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/cdntest"
)

// The rule for code blocks in README.md, ARCHITECTURE.md and docs/:
//
//	```yaml      is a whole configuration: it loads as it is written. One that
//	             begins with "# NAME" is also the file NAME of the shell blocks.
//	             (docs/configuration.md and docs/steering.md are held to their
//	             own rule, in config.)
//	```sh        runs as it is written, all blocks of a document in one shell
//	             that stops at the first failure. "# → TEXT" behind a command is
//	             all that it prints. Ports 5300 and 8080 are replaced by free ones,
//	             and each sleep takes twice as long, for busy machines.
//	```console   is not run, because it needs root, systemd, a network or much
//	             time; but each shunt command in it must exist, with its flags.
//	```          is a picture, or output.
type block struct {
	file string // as README.md
	line int    // of its first line
	kind string // yaml, sh, console or ""
	text string
}

// documents returns every document of the project, as paths from its root.
func documents(t *testing.T) []string {
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"README.md", "ARCHITECTURE.md", "CHANGELOG.md"}
	for _, d := range docs {
		names = append(names, "docs/"+filepath.Base(d))
	}
	return names
}

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks returns the code blocks of a document.
func blocks(t *testing.T, file string) []block {
	var all []block
	var open *block
	n := 0
	for line := range strings.Lines(read(t, file)) {
		n++
		kind, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case open == nil && fence:
			open = &block{file: file, line: n + 1, kind: kind}
		case fence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Errorf("%s:%d: the block does not end", file, open.line)
	}
	return all
}

// of returns the blocks of one kind.
func of(kind string, all []block) []block {
	return slices.DeleteFunc(slices.Clone(all), func(b block) bool { return b.kind != kind })
}

// TestDocumentsConfigurations loads the YAML of the documents.
func TestDocumentsConfigurations(t *testing.T) {
	loaded := 0
	for _, file := range documents(t) {
		if file == "docs/configuration.md" || file == "docs/steering.md" {
			continue // config's own test reads it
		}
		for _, b := range of("yaml", blocks(t, file)) {
			loaded++
			if _, err := config.Parse([]byte(b.text), fmt.Sprintf("%s:%d+", b.file, b.line), config.Overrides{Hostname: "ns1"}); err != nil {
				t.Error(err)
			}
		}
	}
	if loaded < 2 {
		t.Errorf("only %d blocks of YAML", loaded)
	}
}

// TestReadmeQuickStart runs the README from its first shell block to its last.
func TestReadmeQuickStart(t *testing.T) {
	t.Parallel()
	all := blocks(t, "README.md")
	dir := t.TempDir()
	free := ports(t)
	for _, b := range of("yaml", all) {
		if name, ok := strings.CutPrefix(strings.SplitN(b.text, "\n", 2)[0], "# "); ok {
			write(t, filepath.Join(dir, name), free.Replace(b.text))
		}
	}
	if err := os.Symlink(filepath.Join(binDir, "shunt"), filepath.Join(dir, "shunt")); err != nil {
		t.Fatal(err)
	}
	shell := of("sh", all)
	if len(shell) == 0 {
		t.Fatal("the README has no shell block")
	}
	if lines := strings.Count(shell[0].text, "\n"); lines > 11 {
		t.Errorf("the quick start has %d lines; it should have about ten", lines)
	}
	out := runShell(t, dir, nil, shell, free)
	for _, want := range []string{"shunt.yaml is fine", "two answers; one is down"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not print %q:\n%s", want, out)
		}
	}
}

// TestOperationsShell runs docs/operations.md against a node with the pools
// that the page names.
func TestOperationsShell(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.21"), netip.MustParseAddr("127.0.0.22"), netip.MustParseAddr("127.0.0.23")}
	edges, port, err := onOnePort(addrs, cdntest.Options{Host: "www.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edges {
		t.Cleanup(e.Close)
	}
	write(t, filepath.Join(dir, "shunt.yaml"), fmt.Sprintf(`
node: {name: ns1.example.net, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock}
monitors: [{name: web, http: {host: www.example.com, port: %d}, interval: 1s}]
pools:
  - {name: fastly, addresses: [127.0.0.21], monitors: [web]}
  - {name: bunny, addresses: [127.0.0.22], monitors: [web]}
  - {name: origin, addresses: [127.0.0.23], monitors: [web]}
zones:
  - name: example.com
    services: [{name: www, pools: [fastly, bunny, origin]}]
`, port))
	node := exec.Command(filepath.Join(binDir, "shunt"), "serve")
	node.Dir = dir
	log := &bytes.Buffer{}
	node.Stderr = log
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		node.Process.Signal(syscall.SIGTERM)
		if err := node.Wait(); err != nil {
			t.Errorf("the node ended with %v:\n%s", err, log)
		}
	})
	ready := func() bool {
		status := exec.Command(filepath.Join(binDir, "shunt"), "status")
		status.Dir = dir
		out, err := status.Output()
		return err == nil && strings.HasPrefix(string(out), "ns1.example.net")
	}
	if !within(patience, ready) {
		t.Fatal("the node does not start")
	}
	runShell(t, dir, []string{"PATH=" + binDir + ":" + os.Getenv("PATH")}, of("sh", blocks(t, "docs/operations.md")), strings.NewReplacer())
}

// printed is a command with all that it prints behind it.
var printed = regexp.MustCompile(`(?m)^(.*; )?([^;\n]+?) +# → (.*)$`)

// runShell runs the blocks in one shell and returns what they print.
func runShell(t *testing.T, dir string, env []string, shell []block, free *strings.Replacer) string {
	var script strings.Builder
	script.WriteString("set -eu\nsleep() { command sleep $(($1 * 2)); }\nprints() { if [ \"$1\" != \"$2\" ]; then echo \"$3 printed '$1', want '$2'\" >&2; exit 1; fi; }\n")
	for _, b := range shell {
		fmt.Fprintf(&script, "echo '--- %s:%d'\n", b.file, b.line)
		script.WriteString(printed.ReplaceAllString(free.Replace(b.text), `${1}prints "$$(${2})" '${3}' '${2}'`))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Whatever the script leaves behind ends with it: its own process group.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, out, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // fails when all of it has ended
	if err != nil {
		t.Fatalf("%v (the tools that documents use come with test/install-packages)\n%s\n\nof this script:\n%s", err, out, &script)
	}
	return out.String()
}

// ports replaces the ports that documents name by free ones.
func ports(t *testing.T) *strings.Replacer {
	return strings.NewReplacer("5300", quietPort(t, "127.0.0.1"), "8080", quietPort(t, "127.0.0.2", "127.0.0.3"))
}

// quietPort returns a port that is free on hosts over UDP and TCP, below those
// that the kernel gives to outgoing connections: none of them will take it.
func quietPort(t *testing.T, hosts ...string) string {
	for range 200 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		if !slices.ContainsFunc(hosts, func(host string) bool { return taken(net.JoinHostPort(host, port)) }) {
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// taken reports whether something has addr, over UDP or TCP.
func taken(addr string) bool {
	u, err := net.ListenPacket("udp", addr)
	if err != nil {
		return true
	}
	defer u.Close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return true
	}
	l.Close()
	return false
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// commandLine finds commands of ours in blocks, in inline code and in the unit.
var (
	inBlock  = regexp.MustCompile(`(?m)^(?:\S*/)?shunt (.*)$`)
	inLine   = regexp.MustCompile("`shunt ([^`]*)`")
	execLine = regexp.MustCompile(`(?m)^Exec\w+=/usr/local/bin/shunt (.*)$`)
	longFlag = regexp.MustCompile(`--([a-z-]+)`)
)

// TestDocumentsCommands asks the program whether each of its commands that a
// document or the systemd unit shows exists, with the flags that are shown.
func TestDocumentsCommands(t *testing.T) {
	shown := map[string]string{} // command line → where
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			for _, m := range inBlock.FindAllStringSubmatch(b.text, -1) {
				if b.kind == "sh" || b.kind == "console" {
					shown[m[1]] = file
				}
			}
		}
		for _, m := range inLine.FindAllStringSubmatch(read(t, file), -1) {
			shown[m[1]] = file
		}
	}
	for _, m := range execLine.FindAllStringSubmatch(read(t, "deploy/shunt.service"), -1) {
		shown[m[1]] = "deploy/shunt.service"
	}
	if len(shown) < 20 {
		t.Fatalf("only %d commands found", len(shown))
	}
	for line, file := range shown {
		line, _, _ = strings.Cut(line, " &") // put in the background
		var words []string
		for _, w := range strings.Fields(line) {
			if strings.HasPrefix(w, "-") || strings.ContainsAny(w, "#|>.") || strings.ToLower(w) != w {
				break
			}
			words = append(words, w)
		}
		help, err := exec.Command(filepath.Join(binDir, "shunt"), append(words, "--help")...).CombinedOutput()
		if err != nil || len(words) > 0 && !strings.Contains(string(help), "shunt "+words[0]) {
			t.Errorf("%s: shunt %s: %v: %s", file, line, err, help)
			continue
		}
		for _, flag := range longFlag.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(string(help), "--"+flag[1]) {
				t.Errorf("%s: shunt %s: there is no flag --%s", file, line, flag[1])
			}
		}
	}
}

// TestAlarmCodes holds the one table of codes and the source together: each
// code that is raised is in it, and each in it is raised.
func TestAlarmCodes(t *testing.T) {
	raised := raisedCodes(t)
	delete(raised, "test") // of shunt alert test: nothing is wrong
	if !raised[config.DrillEnded] {
		t.Errorf("nothing tells of %s", config.DrillEnded)
	}
	delete(raised, config.DrillEnded)
	before := ""
	for _, a := range config.AlarmCodes() {
		if !raised[a.Code] {
			t.Errorf("config.AlarmCodes has %q, and nothing raises it", a.Code)
		}
		if a.Code <= before || a.Means == "" {
			t.Errorf("config.AlarmCodes: %q after %q, %q", a.Code, before, a.Means)
		}
		before = a.Code
		delete(raised, a.Code)
	}
	for code := range raised {
		t.Errorf("the alarm %q is raised, and config.AlarmCodes does not have it", code)
	}
}

// raisedCodes returns the codes of alarms in the source.
func raisedCodes(t *testing.T) map[string]bool {
	literal := regexp.MustCompile(`\b(?:raise\(|(?:Alarm|Condition)\{+(?:Code: *)?)"([a-z-]+)"`)
	raised := map[string]bool{}
	for _, dir := range []string{"internal", "providers", "resolver"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range literal.FindAllSubmatch(text, -1) {
				raised[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(raised) < 30 {
		t.Fatalf("only %d codes of alarms are in the source: %v", len(raised), raised)
	}
	return raised
}

// TestRunbook holds the runbook and the alarms of the program together: a
// section for each code, with its meaning, check and mend, and no section for a
// code that is gone.
func TestRunbook(t *testing.T) {
	codes := map[string]bool{config.DrillEnded: true}
	for _, a := range config.AlarmCodes() {
		codes[a.Code] = true
	}
	_, runbook, ok := strings.Cut(read(t, "docs/operations.md"), "\n# Runbook\n")
	if !ok {
		t.Fatal("docs/operations.md has no runbook")
	}
	parts := strings.Split(runbook, "\n## ")
	for _, part := range parts[1:] {
		code, text, _ := strings.Cut(part, "\n")
		if !codes[code] {
			t.Errorf("the runbook has a section %q, and no alarm has this code", code)
		}
		delete(codes, code)
		if !strings.HasPrefix(strings.TrimSpace(text), "**Critical.**") && !strings.HasPrefix(strings.TrimSpace(text), "**Warning.**") {
			t.Errorf("%s: the section does not begin with the severity", code)
		}
		if !strings.Contains(text, "\nCheck") || !strings.Contains(text, "```") {
			t.Errorf("%s: the section does not say how to check", code)
		}
	}
	for code := range codes {
		t.Errorf("the runbook has no section for the alarm %q", code)
	}
}

// TestDocumentsLinks follows the links of the documents within the project.
func TestDocumentsLinks(t *testing.T) {
	links := 0
	for _, file := range documents(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(read(t, file), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			path := filepath.Join(filepath.Dir(file), target)
			if target == "" {
				path = file
			}
			info, err := os.Stat(filepath.Join(root, path))
			if err != nil {
				t.Errorf("%s: %s: %v", file, m[1], err)
				continue
			}
			if anchor != "" && !info.IsDir() && !slices.Contains(anchors(read(t, path)), anchor) {
				t.Errorf("%s: %s: there is no such heading", file, m[1])
			}
		}
	}
	if links < 10 {
		t.Errorf("only %d links", links)
	}
}

// anchors returns the headings of a document as GitHub writes them in links.
func anchors(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		a := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(a, " ", "-"))
	}
	return all
}

// TestReadmeTargets holds the make targets that the README names to the Makefile.
func TestReadmeTargets(t *testing.T) {
	makefile := read(t, "Makefile")
	named := regexp.MustCompile("(?m)(?:^|`)make ([a-z]+)").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(named) < 4 {
		t.Errorf("the README names only %d targets", len(named))
	}
	for _, m := range named {
		if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
			t.Errorf("make %s: there is no such target", m[1])
		}
	}
	ci := read(t, ".ci/run")
	if !strings.Contains(ci, "\nmake test") {
		t.Errorf(".ci/run does not run the README's test command")
	}
}
