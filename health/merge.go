package health

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// MergeEndpoint returns the opinion of the address addr over the verdicts of
// its monitors, which must all agree that it is up.
//
//	verdicts           endpoint  since
//	none               Up        -
//	any Down           Down      the first of the Down ones
//	else any Unknown   Unknown   -
//	all Up             Up        the last of them
//
// Class is that of the failure that holds it down. Reason is the same, and of
// an endpoint that is not Down, the failure that is held against it now.
// HoldUntil is the latest and Rising the least of the Down verdicts.
func MergeEndpoint(addr netip.Addr, vs []Verdict) Endpoint {
	e := Endpoint{Addr: addr, State: Up}
	for i := range vs {
		v := &vs[i]
		if v.State == Down {
			if e.State != Down || v.Against < e.Rising {
				e.Rising = v.Against
			}
			if v.HoldUntil.After(e.HoldUntil) {
				e.HoldUntil = v.HoldUntil
			}
		}
		switch {
		case v.State == Down && (e.State != Down || v.Since.Before(e.Since)):
			e.State, e.Since, e.Class, e.Reason = Down, v.Since, v.Class, v.Reason
		case e.State == Down:
		case v.State == Unknown:
			e.State, e.Since = Unknown, time.Time{}
		case e.State == Up && v.Since.After(e.Since):
			e.Since = v.Since
		}
		if e.State != Down && v.Against > 0 && e.Reason == "" {
			e.Reason = v.Reason
		}
	}
	return e
}

// MergeStates returns the state of a pool of which upIf of n endpoints must
// be up; upIf 0 means all, and more than n is n.
//
//	Up               Up + Unknown     pool
//	at least upIf    -                Up
//	fewer            at least upIf    Unknown
//	fewer            fewer            Down
//	no endpoints     -                Unknown
func MergeStates(states []State, upIf int) State {
	n, up, unknown := len(states), 0, 0
	for _, s := range states {
		switch s {
		case Up:
			up++
		case Unknown:
			unknown++
		}
	}
	k := need(upIf, n)
	switch {
	case n == 0:
		return Unknown
	case up >= k:
		return Up
	case up+unknown >= k:
		return Unknown
	}
	return Down
}

// need returns how many of n endpoints must be up.
func need(upIf, n int) int {
	if upIf <= 0 || upIf > n {
		return n
	}
	return upIf
}

// A PoolRule says when a pool is up.
type PoolRule struct {
	Monitored bool     // false: nothing is asked, and the pool is always up
	UpIf      int      // endpoints that must be up; 0 means all
	Lookup    *Verdict // of the pool's host name; nil for a pool of addresses
	Resolves  bool     // Lookup is not Down, or nothing but its hold-down keeps it so
}

// Settle sets State, Since, Class, Reason, HoldUntil, Rising and Works of p from its
// Endpoints, under rule. prev is the opinion before, nil at first.
//
//	monitored  look-up   prev           p
//	no         -         -              Up
//	yes        Down      -              Down, provider-dns
//	yes        other     settled        MergeStates, an Unknown endpoint counting as prev does
//	yes        other     none, Unknown  MergeStates
//
// So a new address changes nothing until it is known, and neither does an
// exchange of all of them.
//
// A Mute endpoint has no say: it is taken to be up, and never alone. So the
// IPv6 addresses of a CDN, of which a node without IPv6 can learn nothing,
// neither hold the pool up when all others are down, nor bring it down. When
// every endpoint is Mute, they count as if none were.
//
// Since is prev's while the state stays. A state without a predecessor, at a
// cold start, is as old as its endpoints' verdicts make it.
func (p *Pool) Settle(rule PoolRule, prev *Pool, now time.Time) {
	settled := prev != nil && prev.State != Unknown
	heard := audible(p.Endpoints)
	k := max(1, need(rule.UpIf, len(p.Endpoints))-(len(p.Endpoints)-len(heard)))
	states := make([]State, len(heard))
	for i, e := range heard {
		states[i] = e.State
		if settled && e.State == Unknown {
			states[i] = prev.State
		}
	}
	switch {
	case !rule.Monitored:
		p.State = Up
	case rule.Lookup != nil && rule.Lookup.State == Down:
		p.State, p.Class, p.Reason = Down, rule.Lookup.Class, rule.Lookup.Reason
		p.HoldUntil, p.Rising = rule.Lookup.HoldUntil, rule.Lookup.Against
	default:
		p.State = MergeStates(states, k)
		p.Class, p.Reason = blame(p.State, heard, k, len(p.Endpoints)-len(heard))
		if p.Reason == "" && rule.Lookup != nil && rule.Lookup.Against > 0 {
			p.Reason = rule.Lookup.Reason
		}
		if p.State == Down && p.Reason == "" { // it was down, and its new addresses are not known yet
			p.Class, p.Reason = prev.Class, prev.Reason
		}
		if p.State == Down {
			p.HoldUntil, p.Rising = release(heard, k)
		}
	}
	p.Works = p.State == Down && (rule.Lookup == nil || rule.Resolves) && worked(heard, states, k)
	switch {
	case prev != nil && prev.State == p.State:
		p.Since = prev.Since
	case settled:
		p.Since = now
	default:
		p.Since = since(p.State, rule.Lookup, heard, k, now)
	}
}

