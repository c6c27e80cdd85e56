package controller

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// A disk that hangs holds up neither answers nor the stop, and is told of.
func TestHangingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		b := start(t, t.TempDir(), "a+ b+ c+")
		time.Sleep(saveEvery + time.Second) // what the start changed is saved
		hang := make(chan struct{})
		defer close(hang)
		b.do(ctx, func() error { b.keep.write = func(*State) error { <-hang; return nil }; return nil })

		err := b.Override(ctx, override("a", health.ForceDown, time.Hour), false)
		if err == nil || !strings.Contains(err.Error(), "restart would forget it") {
			t.Errorf("an override that is not on the disk: %v", err)
		}
		b.want("www.example.test", "192.0.2.2")
		b.say("a+ b- c+")
		b.want("www.example.test", "192.0.2.3")
		time.Sleep(hangs + time.Second)
		if !hasAlarm(b.Status(), "state-not-saved") {
			t.Error("no alarm")
		}
		begin := time.Now()
		b.stop()
		if took := time.Since(begin); took > saveWait {
			t.Errorf("the stop took %v", took)
		}
	})
}

// The state file is young also where nothing changes for long: its verdicts
// would count for nothing after a crash else.
func TestSavedWhileNothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, dir, "a+ b+ c+")
		time.Sleep(time.Hour)
		synctest.Wait()
		s, err := ReadState(filepath.Join(dir, "state"))
		if err != nil {
			t.Fatal(err)
		}
		if old := time.Since(s.Saved); old > 2*resaveEvery {
			t.Errorf("after a quiet hour the state file is %v old", old)
		}
		b.stop()
	})
}

// Invariant 8: generations do not go back over a crash either, which forgets
// what was published since the state was last saved.
func TestInvariantMonotonicGenerationsOverCrash(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, "a+ b+ c+")
	crashed, err := os.ReadFile(b.path()) // the start is saved, without a tick or a command
	for begin := time.Now(); err != nil && time.Since(begin) < saveEvery/2; crashed, err = os.ReadFile(b.path()) {
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		b.say("a- b+ c+")
		b.say("a+ b+ c+")
	}
	last := b.Status().Generation
	b.stop()
	if err := os.WriteFile(b.path(), crashed, 0o600); err != nil {
		t.Fatal(err)
	}
	if b = start(t, dir, "a+ b+ c+"); b.Status().Generation <= last {
		t.Errorf("generation %d after a crash, %d before", b.Status().Generation, last)
	}
}

// path is where b keeps its state.
func (b *bench) path() string { return filepath.Join(b.dir, "state", stateFile) }
