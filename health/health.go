// Package health turns results of probes into settled opinions. Its values
// are a [Result] (what one probe saw), a [Verdict] (the opinion of one
// endpoint), an [Override] (an operator's word) and a [Table] (every opinion
// at one moment).
//
// It computes and nothing else: it starts no goroutine, opens no socket, reads
// no file and never looks at the clock. Time comes in as an argument.
package health

import (
	"net/netip"
	"time"
)

// State is what is believed of an endpoint or a pool.
type State uint8

// The states. Unknown is not Down: nothing has been seen yet.
const (
	Unknown State = iota
	Up
	Down
)

// String returns unknown, up or down.
func (s State) String() string { return [...]string{"unknown", "up", "down"}[s] }

// A Class says what kind of failure a probe saw, by the signatures of
// real outages.
type Class string

// The classes of failure. None is the class of a success.
const (
	None        Class = ""
	ProviderDNS Class = "provider-dns" // the pool's host name does not resolve
	Network     Class = "network"      // no connection: timed out, no route
	Refused     Class = "refused"      // the connection was refused or reset
	TLSFailure  Class = "tls"          // handshake failed, certificate wrong or expired
	Edge5xx     Class = "edge-5xx"     // the edge answered 5xx of its own
	Origin5xx   Class = "origin-5xx"   // the edge says that its origin failed (502, 504, 52x, 530)
	Status      Class = "status"       // another status than those accepted
	Challenge   Class = "challenge"    // a bot challenge: not healthy, and no proof of down
	WrongBody   Class = "wrong-body"   // body or headers are not the site's
	Slow        Class = "slow"         // connected, but the answer did not come in time
	Internal    Class = "internal"     // we could not probe; never counts against the endpoint
)

// A Result is what one probe saw. A failed probe is a Result, not an error.
type Result struct {
	At      time.Time // when the probe ended
	OK      bool
	Class   Class  // of the failure
	Reason  string // of the failure, in plain words
	Status  int    // HTTP status or DNS rcode, where one was seen
	Phases  Phases
	CertEnd time.Time // earliest end in the certificate chain; zero without TLS
	Clock   time.Time // what the other end's clock showed: Date and Age of HTTP; zero where it was not seen
	NoRoute bool      // this host cannot send to the endpoint at all; Class is Internal
}

// Phases are the durations of a probe's parts; a part that was not reached
// is 0.
type Phases struct {
	Connect, TLS, Processing, Transfer, Total time.Duration
}

// A Target is one endpoint of a pool as one monitor sees it: the unit that
// has a verdict.
type Target struct {
	Pool    string
	Monitor string
	Addr    netip.Addr // the zero Addr stands for the look-up of the pool's host name
}

// An Override is an operator's word about one pool. It outranks probes until
// it ends.
type Override struct {
	Pool    string    `json:"pool"`
	Force   Force     `json:"force"`
	Reason  string    `json:"reason"`
	Author  string    `json:"author"`
	Set     time.Time `json:"set"`
	Expires time.Time `json:"expires"` // at most MaxOverride after Set
}

// MaxOverride is the longest an override or a freeze may last.
const MaxOverride = 72 * time.Hour

// Force is what an override makes of a pool.
type Force string

// The forces. A drained pool answers only when no other pool is up, and then
// before those that are down.
const (
	ForceUp    Force = "up"
	ForceDown  Force = "down"
	ForceDrain Force = "drain"
)

// Active reports whether o holds at now.
func (o Override) Active(now time.Time) bool { return now.Before(o.Expires) }

// An Endpoint is the opinion of one address of a pool, over all its monitors.
type Endpoint struct {
	Addr     netip.Addr
	State    State
	Since    time.Time
	Class    Class
	Reason   string
	Latency  time.Duration // of the last successful probe
	Seen     time.Time     // when the latest result came, the oldest over its monitors; zero: none did yet
	CertEnd  time.Time
	CertWarn bool // the certificate ends sooner than the monitor allows
	Mute     bool // nothing can be learnt of it from here (no route); see [Pool.Settle]

	// HoldUntil is when the hold-down of a Down endpoint ends, the latest over
	// its Down monitors: successes cannot bring it up before. It may lie in the
	// past, while Rise is not reached; zero when nothing holds it.
	HoldUntil time.Time
	// Rising is how many successes in a row a Down endpoint has had, the least
	// over its Down monitors. It is 0 when not Down.
	Rising int
	// Works says that a Down endpoint has had all the successes that it needs,
	// under each of its monitors, and for a minute: nothing but its hold-down
	// keeps it.
	Works bool
}

// A Pool is the opinion of one pool at one moment.
type Pool struct {
	Name      string
	State     State         // from probes, and feeds where there are some (see [Join])
	Since     time.Time     // when State was reached
	Class     Class         // of the failure that holds it down
	Reason    string        // of the endpoint that fell last, and how many are up; of an Up pool, what is not well in it
	Endpoints []Endpoint    // sorted by address
	ChangeIn  time.Duration // soonest time in which State or an endpoint's could change; 0: nothing is in doubt
	AddrTTL   time.Duration // of the host name's addresses, as last looked up
	Held      string        // why votes against the pool are void (see Void); "" when they count
	Override  *Override     // nil without one; the copy is never written to
	Latency   time.Duration // smoothed, see [Smooth]: the mean over the endpoints that are up; 0: not known

	Shed float64 // share of its max_share that it gives away under load, as feeds have it, 0–0.9; see [Join]

	// HoldUntil and Rising are those of a Down pool: of its look-up when that
	// is what is Down, else of as many of its endpoints as it lacks to be up,
	// those that succeed before those that fail, and of those the soonest
	// released. HoldUntil is the last of these to be released, so that the pool
	// cannot be up before; it may lie in the past, and is zero when nothing
	// holds them. Rising is the least of their successes in a row: 0 when the
	// pool would not be up even without a hold-down.
	HoldUntil time.Time
	Rising    int
	Works     bool // a Down pool would be Up but for the hold-down
}

// A Table is every opinion at one moment. It is immutable once published.
type Table struct {
	At    time.Time
	Blind string // why the vantage is blind, such as "the control target does not answer: …"; "" when it sees
	Pools map[string]*Pool
}

// Effective returns the state of p under its override, and whether it drains.
//
//	override   p.State   state     drains
//	none       any       p.State   no
//	up         any       Up        no
//	down       any       Down      no
//	drain      any       p.State   yes
func (p *Pool) Effective(now time.Time) (s State, drains bool) {
	if p.Override == nil || !p.Override.Active(now) {
		return p.State, false
	}
	switch p.Override.Force {
	case ForceUp:
		return Up, false
	case ForceDown:
		return Down, false
	}
	return p.State, true
}
