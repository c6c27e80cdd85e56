package health

import "time"

// DecideWithin is how soon after the first failed result a hard failure is
// decided, whatever the interval and the timeout.
const DecideWithin = time.Second

const (
	jitterShare  = 0.1                    // of the interval, either way
	decideMargin = 100 * time.Millisecond // of DecideWithin, left for scheduling and for witnesses
	leastTimeout = 250 * time.Millisecond // of a burst probe, when Fall×recheck leaves no room
)

// NextProbe returns how long after this moment the next probe of a target
// starts, given its verdict and how many of its probes are still out.
// jitter is a random number in [-1, 1]; it moves the interval by up to a
// tenth, never the spacing of a burst.
//
//	verdict                          results and probes out   next
//	Unknown                          -                        interval
//	Up, nothing against it           -                        interval
//	Up, Against > 0                  fewer than Fall          recheck
//	Up, Against > 0                  Fall or more             interval
//	Down by its first result,
//	  failures only                  fewer than Fall          recheck
//	  successes since                fewer than Rise          recheck
//	Down otherwise                   -                        interval
//
// So the burst after a first failure overlaps: its probes start recheck apart
// and none waits for the one before, or a hanging endpoint would take Fall
// timeouts to fall. A success ends the burst, since nothing is against the
// endpoint then. The row of an endpoint that is Down by its first result
// keeps one lost packet at the start from costing Rise intervals; it ends
// after Fall+Rise results. With recheck 0 there are no bursts.
func (t Thresholds) NextProbe(v Verdict, out int, interval, recheck time.Duration, jitter float64) time.Duration {
	if recheck > 0 && recheck < interval && t.Bursting(v, out) {
		return recheck
	}
	jitter = max(-1, min(jitter, 1))
	return interval + time.Duration(float64(interval)*jitterShare*jitter)
}

// Bursting reports whether another probe at once would help to decide v, while
// out of them have not come back.
func (t Thresholds) Bursting(v Verdict, out int) bool {
	switch {
	case v.State == Up:
		return v.Against > 0 && v.Against+out < t.fall()
	case t.tentative(v) && v.Against > 0:
		return v.Against+out < t.rise()
	case t.tentative(v):
		return v.Seen+out < t.fall()
	}
	return false
}

// tentative reports whether v is Down by its first result and not confirmed
// since.
func (t Thresholds) tentative(v Verdict) bool {
	return v.State == Down && v.Start && v.Seen < t.fall()+t.rise()
}

// BurstTimeout returns the timeout of a probe in a burst: what [DecideWithin]
// leaves after the burst's spacing, so that a hang too is decided in time.
//
//	timeout, of which at most
//	  DecideWithin − (Fall−1)×recheck − a margin of 100 ms, but at least
//	  250 ms, and at least twice what the last success took
//
// The last line protects an endpoint that is slow and healthy: one that
// answers in 1.5 s under a timeout of 3 s starts no burst, as its probes
// succeed; and when one of them is lost, the burst that follows gives it 3 s
// and not 700 ms. For it the bound is not DecideWithin but its own slowness.
func (t Thresholds) BurstTimeout(timeout, recheck, latency time.Duration) time.Duration {
	left := DecideWithin - decideMargin - time.Duration(t.fall()-1)*recheck
	return min(timeout, max(left, leastTimeout, 2*latency))
}

// ChangeIn returns the soonest time after now in which the State of v could
// change, where something is in doubt, and 0 where nothing is: a TTL is never
// longer than it (the rule of gdnsd).
//
//	v.State                          soonest change
//	Unknown                          recheck (interval without bursts): the first result settles it
//	Up, nothing against it           0
//	Up, failures against it          the failures that are still missing × recheck
//	Up, window half way to its mark  interval + (the failures still missing − 1) × recheck
//	Down                             the longer of the hold-down that is left and
//	                                 the successes that are still missing × interval
//
// Missing is what Fall or the window lacks, whichever is less, and at least
// one.
func (t Thresholds) ChangeIn(v Verdict, now time.Time, interval, recheck time.Duration) time.Duration {
	step := interval
	if recheck > 0 {
		step = min(recheck, interval)
	}
	switch v.State {
	case Unknown:
		return step
	case Up:
		missing, need := t.fall()-v.Against, t.windowNeed()
		failed := t.windowFailures(v)
		if need > 0 {
			missing = min(missing, need-failed)
		}
		missing = max(missing, 1)
		switch {
		case v.Against > 0:
			return time.Duration(missing) * step
		case need > 1 && 2*failed >= need:
			return interval + time.Duration(missing-1)*step
		}
		return 0
	}
	if !t.tentative(v) {
		step = interval
	}
	rise := time.Duration(max(t.rise()-v.Against, 1)) * step
	if v.HoldUntil.IsZero() {
		return rise
	}
	return max(rise, v.HoldUntil.Sub(now))
}
