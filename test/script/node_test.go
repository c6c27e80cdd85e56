package script

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/node"
)

// patience is how long a script waits for what must come: far longer than it
// takes, for machines that do much else.
const patience = 15 * time.Second

// nodeCommands are those about the running program.
func nodeCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"serve": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "serve")
			s := stageOf(ts)
			if s.node != nil {
				ts.Fatalf("serve: it is running already")
			}
			s.node = start(ts, args)
			ts.Setenv("DNS", s.node.dns)
			if m := webLine.FindStringSubmatch(ts.ReadFile("serve.log")); m != nil {
				ts.Setenv("WEB", m[1])
			}
		},
		"halt": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "halt")
			began := time.Now()
			if err := stageOf(ts).node.cmd.Process.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
				ts.Check(err)
			}
			if err := ended(ts); err != nil {
				ts.Fatalf("halt: the program ended with %v", err)
			}
			ts.Logf("halted after %v", time.Since(began).Round(time.Millisecond))
		},
		"crash": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "crash")
			ts.Check(stageOf(ts).node.cmd.Process.Kill())
			if ended(ts) == nil {
				ts.Fatalf("crash: the program ended well")
			}
		},
		"abort": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "abort")
			sig, ok := map[string]os.Signal{"ABRT": syscall.SIGABRT, "QUIT": syscall.SIGQUIT}[strings.Join(args, " ")]
			if !ok {
				ts.Fatalf("usage: abort ABRT|QUIT")
			}
			s := stageOf(ts)
			p := s.node
			s.node = nil
			ts.Check(p.cmd.Process.Signal(sig))
			select {
			case err := <-p.done:
				if err == nil {
					ts.Fatalf("abort: the program ended well")
				}
			case <-time.After(patience):
				ts.Fatalf("abort: the program lives on")
			}
		},
		"soak": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "soak")
			if stageOf(ts).node != nil {
				ts.Fatalf("soak: halt the program first")
			}
			cfg, err := config.Load(ts.MkAbs("shunt.yaml"), config.Overrides{})
			ts.Check(err)
			k, err := node.Recall(cfg, 0, slog.New(slog.DiscardHandler))
			ts.Check(err)
			defer k.Close()
			defer debug.SetCrashOutput(nil, debug.CrashOptions{}) // the test's own crashes are none of the program's
			k.Start(cfg, nil)
			ts.Check(k.Keep())
		},
		"signal": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "signal")
			sig, ok := map[string]os.Signal{"HUP": syscall.SIGHUP, "INT": os.Interrupt, "TERM": syscall.SIGTERM}[strings.Join(args, " ")]
			if !ok {
				ts.Fatalf("usage: signal HUP|INT|TERM")
			}
			ts.Check(stageOf(ts).node.cmd.Process.Signal(sig))
		},
		"log": func(ts *testscript.TestScript, neg bool, args []string) {
			if len(args) != 1 {
				ts.Fatalf("usage: log REGEXP")
			}
			re, err := regexp.Compile("(?m)" + args[0])
			ts.Check(err)
			if neg {
				if re.MatchString(ts.ReadFile("serve.log")) {
					ts.Fatalf("serve.log has %q:\n%s", args[0], ts.ReadFile("serve.log"))
				}
				return
			}
			if !within(patience, func() bool { return re.MatchString(ts.ReadFile("serve.log")) }) {
				ts.Fatalf("serve.log lacks %q:\n%s", args[0], ts.ReadFile("serve.log"))
			}
		},
		"exits": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) < 2 {
				ts.Fatalf("usage: exits CODE CMD ARGS…")
			}
			code := 0
			var exit *exec.ExitError
			if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
				code = exit.ExitCode()
			} else if err != nil {
				ts.Fatalf("exits: %v", err)
			}
			if strconv.Itoa(code) != args[0] {
				ts.Fatalf("%s ended with exit code %d, want %s", strings.Join(args[1:], " "), code, args[0])
			}
		},
		"systemd": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "systemd")
			path := ts.MkAbs("notify.sock")
			conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
			ts.Check(err)
			ts.Defer(func() { conn.Close() })
			told := make(chan string, 100)
			stageOf(ts).told = told
			go func() {
				buf := make([]byte, 4096)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					told <- string(buf[:n])
				}
			}()
			ts.Setenv("NOTIFY_SOCKET", path)
		},
		"told": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "told")
			for end := time.After(patience); ; {
				select {
				case state := <-stageOf(ts).told:
					if state == strings.Join(args, " ") {
						return
					}
					ts.Logf("told %s", state)
				case <-end:
					ts.Fatalf("systemd was never told %s", strings.Join(args, " "))
				}
			}
		},
		"until": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) < 2 {
				ts.Fatalf("usage: until REGEXP CMD ARGS…")
			}
			re, err := regexp.Compile("(?m)" + args[0])
			ts.Check(err)
			seen := func() bool { return ts.Exec(args[1], args[2:]...) == nil && re.MatchString(ts.ReadFile("stdout")) }
			if !within(patience, seen) {
				ts.Fatalf("%s never printed %q:\n%s%s", args[1], args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
			}
		},
	}
}

