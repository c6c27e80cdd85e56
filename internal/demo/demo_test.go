package demo

import (
	"context"
	"io"
	"strings"
	"testing"
)

// An interrupter cancels once it has seen a word.
type interrupter struct {
	word   string
	cancel func()
}

func (i interrupter) Write(p []byte) (int, error) {
	if strings.Contains(string(p), i.word) {
		i.cancel()
	}
	return len(p), nil
}

// Ctrl-C ends the demo well at any moment of the scene.
func TestInterrupt(t *testing.T) {
	for _, word := range []string{"shunt answers", "healthy", "fault"} {
		ctx, cancel := context.WithCancel(t.Context())
		if err := Run(ctx, Options{Out: interrupter{word, cancel}, Log: io.Discard, Self: "shunt"}); err != nil {
			t.Errorf("interrupted at %q: %v", word, err)
		}
		cancel()
	}
}
