//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// goPackages are the packages whose benchmarks the report quotes, and which.
var goPackages = []struct{ pkg, bench string }{
	{"./resolver", "."},
	{"./resolver/zone", "."},
	{"./resolver/steer", "."},
	{"./internal/controller", "Flip"},
	{"./health/probe", "."},
	{"./health/monitor", "."},
	{"./resolver/xfr", "Whole"},
	{"./providers/plan", "."},
	{"./providers", "."},
	{"./config", "."},
}

var benchLine = regexp.MustCompile(`(?m)^Benchmark\S+\s+\d+\s.*$`)

// goBenchmarks runs them on all CPUs, like anyone would, and returns the
// lines as they are.
func goBenchmarks(ctx context.Context, root string) ([]string, error) {
	var lines []string
	var every unix.CPUSet
	every.Fill() // the kernel takes those that there are
	for _, p := range goPackages {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", p.bench, "-benchmem", "-benchtime", "300ms", p.pkg)
		cmd.Dir, cmd.Env = root, serverEnv()
		var out []byte
		err := on(every, func() (err error) {
			out, err = cmd.CombinedOutput()
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("go test -bench in %s: %w\n%s", p.pkg, err, out)
		}
		lines = append(lines, "# "+strings.TrimPrefix(p.pkg, "./"))
		for _, line := range benchLine.FindAllString(string(out), -1) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	return lines, nil
}
