package admin

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/health/monitor"
)

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "shunt.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o660 {
		t.Errorf("mode %o, want 660", got)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another shunt is running") {
		t.Errorf("a second listener: %v", err)
	}

	// A socket that a dead process left behind.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err = Listen(path); err != nil {
		t.Fatalf("a socket that nobody answers was not replaced: %v", err)
	}
	l.Close()

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file in the way: %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Error("the file in the way was touched")
	}
}

// A socket that does not refuse connections may belong to a shunt that runs:
// one whose queue is full is left alone.
func TestListenLeavesABusySocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shunt.sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	queued, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer queued.Close()
	if l, err := Listen(path); err == nil {
		l.Close()
		t.Error("the socket of a busy process was taken over")
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// A request under way at the stop is answered, and Serve is over after it.
func TestServeFinishesRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shunt.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var finished atomic.Bool
	s := &Server{Log: slog.New(slog.DiscardHandler), Probe: func(context.Context, string) ([]monitor.Report, error) {
		cancel()
		time.Sleep(200 * time.Millisecond)
		finished.Store(true)
		return nil, nil
	}}
	answered := make(chan error, 1)
	go func() {
		_, err := NewClient(path).Probe(t.Context(), "alpha")
		answered <- err
	}()
	if err := s.Serve(ctx, l); err != nil {
		t.Error(err)
	}
	if !finished.Load() {
		t.Error("Serve was over before its last request")
	}
	if err := <-answered; err != nil {
		t.Errorf("the request under way was not answered: %v", err)
	}
}

func TestClientWithoutServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.sock")
	_, err := NewClient(path).Status(t.Context())
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "is it running") {
		t.Errorf("got %v", err)
	}
}
