package health

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A Role says what the word of a feed is worth.
type Role string

// The roles.
const (
	CriticalRole Role = "critical" // its Down brings the pool down, whatever others say; else it is as a vote
	VoteRole     Role = "vote"     // it votes beside the probes, by its weight
	ObserveRole  Role = "observe"  // it is shown, and counts for nothing
)

// A Feed is what the user's own systems last said of one pool: those that watch
// real users, alerts, logs. It holds until it ends.
type Feed struct {
	Source string
	Part   string // one of several things that the source says, as one alert; "" is all of it
	Role   Role
	Weight float64 // of its vote; that of the probes is 1
	Says   State   // Up or Down; Unknown: nothing of either
	Since  time.Time
	Until  time.Time
	Reason string // in a sentence, for people

	Latency time.Duration // of users; 0: it says nothing of it
	Load    float64       // share of its capacity that the pool uses, 1 is full; 0: it says nothing of it
}

// Join returns p as its probes and feeds have it together, by what holds at the
// moment now. The parts of a source have one vote, which is Down where one of
// them is. Probes that do not know have none.
//
//	a critical feed says Down        Down
//	Down has more weight than Up     Down
//	Up has more weight than Down     Up
//	as much, or nobody votes         as the probes have it
//
// Latency is the mean of what feeds that count say, where one does, and Shed
// comes from the highest load among them. A pool that is down by feeds alone
// Works, so that it answers before those that fail their probes when nothing is
// up.
func Join(p *Pool, feeds []Feed, now time.Time) *Pool {
	out := *p
	votes := ballot(feeds, now)
	up, down := 0.0, 0.0
	switch p.State {
	case Up:
		up = 1
	case Down:
		down = 1
	}
	var critical []Feed
	var latency time.Duration
	measured := 0
	for _, f := range votes {
		switch {
		case f.Says == Up:
			up += f.Weight
		case f.Says == Down:
			down += f.Weight
			if f.Role == CriticalRole {
				critical = append(critical, f)
			}
		}
		if f.Latency > 0 {
			latency += f.Latency
			measured++
		}
		out.Shed = max(out.Shed, shed(f.Load))
	}
	if measured > 0 {
		out.Latency = latency / time.Duration(measured)
	}
	switch {
	case len(critical) > 0:
		out.follow(Down, critical, p)
	case down > up:
		out.follow(Down, votes, p)
	case up > down:
		out.follow(Up, votes, p)
	}
	return &out
}

// follow makes s the state of p, where probes have another one: since, and
// because of, those of feeds that say so.
func (p *Pool) follow(s State, feeds []Feed, probes *Pool) {
	if s == probes.State {
		return
	}
	p.State, p.Class, p.ChangeIn, p.HoldUntil, p.Rising = s, "", 0, time.Time{}, 0
	p.Works = s == Down && probes.State == Up
	var said []string
	for _, f := range feeds {
		if f.Says != s {
			continue
		}
		if f.Since.After(p.Since) {
			p.Since = f.Since
		}
		said = append(said, fmt.Sprintf("feed %s: %s", f.Source, f.Reason))
	}
	p.Reason = strings.Join(said, "; ")
	if s == Up && probes.Reason != "" {
		p.Reason += "; probes: " + probes.Reason
	}
}

// ballot returns what of feeds counts now, a vote for each source.
func ballot(feeds []Feed, now time.Time) []Feed {
	var out []Feed
	for _, f := range feeds {
		if f.Role == ObserveRole || !now.Before(f.Until) {
			continue
		}
		i := slices.IndexFunc(out, func(x Feed) bool { return x.Source == f.Source })
		switch {
		case i < 0:
			out = append(out, f)
		case f.Says == Down && out[i].Says != Down, f.Says == Up && out[i].Says == Unknown:
			out[i] = f
		}
	}
	return out
}

const (
	// easy is the load up to which a pool keeps its whole max_share, and heavy
	// that from which on it keeps a tenth of it.
	easy, heavy = 0.8, 1.2

	// shedStep is the step in which shedding moves, so that a load that
	// trembles moves no answer.
	shedStep = 0.05
)

// shed returns the share of its max_share that a pool gives away under load.
//
//	load          sheds
//	0.8 or less   nothing
//	1.0           0.45
//	1.2 or more   0.9
func shed(load float64) float64 {
	s := 0.9 * min(max((load-easy)/(heavy-easy), 0), 1)
	return math.Round(s/shedStep) * shedStep
}
