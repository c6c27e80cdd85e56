package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// PeekState returns the state that dir holds, for whoever looks and does not
// serve: nothing is made, set aside or kept. Without a state it is empty.
// Drills are left out: who only looks takes none up.
func PeekState(dir string) (*State, error) {
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &State{}, nil
	}
	s := &State{}
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err != nil {
		return nil, fmt.Errorf("the state of the node cannot be read: %w", err)
	}
	s.Drills, s.Failed = nil, nil
	return s, nil
}

// NewManualOf is NewManual with what a node remembers, as PeekState has it.
func NewManualOf(l *Loaded, s *State, d Deps) Manual { return newManual(l, s, d) }
