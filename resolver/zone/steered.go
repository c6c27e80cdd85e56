package zone

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/resolver/place"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A Steered is what one steering group answers now, packed once and shared by
// every name of the group. It is immutable.
type Steered struct {
	variants []Variant
	packed   []packed   // one for each variant
	places   *place.Map // nil: all clients are answered alike
	of       []int32    // by class of client: index into hands
	hands    []hand

	kept  *Steered                // whose content this one has while it has none; nil: there is none
	memos [2]atomic.Pointer[memo] // of the contents OnePool and AllPools
}

// Answers are what the clients of one class get.
type Answers struct {
	Variants []Variant
	Draw     steer.Draw // how a client network comes to one of several
	Window   uint32     // of Again: seconds after which it draws anew; 0: never
}

// A hand is what one class draws from.
type hand struct {
	cards  []card // none: there is nothing to answer with
	window uint32 // seconds; 0: a client network stays with what it drew
}

// A card is one variant in a draw.
type card struct {
	variant int32
	pool    uint64  // hash of the pool's name
	scarce  float64 // one over its weight
}

// A packed is one variant as the arena would hold it.
type packed struct {
	cname   []byte // one record, when the variant has a Target
	a, aaaa rrset
	https   rrset // in ServiceMode
	alias   rrset // HTTPS in AliasMode, for the apex of a zone
	ttl     uint32
}

// Pack packs the variants of a group that answers all clients alike and draws
// by weight, once in ten TTLs. See PackPlaces.
func Pack(vs []Variant) *Steered {
	longest := uint32(0)
	for _, v := range vs {
		longest = max(longest, v.TTL)
	}
	return PackPlaces(nil, []int32{0}, []Answers{{Variants: vs, Draw: steer.Again, Window: windowTTLs * longest}})
}

// PackPlaces packs what each class of m gets: class i gets answers[of[i]]. A
// nil m has one class, which everyone is in. Equal answers are packed once, and
// while all classes have the same, nobody's place is looked at.
//
// A variant without anything to answer with is left out of the draw; a class
// that has no other gets SERVFAIL. Where every weight is 0, the draw is
// uniform. Addresses that are given twice count once, and those beyond what
// one message can carry are left out.
func PackPlaces(m *place.Map, of []int32, answers []Answers) *Steered {
	p := packer{variants: map[string]int32{}, hands: map[string]int32{}, bodies: map[string]packed{}}
	hand := make([]int32, len(answers))
	for i, a := range answers {
		hand[i] = p.hand(a)
	}
	switch {
	case m == nil && len(of) > 0:
		h := hand[of[0]]
		p.out.hands = p.out.hands[h : h+1]
		return &p.out
	case len(p.out.hands) == 1:
		return &p.out
	}
	p.out.places = m
	p.out.of = make([]int32, len(of))
	for class, i := range of {
		p.out.of[class] = hand[i]
	}
	return &p.out
}

// A packer packs each variant and each hand once, by what is in them.
type packer struct {
	out      Steered
	key      []byte
	variants map[string]int32
	hands    map[string]int32
	bodies   map[string]packed // by all of a variant but pool and weight
}

// hand returns the index of a's hand.
func (p *packer) hand(a Answers) int32 {
	p.key = binary.BigEndian.AppendUint32(append(p.key[:0], byte(a.Draw)), a.Window)
	for i := range a.Variants {
		p.key = a.Variants[i].appendKey(p.key)
	}
	if i, ok := p.hands[string(p.key)]; ok {
		return i
	}
	i := int32(len(p.out.hands))
	p.hands[string(p.key)] = i
	p.out.hands = append(p.out.hands, p.deal(a))
	return i
}

// deal makes the hand of a.
func (p *packer) deal(a Answers) (h hand) {
	some := slices.ContainsFunc(a.Variants, func(v Variant) bool { return v.Weight > 0 && !p.body(v).empty() })
	for _, v := range a.Variants {
		i := p.variant(v)
		weight := v.Weight
		if !some {
			weight = 1
		}
		if weight > 0 && !p.out.packed[i].empty() {
			h.cards = append(h.cards, card{variant: i, pool: hashText(v.Pool), scarce: 1 / float64(weight)})
		}
	}
	if a.Draw == steer.Again && len(h.cards) > 1 {
		h.window = a.Window
	}
	if a.Draw == steer.Fixed && len(h.cards) > 1 {
		h.cards = h.cards[:1]
	}
	return h
}

// variant returns the index of v.
func (p *packer) variant(v Variant) int32 {
	p.key = v.appendKey(p.key[:0])
	i, ok := p.variants[string(p.key)]
	if !ok {
		i = int32(len(p.out.variants))
		p.variants[string(p.key)] = i
		p.out.variants = append(p.out.variants, v)
		p.out.packed = append(p.out.packed, p.body(v))
	}
	return i
}

// body returns v packed.
func (p *packer) body(v Variant) packed {
	p.key = v.appendBody(p.key[:0])
	b, ok := p.bodies[string(p.key)]
	if !ok {
		b = pack(v)
		p.bodies[string(p.key)] = b
	}
	return b
}

