// Package event holds what happened on a node, for people and machines that
// look on: an Event is one thing, a Log the latest of them in order, with a
// number each, so that a reader can go on where it was.
//
// It decides nothing. Whoever reads slowly never delays who writes, and
// neither does the disk.
package event

import "time"

// A Kind is what an event is about.
type Kind string

// The kinds.
const (
	Transition Kind = "transition" // a pool's state or a service's answer changed
	Override   Kind = "override"   // set, cleared or ended, and likewise a freeze or a failback
	Drill      Kind = "drill"      // started, ended, aborted or refused
	Reload     Kind = "reload"     // taken or refused
	Transfer   Kind = "transfer"   // a secondary took a zone, or fell behind
	Push       Kind = "push"       // a provider is in step, or is not
	Alarm      Kind = "alarm"      // raised or cleared
)

// An Event is one thing that happened.
type Event struct {
	ID      uint64    `json:"id"` // grows by one with each event, also over restarts
	At      time.Time `json:"at"`
	Kind    Kind      `json:"kind"`
	Subject string    `json:"subject"`          // pool, service, secondary, provider or drill it is about; of an alarm, that of the alarm; may be ""
	Code    string    `json:"code,omitempty"`   // of an alarm, as pool-down
	What    string    `json:"what"`             // one sentence for people
	Before  string    `json:"before,omitempty"` // state it left, as "up"
	After   string    `json:"after,omitempty"`  // state it came to, as "down", "raised", "cleared"
	Why     string    `json:"why,omitempty"`    // the reason: of a probe, or the words of a person
	Author  string    `json:"author,omitempty"` // the person, where it was one
	Level   string    `json:"level"`            // info, warning or critical
}

// The levels of events.
const (
	Info     = "info"
	Warning  = "warning"
	Critical = "critical"
)

// A Sink takes events; it returns at once. A nil Sink drops them.
type Sink func(Event)

// Say passes e on.
func (s Sink) Say(e Event) {
	if s != nil {
		s(e)
	}
}