// A process is one shunt serve.
type process struct {
	cmd  *exec.Cmd
	done chan error // takes what Wait returned
	log  string
	dns  string
}

// servingLine is the line of the log with which the program begins to answer,
// as text or JSON, up to its first address.
var servingLine = regexp.MustCompile(`"?msg"?[=:]"?serving"?.*?dns.*?((?:\d+\.){3}\d+:\d+)`)

// start runs shunt serve until it answers queries.
func start(ts *testscript.TestScript, args []string) *process {
	p := &process{cmd: exec.Command(binDir+"/shunt", append([]string{"serve"}, args...)...), done: make(chan error, 1), log: ts.MkAbs("serve.log")}
	file, err := os.Create(p.log)
	ts.Check(err)
	defer file.Close()
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = ts.MkAbs("."), file, file
	p.cmd.Env = environ(ts)
	ts.Check(p.cmd.Start())
	go func() { p.done <- p.cmd.Wait() }()
	ts.Defer(func() {
		p.cmd.Process.Kill() // fails once it has ended
	})
	serving := func() bool {
		m := servingLine.FindStringSubmatch(ts.ReadFile("serve.log"))
		if m != nil {
			p.dns = m[1]
		}
		return m != nil
	}
	if !within(patience, func() bool { return serving() || len(p.done) > 0 }) || p.dns == "" {
		ts.Fatalf("shunt serve does not answer:\n%s", ts.ReadFile("serve.log"))
	}
	return p
}

// ended waits for the end of the program, and looks for what must never be in
// its log.
func ended(ts *testscript.TestScript) error {
	s := stageOf(ts)
	p := s.node
	s.node = nil
	text := func() string { return ts.ReadFile(p.log) }
	select {
	case err := <-p.done:
		if regexp.MustCompile(`DATA RACE|panic`).MatchString(text()) {
			ts.Fatalf("the program's log:\n%s", text())
		}
		return err
	case <-time.After(5 * time.Second):
		ts.Fatalf("the program has not ended within 5 s:\n%s", text())
		return nil
	}
}

// environ returns the script's environment: what exec would give a command.
func environ(ts *testscript.TestScript) []string {
	var env []string
	ts.Check(ts.Exec("env"))
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		env = append(env, strings.TrimSuffix(line, "\n"))
	}
	return env
}

// within reports whether ok comes true before d is over.
func within(d time.Duration, ok func() bool) bool {
	for end := time.Now().Add(d); ; time.Sleep(50 * time.Millisecond) {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// positive refuses "! command" where that says nothing.
func positive(ts *testscript.TestScript, neg bool, command string) {
	if neg {
		ts.Fatalf("! %s has no meaning", command)
	}
}
