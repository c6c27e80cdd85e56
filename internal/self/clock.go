package self

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The looks at the clock of another.
const (
	hands     = 3                // looks that it takes
	between   = 10 * time.Second // the least from one to the next
	step      = 2 * time.Second  // that it may be off between two of them: HTTP tells whole seconds
	forgotten = 10 * time.Minute // a look that is older says nothing
)

// A Hand is what the clock of another end showed lately, as the Date of its
// HTTP answers does. A copy of an answer shows when it was made, so one look
// says nothing: a clock is what went on as time did, three times in a row.
type Hand struct {
	shown, seen [hands]time.Time // the latest last
}

// Next returns h after a look: the other clock showed shown when it was seen,
// by the clock of this machine with its monotonic reading. Looks that follow
// each other too fast are left out.
func (h Hand) Next(shown, seen time.Time) Hand {
	if seen.Sub(h.seen[hands-1]) < between {
		return h
	}
	copy(h.shown[:], h.shown[1:])
	copy(h.seen[:], h.seen[1:])
	h.shown[hands-1], h.seen[hands-1] = shown, seen
	return h
}

// Seen returns when the other clock was last looked at.
func (h Hand) Seen() time.Time { return h.seen[hands-1] }

// Ahead returns by how much the clock of this machine is ahead of the other
// one, at the last look; ok is false where the looks do not show a clock.
func (h Hand) Ahead(now time.Time) (ahead time.Duration, ok bool) {
	if h.seen[0].IsZero() || now.Sub(h.seen[hands-1]) > forgotten {
		return 0, false
	}
	for i := 1; i < hands; i++ {
		if off := h.shown[i].Sub(h.shown[i-1]) - h.seen[i].Sub(h.seen[i-1]); off.Abs() > step {
			return 0, false
		}
	}
	return h.seen[hands-1].Round(0).Sub(h.shown[hands-1]), true
}

// A Clock is that of another end.
type Clock struct {
	Of    string        // its operator
	Ahead time.Duration // that the clock of this machine is, of it
}

// Off returns by how much the clock of this machine is ahead, as others have
// it. Each operator has one voice, and ok is true only where more than half of
// them, and two at least, say the same within Agree, and that is more than
// most. So one edge with a wrong clock alarms nobody, and with one operator
// nothing is known.
func Off(clocks []Clock, most time.Duration) (ahead time.Duration, of []string, ok bool) {
	by := map[string][]time.Duration{}
	for _, c := range clocks {
		by[c.Of] = append(by[c.Of], c.Ahead)
	}
	voices := make([]Clock, 0, len(by))
	for op, said := range by {
		slices.Sort(said)
		voices = append(voices, Clock{op, said[len(said)/2]})
	}
	slices.SortFunc(voices, func(a, b Clock) int { return cmp.Compare(a.Ahead, b.Ahead) })
	for i := range voices {
		n := i
		for n < len(voices) && voices[n].Ahead-voices[i].Ahead <= Agree {
			n++
		}
		group := voices[i:n]
		if middle := group[len(group)/2].Ahead; len(group) >= 2 && 2*len(group) > len(voices) && middle.Abs() > most {
			for _, v := range group {
				of = append(of, v.Of)
			}
			slices.Sort(of)
			return middle, of, true
		}
	}
	return 0, nil, false
}

// clock judges the clock of this machine.
func (j *judge) clock() {
	const mend = "look at what keeps the time: timedatectl, chronyc tracking"
	most := time.Duration(float64(ClockOff) / j.lax("clock-off"))
	ahead, of, off := Off(j.Clocks, most)
	leapt := !j.LeaptAt.IsZero() && j.At.Sub(j.LeaptAt) < LeapLasts
	switch {
	case off:
		kernel := ""
		if j.Unsynced {
			kernel = ", and the kernel says that nothing keeps it right"
		}
		j.raise("clock-off", "warning", "", fmt.Sprintf("the clock of this machine is %s, say the answers of %v%s: certificates, signed transfers and the ends of overrides depend on it", aheadText(ahead), of, kernel), mend)
	case leapt:
		j.raise("clock-off", "warning", "", fmt.Sprintf("at %s the clock was set %s, or the machine was suspended", j.LeaptAt.Format(time.RFC3339), leapText(j.Leapt)), mend)
	}
}

func aheadText(d time.Duration) string {
	if d < 0 {
		return fmt.Sprintf("%v slow", -d.Round(time.Second))
	}
	return fmt.Sprintf("%v fast", d.Round(time.Second))
}

func leapText(d time.Duration) string {
	if d < 0 {
		return fmt.Sprintf("back by %v", -d.Round(time.Second))
	}
	return fmt.Sprintf("forward by %v", d.Round(time.Second))
}
