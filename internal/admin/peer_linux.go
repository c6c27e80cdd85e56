package admin

import (
	"context"
	"net"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenPrivate opens a unix socket that was never open to others, not for a
// moment: the umask holds while it is made.
func listenPrivate(path string) (net.Listener, error) {
	old := syscall.Umask(0o117)
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o660)
}

// peerKey is where withPeer keeps the name of the user.
type peerKey struct{}

// withPeer notes which user is at the other end of c, as the kernel says.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return ctx
	}
	name := ""
	raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			name = "uid " + strconv.Itoa(int(cred.Uid))
			if u, err := user.LookupId(strconv.Itoa(int(cred.Uid))); err == nil {
				name = u.Username
			}
		}
	})
	return context.WithValue(ctx, peerKey{}, name)
}

// peer returns the user at the other end, or "unknown".
func peer(ctx context.Context) string {
	if name, _ := ctx.Value(peerKey{}).(string); name != "" {
		return name
	}
	return "unknown"
}
