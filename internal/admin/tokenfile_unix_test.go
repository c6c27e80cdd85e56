//go:build unix

package admin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestChangeTokens: of two at once, none undoes what the other did, and whoever
// could read the file before still can.
func TestChangeTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	fresh := func(name string) Token {
		made, _, err := NewToken(name, "read", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	add := func(made Token) func([]Token) ([]Token, error) {
		return func(list []Token) ([]Token, error) {
			time.Sleep(time.Millisecond)
			return append(list, made), nil
		}
	}
	if err := WriteTokens(path, []Token{fresh("leaked")}, ""); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 12345, -1); err != nil {
			t.Fatal(err)
		}
	}
	was := ownerOf(path)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := ChangeTokens(path, "", add(fresh(fmt.Sprintf("t%d", i)))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		err := ChangeTokens(path, "", func(list []Token) ([]Token, error) {
			return slices.DeleteFunc(list, func(x Token) bool { return x.Name == "leaked" }), nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	all.Wait()
	list, err := ReadTokens(path)
	if err != nil || len(list) != 20 || slices.ContainsFunc(list, func(x Token) bool { return x.Name == "leaked" }) {
		t.Errorf("%d tokens, with what was revoked: %v, %v", len(list), list, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || ownerOf(path) != was || was < 0 {
		t.Errorf("of user %d, before of %d: %v, %v", ownerOf(path), was, info, err)
	}
	no := errors.New("no")
	if err := ChangeTokens(path, "", func([]Token) ([]Token, error) { return nil, no }); !errors.Is(err, no) {
		t.Error(err)
	}
	if err := ChangeTokens(filepath.Join(t.TempDir(), "none"), "", add(fresh("first"))); err != nil {
		t.Error(err)
	}
}
