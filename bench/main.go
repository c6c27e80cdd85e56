//go:build linux

// Command bench compares shunt with other authoritative servers on one
// machine, and writes docs/performance.md.
//
// It starts each server from its package by hand, on loopback, with one
// worker thread pinned to one CPU, puts the same load on each in turn from
// another CPU, and reads the CPU time that the server spent for it. It stops
// only what it started, also when interrupted, and leaves nothing behind.
//
// It is a tool for developers, no part of the program, and runs on Linux only.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed bare/bare.c
var bareSource []byte

// pinnedEnv marks the second start of this program, on the CPU of the load.
const pinnedEnv = "SHUNT_BENCH_PINNED"

// options are the flags.
type options struct {
	rounds    int
	length    time.Duration
	names     int
	big       bool
	short     bool
	goBench   bool
	dnsperf   bool
	serverCPU int
	loadCPU   int
	out       string
	only      string
	servers   string
	shunt     string
	also      string
}

func parse() options {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of A B C")
	seconds := flag.Float64("seconds", 1, "length of one run of load, in `seconds`")
	flag.IntVar(&o.names, "names", 10_000, "names in the zone")
	flag.BoolVar(&o.big, "big", false, "a zone of 1,000,000 names too: 2 GB of memory")
	flag.BoolVar(&o.short, "short", false, "one short round of everything small: does it work?")
	flag.BoolVar(&o.goBench, "go", false, "run the Go benchmarks of the packages too")
	flag.BoolVar(&o.dnsperf, "dnsperf", false, "measure static names with dnsperf as well")
	flag.IntVar(&o.serverCPU, "server-cpu", 0, "CPU that servers are pinned to")
	flag.IntVar(&o.loadCPU, "load-cpu", 1, "CPU that the load is pinned to")
	flag.StringVar(&o.out, "out", "", "`file` whose table is replaced; default: only standard output")
	flag.StringVar(&o.only, "works", "", "only these works, `keys` with commas between, no loading and reloading then; or only probes, reach or axfr")
	flag.StringVar(&o.servers, "servers", "", "only these servers, `names` with commas between")
	flag.StringVar(&o.shunt, "shunt", "", "a `file` to measure instead of building the tree")
	flag.StringVar(&o.also, "also", "", "other builds of shunt to measure beside, `files` with commas between, each named by its file")
	flag.Parse()
	o.length = time.Duration(*seconds * float64(time.Second))
	if o.short {
		o.rounds, o.length = 1, 200*time.Millisecond
	}
	return o
}

