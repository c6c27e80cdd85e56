package health

import (
	"math"
	"math/bits"
	"time"
)

// Thresholds say how many results change a verdict. The zero value settles
// every verdict with one result and holds nothing.
type Thresholds struct {
	Fall        int           // failures in a row that bring an endpoint down; less than 1 is 1
	Rise        int           // successes in a row that bring it up again; less than 1 is 1
	Window      int           // results that the sliding window holds, at most 64; 0 is off
	WindowFall  float64       // share of failures among Window results that brings it down; 0–1
	HoldDown    time.Duration // least quiet after a fall, before a rise; 0 is off
	HoldDownMax time.Duration // where it stops growing; up for this long forgets the falls
}

// A Verdict is the settled opinion of one target. It is a value: a result
// never changes a verdict, it yields the next one. The zero Verdict is
// Unknown and has seen nothing.
type Verdict struct {
	State     State
	Since     time.Time     // when State was reached
	Against   int           // results in a row that contradict State
	First     time.Time     // the first of the results in Against; zero when there are none
	Last      time.Time     // the latest result that counted
	Recent    uint64        // the latest results since State became Up, or since the start; newest in bit 0, 1 is a failure
	Seen      int           // how many bits of Recent are results, at most 64
	Start     bool          // State was settled by the very first result
	Hold      time.Duration // least hold-down since the latest fall, what the next one doubles; 0: nothing to double
	HoldUntil time.Time     // a Down verdict stays Down until then, or longer where it goes on failing; zero: no hold-down
	Class     Class         // of the latest failure
	Reason    string        // of the latest failure, for people
}

// Next returns the verdict that follows v once r is known.
//
//	v.State  r         r makes it                      next
//	any      internal  -                               v: it says nothing about the endpoint
//	Unknown  any       -                               r's own word: the first result settles it, without hold-down
//	Up       success   -                               Up, nothing against it
//	Up       failure   Fall in a row                   Down, held
//	Up       failure   WindowFall of the last Window   Down, held
//	Up       failure   fewer than both                 Up, one more against it
//	Down     failure   Fall in a row, or the window    Down, nothing for it, held anew
//	Down     failure   fewer than both                 Down, nothing for it
//	Down     success   fewer than Rise in a row        Down, one more for it
//	Down     success   Rise in a row, still held       Down, one more for it
//	Down     success   Rise in a row, hold-down over   Up, with an empty window
//
// The window counts failures, ceil(Window×WindowFall) of them and at least
// one, so it can decide before it is full.
//
// Hold-down is a quiet time: it is over when nothing like a fall has happened
// for so long. At a fall it is HoldDown, doubled with each fall up to
// HoldDownMax; a fall after HoldDownMax of being up begins anew. Each renewed
// fall while Down begins the quiet time again, and makes it twice the time
// since the fall began, as far as that is longer than at the fall and not
// longer than HoldDownMax. What is good and bad in turn has by then shown
// about half of that as its period, so that it does not rise between two bad
// spells, whatever the period; one failure that nothing follows renews nothing.
//
// Next does not ask whether r may count at all; see [Void].
func (t Thresholds) Next(v Verdict, r Result) Verdict {
	if r.Class == Internal {
		return v
	}
	v.remember(r)
	said := Up
	if !r.OK {
		said = Down
	}
	if v.State == Unknown {
		v.State, v.Since, v.Start = said, r.At, true
		return v
	}
	if said == v.State {
		v.Against, v.First = 0, time.Time{}
		if said == Down && (v.failing() >= t.fall() || t.windowFull(v)) {
			t.holdAnew(&v, r.At)
		}
		return v
	}
	if v.Against == 0 {
		v.First = r.At
	}
	v.Against++
	switch {
	case said == Down && (v.Against >= t.fall() || t.windowFull(v)):
		t.bringDown(&v, r.At)
	case said == Up && v.Against >= t.rise() && !r.At.Before(v.HoldUntil):
		v.State, v.Since, v.Start = Up, r.At, false
		v.Against, v.First = 0, time.Time{}
		v.Recent, v.Seen = 0, 0
		v.HoldUntil = time.Time{}
	}
	return v
}

// remember enters r into the history of v.
func (v *Verdict) remember(r Result) {
	v.Last = r.At
	v.Recent <<= 1
	if !r.OK {
		v.Recent |= 1
		v.Class, v.Reason = r.Class, r.Reason
	}
	v.Seen = min(v.Seen+1, 64)
}

// bringDown makes v Down at the moment at, and holds it there.
func (t Thresholds) bringDown(v *Verdict, at time.Time) {
	hold := t.HoldDown
	if v.Hold > 0 && at.Sub(v.Since) < t.HoldDownMax {
		hold = max(t.HoldDown, min(2*v.Hold, t.HoldDownMax))
	}
	v.State, v.Since, v.Start = Down, at, false
	v.Against, v.First = 0, time.Time{}
	v.Hold = hold
	if hold > 0 {
		v.HoldUntil = at.Add(hold)
	}
}

// holdAnew begins the quiet time of v again, at the moment at. What was Down by
// its very first result is not held: nobody saw it fall.
func (t Thresholds) holdAnew(v *Verdict, at time.Time) {
	if t.HoldDown <= 0 || v.Hold <= 0 {
		return
	}
	quiet := max(v.Hold, min(2*at.Sub(v.Since), t.HoldDownMax))
	if until := at.Add(quiet); until.After(v.HoldUntil) {
		v.HoldUntil = until
	}
}

// failing returns how many of the latest results in a row are failures, as far
// as they are remembered.
func (v *Verdict) failing() int { return min(bits.TrailingZeros64(^v.Recent), v.Seen) }

// fall and rise are Fall and Rise as they are counted.
func (t Thresholds) fall() int { return max(t.Fall, 1) }
func (t Thresholds) rise() int { return max(t.Rise, 1) }

// windowNeed returns how many failures in the window bring a target down, and
// 0 when there is no window.
func (t Thresholds) windowNeed() int {
	if t.Window <= 0 {
		return 0
	}
	share := max(0, min(t.WindowFall, 1))
	// A share such as 0.3 of 10 is 3, and not 4 because 0.3 has no exact form.
	return max(1, int(math.Ceil(float64(min(t.Window, 64))*share-1e-9)))
}

// windowFailures returns how many of the results in the window failed.
func (t Thresholds) windowFailures(v Verdict) int {
	mask := ^uint64(0)
	if t.Window < 64 {
		mask = 1<<max(t.Window, 0) - 1
	}
	return bits.OnesCount64(v.Recent & mask)
}

// windowFull reports whether the failures in the window bring v down.
func (t Thresholds) windowFull(v Verdict) bool {
	need := t.windowNeed()
	return need > 0 && t.windowFailures(v) >= need
}
