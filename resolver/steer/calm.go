package steer

import (
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A Calm is what keeps the answers of a service steady over time. It is a
// value: deciding yields the next one, and writes to none. The zero Calm has
// seen nothing.
type Calm struct {
	Climbs   map[string]Climb // by pool, of those that have not arrived
	Moves    Budget           // the latest moves that no person caused
	Unsteady map[string]bool  // pools that a spent budget keeps from coming
	Races    []Race           // of fastest, by place
}

// A Turn is one occasion to decide for a service, for the clients of several
// places.
type Turn struct {
	Input                       // Place, Caps, Unsteady and Race are filled in for each place
	Pooled []string             // the pools that the service may answer with, see [Members]
	Places []Place              // at least one
	Was    [][]string           // pools that answered after the turn before, by place; nil at first, and where the places are others
	Back   map[string]time.Time // when pools of Waits may be back, of those that time brings back
	Still  bool                 // automation is off: nothing moves because time passes, and nothing is counted
	ByHand bool                 // a person's doing: it counts as no move, and no takeover climbs
}

// Next decides for every place of turn, after c.
//
// Ramps: a pool that comes back climbs, as [NextClimb] says. Where the ramp is
// on failover, so does a pool that begins to answer while one that answered
// before is still up to hold the rest; without one it takes all. A pool that
// comes back takes over from nobody.
//
// The budget: pools that begin to answer, or leave because they fell, make a
// move. Once service.Moves of them were made within an hour, an avoidable one
// (see [Moves]) is not made: the pools that would come are Unsteady until the
// hour is less full, and come only where no other is up.
//
// Wake is the soonest moment at which time alone changes something, or the TTL
// has to know of that; zero when none does. Within one TTL of such a moment
// every TTL is the least.
func (c Calm) Next(turn Turn) (ds []Decision, next Calm, wake time.Time) {
	next = c.climbed(turn)
	_, spent := c.Moves.Spent(turn.Service.Moves, turn.Now)
	if !spent && !turn.Still {
		next.Unsteady = nil
	}
	next.Unsteady = among(next.Unsteady, turn.Pooled)
	ds = turn.all(&next)
	if turn.Was != nil && !turn.ByHand && !turn.Still {
		ds = turn.takeovers(c, &next, ds)
		ds = turn.moves(&next, ds, spent)
	}
	if turn.Still {
		return ds, next, time.Time{}
	}
	return ds, next, turn.shorten(ds, next)
}

// among returns those of set that pools still has: a reload may have removed
// one.
func among(set map[string]bool, pools []string) map[string]bool {
	var still map[string]bool
	for _, p := range pools {
		if set[p] {
			still = with(still, p, true)
		}
	}
	return still
}

// climbed returns c with every pool of turn a step further where it is time.
func (c Calm) climbed(turn Turn) Calm {
	if turn.Still {
		return c
	}
	var climbs map[string]Climb
	for _, pool := range turn.Pooled {
		was := c.Climbs[pool]
		is := NextClimb(turn.Service.Ramp, was, turn.stand(pool), turn.Now)
		if is == (Climb{}) {
			continue
		}
		if climbs == nil {
			climbs = map[string]Climb{}
		}
		climbs[pool] = is
	}
	c.Climbs = climbs
	return c
}

// stand returns how pool stands towards the service.
func (turn *Turn) stand(pool string) Stand {
	p := turn.Table.Pools[pool]
	if p == nil {
		return Doubt
	}
	state, drains := p.Effective(turn.Now)
	switch {
	case forcedUp(p, turn.Now):
		return Forced
	case state == health.Down || drains || turn.Waits[pool] != "" || turn.drillAway(pool, p):
		return Gone
	case state == health.Unknown || p.Held != "" || turn.Table.Blind != "":
		return Doubt
	}
	return Here
}

// all decides for every place, under c.
func (turn *Turn) all(c *Calm) []Decision {
	in := turn.Input
	in.Caps, in.Unsteady = c.caps(turn.Service.Ramp), c.Unsteady
	races := make([]Race, len(turn.Places))
	ds := make([]Decision, len(turn.Places))
	for i, place := range turn.Places {
		in.Place, in.Race = place, Race{}
		if i < len(c.Races) {
			in.Race = c.Races[i]
		}
		ds[i] = Decide(in)
		races[i] = ds[i].Race
	}
	c.Races = races
	return ds
}

// Explain decides once more for place, the at-th of turn, and says what would
// change the answer; c is what Next returned. At is negative for a place that
// is none of the turn's.
func (c Calm) Explain(turn Turn, place Place, at int) Decision {
	in := turn.Input
	in.Caps, in.Unsteady, in.Place, in.Explain = c.caps(turn.Service.Ramp), c.Unsteady, place, true
	if at >= 0 && at < len(c.Races) {
		in.Race = c.Races[at]
	}
	ds := []Decision{Decide(in)}
	if !turn.Still {
		turn.shorten(ds, c)
	}
	return ds[0]
}

// Blocked returns until when the spent budget of s keeps pools from coming;
// zero when it keeps none.
func (c Calm) Blocked(s config.Service, now time.Time) time.Time {
	until, spent := c.Moves.Spent(s.Moves, now)
	if !spent || len(c.Unsteady) == 0 {
		return time.Time{}
	}
	return until
}

// caps returns what the pools that climb r may have, by pool.
func (c Calm) caps(r *config.Ramp) map[string]float64 {
	var caps map[string]float64
	for pool, climb := range c.Climbs {
		if climb.Phase == Climbing {
			if caps == nil {
				caps = map[string]float64{}
			}
			caps[pool] = climb.Cap(r)
		}
	}
	return caps
}

// takeovers lets the pools climb that begin to answer, as far as others hold
// the rest; before is how it was until this turn.
func (turn *Turn) takeovers(before Calm, c *Calm, ds []Decision) []Decision {
	r := turn.Service.Ramp
	if r == nil || r.On == config.RampFailback {
		return ds
	}
	was := map[string]bool{}
	holds := false
	for _, pools := range turn.Was {
		for _, p := range pools {
			was[p] = true
			holds = holds || turn.stand(p) == Here && c.Climbs[p].Phase == Arrived
		}
	}
	// What does not fit goes to the next pool, which may be new here too.
	for range turn.Pooled {
		begun := false
		for _, d := range ds {
			for _, pick := range d.Picks {
				p := pick.Pool
				returned := before.Climbs[p].Phase == Away
				if holds && !was[p] && !returned && turn.stand(p) == Here && c.Climbs[p].Phase == Arrived {
					c.Climbs = with(c.Climbs, p, StartClimb(r, turn.Now))
					begun = begun || c.Climbs[p].Phase == Climbing
				}
			}
		}
		if !begun {
			return ds
		}
		ds = turn.all(c)
	}
	return ds
}

// moves counts how the answers move, and holds them where a spent budget says
// so.
func (turn *Turn) moves(c *Calm, ds []Decision, spent bool) []Decision {
	moved, came := turn.compare(ds)
	if spent && len(came) > 0 {
		for _, p := range came {
			c.Unsteady = with(c.Unsteady, p, true)
		}
		ds = turn.all(c)
		moved, _ = turn.compare(ds)
	}
	if moved {
		c.Moves = c.Moves.Note(turn.Now)
	}
	return ds
}

// compare returns whether ds moves answers anywhere, and which pools would
// come where that can be avoided.
func (turn *Turn) compare(ds []Decision) (moved bool, came []string) {
	gone := func(pool string) bool { s := turn.stand(pool); return s == Gone }
	for i, d := range ds {
		m := Moves(turn.Was[i], d.Pools(), gone)
		moved = moved || m.Moved
		if m.Avoidable {
			came = append(came, m.Came...)
		}
	}
	return moved, came
}

// shorten gives ds the least TTL where something is due within one, and
// returns when to look again.
func (turn *Turn) shorten(ds []Decision, c Calm) (wake time.Time) {
	soon := func(at time.Time) {
		if !at.IsZero() && (wake.IsZero() || at.Before(wake)) {
			wake = at
		}
	}
	near := false
	due := func(at time.Time) {
		if !at.After(turn.Now) {
			return // none, or one that waits for the doubt to end
		}
		if before := at.Add(-turn.Service.TTL); before.After(turn.Now) {
			soon(before)
			return
		}
		near = true
		soon(at)
	}
	for _, climb := range c.Climbs {
		due(climb.Due(turn.Service.Ramp))
	}
	for _, pool := range turn.Pooled {
		due(turn.Back[pool])
	}
	due(c.Blocked(turn.Service, turn.Now))
	for i := range ds {
		if near {
			ds[i].TTL = min(ds[i].TTL, turn.Service.TTLMin)
		}
	}
	return wake
}

// Members returns the pools that s may answer with, through whatever policies
// stand among its candidates: each once, in order of appearance.
func Members(s config.Service, policies map[string]*config.Policy) []string {
	var pools []string
	for _, c := range s.Pools {
		walkPools(c, policies, nil, func(p string) {
			if !slices.Contains(pools, p) {
				pools = append(pools, p)
			}
		})
	}
	return pools
}
