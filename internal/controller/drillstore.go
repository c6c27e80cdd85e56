package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/durable"
)

// drillsDir is the folder of reports in the state directory, and maxReports
// how many are kept there: the latest.
const (
	drillsDir  = "drills"
	maxReports = 100
)

// A drillStore keeps the reports of drills, a file each. Its methods may be
// called from any goroutine.
type drillStore struct {
	dir string // "": nothing is kept

	mu    sync.Mutex // held while writing
	under sync.WaitGroup
}

// keep writes r as it is now, beside the drill like it before, on a goroutine of
// its own: a disk that hangs keeps nothing else from going on. Failed is told
// of an error.
func (s *drillStore) keep(r *drill.Report, failed func(error)) {
	if s.dir == "" {
		return
	}
	r = copyReport(r)
	s.under.Go(func() {
		s.beside(r)
		text, err := json.MarshalIndent(r, "", " ")
		if err == nil {
			err = s.write(r.Plan.ID, text)
		}
		if err != nil {
			failed(err)
		}
	})
}

// write replaces the file of the drill id, and removes the oldest ones.
func (s *drillStore) write(id string, text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	if err := durable.Replace(s.path(id), text); err != nil {
		return err
	}
	var err error
	ids := s.ids()
	for _, old := range ids[:max(0, len(ids)-maxReports)] {
		err = errors.Join(err, os.Remove(s.path(old)))
	}
	return err
}

// wait waits until all is written, but not for long.
func (s *drillStore) wait(d time.Duration) {
	done := make(chan struct{})
	go func() { s.under.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(d):
	}
}

func (s *drillStore) path(id string) string { return filepath.Join(s.dir, id+".json") }

// ids lists the drills that reports are kept of, the oldest first: an
// identifier begins with its time.
func (s *drillStore) ids() []string {
	entries, _ := os.ReadDir(s.dir) // none: nothing has been kept yet
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// read returns the report of the drill id; nil when there is none.
func (s *drillStore) read(id string) (*drill.Report, error) {
	if s.dir == "" || id == "" || strings.ContainsAny(id, `/\`) || strings.HasPrefix(id, ".") {
		return nil, nil
	}
	text, err := os.ReadFile(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	r := new(drill.Report)
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil {
		return nil, fmt.Errorf("report of drill %s: %w", id, err)
	}
	return r, nil
}

// beside sets r, of a drill that has ended, beside the one like it before.
func (s *drillStore) beside(r *drill.Report) {
	if r.Ended == nil || r.Previous != nil {
		return
	}
	if then := s.before(&r.Plan); then != nil {
		r.Compare(then)
	}
}

// before returns the latest report that was kept of a drill like p that began.
func (s *drillStore) before(p *drill.Plan) *drill.Report {
	ids := s.ids()
	for _, id := range slices.Backward(ids) {
		if r, err := s.read(id); err == nil && r != nil && r.Plan.ID != p.ID && r.Outcome != drill.Refused && r.Plan.Began.Before(p.Began) && r.Plan.Alike(p) {
			return r
		}
	}
	return nil
}
