// Package durable writes files that outlive a crash. It keeps no state, and
// never leaves a file half written under its own name.
package durable

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// tempPrefix begins the names of files that are not whole yet.
const tempPrefix = ".state-"

// IsTemp reports whether a file of that name is one that Replace had not
// finished when its process ended.
func IsTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// Sweep removes what was not finished in folder, as far as it can. Nobody else
// may be writing there.
func Sweep(folder string) {
	entries, _ := os.ReadDir(folder) // without one there is nothing to sweep
	for _, e := range entries {
		if IsTemp(e.Name()) && e.Type().IsRegular() {
			_ = os.Remove(filepath.Join(folder, e.Name())) // what stays takes room, and no more
		}
	}
}

// Replace makes text the content of the file path, in one step: whoever reads
// it, also after a crash, finds all of the old content or all of the new. The
// file has mode 0600. What was there stays where the error is not nil, unless
// the folder alone could not be made durable.
func Replace(path string, text []byte) error { return ReplaceFor(-1, -1, path, text) }

// ReplaceFor does as Replace, with a file that belongs to a user and a group
// from the first moment on; -1 leaves either as it is. It takes root to give a
// file to another.
func ReplaceFor(uid, gid int, path string, text []byte) error {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, once renamed
	if uid != -1 || gid != -1 {
		err = f.Chown(uid, gid)
	}
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder makes the names in a folder outlive a crash.
func syncFolder(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
