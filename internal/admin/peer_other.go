//go:build !linux

package admin

import (
	"context"
	"net"
	"os"
)

// listenPrivate opens a unix socket for its owner and group.
func listenPrivate(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o660)
}

// withPeer leaves ctx as it is: the user at the other end is not known here.
func withPeer(ctx context.Context, _ net.Conn) context.Context { return ctx }

// peer returns the user at the other end: "unknown" on this system.
func peer(context.Context) string { return "unknown" }
