//go:build unix

package admin

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lockFile waits until nobody else has the file path, and takes it. A file that
// is not there is nobody's.
func lockFile(path string) (unlock func(), err error) {
	for {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return func() {}, nil
		}
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.ENOLCK) {
			f.Close()
			return nil, err
		}
		taken, err := f.Stat()
		now, gone := os.Stat(path)
		if err == nil && gone == nil && os.SameFile(taken, now) {
			return func() { f.Close() }, nil
		}
		f.Close() // another was put in its place while we waited
	}
}

// ownerOf returns the number of the user whose file path is; -1 where there is
// none.
func ownerOf(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}
