package config

import (
	"net/netip"
	"time"
)

// A Policy is a chain of filters under a name: one of the presets, or one that
// the file defines. Services refer to it, and so may the Pools of another
// policy; cycles are refused.
type Policy struct {
	Name  string
	Chain []Filter // in the order in which they run, at least one
	Pools []Choice // its own candidates, for a policy that stands where a pool may; nil: those of the service
}

// The presets.
const (
	Failover = "failover" // the first pool that is up
	Weighted = "weighted" // one of those up, drawn by weight for each client network, and again after a while
	Nearest  = "nearest"  // the closest one that is up
	Fastest  = "fastest"  // the one that probes find the fastest of those up
	All      = "all"      // the addresses of every pool that is up
)

// FilterKind names what a filter does.
type FilterKind string

// The kinds of filter.
const (
	Healthy    FilterKind = "healthy"   // keeps the best tier
	Fence      FilterKind = "fence"     // clients of a place are sent to pools of some jurisdictions only
	Prefer     FilterKind = "prefer"    // ordered lists of pools per place
	ByDistance FilterKind = "nearest"   // sorts by distance from the client
	ByLatency  FilterKind = "fastest"   // sorts by the probes' latency
	ByWeight   FilterKind = "weighted"  // splits by weight, anew after a while
	Sticky     FilterKind = "sticky"    // splits by weight, a client network staying where it is
	Shuffle    FilterKind = "shuffle"   // splits equally, anew after a while
	Capacity   FilterKind = "capacity"  // gives no pool more than its max_share; the overflow goes on in order
	KeepWarm   FilterKind = "keep_warm" // gives pools that stand by a small share
	First      FilterKind = "first"     // keeps the first n
	Everyone   FilterKind = "all"       // all that are left answer together
)

// A Filter is one step of a chain. Exactly the fields of its Kind are set.
type Filter struct {
	Kind    FilterKind
	Healthy HealthyFilter
	Fence   FenceFilter
	Prefer  PreferFilter
	Fastest FastestFilter
	First   int     // candidates that first keeps, 1–64
	Warm    float64 // share of the answers that keep_warm gives all standbys together, above 0, at most 0.5
}

// A HealthyFilter keeps the pools that are up, and more of them where those
// are too few.
type HealthyFilter struct {
	KeepUnknown bool // pools in an unknown state stay beside those that are up; default false: only while nothing is up
	MinUp       int  // pools to keep at least, from the next tiers where needed; 1–64, default 1
}

// A FenceFilter sends the clients of Clients to pools that lie in one of
// Jurisdictions only.
type FenceFilter struct {
	Clients       []Where  // places whose clients it holds for; empty: for everyone
	Jurisdictions []string // one of which a pool must be in
	Open          bool     // when none of those is up, others may answer; default false: those answer all the same
}

// A PreferFilter has ordered lists of pools for the places of clients. The
// most specific place that a client is in counts: the longest network, its
// ASN, subdivision, country, union, continent, then Default.
type PreferFilter struct {
	By      []WhereKind // kinds of place that count; empty: all
	Lists   []PlaceList // no place in more than one of them
	Default PlaceList   // for everyone else; no Pools: all candidates, in their order
	Skip    int         // leave out the first n of those left, while more are left; 0–63, default 0
	File    string      // absolute, of the map the lists are from; "" when there is none
}

// A PlaceList is the pools for some places, the preferred one first. Other
// pools of the service do not answer there.
type PlaceList struct {
	Places     []Where
	Pools      []string
	LastResort []string // answer when none of Pools is up, whatever their own state
}

// A FastestFilter sorts by latency, without following each wobble.
type FastestFilter struct {
	Margin float64       // share by which a pool must be faster than the present one; 0–0.9, default 0.2
	For    time.Duration // for so long; 0–1h, default 1m
}

// WhereKind is what a Where names.
type WhereKind uint8

// The kinds of place, from the widest to the most specific.
const (
	Anywhere WhereKind = iota
	Continent
	Union
	Country
	Subdivision
	ASN
	Network
)

// A Where names a set of clients: a continent (continent:EU), the European
// Union (EU), a country (DE), a subdivision (US-CA), an autonomous system
// (AS64500) or a network (192.0.2.0/24).
type Where struct {
	Kind    WhereKind
	Code    string // of a continent (two letters), the union (EU), a country (ISO 3166-1) or a subdivision (ISO 3166-2); upper case
	ASN     uint32
	Network netip.Prefix // masked
}

// Places says how to know where a client is.
type Places struct {
	Databases []string  // files in MaxMind's format: country, city, ASN; absolute. Where several know, the first one counts
	Networks  []Located // own knowledge, which counts before all databases; the longest network counts
	File      string    // absolute, of the file Networks are from; "" when there is none
}

// Located says where the clients of a network are. What is not set is taken
// from the databases.
type Located struct {
	Network     netip.Prefix // masked
	Continent   string       // two letters; derived from Country where that is set
	Country     string       // ISO 3166-1, two letters
	Subdivision string       // ISO 3166-2, as US-CA
	ASN         uint32       // 0: not said
	At          Point
}

// A Point is a place on earth.
type Point struct {
	Known    bool
	Lat, Lon float64 // degrees; north and east are positive
}

// FailbackMode says what happens when a pool that fell is up again.
type FailbackMode string

// The modes of failback.
const (
	FailbackAuto   FailbackMode = "auto"   // it answers again
	FailbackManual FailbackMode = "manual" // a person lets it
	FailbackAfter  FailbackMode = "after"  // it answers again once it has been up for a while
)

// Failback says how a pool comes back after a fall.
type Failback struct {
	Mode   FailbackMode  // default auto
	After  time.Duration // of FailbackAfter, 1s–7d
	Manual time.Duration // a fall that lasts longer needs a person, whatever Mode is; 0: never; default 6h
}

// RampOn says which moves a ramp slows down.
type RampOn string

// What ramps slow down.
const (
	RampFailback RampOn = "failback" // a pool that comes back; the default
	RampFailover RampOn = "failover" // a pool that takes over, as far as another one that is up can hold the rest
	RampBoth     RampOn = "both"
)

// A Ramp moves traffic to a pool in steps.
type Ramp struct {
	Steps []float64     // shares, rising, the last one 1; empty: no ramp
	Every time.Duration // how long each step lasts, while the pool stays up; 1s–24h
	On    RampOn
}

// A Rule is a safety rule: what an override, a drill or a reload must not do
// without force. Exactly one of AtLeast and Gate is set.
type Rule struct {
	Name    string
	AtLeast int      // so many of Pools must stay up
	Gate    []string // Pools may be taken away only while all of these are up
	Pools   []string
}

// A Binding is what a pool says in HTTPS records (RFC 9460) of the services
// that answer with its addresses.
type Binding struct {
	On    bool     // answer HTTPS records; default: no
	ALPN  []string // protocols, as h3 and h2; at most 8
	Port  uint16   // 0: not said
	ECH   []byte   // an ECHConfigList; nil: not said
	Hints bool     // ipv4hint and ipv6hint follow the addresses of the answer; default true
	Alias bool     // at an apex: AliasMode, the host name of the pool, and no parameters
}
