package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
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

// give makes the user own paths, and what is ours in those that are folders.
// It follows no link: who owns a folder may have put one there that leads to
// what is not theirs.
func give(uid, gid int, paths []string) error {
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		if info.IsDir() {
			err = giveFolder(uid, gid, p)
		} else {
			err = os.Lchown(p, uid, gid)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// giveFolder makes the user own the folder at path, and what is ours in it.
func giveFolder(uid, gid int, path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range ours(root.FS()) {
		if err := root.Lchown(name, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// ours lists a state directory and what the node keeps in it, with all that is
// in folders of ours. What else lies there is not ours to give, nor are links,
// and files that have another name elsewhere.
func ours(dir fs.FS) []string {
	list := []string{"."}
	entries, _ := fs.ReadDir(dir, ".") // none: it is ours to make them
	for _, e := range entries {
		if !isOurs(e.Name()) || e.Type()&fs.ModeSymlink != 0 {
			continue
		}
		_ = fs.WalkDir(dir, e.Name(), func(name string, d fs.DirEntry, err error) error {
			if err == nil && (d.IsDir() || d.Type().IsRegular() && alone(d)) {
				list = append(list, name)
			}
			return nil // what cannot be read, the user will hear of
		})
	}
	return list
}

// isOurs reports whether the node keeps something of that name in its state
// directory.
func isOurs(name string) bool {
	return controller.IsStateFile(name) || isKnownFile(name) || admin.IsAuditFile(name) ||
		name == eventsFile || name == alertsFile || name == xfr.Folder || name == providersFolder
}

// alone reports whether a file has one name.
func alone(d fs.DirEntry) bool {
	info, err := d.Info()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 1
}
