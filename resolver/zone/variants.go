package zone

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// windowTTLs is how many TTLs of its service a client network keeps what it
// drew, where it draws again at all: long enough that few answers live shorter
// because a draw ends, short enough that shares come out within minutes.
const windowTTLs = 10

// AnswersOf turns a decision for service s into what its clients get. Pools
// must know every pool of the decision, and t gives the addresses of those
// whose host name is flattened.
func AnswersOf(d steer.Decision, s config.Service, pools map[string]*config.Pool, t *health.Table) Answers {
	return Answers{Variants: Variants(d, s, pools, t), Draw: d.Draw, Window: windowTTLs * seconds(s.TTL)}
}

// Equal reports whether a and b are the same answers.
func (a Answers) Equal(b Answers) bool {
	return a.Draw == b.Draw && a.Window == b.Window && slices.EqualFunc(a.Variants, b.Variants, Variant.Equal)
}

// Variants returns the answers of a decision, one for each pick; under a union
// one for all.
func Variants(d steer.Decision, s config.Service, pools map[string]*config.Pool, t *health.Table) []Variant {
	vs := make([]Variant, 0, len(d.Picks))
	for _, pick := range d.Picks {
		p := pools[pick.Pool]
		v := Variant{Pool: pick.Pool, Weight: uint32(pick.Weight), TTL: seconds(d.TTL)}
		state := t.Pools[p.Name]
		switch {
		case p.CNAME != "" && !s.Flatten:
			v.Target = p.CNAME
		default:
			v.Addrs, v.HTTPS, v.Host = Addresses(p, state), p.HTTPS, p.CNAME
		}
		if p.CNAME != "" && s.Flatten && state != nil && state.AddrTTL > 0 {
			v.TTL = min(v.TTL, seconds(state.AddrTTL))
		}
		vs = append(vs, v)
	}
	if d.Union && len(vs) > 1 {
		return []Variant{union(vs)}
	}
	return vs
}

// union merges the addresses of all variants into one, in order. HTTPS records
// bind parameters to the owner and not to single addresses, so only what holds
// for all of them can be said.
func union(vs []Variant) Variant {
	u := Variant{Pool: vs[0].Pool, Weight: 1, TTL: vs[0].TTL, HTTPS: vs[0].HTTPS}
	u.HTTPS.Alias = false
	for _, v := range vs {
		u.TTL = min(u.TTL, v.TTL)
		if !sameParams(v.HTTPS, u.HTTPS) {
			u.HTTPS.On = false
		}
		for _, a := range v.Addrs {
			if !slices.Contains(u.Addrs, a) {
				u.Addrs = append(u.Addrs, a)
			}
		}
	}
	return u
}

// sameParams reports whether a and b say the same of HTTPS but for AliasMode.
func sameParams(a, b config.Binding) bool {
	return a.On == b.On && a.Port == b.Port && a.Hints == b.Hints && bytes.Equal(a.ECH, b.ECH) && slices.Equal(a.ALPN, b.ALPN)
}

// Addresses returns what pool p answers with. State is the pool's present
// state, nil while there is none.
//
//	of one family (IPv4, IPv6)       that family answers with
//	some are up                      those
//	none up, some unknown            the unknown: a node without IPv6 cannot judge IPv6
//	all down, the other is not       nothing
//	all down in both                 all of them: a pool is never left without an address
//
// The result is empty only for a host name that never resolved.
func Addresses(p *config.Pool, state *health.Pool) []netip.Addr {
	if state == nil || len(state.Endpoints) == 0 {
		return p.Addresses
	}
	best := map[bool]health.State{} // by whether it is IPv6
	for _, e := range state.Endpoints {
		v6 := e.Addr.Is6()
		if was, ok := best[v6]; !ok || rank(e.State) < rank(was) {
			best[v6] = e.State
		}
	}
	allDown := true
	for _, s := range best {
		allDown = allDown && s == health.Down
	}
	var addrs []netip.Addr
	for _, e := range state.Endpoints {
		if e.State == best[e.Addr.Is6()] && (e.State != health.Down || allDown) {
			addrs = append(addrs, e.Addr)
		}
	}
	return addrs
}

// rank orders states by how gladly an endpoint in them is answered with.
func rank(s health.State) int {
	return [...]int{health.Unknown: 1, health.Up: 0, health.Down: 2}[s]
}

// Bare says why pool p has nothing to answer with for a service that
// flattens or not; "" when it has.
func Bare(p *config.Pool, flatten bool, state *health.Pool) string {
	if p.CNAME != "" && !flatten || len(Addresses(p, state)) > 0 {
		return ""
	}
	if state != nil && state.Reason != "" {
		return "has no addresses (" + state.Reason + ")"
	}
	return "has no addresses (" + p.CNAME + " has not resolved yet)"
}

// seconds returns d as a TTL: whole seconds, at least 1, at most a week.
func seconds(d time.Duration) uint32 {
	return uint32(min(max(d/time.Second, 1), 7*24*3600))
}
