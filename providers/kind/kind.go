// Package kind speaks to the DNS providers that shunt knows: a file for each,
// and one table of all. Every adapter implements the libdns interfaces, so that
// any of them can be replaced by a published module, and such a module can
// stand beside them.
//
// An adapter does what one call asks for and returns: it never retries, never
// starts a goroutine, never caches records, and never logs. When to call, and
// how often, is providers' business; what to change is plan's.
package kind

import (
	"context"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/providers/plan"
)

// A Provider is an account at a DNS provider: what it must be able to do.
// Zones are fully qualified, with the final dot. A record's name is relative
// to its zone, "@" at the apex, as libdns has it.
type Provider interface {
	libdns.RecordGetter
	libdns.RecordSetter
	libdns.RecordDeleter
}

// An Applier can do several changes in one request. Where Abilities.Atomic,
// either all of them are done or none; where Abilities.Expects, none is done
// unless every Before is what is there, and the error is ErrStale then.
type Applier interface {
	Apply(ctx context.Context, zone string, changes []plan.Change) error
}

// A Reader can read the records of some names alone. One that is none is asked
// for all records of the zone.
type Reader interface {
	// Read returns all records that stand at names, which are fully qualified.
	// It may return others beside them, never less.
	Read(ctx context.Context, zone string, names []string) ([]libdns.Record, error)
}

// An Abler says what its provider can do. One that does not say has the zero
// Abilities.
type Abler interface{ Abilities() Abilities }

// Abilities are what a provider's zones can hold and how it takes changes.
type Abilities struct {
	Atomic  bool          // several RRsets change at once or not at all
	Expects bool          // a change can be made conditional on what is there (compare and set)
	Batch   int           // changes in one request; 0: one
	Rate    float64       // requests a second that the account is allowed; 0: not known
	Burst   int           // requests that may come at once, where the account counts by the minute or longer; 0: those of a second
	MinTTL  time.Duration // lowest TTL that is taken; less is clamped or refused
	TTLs    []uint32      // the only TTLs that are taken, in seconds, ascending; nil: any from MinTTL
	Alias   bool          // the apex can hold a name that the provider resolves (ALIAS, ANAME, a flattened CNAME)
	Types   []string      // of records that can be held beside A, AAAA, CNAME and TXT; ALIAS where Alias is set is understood
	Publish bool          // changes are seen only after a further step, which the adapter takes itself
}

// A Floorer knows the lowest TTL of single zones, where those of one account
// differ in it. Abilities.MinTTL is then that of a zone of which nothing is
// known.
type Floorer interface {
	Floor(ctx context.Context, zone string) (time.Duration, error)
}

// A Publisher can take by itself the step after which changes are seen, where
// Abilities.Publish: for what was written by somebody who then died.
type Publisher interface {
	Publish(ctx context.Context, zone string) error
}

// paceKey is the key of a context's pace.
type paceKey struct{}

// WithPace returns a context whose requests wait for their turn by wait.
func WithPace(ctx context.Context, wait func(context.Context) error) context.Context {
	return context.WithValue(ctx, paceKey{}, wait)
}

// Pace waits until the account may be sent one more request. An adapter calls
// it before each request that it sends; the error is that of ctx, and the
// request is not to be sent.
func Pace(ctx context.Context) error {
	if wait, ok := ctx.Value(paceKey{}).(func(context.Context) error); ok {
		return wait(ctx)
	}
	return ctx.Err()
}
