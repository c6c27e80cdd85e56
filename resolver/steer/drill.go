package steer

import (
	"fmt"
	"math"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A Drill takes a pool away on purpose, as long as nothing else has a word to
// say: it is the lowest of the three that move answers.
//
//	of the pool      share   the pool
//	forced up        any     answers as if there were no drill
//	down, drained    any     is down, or drained: the drill adds nothing
//	else             1       answers only while no other is up or unknown; before those that wait
//	else             less    has so much less of the answers than it would have; while others have room
//	                         for them. Of a union it has what it would have
type Drill struct {
	Name    string         // by which an explanation calls it
	Share   float64        // of the answers that the pool would give, above 0, at most 1
	Clients []config.Where // whose answers; none: everyone's
}

// Covers reports whether d is about the clients of p.
func (d Drill) Covers(p Place) bool { return len(d.Clients) == 0 || within(p, d.Clients) }

// whole reports whether d takes its pool away from everyone.
func (d Drill) whole() bool { return d.Share >= 1 && len(d.Clients) == 0 }

// drill returns the drill of pool that the clients of in are part of.
func (in *Input) drill(pool string) (Drill, bool) {
	d, ok := in.Drills[pool]
	return d, ok && d.Covers(in.Place)
}

// drilled says why a drill keeps pool away, "" when none does.
func (in *Input) drilled(pool string) string {
	if d, ok := in.drill(pool); ok && d.Share >= 1 {
		return fmt.Sprintf("is kept away by the drill %s", d.Name)
	}
	return ""
}

// eased returns in with the caps that drills of a share bring: each is that
// share less than what the pool would have without any of them.
func (in Input) eased() Input {
	partly := false
	for pool := range in.Drills {
		d, ok := in.drill(pool)
		partly = partly || ok && d.Share < 1
	}
	if !partly {
		return in
	}
	r := &run{in: &in}
	h := r.chain(in.Service.Policy, in.Service.Pools, nil, nil)
	r.share(h, &Decision{})
	caps, eases := map[string]float64{}, map[string]int{}
	for pool, c := range in.Caps {
		caps[pool] = c
	}
	for _, a := range r.accounts {
		d, ok := in.drill(a.pool)
		if !ok || d.Share >= 1 || a.used == 0 || forcedUp(in.Table.Pools[a.pool], in.Now) {
			continue
		}
		eases[a.pool] = int(math.Round(float64(a.used) * (1 - d.Share)))
		caps[a.pool] = float64(eases[a.pool]) / Million
	}
	in.Caps, in.eases = caps, eases
	return in
}

// drillNote says what a drill of a share leaves the pool of a; "" where there
// is none.
func (in *Input) drillNote(a *account) string {
	n, ok := in.eases[a.pool]
	if !ok {
		return ""
	}
	return fmt.Sprintf("the drill %s leaves %s %s", in.Drills[a.pool].Name, a.pool, percent(n))
}

// drillAway reports whether a drill that is about everyone takes pool away
// whole, and nobody forces it up.
func (turn *Turn) drillAway(pool string, p *health.Pool) bool {
	d, ok := turn.Drills[pool]
	return ok && d.whole() && !forcedUp(p, turn.Now)
}
