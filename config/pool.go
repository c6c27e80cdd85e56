package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// pools makes the pools and checks what they refer to.
func (r *reader) pools(list []rawPool, monitors map[string]place, dir string) ([]Pool, map[string]place) {
	out, seen := make([]Pool, 0, len(list)), make(map[string]place, len(list))
	for i := range list {
		p, raw := top("pools").item(i), &list[i]
		r.ech = append(r.ech, echFile{})
		if raw.Line == 0 {
			out = append(out, Pool{})
			continue
		}
		pool := r.pool(p, raw, monitors)
		r.ech[i] = r.reach(p, raw, &pool, dir)
		r.named(p, raw.Name, seen, pool.Name, len(out))
		out = append(out, pool)
	}
	for i := range out {
		if raw := &list[i]; raw.Origin.set() {
			r.origin(top("pools").item(i).sub("origin"), raw.Origin, out, i, seen)
		}
	}
	return out, seen
}

func (r *reader) pool(p path, raw *rawPool, monitors map[string]place) Pool {
	pool := Pool{
		Name:      r.label(p.sub("name"), raw.Name, ""),
		CNAME:     r.hostName(p.sub("cname"), raw.CNAME),
		Addresses: r.addresses(p.sub("addresses"), raw.Addresses),
		Origin:    raw.Origin.text,
	}
	pool.Operator = r.label(p.sub("operator"), raw.Operator, pool.Name)
	if raw.Name.missing() {
		r.problem(p, at(raw.Line), "the pool has no name", "write name: NAME, by which services refer to it")
	}
	switch {
	case !raw.CNAME.missing() && raw.Addresses != nil:
		r.problem(p, at(raw.Line), "a pool has either a cname or addresses", "write a pool for each; a service may list both")
	case raw.CNAME.missing() && len(raw.Addresses) == 0:
		r.problem(p, at(raw.Line), "the pool leads nowhere", "write cname: HOST NAME, or addresses: [ADDRESS, …]")
	}
	for i, s := range raw.Monitors {
		q := p.sub("monitors").item(i)
		if slices.Contains(pool.Monitors, s.text) {
			r.problem(q, s, fmt.Sprintf("monitor %q stands here twice", clip(s.text)), "keep one of them")
		} else if r.refers(q, s, "monitor", monitors) {
			pool.Monitors = append(pool.Monitors, s.text)
		}
	}
	pool.UpIf = r.upIf(p.sub("up_if"), raw)
	return pool
}

// reach reads where a pool is, what it can carry, how it comes back and what
// it says in HTTPS records.
func (r *reader) reach(p path, raw *rawPool, pool *Pool, dir string) (ech echFile) {
	for i, s := range raw.Jurisdiction {
		q := p.sub("jurisdiction").item(i)
		switch j := r.label(q, s, ""); {
		case j == "":
		case slices.Contains(pool.Jurisdictions, j):
			r.problem(q, s, j+" stands here twice", "keep one of them")
		default:
			pool.Jurisdictions = append(pool.Jurisdictions, j)
		}
	}
	pool.MaxShare = r.share(p.sub("max_share"), raw.MaxShare, 1, 0.1, 100)
	pool.At = r.point(p.sub("location"), raw.Location)
	pool.Failback = r.failback(p, raw)
	if raw.HTTPS != nil && raw.HTTPS.Line > 0 {
		ech.scalar = raw.HTTPS.ECHFile
		pool.HTTPS, ech.full = r.binding(p.sub("https"), raw.HTTPS, pool, dir)
	}
	return ech
}

// failback reads how a pool comes back after a fall.
func (r *reader) failback(p path, raw *rawPool) Failback {
	f := Failback{Mode: FailbackAuto, Manual: r.span(p.sub("manual_after"), raw.ManualAfter, defaultManual, 0, 30*day)}
	b, q := raw.Failback, p.sub("failback")
	switch {
	case b == nil || b.Line == 0:
	case b.After.set():
		f.Mode, f.After = FailbackAfter, r.span(q.sub("after"), b.After, time.Minute, time.Second, 7*day)
	case b.Mode.text == string(FailbackAfter) || strings.HasPrefix(b.Mode.text, "after "):
		r.problem(q, b.Mode, "after needs a time, as a key", "write failback: {after: 30m}")
	case b.Mode.set():
		f.Mode = FailbackMode(r.word(q, b.Mode, string(FailbackAuto), string(FailbackManual)))
	case !b.Mode.bad && !b.After.bad:
		r.problem(q, at(b.Line), "it does not say how the pool comes back", "write auto, manual or {after: 30m}")
	}
	if f.Mode == FailbackManual && raw.ManualAfter.set() {
		r.problem(p.sub("manual_after"), raw.ManualAfter, "each fall needs a person already", "remove it, or failback: manual")
	}
	return f
}

