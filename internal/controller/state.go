package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/durable"
)

// A State is what a node remembers over a restart.
type State struct {
	Generation uint64              `json:"generation"` // of the last snapshot published
	Saved      time.Time           `json:"saved"`
	Overrides  []health.Override   `json:"overrides"`
	Freeze     *frozen             `json:"freeze,omitempty"`
	Good       map[string][]string `json:"good"` // last good orders
	Verdicts   []health.Saved      `json:"verdicts"`

	Falls map[string]health.Fall `json:"falls,omitempty"` // of pools that are not back
	Calm  map[string]savedCalm   `json:"calm,omitempty"`  // ramps and budgets, by the name of a service

	Drills []*drill.Report `json:"drills,omitempty"` // that run, or have just ended
	Failed []failedDrill   `json:"failed_drills,omitempty"`

	Clean    bool                    `json:"clean,omitempty"`    // the process ended after this, and not before
	Serials  map[string]numbered     `json:"serials,omitempty"`  // by zone
	Contents map[string]savedContent `json:"contents,omitempty"` // by the name of a service

	Problem string `json:"-"` // why there is no state, where there should be
	store   store
}

// A store is the state file.
type store struct{ path string }

// stateFile is the state's name in the state directory.
const stateFile = "state.json"

// IsStateFile reports whether a file of that name in the state directory is
// ours: the state, one set aside as damaged, or one half written.
func IsStateFile(name string) bool {
	return name == drillsDir || name == stateFile || name == stateFile+badSuffix || durable.IsTemp(name)
}

// drills returns the folder of the reports of drills; "" where nothing is kept.
func (s *State) drills() string {
	if s.store.path == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(s.store.path), drillsDir)
}

// badSuffix is that of a state file set aside as damaged.
const badSuffix = ".bad"

// maxState is the largest state file that is read, in octets.
const maxState = 256 << 20

// ReadState reads the state that dir holds. A directory without one gives an
// empty state. A file that cannot be used is set aside under another name and
// told of in State.Problem: a damaged memory must not keep the node from
// serving. The error is for a directory that cannot be used at all.
func ReadState(dir string) (*State, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("state_dir: %w (make the folder, or name another in node.state_dir)", err)
	}
	path := filepath.Join(dir, stateFile)
	s := &State{store: store{path}}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	var text []byte
	if err == nil && info.Size() > maxState {
		err = fmt.Errorf("%d octets, more than %d", info.Size(), maxState)
	}
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err == nil {
		return s, nil
	}
	aside := path + badSuffix
	problem := fmt.Sprintf("%s could not be read (%v); started without memory of verdicts and overrides", path, err)
	if os.Rename(path, aside) == nil {
		problem += "; the file is kept as " + aside
	}
	return &State{store: store{path}, Problem: problem}, nil
}

// write replaces the state file by s, atomically and durably.
func (st store) write(s *State) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return durable.Replace(st.path, text)
}

// state returns what is to outlive the process. Nothing writes to it later.
func (c *Controller) state(now time.Time) *State {
	good := make(map[string][]string, len(c.groups))
	for _, g := range c.groups {
		if order := c.memory.last(g.goodKey, now); order != nil {
			good[g.goodKey] = order
		}
	}
	s := &State{Generation: c.gen, Saved: now, Overrides: c.sortedOverrides(), Good: good, Verdicts: c.deps.Monitor.Save(),
		Falls: c.saveFalls(now), Calm: c.saveCalm(now), Drills: c.saveDrills(now), Failed: slices.Clone(c.drills.failed),
		Clean: c.ending, Serials: maps.Clone(c.serials), Contents: c.saveContents()}
	for i := range s.Failed {
		s.Failed[i].At = onWall(s.Failed[i].At, now)
	}
	for i := range s.Overrides {
		o := &s.Overrides[i]
		o.Set, o.Expires = onWall(o.Set, now), onWall(o.Expires, now)
	}
	if c.freeze != nil {
		f := *c.freeze
		f.Set, f.Expires = onWall(f.Set, now), onWall(f.Expires, now)
		s.Freeze = &f
	}
	return s
}
