package node

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
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

// give makes the user own each path, and what lies directly in it where it is
// a folder.
func give(uid, gid int, paths []string) error {
	for _, p := range paths {
		if err := os.Lchown(p, uid, gid); err != nil {
			return err
		}
		entries, err := os.ReadDir(p)
		if err != nil {
			continue // not a folder
		}
		for _, e := range entries {
			if err := os.Lchown(p+"/"+e.Name(), uid, gid); err != nil {
				return err
			}
		}
	}
	return nil
}
