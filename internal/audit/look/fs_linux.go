package look

import "golang.org/x/sys/unix"

// fileSystem returns the kind of file system that dir is on, where that is one
// in memory; "" for any other, and where there is no dir yet.
func fileSystem(dir string) string {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return ""
	}
	switch int64(s.Type) {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.RAMFS_MAGIC:
		return "ramfs"
	}
	return ""
}
