//go:build peers

package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long the tests wait for what must come: far longer than it
// takes, for machines that do much else.
const patience = 15 * time.Second

// A process is one server that a test started. It is stopped with the test.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	log  string        // path of what it wrote to stdout and stderr
	done chan struct{} // closed once it has ended
	err  error         // what Wait returned; read it after done
}

// start runs argv in dir. Its log is shown when the test fails.
func start(t testing.TB, dir, name string, argv ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: exec.Command(argv[0], argv[1:]...), log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	file, err := os.OpenFile(p.log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, file, file
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the end of %s:\n%s", p.log, tail(p.text(), 60))
		}
	})
	return p
}

// stop ends p, gently if it can be had, and returns how long that took.
func (p *process) stop() time.Duration {
	began := time.Now()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Errorf("%s does not end on SIGTERM", p.name)
		p.kill()
	}
	return time.Since(began)
}

// kill ends p as a crash would.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// signal sends sig to p, unless p has ended.
func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if p.ended() {
		return
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !p.ended() {
		p.t.Errorf("%s: %v", p.name, err)
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// text returns the log of p.
func (p *process) text() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// until waits for ok, which p must bring about, and returns how long it took.
func (p *process) until(what string, ok func() bool) time.Duration {
	p.t.Helper()
	began := time.Now()
	for !ok() {
		if p.ended() {
			p.t.Fatalf("%s has ended (%v):\n%s", p.name, p.err, p.text())
		}
		if time.Since(began) > patience {
			p.t.Fatalf("%s: %s does not come true within %v", p.name, what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// write makes a file of a test's folder and returns its path.
func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// tail returns the last n lines of text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
