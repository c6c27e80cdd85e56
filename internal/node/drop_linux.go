package node

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/resolver/xfr"
)

// drop gives paths to the user named name and becomes that user, for good. An
// empty name, or that of the present user, changes nothing.
func drop(name string, paths ...string) error {
	if name == "" {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("%w (make it, or name another)", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	if uid == os.Geteuid() {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("only root can become " + name + " (start as root, or leave the key out)")
	}
	if err := give(uid, gid, paths); err != nil {
		return err
	}
	if err := syscall.Setgroups([]int{gid}); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("setgid: %w", err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("setuid: %w", err)
	}
	if syscall.Setuid(0) == nil && uid != 0 {
		return errors.New("privileges could be taken back after they were dropped")
	}
	return nil
}

// give makes the user own what is ours of paths.
func give(uid, gid int, paths []string) error {
	for _, p := range ours(paths) {
		if err := os.Lchown(p, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// ours lists each path and, where it is a folder, the state files in it. What
// else lies there is not ours to give.
func ours(paths []string) []string {
	var list []string
	for _, p := range paths {
		list = append(list, p)
		entries, _ := os.ReadDir(p) // none: not a folder
		for _, e := range entries {
			if controller.IsStateFile(e.Name()) || isKnownFile(e.Name()) || e.Name() == eventsFile || e.Name() == alertsFile || admin.IsAuditFile(e.Name()) {
				list = append(list, filepath.Join(p, e.Name()))
			}
			if e.Name() == xfr.Folder {
				list = append(list, xfr.Files(filepath.Join(p, e.Name()))...)
			}
		}
	}
	return list
}
