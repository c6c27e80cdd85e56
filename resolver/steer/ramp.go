package steer

import (
	"time"

	"github.com/shunt-dns/shunt/config"
)

// A Climb is where a pool stands on the ramp of a service. The zero Climb may
// have all of its share.
type Climb struct {
	Phase Phase     `json:"phase"`
	Step  int       `json:"step,omitempty"` // of the ramp, while it climbs
	Since time.Time `json:"since,omitzero"` // when it came there
}

// A Phase is one of the parts of a pool's way.
type Phase string

// The phases.
const (
	Arrived  Phase = ""      // all of its share
	Away     Phase = "away"  // not to be had: it will climb when it is
	Climbing Phase = "climb" // the share of its step
)

// A Stand is how a pool stands towards a service at one moment.
type Stand uint8

// The stands.
const (
	Here   Stand = iota // up
	Gone                // down, drained, drilled away, or waiting to be let back
	Doubt               // unknown, or nothing can be known: nothing moves on that
	Forced              // a person says that it is up
)

// NextClimb returns where a pool stands on r at now, after it stood at c.
//
//	c           stand    ramp                               next
//	any         any      none                               all of its share
//	any         Forced   any                                all: a person's word waits for no ramp
//	any         Gone     any                                away
//	any         Doubt    any                                as c
//	all         Here     any                                all
//	away        Here     on failback or both                the first step
//	away        Here     on failover                        all
//	climbing    Here     the step has not lasted Every      as c
//	climbing    Here     it has                             the next step; after the last but one, all
//
// So a pool that falls on its way begins anew, and one that is late takes one
// step at a time.
func NextClimb(r *config.Ramp, c Climb, s Stand, now time.Time) Climb {
	switch {
	case r == nil || len(r.Steps) == 0 || s == Forced:
		return Climb{}
	case s == Gone && c.Phase == Away:
		return c
	case s == Gone:
		return Climb{Phase: Away, Since: now}
	case s == Doubt || c.Phase == Arrived:
		return c
	case c.Phase == Away && r.On == config.RampFailover:
		return Climb{}
	case c.Phase == Away:
		return StartClimb(r, now)
	case now.Before(c.Due(r)):
		return c
	case c.Step+1 >= len(r.Steps)-1:
		return Climb{}
	}
	return Climb{Phase: Climbing, Step: c.Step + 1, Since: now}
}

// StartClimb returns the first step of r: that of a pool that comes back, or
// takes over. A ramp of one step is none.
func StartClimb(r *config.Ramp, now time.Time) Climb {
	if r == nil || len(r.Steps) < 2 {
		return Climb{}
	}
	return Climb{Phase: Climbing, Since: now}
}

// Due returns when the step of c is over; zero when it does not climb.
func (c Climb) Due(r *config.Ramp) time.Time {
	if r == nil || c.Phase != Climbing {
		return time.Time{}
	}
	return c.Since.Add(r.Every)
}

// Cap returns the share that c may have of the answers, above 0, at most 1.
func (c Climb) Cap(r *config.Ramp) float64 {
	if r == nil || c.Phase != Climbing || c.Step < 0 || c.Step >= len(r.Steps) {
		return 1
	}
	return r.Steps[c.Step]
}
