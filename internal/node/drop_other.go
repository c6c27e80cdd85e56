//go:build !linux

package node

import "errors"

// drop refuses: privileges are dropped on Linux only.
func drop(name string, _ ...string) error {
	if name == "" {
		return nil
	}
	return errors.New("not available on this system (start as that user instead)")
}
