//go:build unix

package command

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A buffer that may be read while it is written to.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A SIGHUP that comes while the zones are still being loaded must not end the
// process; it reloads once the node runs. The zone file is a pipe, so that
// loading takes as long as the test likes.
func TestHangupWhileLoading(t *testing.T) {
	dir := t.TempDir()
	zone := filepath.Join(dir, "example.test.zone")
	if err := syscall.Mkfifo(zone, 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "shunt.yaml")
	text := "node: {name: ns1, state_dir: state}\nlisten: {dns: [\"127.0.0.1:0\"], control: c.sock}\nzones: [{name: example.test, file: example.test.zone}]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log buffer
	root := newRoot()
	root.SetArgs([]string{"serve", "-c", config})
	root.SetErr(&log)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()

	records := []byte("@ 60 SOA ns1 me 1 1 1 1 1\n@ 60 NS ns1\nns1 60 A 127.0.0.1\n")
	pipe, err := os.OpenFile(zone, os.O_WRONLY, 0) // returns once serve reads it
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(zone); err != nil { // the reload reads a plain file
		t.Fatal(err)
	}
	if err := os.WriteFile(zone, records, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe.Write(records)
	pipe.Close()
	for begin := time.Now(); !strings.Contains(log.String(), "msg=reloaded"); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("no reload: %s", log.String())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
