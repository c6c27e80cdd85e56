package zone

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// A content is what a group holds where one answer must do for all clients, at
// one moment, and the sums of its RRsets.
type content struct {
	variant Variant // with the service's own TTL, addresses in order and once each
	packed  packed  // empty: there is nothing
	plain   sum
	apex    sum // of the same at the apex of a zone
}

// A memo is a content that was worked out, and what for.
type memo struct {
	ttl   uint32
	alias bool
	pools []config.Choice
	content
}

// Content returns what service svc, which s is of, holds where one answer must
// do for all clients: its addresses in ascending order, and the TTL that the
// service is configured with, so that doubt alone changes nothing.
//
//	c          of which pools
//	OnePool    the one with the largest share of a client whose place is unknown; of equals the one configured first
//	AllPools   all that answer somebody, with their addresses together; as OnePool where a pool's host name answers as a CNAME
//
// A group that has nothing to answer with has the content it was told to Keep;
// ok is false without one.
func (s *Steered) Content(svc *config.Service, c config.Content) (v Variant, ok bool) {
	body := s.content(svc, c)
	return body.variant, !body.packed.empty()
}

// Keep returns s, which answers for service svc, with the content of last
// wherever s itself has nothing to answer with: neither a secondary nor a
// provider is ever told that a service is empty. Either may be nil.
func (s *Steered) Keep(last *Steered, svc *config.Service) *Steered {
	if _, ok := s.stand(svc, config.OnePool); ok || last == nil {
		return s
	}
	if _, ok := last.stand(svc, config.OnePool); !ok && last.kept != nil {
		last = last.kept
	}
	if s == nil {
		return &Steered{kept: last}
	}
	return &Steered{variants: s.variants, packed: s.packed, places: s.places, of: s.of, hands: s.hands, kept: last}
}

// content is Content, packed. What was worked out once is kept, for every zone
// with services of the group asks.
func (s *Steered) content(svc *config.Service, c config.Content) *content {
	if s == nil {
		return &content{}
	}
	at := &s.memos[0]
	if c == config.AllPools {
		at = &s.memos[1]
	}
	ttl := seconds(svc.TTL)
	if m := at.Load(); m != nil && m.ttl == ttl && m.alias == svc.Alias && slices.Equal(m.pools, svc.Pools) {
		return &m.content
	}
	m := &memo{ttl: ttl, alias: svc.Alias, pools: svc.Pools}
	v, ok := s.stand(svc, c)
	if !ok && s.kept != nil {
		v, ok = s.kept.stand(svc, c)
	}
	if ok {
		m.content = pressed(v, ttl)
	}
	at.Store(m)
	return &m.content
}

// pressed packs v with a TTL of its own.
func pressed(v Variant, ttl uint32) content {
	v.TTL, v.Weight = ttl, 1
	v.Addrs = slices.Clone(v.Addrs)
	slices.SortFunc(v.Addrs, netip.Addr.Compare)
	v.Addrs = slices.Compact(v.Addrs)
	c := content{variant: v, packed: pack(v)}
	for _, set := range c.packed.sets(false) {
		c.plain.add(sumOf(set))
	}
	for _, set := range c.packed.sets(true) {
		c.apex.add(sumOf(set))
	}
	return c
}

// stand returns what stands for all of s; ok is false where s has nothing.
func (s *Steered) stand(svc *config.Service, c config.Content) (v Variant, ok bool) {
	if s == nil || len(s.hands) == 0 {
		return v, false
	}
	unknown := &s.hands[0]
	if s.places != nil {
		unknown = &s.hands[s.of[0]]
	}
	best := -1
	for _, card := range unknown.cards {
		if i := int(card.variant); best < 0 || s.before(svc, i, best) {
			best = i
		}
	}
	if c == config.AllPools && !svc.Alias {
		return s.together(best)
	}
	if best < 0 {
		return v, false
	}
	return s.variants[best], true
}

// before reports whether variant i stands for all rather than variant j, which
// was drawn up earlier.
func (s *Steered) before(svc *config.Service, i, j int) bool {
	v, w := &s.variants[i], &s.variants[j]
	if v.Weight != w.Weight {
		return v.Weight > w.Weight
	}
	return rankOf(svc, v.Pool) < rankOf(svc, w.Pool)
}

// rankOf returns where pool stands among the candidates of svc. The pools of a
// policy that is one of them come last.
func rankOf(svc *config.Service, pool string) int {
	if i := slices.IndexFunc(svc.Pools, func(c config.Choice) bool { return c.Pool == pool }); i >= 0 {
		return i
	}
	return len(svc.Pools)
}

// together returns the addresses of all variants that anyone may get. Best is
// the one that stands for all, -1: none does; where some variant is a host
// name, that one or nothing is the answer.
func (s *Steered) together(best int) (v Variant, ok bool) {
	var all []Variant
	if best >= 0 {
		all = append(all, s.variants[best]) // whose name the union has
	}
	for _, h := range s.hands {
		for _, card := range h.cards {
			all = append(all, s.variants[card.variant])
		}
	}
	switch {
	case len(all) == 0:
		return v, false
	case slices.ContainsFunc(all, func(v Variant) bool { return v.Target != "" }):
		return all[0], best >= 0
	case !slices.ContainsFunc(all, func(v Variant) bool { return v.Pool != all[0].Pool }):
		return all[0], true
	}
	return union(all), true
}

// sets returns the RRsets of p, none of them empty.
func (p *packed) sets(apex bool) []rrset {
	if p.cname != nil {
		return []rrset{{dns.TypeCNAME, 1, p.cname}}
	}
	https := p.https
	if apex && p.alias.count > 0 {
		https = p.alias
	}
	return slices.DeleteFunc([]rrset{p.a, p.aaaa, https}, func(set rrset) bool { return set.count == 0 })
}
