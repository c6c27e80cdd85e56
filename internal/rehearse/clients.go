package rehearse

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"
)

// What is assumed of caches and browsers, and why. A report states it.
const (
	// Extends is the share of resolvers that keep answers longer than their TTL
	// says: 8.74 % of 8,524 measured ones (Bhowmick et al., PAM 2023).
	Extends = 0.0874
	// ServesStale is the share of resolvers that answer from an expired entry
	// while no server of the zone answers (RFC 8767), for up to a day.
	ServesStale = 0.3
	// Rare is the share of resolvers whose users ask for the name every few
	// minutes only; the others ask as soon as the entry has expired.
	Rare = 0.3
	// RareClients is the share of all clients that are behind those.
	RareClients = 0.1
	// rareGap is the mean time between two questions there.
	rareGap = 5 * time.Minute
	// staleFor is how long an expired entry may be used.
	staleFor = 24 * time.Hour
)

// pins are for how long browsers keep an address that they have: up to a
// minute, a quarter of them each.
func pins() []time.Duration {
	return []time.Duration{0, 20 * time.Second, 40 * time.Second, time.Minute}
}

// An Answer is what a cache gets for its question. Pool is an index, and
// nowhere when it got no usable answer.
type Answer struct {
	Pool int
	TTL  time.Duration
}

const nowhere = -1

// An Asked answers a cache's question at a moment.
type Asked func(client netip.Addr, at time.Duration) Answer

// A Population is the resolvers that ask for one name, each with the clients
// behind it.
type Population struct {
	caches []cache
}

// A cache is one resolver.
type cache struct {
	addr    netip.Addr
	weight  float64 // share of all clients
	least   time.Duration
	rare    bool
	stale   bool
	honours bool

	random  *rand.Rand
	pool    int
	expires time.Duration // of the latest answer
	next    time.Duration // question
	spans   []span
}

// A span is where a cache sent its clients from a moment on.
type span struct {
	from time.Duration
	pool int
}

// NewPopulation returns n resolvers that know nothing yet.
func NewPopulation(n int, seed uint64) *Population {
	r := rand.New(rand.NewPCG(seed, 0x5368756e74))
	p := &Population{caches: make([]cache, n)}
	sums := map[bool]float64{}
	for i := range p.caches {
		c := &p.caches[i]
		c.addr = netip.AddrFrom4([4]byte{byte(11 + i>>16), byte(i >> 8), byte(i), 53})
		c.honours = r.Float64() >= Extends
		if !c.honours {
			c.least = []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour}[r.IntN(3)]
		}
		c.rare = r.Float64() < Rare
		c.stale = r.Float64() < ServesStale
		c.random = rand.New(rand.NewPCG(seed, uint64(i)))
		c.pool = nowhere
		sums[c.rare]++
	}
	for i := range p.caches {
		c := &p.caches[i]
		share := 1 - RareClients
		if c.rare {
			share = RareClients
		}
		if sums[!c.rare] == 0 {
			share = 1
		}
		c.weight = share / sums[c.rare]
	}
	return p
}

// Begin gives every cache an answer that it has had for a part of its life.
func (p *Population) Begin(ask Asked) {
	for i := range p.caches {
		c := &p.caches[i]
		a := ask(c.addr, 0)
		c.pool = a.Pool
		c.spans = append(c.spans, span{0, a.Pool})
		c.expires = time.Duration(c.random.Float64() * float64(max(a.TTL, c.least)))
		c.next = c.expires
	}
}

// Advance lets every cache ask as its entry expires, from the moment it is at
// to the moment to. What ask says must not change in between but for draws,
// so that it is enough to ask the first time and the last.
func (p *Population) Advance(to time.Duration, ask Asked) {
	for i := range p.caches {
		p.caches[i].advance(to, ask)
	}
}

func (c *cache) advance(to time.Duration, ask Asked) {
	for first := true; c.next < to; first = false {
		a := ask(c.addr, c.next)
		life := c.take(a, c.next)
		if !first && !c.rare && life > 0 && c.next < to {
			c.next += (to - 1 - c.next) / life * life
		}
	}
}

// take enters an answer that came at the moment at, and returns for how long
// the cache uses it.
func (c *cache) take(a Answer, at time.Duration) (life time.Duration) {
	switch {
	case a.Pool != nowhere:
		c.move(a.Pool, at)
		life = max(a.TTL, c.least, time.Second)
		c.expires = at + life
	case c.stale && c.pool != nowhere && at < c.expires+staleFor:
		life = 30 * time.Second // RFC 8767 §4: answered again with a short TTL
	default:
		c.move(nowhere, at)
		life = time.Second // failures are cached for a second at least (RFC 9520 §3.2)
	}
	c.next = at + life
	if c.rare && a.Pool != nowhere {
		c.next += time.Duration(math.Min(c.random.ExpFloat64(), 8) * float64(rareGap))
	}
	return life
}

func (c *cache) move(pool int, at time.Duration) {
	if pool != c.pool {
		c.pool = pool
		c.spans = append(c.spans, span{at, pool})
	}
}

// each calls f with each stretch of time that a share of all clients spent
// with one pool, up to end: browsers follow their resolver late by their pin,
// unless they had no address at all. Honours tells of caches that keep to the
// TTL.
func (p *Population) each(end time.Duration, f func(pool int, from, to time.Duration, share float64, honours bool)) {
	for i := range p.caches {
		c := &p.caches[i]
		for _, pin := range pins() {
			begins := func(j int) time.Duration {
				switch {
				case j >= len(c.spans):
					return end
				case j == 0 || c.spans[j-1].pool == nowhere:
					return min(c.spans[j].from, end)
				}
				return min(c.spans[j].from+pin, end)
			}
			for j, s := range c.spans {
				if from, to := begins(j), begins(j+1); from < to {
					f(s.pool, from, to, c.weight/float64(len(pins())), c.honours)
				}
			}
		}
	}
}
