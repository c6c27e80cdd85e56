package vendortest

import (
	"net/http"
	"time"
)

// A Trouble is one way of an API to fail.
type Trouble string

// The troubles.
const (
	Throttle Trouble = "throttle" // 429, with Retry-After if After is set
	Break    Trouble = "break"    // Status, 500 if it is 0, with Retry-After if After is set
	Deny     Trouble = "deny"     // Status, 401 if it is 0: expired credentials
	Hang     Trouble = "hang"     // no reply until the client gives up
	Garble   Trouble = "garble"   // 502 with a page that is not the API's
	Ignore   Trouble = "ignore"   // a write is accepted and does not happen
	Late     Trouble = "late"     // a write happens, and the next Reads reads (at least one) do not see it
	Lose     Trouble = "lose"     // the request is done, and the connection cut before the reply
	Clamp    Trouble = "clamp"    // a write happens, with no TTL under TTL
)

// What a fault's On can be.
const (
	Read  = "read"
	Write = "write"
)

// A Fault is a trouble that some requests meet: those that On fits, without
// the first Skip of them, Count in all. Of several faults the first that fits
// is met.
type Fault struct {
	Do     Trouble
	On     string // Read, Write, or "" for both and for logins
	Skip   int    // requests that are served before the first that meets it
	Count  int    // requests that meet it; 0: all from then on
	Status int    // of Break and Deny
	After  time.Duration
	Reads  int    // of Late
	TTL    uint32 // of Clamp, in seconds
}

func (f Fault) fits(what string) bool { return f.On == "" || f.On == what }

// status returns the HTTP status that f is answered with.
func (f Fault) status() int {
	switch {
	case f.Do == Throttle:
		return http.StatusTooManyRequests
	case f.Status != 0:
		return f.Status
	case f.Do == Deny:
		return http.StatusUnauthorized
	}
	return http.StatusInternalServerError
}
