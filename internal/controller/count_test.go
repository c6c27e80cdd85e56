package controller

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// Counts add up what happened to pools and answers.
func TestCounts(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	first := b.Counts()
	if first.Moves != 0 || len(first.Transitions) != 0 || made(first) != 1 || first.Compiles.Sum <= 0 {
		t.Errorf("after the start: %+v", first)
	}
	b.say("a- b+ c+") // www moves to b
	b.say("a+ b+ c-") // www moves back
	b.say("a+ b+ c-")
	n := b.Counts()
	want := map[Transition]uint64{{"a", health.Down}: 1, {"a", health.Up}: 1, {"c", health.Down}: 1}
	if !maps.Equal(n.Transitions, want) || n.Moves != 2 || made(n) != 3 || n.FailOpen != 0 {
		t.Errorf("after two moves: %+v", n)
	}
	b.say("a- b- c-")
	time.Sleep(20 * time.Millisecond)
	b.say("a+ b+ c+")
	n = b.Counts()
	if n.FailOpen < 20*time.Millisecond || n.FailOpen > 5*time.Second {
		t.Errorf("failed open for %v", n.FailOpen)
	}
	if names := slices.Sorted(maps.Keys(n.FailOpenBy)); !slices.Equal(names, []string{"api.example.test.", "www.example.test."}) {
		t.Errorf("failed open: %v", n.FailOpenBy)
	}
	after := n.FailOpen
	b.answers("")
	if n = b.Counts(); n.FailOpen != after {
		t.Error("what no longer fails open goes on counting")
	}
}

// Counts of reloads: those taken and those refused.
func TestCountsReloads(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	if err := b.Reload(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	b.write("zones: 7")
	if b.Reload(context.Background(), false) == nil {
		t.Fatal("nonsense was taken")
	}
	if n := b.Counts(); n.Taken != 1 || n.Refused != 1 || n.Moves != 0 {
		t.Errorf("%+v", n)
	}
}

// Groups stand for the services that share decisions.
func TestGroups(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	all, some := b.Groups(10), b.Groups(1)
	if len(all) != 2 || len(some) != 2 || some[1].Shares != nil || all[0].Services != 1 {
		t.Fatalf("%+v, %+v", all, some)
	}
	if s := all[0]; s.Service != "www.example.test." || len(s.Shares) != 1 || s.Shares[0] != (Share{"a", 100}) || s.FailOpen {
		t.Errorf("%+v", s)
	}
	b.say("a- b- c-")
	if !b.Groups(0)[0].FailOpen {
		t.Error("fail open is not told of")
	}
}

// made is how many snapshots were made.
func made(n Counts) (sum uint64) {
	for _, c := range n.Compiles.Counts {
		sum += c
	}
	return sum
}
