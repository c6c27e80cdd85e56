//go:build !unix

package node

import "os"

// lock opens the state directory; this system has no lock to take on it.
func lock(dir string) (*os.File, error) { return os.Open(dir) }