// worked reports whether k of es are up, or are but for their hold-down.
func worked(es []Endpoint, states []State, k int) bool {
	n := 0
	for i, e := range es {
		if states[i] == Up || e.Works {
			n++
		}
	}
	return n >= k
}

// audible returns the endpoints that have a say: those that are not Mute, or
// all when every one is.
func audible(es []Endpoint) []Endpoint {
	if !slices.ContainsFunc(es, func(e Endpoint) bool { return e.Mute }) {
		return es
	}
	var heard []Endpoint
	for _, e := range es {
		if !e.Mute {
			heard = append(heard, e)
		}
	}
	if len(heard) == 0 {
		return es
	}
	return heard
}

// blame returns the class and reason of the endpoint that keeps the pool from
// being simply up: of those that are Down the one that fell last, since it
// is what brought the pool down when that has just happened. k of es must be up;
// mute more have no say.
func blame(s State, es []Endpoint, k, mute int) (Class, string) {
	up, bad := 0, -1
	for i, e := range es {
		if e.State == Up {
			up++
		}
		if e.Reason == "" || s == Down && e.State != Down {
			continue
		}
		if bad < 0 || e.State == Down && (es[bad].State != Down || e.Since.After(es[bad].Since)) {
			bad = i
		}
	}
	if bad < 0 {
		return None, ""
	}
	reason := es[bad].Reason
	if len(es) > 1 {
		reason = count(up, len(es), k) + ": " + of(es[bad].Addr, reason)
	}
	if mute > 0 {
		reason += fmt.Sprintf(" (and %d that cannot be probed from here)", mute)
	}
	if s != Down {
		return None, reason
	}
	return es[bad].Class, reason
}

// count says how many of n endpoints are up, and how many must be when that
// is not one.
func count(up, n, k int) string {
	s := fmt.Sprintf("%d of %d endpoints up", up, n)
	if k != 1 {
		s += fmt.Sprintf(", %d needed", k)
	}
	return s
}

// of returns reason with the address it is of, which most reasons name
// themselves.
func of(addr netip.Addr, reason string) string {
	name := addr.String()
	for word := range strings.FieldsFuncSeq(reason, func(c rune) bool { return strings.ContainsRune(" ,;()", c) }) {
		if word == name || word == name+":" {
			return reason
		}
	}
	return name + ": " + reason
}

// release returns when the hold-down of a pool ends of which k of es must be
// up and fewer are, and how many successes in a row bear that out; see
// [Pool.HoldUntil].
func release(es []Endpoint, k int) (until time.Time, rising int) {
	var down []Endpoint
	for _, e := range es {
		if e.State != Up {
			down = append(down, e)
		}
	}
	slices.SortStableFunc(down, func(a, b Endpoint) int {
		if fails := a.Rising == 0; fails != (b.Rising == 0) {
			if fails {
				return 1
			}
			return -1
		}
		return cmp.Or(a.HoldUntil.Compare(b.HoldUntil), b.Rising-a.Rising)
	})
	for i, e := range down[:min(max(k-(len(es)-len(down)), 0), len(down))] {
		if e.HoldUntil.After(until) {
			until = e.HoldUntil
		}
		if i == 0 || e.Rising < rising {
			rising = e.Rising
		}
	}
	return until, rising
}

// since returns when the state s was reached, judged by the endpoints alone:
// when the one that decided it did. k endpoints must be up.
func since(s State, lookup *Verdict, es []Endpoint, k int, now time.Time) time.Time {
	if s == Down && lookup != nil && lookup.State == Down {
		return lookup.Since
	}
	var at []time.Time
	for _, e := range es {
		if e.State == s && !e.Since.IsZero() {
			at = append(at, e.Since)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	decider := k - 1
	if s == Down {
		decider = len(es) - k
	}
	if s == Unknown || decider < 0 || decider >= len(at) {
		return now
	}
	return at[decider]
}