// Variants returns all that s may answer, as Info.Variant counts them.
func (s *Steered) Variants() []Variant { return s.variants }

// choice is what a draw came to.
type choice struct {
	variant int32  // -1: there is nothing to answer with
	scope   uint8  // bits of the client's address that it depends on
	left    uint32 // seconds for which the draw stays as it is
}

// choose returns the answer for one client at a time in seconds. The service
// is the hash of its name. Nil chooses nothing.
//
// All queries of one client network (/24 and /56: what RFC 7871 §11.1 lets
// resolvers tell) have the same answer, on every node, whatever their type, so
// that the records of two pools never come together. Who draws anew after a
// while does so at a moment of its own.
func (s *Steered) choose(client netip.Addr, service uint32, now int64) choice {
	c := choice{variant: -1, left: maxTTL}
	if s == nil || len(s.hands) == 0 {
		return c
	}
	h := &s.hands[0]
	if s.places != nil {
		var class int32
		class, c.scope = s.places.Lookup(client)
		h = &s.hands[s.of[class]]
	}
	switch len(h.cards) {
	case 0:
		return c
	case 1:
		c.variant = h.cards[0].variant
		return c
	}
	network, bits := networkOf(client)
	c.scope = max(c.scope, bits)
	luck := scatter(network ^ scatter(uint64(service)))
	if h.window > 0 {
		at := uint32(luck>>32*uint64(h.window)>>32) + uint32(now)
		window := at / h.window
		luck = scatter(luck ^ scatter(uint64(window)))
		c.left = h.window - (at - window*h.window)
	}
	c.variant = h.draw(luck)
	return c
}

// draw holds a race among the cards: each takes a time that is exponentially
// distributed with its weight as rate, and the first one wins, which happens
// in proportion to the weights (weighted rendezvous, Efraimidis and Spirakis
// 2006). A card's time depends on nothing but luck, its pool and its weight:
// one that comes, goes or grows takes from the others or gives to them, and
// moves nobody between them.
func (h *hand) draw(luck uint64) int32 {
	first, best := int32(-1), math.Inf(1)
	for i := range h.cards {
		c := &h.cards[i]
		if t := wait(scatter(luck^c.pool)) * c.scarce; t < best {
			first, best = c.variant, t
		}
	}
	return first
}

// wait returns -log2(u/2^64), for a u that is uniformly distributed: an
// exponentially distributed time. It is off by at most 3e-6, and by whole
// numbers and one multiplication the same on every machine.
func wait(u uint64) float64 {
	zeros := bits.LeadingZeros64(u | 1)
	part := u << zeros << 1 // what follows the first one
	i, rest := part>>56, part<<8>>40
	log := logs[i] + (logs[i+1]-logs[i])*rest>>24
	return float64(uint64(zeros+1)<<40 - log)
}

// logs are 2^40·log2(1+i/256).
var logs = func() (t [257]uint64) {
	for i := range t {
		t[i] = uint64(math.Round(math.Log2(1+float64(i)/256) * (1 << 40)))
	}
	return t
}()

// The leading bits that make a client network.
const (
	networkBits4 = 24
	networkBits6 = 56
)

// networkOf returns a client's network as a number, and how many bits of the
// address that is.
func networkOf(client netip.Addr) (uint64, uint8) {
	if client.Is4() {
		a := client.As4()
		return uint64(binary.BigEndian.Uint32(a[:]) >> (32 - networkBits4)), networkBits4
	}
	a := client.As16()
	return binary.BigEndian.Uint64(a[:]) >> (64 - networkBits6), networkBits6
}

// scatter spreads x over all 64 bits (the finalizer of SplitMix64). It has no
// seed, so that every node draws alike; who knows it learns which pool a
// network gets, which the answer says anyway.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hashText hashes a name, the same way on every node.
func hashText(s string) uint64 {
	h := uint64(len(s))
	for _, c := range []byte(s) {
		h = scatter(h<<8 ^ bits.RotateLeft64(h, 29) ^ uint64(c))
	}
	return h
}

// empty reports whether p has nothing to answer with.
func (p packed) empty() bool { return p.cname == nil && p.a.count+p.aaaa.count == 0 }

// pack packs v.
func pack(v Variant) packed {
	p := packed{ttl: v.TTL}
	if v.Target != "" {
		if target, wrong := appendName(nil, []byte(v.Target), []byte{0}); wrong == "" {
			p.cname = appendRR(nil, dns.TypeCNAME, v.TTL, target)
		}
		return p
	}
	p.a.typ, p.aaaa.typ = dns.TypeA, dns.TypeAAAA
	given := make(map[netip.Addr]bool, len(v.Addrs))
	for _, addr := range v.Addrs {
		addr = addr.Unmap().WithZone("")
		set := &p.aaaa
		if addr.Is4() {
			set = &p.a
		}
		if !addr.IsValid() || given[addr] || len(set.body)+rrHead+addr.BitLen()/8 > maxBody {
			continue
		}
		given[addr] = true
		set.body = appendRR(set.body, set.typ, v.TTL, addr.AsSlice())
		set.count++
	}
	p.bind(v)
	return p
}
