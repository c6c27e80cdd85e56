package providers

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A memory is what is known of one provider beyond the process: what was
// decided for each name and whether it was seen there, so that what was on its
// way goes on, and what others changed meanwhile shows.
type memory struct {
	Newest uint64            `json:"newest"`          // highest stamp seen
	Floor  uint32            `json:"floor,omitempty"` // seconds: lowest TTL that the provider turned out to take
	Names  map[string]*entry `json:"names"`
}

// saveEvery bounds how often a memory is written while much changes.
const saveEvery = 2 * time.Second

// recall reads the memory of the process before. One that cannot be read is
// begun anew: the marks at the provider say what is ours.
func (w *worker) recall() {
	file := w.k.file(w.cfg.Name)
	if file == "" {
		return
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var m memory
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		w.k.deps.Log.Warn("what was pushed to a provider is not known: it is read there", "provider", w.cfg.Name, "file", file, "error", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newest, w.floor = max(w.newest, m.Newest), max(w.floor, m.Floor)
	for name, e := range m.Names {
		if e != nil && e.Zone != "" && w.entries[name] == nil {
			e.fresh = true
			w.entries[name] = e
		}
	}
}

// memoryWait is how long the end of a worker waits for the disk.
const memoryWait = 2 * time.Second

// save begins to write the memory where it changed, on a goroutine of its own:
// a disk that hangs keeps no provider from being brought in step. Last says
// that there is no later time for it.
func (w *worker) save(last bool) {
	file := w.k.file(w.cfg.Name)
	if file == "" || !w.written(last) || !last && time.Since(w.saved) < saveEvery {
		return
	}
	text, err := w.text()
	if text == nil && err == nil {
		return
	}
	w.saved, w.writing = time.Now(), make(chan error, 1)
	go func(done chan<- error) {
		if err == nil {
			if err = os.MkdirAll(filepath.Dir(file), 0o700); err == nil {
				err = w.k.deps.Write(file, text)
			}
		}
		done <- err
		if err != nil {
			w.nudge() // that somebody hears of it
		}
	}(w.writing)
	if last {
		w.written(true)
	}
}

// text returns the memory as it is to be written; nil where it has not changed.
func (w *worker) text() ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.dirty {
		return nil, nil
	}
	w.dirty = false
	return json.Marshal(memory{Newest: w.newest, Floor: w.floor, Names: w.entries})
}

// written takes note of how the write under way went, and reports whether none
// is under way any more. At the last it waits for that, but not for long.
func (w *worker) written(last bool) bool {
	if w.writing == nil {
		return true
	}
	patience := time.Duration(0)
	if last {
		patience = memoryWait
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	var err error
	select {
	case err = <-w.writing:
	default:
		select {
		case err = <-w.writing:
		case <-late.C:
			return false
		}
	}
	w.writing = nil
	switch {
	case err != nil && !w.unkept:
		w.k.deps.Log.Warn("what was pushed to a provider cannot be kept", "provider", w.cfg.Name, "error", err)
	case err == nil && w.unkept:
		w.k.deps.Log.Info("what was pushed to a provider is kept again", "provider", w.cfg.Name)
	}
	w.unkept = err != nil
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dirty = w.dirty || err != nil
	return true
}
