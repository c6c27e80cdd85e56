package node

import (
	"testing"

	"github.com/shunt-dns/shunt/internal/event"
)

// What happened is told once, also where the events of before are lost and
// their numbers begin anew.
func TestHappened(t *testing.T) {
	n := &Node{events: event.Open("")}
	look := func(what string, after uint64, want int) uint64 {
		t.Helper()
		list, last := n.happened(after)
		if len(list) != want {
			t.Errorf("%s: %d were told, want %d", what, len(list), want)
		}
		return last
	}
	drill := func(became string) { n.events.Say(event.Event{Kind: event.Drill, Subject: "x", After: became}) }
	last := look("nothing has happened", 0, 0)
	drill("running")
	last = look("a drill begins", last, 0)
	drill("succeeded")
	last = look("a drill ends", last, 1)
	last = look("and no more", last, 0)
	n.events.Say(event.Event{Kind: event.Transition})
	last = look("something else", last, 0)

	n.events = event.Open("") // its file was lost
	drill("succeeded")
	last = look("another log", last+5000, 0)
	look("and no more", last, 0)
	drill("failed")
	last = look("a drill ends", last, 1)
	look("and no more", last, 0)
}