func main() {
	o := parse()
	// Debian keeps servers where the PATH of an ordinary user does not lead.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin:/usr/local/sbin")
	if err := pin(o.loadCPU); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer cancel()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// pin starts this program anew on one CPU, so that all its threads are there.
func pin(cpu int) error {
	if os.Getenv(pinnedEnv) != "" {
		return nil
	}
	if runtime.NumCPU() < 2 {
		return errors.New("two CPUs are needed: one for the server, one for the load")
	}
	runtime.LockOSThread()
	var one unix.CPUSet
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("pin to CPU %d: %w", cpu, err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Web server and sender share the CPU, so the sender must not hold the only P.
	env := append(os.Environ(), pinnedEnv+"=1", "GOMAXPROCS=4")
	return unix.Exec(self, os.Args, env)
}

// say tells a person how far we are.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// bench does all of it.
func bench(ctx context.Context, o options) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "shunt-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	shunt, bare, err := build(ctx, root, dir, o.shunt)
	if err != nil {
		return err
	}
	l, err := newLab(dir, o.serverCPU, append(chosen(peers(shunt, bare), o.servers), builds(o.also)...))
	if err != nil {
		return err
	}
	for _, name := range l.missing {
		say("missing: %s", name)
	}
	r := newReport(o, l, root)
	if err := l.sections(ctx, o, r); err != nil {
		return err
	}
	if o.goBench {
		say("Go benchmarks")
		if r.goLines, err = goBenchmarks(ctx, root); err != nil {
			return err
		}
	}
	text := r.markdown()
	fmt.Println(text)
	if o.out != "" {
		if err := replaceTable(filepath.Join(root, o.out), text); err != nil {
			return err
		}
	}
	return r.judge()
}

// sections measures one part of the report after the other.
func (l *lab) sections(ctx context.Context, o options, r *report) error {
	switch o.only {
	case "probes":
		return l.probes(ctx, o, r)
	case "reach":
		return l.beside(ctx, o, r)
	case "axfr":
		return l.transfers(ctx, o, r)
	}
	if err := l.small(ctx, o, r); err != nil || o.only != "" {
		return err
	}
	zones := []struct{ names, times int }{{100_000, 3}, {1_000_000, 1}}
	switch {
	case o.short:
		zones = []struct{ names, times int }{{20_000, 1}}
	case !o.big:
		zones = zones[:1]
	}
	for _, z := range zones {
		loads, err := l.loading(ctx, z.names, z.times)
		if err != nil {
			return err
		}
		r.loads = append(r.loads, loads)
	}
	if o.big {
		if err := l.large(ctx, o, r); err != nil {
			return err
		}
	}
	count := 1000
	if o.short {
		count = 50
	}
	if err := l.many(ctx, count, max(1, min(o.rounds, 3)), r); err != nil {
		return err
	}
	if err := l.transfers(ctx, o, r); err != nil {
		return err
	}
	var err error
	if r.reaction, err = l.reacting(ctx, o.rounds); err != nil {
		return err
	}
	if err := l.probes(ctx, o, r); err != nil {
		return err
	}
	return l.beside(ctx, o, r)
}

// small measures all works and the reload of a small zone.
func (l *lab) small(ctx context.Context, o options, r *report) error {
	all := pick(works(o.names), o.only)
	servers, err := l.startAll(ctx, o.names, all)
	if err != nil {
		return err
	}
	defer stopAll(servers)
	say("%d servers answer right", len(servers))
	cells, err := rounds(ctx, all, servers, o.rounds, o.length, say)
	if err != nil {
		return err
	}
	r.add(all, cells)
	if o.dnsperf {
		if r.dnsperf, err = l.dnsperf(ctx, o, servers); err != nil {
			return err
		}
	}
	if o.only != "" {
		return nil
	}
	reloads, err := l.reloading(ctx, servers, reload{names: o.names, limit: 2 * time.Second, goal: 40 * time.Millisecond}, 2, max(1, min(o.rounds, 3)))
	r.reloads = append(r.reloads, reloads)
	return err
}

// large measures random names and the reload of a zone of 1,000,000 names.
func (l *lab) large(ctx context.Context, o options, r *report) error {
	const n = 1_000_000
	w := works(n)[:1]
	w[0].key = "static1M"
	servers, err := l.startAll(ctx, n, w)
	if err != nil {
		return err
	}
	defer stopAll(servers)
	cells, err := rounds(ctx, w, servers, o.rounds, o.length, say)
	if err != nil {
		return err
	}
	r.add(w, cells)
	for i, re := range []reload{
		{names: n, limit: 12 * time.Second, goal: 50 * time.Millisecond},
		{names: n, limit: 12 * time.Second, goal: 2 * time.Second, all: true},
	} {
		reloads, err := l.reloading(ctx, servers, re, 2+3*i, max(1, min(o.rounds, 3)))
		r.reloads = append(r.reloads, reloads)
		if err != nil {
			return err
		}
	}
	return nil
}

// many measures loading and reloading of many small zones, of which one is
// asked for and changes.
func (l *lab) many(ctx context.Context, zones, times int, r *report) error {
	l.others = zones - 1
	defer func() { l.others = 0 }()
	loads, err := l.loading(ctx, smallZone, times)
	if err != nil {
		return err
	}
	r.loads = append(r.loads, loads)
	servers, err := l.startAll(ctx, smallZone, works(smallZone)[:1])
	if err != nil {
		return err
	}
	defer stopAll(servers)
	reloads, err := l.reloading(ctx, servers, reload{names: smallZone, limit: 4 * time.Second, goal: 50 * time.Millisecond}, 2, times)
	r.reloads = append(r.reloads, reloads)
	return err
}

// pick keeps the works with these keys, all for "".
func pick(all []work, keys string) []work {
	if keys == "" {
		return all
	}
	var kept []work
	for _, w := range all {
		if strings.Contains(","+keys+",", ","+w.key+",") {
			kept = append(kept, w)
		}
	}
	return kept
}

// chosen keeps the peers with these names, all for "".
func chosen(all []peer, names string) []peer {
	if names == "" {
		return all
	}
	var kept []peer
	for _, p := range all {
		if strings.Contains(","+names+",", ","+p.name+",") {
			kept = append(kept, p)
		}
	}
	return kept
}

// builds returns a peer for each file, other builds of shunt.
func builds(files string) []peer {
	var all []peer
	for file := range strings.SplitSeq(files, ",") {
		if file != "" {
			p := shuntPeer(file)
			p.name = filepath.Base(file)
			all = append(all, p)
		}
	}
	return all
}

// moduleRoot returns the folder of go.mod.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || mod == "" || mod == os.DevNull {
		return "", errors.New("run it inside the source tree of shunt")
	}
	return filepath.Dir(mod), nil
}

// build compiles shunt as a release is, unless it is given, and the bare
// responder if there is a C compiler.
func build(ctx context.Context, root, dir, given string) (shunt, bare string, err error) {
	shunt, bare = filepath.Join(dir, "shunt"), filepath.Join(dir, "bare")
	if given != "" {
		shunt, err = filepath.Abs(given)
	} else {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X 'main.version="+revision(root)+"'", "-o", shunt, "./cmd/shunt")
		cmd.Dir, cmd.Env = root, append(serverEnv(), "CGO_ENABLED=0")
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("build shunt: %w\n%s", err, out)
		}
	}
	if err != nil {
		return "", "", err
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		return shunt, bare, nil // named as missing
	}
	source := filepath.Join(dir, "bare.c")
	if err := os.WriteFile(source, bareSource, 0o644); err != nil {
		return "", "", err
	}
	if out, err := exec.CommandContext(ctx, cc, "-O2", "-Wall", "-o", bare, source).CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("build the bare responder: %w\n%s", err, out)
	}
	return shunt, bare, nil
}
