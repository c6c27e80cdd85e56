package health

import (
	"fmt"
	"net/netip"
	"time"
)

// A Saved is one verdict as it outlives the process. Times are wall clock
// times; what a wall clock step could spoil is kept as a duration.
type Saved struct {
	Pool     string        `json:"pool"`
	Monitor  string        `json:"monitor"` // "" for the look-up of the pool's host name
	Addr     netip.Addr    `json:"addr"`    // zero for the look-up
	Asked    string        `json:"asked"`   // what was asked, in short: the verdict says nothing of another question
	State    State         `json:"state"`
	Since    time.Time     `json:"since"`
	At       time.Time     `json:"at"` // when it was saved
	Hold     time.Duration `json:"hold,omitempty"`
	HoldLeft time.Duration `json:"hold_left,omitempty"` // of the hold-down, at At
	Class    Class         `json:"class,omitempty"`
	Reason   string        `json:"reason,omitempty"`
}

// Save returns v, the verdict of t, as it is at now. Asked is the caller's to
// set.
func (v Verdict) Save(t Target, now time.Time) Saved {
	s := Saved{
		Pool: t.Pool, Monitor: t.Monitor, Addr: t.Addr,
		State: v.State, At: now.Round(0), Hold: v.Hold,
		Class: v.Class, Reason: v.Reason,
	}
	// The age is measured on the monotonic clock, then laid off the wall's.
	s.Since = s.At.Add(-max(0, now.Sub(v.Since)))
	if !v.HoldUntil.IsZero() {
		s.HoldLeft = max(0, v.HoldUntil.Sub(now))
	}
	return s
}

// Target returns whose verdict s is.
func (s Saved) Target() Target { return Target{Pool: s.Pool, Monitor: s.Monitor, Addr: s.Addr} }

// MaxAge returns how old a saved verdict may be to count at a start: ten
// minutes, and three intervals where those are longer. An outage that matters
// lasts longer than a restart, and one shorter than that is found anew by the
// first round.
func MaxAge(interval time.Duration) time.Duration { return max(10*time.Minute, 3*interval) }

// Young reports whether s may count at now.
//
//	s.State    now − s.At           counts
//	Unknown    -                    no
//	other      0 … maxAge           yes
//	other      more than maxAge     no
//	other      −maxAge … 0          yes, as if just saved: the clock was set back a little
//	other      less than −maxAge    no: nothing can be said of its age
func (s Saved) Young(now time.Time, maxAge time.Duration) bool {
	age := now.Sub(s.At)
	return s.State != Unknown && age <= maxAge && age >= -maxAge
}

// Verdict returns s as a verdict to go on from at now, as if the process had
// never stopped: further results move it by the ordinary rules, and what was
// left of its hold-down, less the time since, still holds. The times have
// now's monotonic reading, so that a later wall clock step moves nothing.
func (s Saved) Verdict(now time.Time) Verdict {
	away := max(0, now.Round(0).Sub(s.At))
	v := Verdict{
		State: s.State,
		Since: now.Add(-away - max(0, s.At.Sub(s.Since))),
		Hold:  max(0, s.Hold),
		Class: s.Class, Reason: s.Reason,
	}
	// No hold-down is longer than at the fall, or twice the time since.
	if left := min(s.HoldLeft, max(s.Hold, 2*s.At.Sub(s.Since))) - away; left > 0 {
		v.HoldUntil = now.Add(left)
	}
	return v
}

// MarshalText returns unknown, up or down.
func (s State) MarshalText() ([]byte, error) {
	if s > Down {
		return nil, fmt.Errorf("health: no state %d", uint8(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText accepts unknown, up and down.
func (s *State) UnmarshalText(b []byte) error {
	for _, is := range []State{Unknown, Up, Down} {
		if string(b) == is.String() {
			*s = is
			return nil
		}
	}
	return fmt.Errorf("health: no state %q", b)
}
