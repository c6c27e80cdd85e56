//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is a server that we started, with all that it started.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed once cmd has ended
}

// start runs a command on one CPU. What it writes goes to the file log.
func start(cpu int, dir, log string, argv []string) (*process, error) {
	var one unix.CPUSet
	one.Set(cpu)
	return startOn(one, dir, log, argv)
}

// startOn runs a command on these CPUs.
func startOn(cpus unix.CPUSet, dir, log string, argv []string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = serverEnv()
	// Ctrl-C is for us alone; should we be killed, the server ends by itself.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := on(cpus, cmd.Start); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// on runs f on a thread with this affinity. A command that f starts inherits
// it: a child gets the mask of the thread that forks it.
func on(cpus unix.CPUSet, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &cpus); err != nil {
		return fmt.Errorf("set the CPU affinity: %w", err)
	}
	defer unix.SchedSetaffinity(0, &own)
	return f()
}

// serverEnv is our environment without what we set for ourselves: a Go server
// shall count the CPUs it is given.
func serverEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "GOMAXPROCS=") || strings.HasPrefix(kv, pinnedEnv+"=")
	})
}

// stop ends the process and what it started, by process ID: with SIGTERM, and
// after three seconds with SIGKILL.
func (p *process) stop() {
	pids := p.tree()
	p.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(3 * time.Second):
	}
	for _, pid := range pids {
		if ours(pid, p.cmd.Process.Pid) {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	<-p.done
	// A dying child still takes CPU time from the next server; process 1 reaps it.
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if !slices.ContainsFunc(pids, func(pid int) bool { return ours(pid, p.cmd.Process.Pid) }) {
			return
		}
	}
}

// ours says whether pid is still alive in the process group that we made for
// the process with ID root: a number given anew to a stranger is not.
func ours(pid, root int) bool {
	group, err := unix.Getpgid(pid)
	return err == nil && group == root
}

// ended says whether the process has ended by itself.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// tail returns the last lines that the process wrote.
func (p *process) tail() string {
	text, _ := os.ReadFile(p.log)
	if len(text) > 800 {
		text = text[len(text)-800:]
	}
	return strings.TrimSpace(string(text))
}

// tree returns the process and its descendants.
func (p *process) tree() []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// "pid (name) state ppid": a name may hold anything.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 2 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
	}
	pids := []int{p.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[pids[i]]...)
	}
	return pids
}

// cpu returns the CPU time of each process of the tree: utime and stime of
// /proc/PID/stat, in nanoseconds instead of ticks of 10 ms. The kernel gives
// it as the clock of a process (CPUCLOCK_SCHED, clock_getcpuclockid(3)).
func (p *process) cpu() map[int]time.Duration {
	used := map[int]time.Duration{}
	for _, pid := range p.tree() {
		var ts unix.Timespec
		if unix.ClockGettime(int32(^uint32(pid))<<3|2, &ts) == nil {
			used[pid] = time.Duration(ts.Nano())
		}
	}
	return used
}

// spent returns the CPU time between two answers of cpu.
func spent(before, after map[int]time.Duration) time.Duration {
	var sum time.Duration
	for pid, t := range after {
		sum += t - before[pid]
	}
	return sum
}

// memory returns the octets of the tree that are resident, with pages that
// its processes share counted once (Pss).
func (p *process) memory() int {
	sum := 0
	for _, pid := range p.tree() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kb, _ := strconv.Atoi(strings.Fields(rest)[0])
				sum += kb << 10
			}
		}
	}
	return sum
}
