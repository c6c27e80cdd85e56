package health

import (
	"fmt"
	"strings"
	"time"
)

// A FailbackRule says how a pool comes back after a fall. The zero rule lets
// it back at once.
type FailbackRule struct {
	Manual bool          // a person lets it
	After  time.Duration // it has been up for so long; 0: at once
	Long   time.Duration // a fall that lasted longer needs a person, whatever else is said; 0: never
}

// A Fall is a pool's way from its fall to the moment that it may answer again:
// the verdict says whether it works, the fall whether that is to be trusted.
// It is a value. The zero Fall is of a pool that has not fallen, or is back.
type Fall struct {
	Began time.Time `json:"began"`          // the pool was down since; zero: no fall
	Ended time.Time `json:"ended,omitzero"` // the pool is up again since; zero: it is not
	Found bool      `json:"found,omitzero"` // it was down when it was first seen: nobody saw it fall
}

// FoundLong is how long a pool must have been down that was found so, for that
// to be a fall: one lost packet at a start needs no person.
const FoundLong = time.Minute

// Fallen reports whether the pool is not back yet.
func (f Fall) Fallen() bool { return !f.Began.IsZero() }

// Next returns the fall that follows f, of a pool in state s since the moment
// since. Seen reports whether the pool was seen up just before.
//
//	f       s        the pool may come back    next
//	none    Up       -                         none
//	none    Unknown  -                         none
//	none    Down     -                         begun when it went down; found, where it was not seen up before
//	begun   Down     -                         as f
//	begun   Unknown  -                         as f
//	begun   Up       found, and not FoundLong  none
//	begun   Up       at once                   none
//	begun   Up       later, or when let        ended when it went up
//	ended   Up       now                       none
//	ended   Up       later, or when let        as f
//	ended   Unknown  -                         as f
//	ended   Down     -                         begun when it was: the fall goes on
//
// When a pool may come back is what Wait says. A person lets it by making its
// fall none.
func (r FailbackRule) Next(f Fall, seen bool, s State, since, now time.Time) Fall {
	switch {
	case s == Down && !f.Fallen():
		return Fall{Began: since, Found: !seen}
	case s == Down:
		return Fall{Began: f.Began, Found: f.Found}
	case s == Unknown || !f.Fallen():
		return f
	}
	if f.Ended.IsZero() {
		f.Ended = since
	}
	if f.Found && f.Ended.Sub(f.Began) < FoundLong {
		return Fall{}
	}
	if _, waits := r.Wait(f, now); !waits {
		return Fall{}
	}
	return f
}

// Wait reports whether the pool of f, which is up again, has to wait, and for
// how long; 0 while it waits for a person.
//
//	Manual   the fall lasted     After                  waits
//	yes      -                   -                      for a person
//	no       longer than Long    -                      for a person
//	no       Long at most        not over since Ended   until it is
//	no       Long at most        over, or 0             no
func (r FailbackRule) Wait(f Fall, now time.Time) (left time.Duration, waits bool) {
	if f.Ended.IsZero() {
		return 0, false
	}
	if r.Manual || r.long(f) {
		return 0, true
	}
	left = r.After - now.Sub(f.Ended)
	return max(left, 0), left > 0
}

// long reports whether f lasted so long that a person must end it.
func (r FailbackRule) long(f Fall) bool { return r.Long > 0 && f.Ended.Sub(f.Began) > r.Long }

// Why says how the pool of f is let back, in words that follow "waits to be let
// back "; "" when it does not wait. They stay the same for as long as it waits.
func (r FailbackRule) Why(f Fall, now time.Time) string {
	_, waits := r.Wait(f, now)
	lasted := short(f.Ended.Sub(f.Began))
	switch {
	case !waits:
		return ""
	case r.Manual:
		return "by a person: it was down for " + lasted
	case r.long(f):
		return fmt.Sprintf("by a person: it was down for %s, longer than %s", lasted, short(r.Long))
	}
	until := now.Round(0).Add(f.Ended.Add(r.After).Sub(now))
	return fmt.Sprintf("at %s, when it will have been up for %s", until.UTC().Format(time.RFC3339), short(r.After))
}

// short writes d as a person would: 8h and not 8h0m0s.
func short(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
