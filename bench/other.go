//go:build !linux

// Command bench compares shunt with other authoritative servers. It reads
// /proc and pins to CPUs, so it runs on Linux only.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: runs on Linux only")
	os.Exit(1)
}
