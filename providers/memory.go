package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/shunt-dns/shunt/internal/durable"
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

// save writes the memory where it changed; last says that there is no later
// time for it.
func (w *worker) save(last bool) {
	file := w.k.file(w.cfg.Name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.dirty || file == "" || !last && time.Since(w.saved) < saveEvery {
		return
	}
	text, err := json.Marshal(memory{Newest: w.newest, Floor: w.floor, Names: w.entries})
	if err == nil {
		if err = os.MkdirAll(filepath.Dir(file), 0o700); err == nil {
			err = durable.Replace(file, text)
		}
	}
	w.saved = time.Now()
	if err != nil {
		w.look.Memory = fmt.Sprintf("what was pushed cannot be kept: %v", err)
		w.k.deps.Log.Warn("what was pushed to a provider cannot be kept", "provider", w.cfg.Name, "error", err)
		return
	}
	w.dirty, w.look.Memory = false, ""
}
