package node

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shunt-dns/shunt/internal/self"
)

// diskOf returns how much room there is under dir; the zero Disk where that is
// not known.
func diskOf(dir string) self.Disk {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return self.Disk{}
	}
	size := uint64(s.Bsize)
	return self.Disk{Size: s.Blocks * size, Free: s.Bavail * size, Files: s.Files, FreeFiles: s.Ffree}
}

// isFull reports whether err says that there is no room, or no more of our
// share of it.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// descriptors returns how many files and connections are open, and how many
// may be; 0, 0 where that is not known.
func descriptors() (open, limit uint64) {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 0, 0
	}
	const all = "/proc/self/fd"
	if info, err := os.Stat(all); err == nil && info.Size() > 0 { // from Linux 6.2 on, and without one more
		return uint64(info.Size()), r.Cur
	}
	names, err := os.ReadDir(all)
	switch {
	case errors.Is(err, unix.EMFILE):
		return r.Cur, r.Cur
	case err != nil:
		return 0, 0
	}
	return uint64(len(names)), r.Cur
}

// unsynced reports whether the kernel says that nothing keeps its clock right.
func unsynced() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && (state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0)
}
