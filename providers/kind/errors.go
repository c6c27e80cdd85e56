package kind

import (
	"errors"
	"fmt"
	"time"
)

// ErrStale is wrapped by the error of a change whose Before is not what is
// there: somebody else was faster, and nothing was changed.
var ErrStale = errors.New("the records are not as they were read")

// ErrNoZone is wrapped by the error of a call for a zone that the account does
// not have.
var ErrNoZone = errors.New("the account has no such zone")

// ErrDenied is wrapped by the error of a call whose credentials were refused:
// to try again is of no use until somebody mends them.
var ErrDenied = errors.New("the credentials were refused")

// ErrRefused is wrapped by the error of a call that the API did not do because
// of what was asked: the same call fails again, another may be done.
var ErrRefused = errors.New("the API refused what was asked")

// ErrDown is wrapped by the error of a call that the API could not do: others
// will fail as well.
var ErrDown = errors.New("the API is out of order")

// A Later is the error of a call that the provider wants to be made later, by
// 429 or 503 (RFC 9110 §10.2.3, RFC 6585 §4).
type Later struct {
	After time.Duration // not before; 0: it does not say
	Why   string
}

func (l Later) Error() string {
	if l.After == 0 {
		return l.Why
	}
	return fmt.Sprintf("%s (to be tried again after %v)", l.Why, l.After)
}

// A Foreign is the error of a change to a name that holds what only the
// provider's own API can express: a weighted set, an alias of its resources, a
// proxied record. Nothing was changed, and nothing will be until a person has.
type Foreign struct {
	Name string // fully qualified
	Why  string
}

func (f Foreign) Error() string { return f.Name + ": " + f.Why }
