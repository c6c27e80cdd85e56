package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	controlInterval = 5 * time.Second
	blindInterval   = time.Second            // between rounds while blind
	controlTimeout  = 800 * time.Millisecond // leaves time to decide within health.DecideWithin
)

// Controls are the well-known targets that tell whether this node sees the
// world. One round asks all of them; everyone who waits shares it. The owner
// alone touches the struct.
type controls struct {
	addrs  []netip.AddrPort
	blind  string    // why the vantage is blind, by the latest round; "" when it sees
	asked  time.Time // when the latest finished round began
	next   time.Time // regular round
	sight  time.Time // when the round began that ended the last blindness; zero: there was none
	flying time.Time // when the round under way began; zero: none is
	again  bool      // another round must follow it
}

// A round is what came of asking all controls.
type round struct {
	began time.Time
	err   error // nil when one of them answered
}

// want asks for a round that begins no earlier than since.
func (c *controls) want(since time.Time) {
	switch {
	case len(c.addrs) == 0 || c.fresh(since):
	case c.flying.IsZero():
		c.next = since // that is now, or before
	case c.flying.Before(since):
		c.again = true
	}
}

// fresh reports whether a finished round began no earlier than since.
func (c *controls) fresh(since time.Time) bool {
	return len(c.addrs) == 0 || !c.asked.IsZero() && !c.asked.Before(since)
}

// due reports whether a round should begin now.
func (c *controls) due(now time.Time) bool {
	return len(c.addrs) > 0 && c.flying.IsZero() && !c.next.After(now)
}

// begin takes note that a round begins.
func (c *controls) begin(now time.Time) {
	c.flying, c.again = now, false
	c.next = now.Add(controlInterval)
}

// end takes note of what a round brought.
func (c *controls) end(rd round, now time.Time) {
	c.flying, c.asked = time.Time{}, rd.began
	switch {
	case rd.err == nil || len(c.addrs) == 0:
		if c.blind != "" {
			c.blind, c.sight = "", rd.began
		}
	case c.blind == "": // else the first reason stands
		c.blind = fmt.Sprintf("none of %d control targets answers: %v", len(c.addrs), rd.err)
		if len(c.addrs) == 1 {
			c.blind = fmt.Sprintf("the control target does not answer: %v", rd.err)
		}
	}
	switch {
	case c.again:
		c.next = now
	case c.blind != "":
		c.next = later(now, rd.began.Add(blindInterval))
	}
}

// leftover reports whether a probe that began at start saw some of the last
// blindness, and may have failed for it.
func (c *controls) leftover(start time.Time) bool {
	return !c.sight.IsZero() && start.Before(c.sight)
}

// askControls dials every address at once and returns when one answers or all
// have failed; none is left dialling after it returns.
func askControls(ctx context.Context, dial func(context.Context, netip.AddrPort) error, addrs []netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	errs := make(chan error, len(addrs))
	for _, a := range addrs {
		wg.Go(func() {
			if err := dial(ctx, a); err != nil {
				if op := (*net.OpError)(nil); errors.As(err, &op) {
					err = op.Err // without the address again
				}
				errs <- fmt.Errorf("%s: %w", a, err)
				return
			}
			errs <- nil
		})
	}
	var failed []string
	for range addrs {
		err := <-errs
		if err == nil {
			return nil
		}
		failed = append(failed, err.Error())
	}
	slices.Sort(failed)
	return errors.New(strings.Join(failed, "; ")) // one line, for the log
}
