package node

import (
	"os"
	"slices"
	"strconv"
	"syscall"
)

// allowed reports whether the bit of the mode of path is set for the user.
// What cannot be looked at counts as allowed: who reads it says what is wrong.
func (r *rights) allowed(path string, bit os.FileMode) bool {
	info, err := os.Stat(path)
	if err != nil || r.user.Uid == "0" {
		return true
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	if n, err := syscall.Getxattr(path, "system.posix_acl_access", nil); err == nil && n > 0 {
		return true
	}
	mode := info.Mode().Perm()
	switch {
	case strconv.FormatUint(uint64(st.Uid), 10) == r.user.Uid:
		mode >>= 6
	case slices.Contains(r.groups, strconv.FormatUint(uint64(st.Gid), 10)):
		mode >>= 3
	}
	return mode&bit != 0
}
