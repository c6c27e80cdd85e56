// Package script runs the real program, built once, through the scripts in
// testdata: real sockets, on loopback alone, with a played CDN behind it. A
// script is a txtar archive in the language of testscript; beside its own
// commands there are those of the table below.
//
// The package also holds the documents to the program: every YAML block and
// every shell block of README.md and docs/ is used as it is written (see
// docs_test.go), and the runbook has a section for each alarm.
package script

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
)

// version is what the program under test believes to be.
const version = "1.2.3-script"

// gorace keeps a program under the race detector from sleeping for a second at
// its end, and ends it at the first race.
const gorace = "atexit_sleep_ms=0 halt_on_error=1"

// binDir is the folder of the program under test. TestMain alone writes it.
var binDir string

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the program, with the race detector where the test has it too,
// and runs the tests.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "shunt-script-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	args := append([]string{"build", "-ldflags", "-X main.version=" + version, "-o", dir}, buildFlags...)
	build := exec.Command("go", append(args, "github.com/shunt-dns/shunt/cmd/shunt")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	binDir = dir
	os.Setenv("GORACE", gorace)
	flag.Set("test.parallel", "6") // scripts wait more than they work
	return m.Run()
}

// TestScripts runs every script of testdata. What a script may say beside the
// commands of testscript:
//
//	serve ARGS…              shunt serve in the background, until it answers; $DNS is where
//	halt                     SIGTERM; it must end by itself, with exit code 0, within 5 s
//	crash                    SIGKILL
//	abort NAME               ABRT or QUIT: the Go runtime writes a trace, and ends it
//	soak                     with the program halted: what it does with its configuration after ten minutes
//	signal NAME              HUP, INT …
//	systemd                  plays it: sets $NOTIFY_SOCKET for what starts after
//	told STATE               waits until that was told, as READY=1
//	log REGEXP               waits until serve.log has it
//	cdn start NAME…          healthy edges on 127.0.0.x, all on port $EDGE (HTTP)
//	cdn start-tls NAME…      the same over TLS; ca.pem is the authority
//	cdn NAME FAULT           503, hang, refuse, reset, challenge, wrong-body, wrong-cert, healthy …
//	dig NAME [TYPE] → DATA…  asks $DNS over UDP; the answer must be this (see ask.go)
//	await …                  the same, within 15 s
//	spread NAME N → a=L-H …  N questions; how often each answer may come
//	json PATH [→ VALUE]      looks into the last stdout (see json.go)
//	metric SERIES            waits until /metrics has such a line, a regular expression
//	web CODE METHOD PATH [BODY [REGEXP]]  asks $WEB, where listen.web is, as who has $TOKEN, until it answers this
//	keep VARIABLE            the last stdout
//	reader start SOCKET      a reader of dnstap on a socket, or on $READER for tcp; end, file FILE
//	reader has REGEXP        waits until it has read such a line (see tap_test.go)
//	receiver start           one of traces, at $RECEIVER
//	receiver has REGEXP      waits until it has such a span (see trace_test.go)
//	pager start              hears of alarms, at $PAGER
//	pager answers CODE       to all from now on
//	pager has REGEXP         waits until it has heard such a line (see pager_test.go)
//	until REGEXP CMD…        runs CMD until its stdout has it, at most 15 s
//	exits CODE CMD…          runs CMD, which must end with this exit code
//	fill FILE…               replaces ${VARIABLE} in files
//	database FILE TEXT       a database of places, as placetest.Bytes reads it from a file
//	example NAME EDITS       the files of examples/NAME, shunt.yaml edited (see file_test.go)
func TestScripts(t *testing.T) {
	t.Parallel()
	cmds := map[string]func(*testscript.TestScript, bool, []string){}
	maps.Copy(cmds, nodeCommands())
	maps.Copy(cmds, edgeCommands())
	maps.Copy(cmds, askCommands())
	maps.Copy(cmds, fileCommands())
	maps.Copy(cmds, metricsCommands())
	maps.Copy(cmds, tapCommands())
	maps.Copy(cmds, traceCommands())
	maps.Copy(cmds, pagerCommands())
	maps.Copy(cmds, webCommands())
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		Cmds:               cmds,
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", binDir+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("GORACE", gorace)
			e.Values[stageKey{}] = &stage{edges: map[string]*edge{}}
			return nil
		},
	})
}

// A stage is what runs beside one script.
type stage struct {
	node  *process
	edges map[string]*edge
	told  chan string // what systemd was told; nil until it is played

	reader   *tapReader // of dnstap
	receiver *traceReceiver
	pager    *pager // hears of alarms
}

type stageKey struct{}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// TestScriptsRunToTheirEnd: stop is a command of testscript itself, which
// leaves out what follows it. No command of ours may have such a name, for
// those of testscript win, and no script may end early.
func TestScriptsRunToTheirEnd(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(a.Comment), "\n") {
			if word, _, _ := strings.Cut(line, " "); word == "stop" {
				t.Errorf("%s:%d: stop ends the script; halt ends the program", name, i+1)
			}
		}
	}
	for _, builtin := range []string{"cat", "cd", "chmod", "cmp", "cmpenv", "cp", "env", "exec", "exists", "grep", "kill", "mkdir", "mv", "rm", "skip", "stderr", "stdin", "stdout", "stop", "symlink", "ttyin", "ttyout", "unix2dos", "unquote", "wait"} {
		for _, ours := range []map[string]func(*testscript.TestScript, bool, []string){nodeCommands(), edgeCommands(), askCommands(), fileCommands(), metricsCommands(), tapCommands(), webCommands()} {
			if ours[builtin] != nil {
				t.Errorf("%s is a command of testscript, which wins over ours", builtin)
			}
		}
	}
}
