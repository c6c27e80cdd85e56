//go:build !linux

package node

import (
	"errors"
	"syscall"

	"github.com/shunt-dns/shunt/internal/self"
)

// diskOf knows other systems' disks only by what a trial says of them.
func diskOf(string) self.Disk { return self.Disk{} }

// isFull reports whether err says that there is no room.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// descriptors does not know other systems.
func descriptors() (open, limit uint64) { return 0, 0 }

// unsynced does not know other systems.
func unsynced() bool { return false }