// upIf reads how many endpoints must be up: a number, or all.
func (r *reader) upIf(p path, raw *rawPool) int {
	if raw.UpIf.text == "all" {
		return 0
	}
	n := r.count(p, raw.UpIf, 1, 1, MaxAddresses)
	if len(raw.Addresses) > 0 && n > len(raw.Addresses) {
		r.problem(p, raw.UpIf, fmt.Sprintf("%d of %d addresses can never be up", n, len(raw.Addresses)), "write a smaller number, or all")
	}
	if raw.UpIf.set() && len(raw.Monitors) == 0 {
		r.problem(p, raw.UpIf, "a pool without monitors is always up", "add monitors, or remove up_if")
	}
	return n
}

// refers reports a reference to nothing, with the nearest name there is.
func (r *reader) refers(p path, s scalar, what string, names map[string]place) bool {
	if !s.set() {
		return false
	}
	if _, ok := names[s.text]; ok {
		return true
	}
	r.problem(p, s, fmt.Sprintf("there is no %s %q", what, clip(s.text)), r.meant(s.text, what, names))
	return false
}

// meant says which of names may have been meant. It gives up guessing after a
// while, because a guess among 10,000 names takes milliseconds.
func (r *reader) meant(text, what string, names map[string]place) string {
	const guesses = 50
	if r.guesses++; r.guesses > guesses {
		return "write the name of a " + what + " that there is"
	}
	all := slices.Sorted(maps.Keys(names))
	if near := nearest(text, all); near != "" {
		return "did you mean " + near + "?"
	}
	switch len(all) {
	case 0:
		return "there are none; add one under " + what + "s:"
	case 1:
		return "the only one is " + all[0]
	}
	return "there are " + listed(all)
}

func (r *reader) addresses(p path, list []scalar) []netip.Addr {
	var out []netip.Addr
	for i, s := range list {
		if !s.set() {
			continue
		}
		a, err := netip.ParseAddr(s.text)
		switch {
		case err != nil || a.Zone() != "":
			r.problem(p.item(i), s, fmt.Sprintf("%q is not an address", clip(s.text)), `write 192.0.2.1 or "2001:db8::1", without port`)
		case a.Is4In6():
			r.problem(p.item(i), s, s.text+" is an IPv4 address in IPv6 clothes", "write "+a.Unmap().String())
		case a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
			r.problem(p.item(i), s, s.text+" is no address of one machine", "write an address that clients can connect to")
		case slices.Contains(out, a):
			r.problem(p.item(i), s, s.text+" stands here twice", "keep one of them")
		default:
			out = append(out, a)
		}
	}
	return out
}

// origin checks the origin of pools[i]: another pool, with a check in common,
// and no way back.
func (r *reader) origin(p path, s scalar, pools []Pool, i int, names map[string]place) {
	pool := &pools[i]
	if s.text == pool.Name {
		r.problem(p, s, "a pool cannot be its own origin", "name the pool that this CDN fetches from")
		return
	}
	if !r.refers(p, s, "pool", names) {
		return
	}
	origin := &pools[names[s.text].i]
	if !slices.ContainsFunc(pool.Monitors, func(m string) bool { return slices.Contains(origin.Monitors, m) }) {
		r.problem(p, s, fmt.Sprintf("pools %q and %q have no monitor in common, so the origin can never explain a failure", pool.Name, origin.Name), "let both list the same monitor")
	}
	const longest = 8 // CDN, shield, origin and some to spare
	for steps, o := 0, origin; o.Origin != ""; steps++ {
		if o.Origin == pool.Name {
			r.problem(p, s, fmt.Sprintf("pool %q is in the end its own origin", pool.Name), "remove one of the origins in the circle")
			return
		}
		next, ok := names[o.Origin]
		if !ok {
			return
		}
		if steps == longest {
			r.problem(p, s, fmt.Sprintf("more than %d origins follow each other", longest), "name the last of them directly")
			return
		}
		o = &pools[next.i]
	}
}
