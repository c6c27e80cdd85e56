package steer

import (
	"maps"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// FallRule returns f as health understands it.
func FallRule(f config.Failback) health.FailbackRule {
	r := health.FailbackRule{Manual: f.Mode == config.FailbackManual, Long: f.Manual}
	if f.Mode == config.FailbackAfter {
		r.After = f.After
	}
	return r
}

// NextFalls returns the falls of pools at now, after those in falls, as t has
// their states and was had them; was is nil at first. Pools that have not fallen are absent, and so are those that
// are not in pools. The result is falls itself where nothing changed.
func NextFalls(pools map[string]*config.Pool, falls map[string]health.Fall, was, t *health.Table, now time.Time) map[string]health.Fall {
	next, ours := falls, false
	set := func(pool string, f health.Fall) {
		if falls[pool] == f {
			return
		}
		if !ours {
			next, ours = make(map[string]health.Fall, len(falls)+1), true
			maps.Copy(next, falls)
		}
		if next[pool] = f; !f.Fallen() {
			delete(next, pool)
		}
	}
	for name := range falls {
		if pools[name] == nil {
			set(name, health.Fall{})
		}
	}
	for name, def := range pools {
		if p := t.Pools[name]; p != nil {
			seen := was != nil && was.Pools[name] != nil && was.Pools[name].State == health.Up
			set(name, FallRule(def.Failback).Next(falls[name], seen, p.State, p.Since, now))
		}
	}
	return next
}

// Waits returns what the pools wait for that are up again after a fall, by
// pool, and until when; those that wait for a person have no such moment. A
// pool that a person forces up does not wait while that lasts.
func Waits(pools map[string]*config.Pool, falls map[string]health.Fall, t *health.Table, now time.Time) (why map[string]string, until map[string]time.Time) {
	for name, f := range falls {
		def, p := pools[name], t.Pools[name]
		if def == nil || p == nil || forcedUp(p, now) {
			continue
		}
		rule := FallRule(def.Failback)
		left, waits := rule.Wait(f, now)
		if !waits {
			continue
		}
		why = with(why, name, rule.Why(f, now))
		if left > 0 {
			until = with(until, name, now.Add(left))
		}
	}
	return why, until
}

// forcedUp reports whether a person says of p that it is up.
func forcedUp(p *health.Pool, now time.Time) bool {
	return p.Override != nil && p.Override.Active(now) && p.Override.Force == health.ForceUp
}

// with returns m with an entry more, in a map of its own.
func with[V any](m map[string]V, key string, v V) map[string]V {
	next := make(map[string]V, len(m)+1)
	maps.Copy(next, m)
	next[key] = v
	return next
}
