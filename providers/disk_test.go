package providers_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/internal/durable"
	"github.com/shunt-dns/shunt/providers"
)

// TestDiskHangs: a disk that hangs keeps no provider from being brought in
// step, nobody from being told how things stand, and the node from stopping for
// no more than two seconds.
func TestDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, free := &fake{able: atomicAbilities()}, make(chan struct{})
		s := &stage{t: t, fakes: map[string]*fake{"one": f}, dir: t.TempDir(), cfg: conf("www", "one")}
		s.write = func(string, []byte) error { <-free; return nil }
		s.start()
		for _, answer := range []string{"A 192.0.2.1", "A 192.0.2.2", "A 192.0.2.3"} {
			s.answers("www " + answer)
			after(10 * time.Second)
			s.has("one", answer)
			s.is("one", providers.InStep)
			if a := s.alarms(); a != "" {
				t.Errorf("alarms: %s", a)
			}
		}
		began := time.Now()
		s.stop()
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the stop took %v", took)
		}
		close(free)
	})
}

// TestDiskFails: what cannot be kept is kept once it can be.
func TestDiskFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var works atomic.Bool
		s := &stage{t: t, fakes: map[string]*fake{"one": {able: atomicAbilities()}}, dir: t.TempDir(), cfg: conf("www", "one")}
		s.write = func(path string, text []byte) error {
			if !works.Load() {
				return errors.New("no space left on device")
			}
			return durable.Replace(path, text)
		}
		s.start()
		defer s.stop()
		s.answers("www A 192.0.2.1")
		after(time.Hour)
		s.has("one", "A 192.0.2.1")
		s.is("one", providers.InStep)
		if files, _ := filepath.Glob(filepath.Join(s.dir, "*")); len(files) != 0 {
			t.Errorf("%v were written", files)
		}
		works.Store(true)
		after(time.Hour)
		files, _ := filepath.Glob(filepath.Join(s.dir, "*"))
		if len(files) != 1 {
			t.Fatalf("%v were written", files)
		}
		if text, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(text), "www.example.com.") {
			t.Errorf("%s, %v", text, err)
		}
	})
}
