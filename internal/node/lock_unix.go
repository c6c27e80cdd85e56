//go:build unix

package node

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock takes the state directory for this process, until the file is closed
// or the process ends: two nodes that share one would forget each other's
// overrides. The error says who has it already.
func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		f.Close()
		return nil, fmt.Errorf("%s is in use by another shunt (give each node a folder of its own)", dir)
	case err != nil && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.ENOLCK):
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil // a file system without locks does not keep the node from serving
}
