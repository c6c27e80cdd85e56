package health

import (
	"math"
	"time"
)

// LatencyHalfLife is the time after which a latency counts half in [Smooth].
const LatencyHalfLife = 30 * time.Second

// Smooth returns the smoothed latency once sample is seen, since after the one
// before: an exponentially weighted moving average in which what was is worth
// half after LatencyHalfLife, however often probes come.
//
//	was    since              next
//	0      any                sample: nothing is known yet
//	any    0 or less          was: two at once tell no more than one
//	any    LatencyHalfLife    half way to sample
//	any    very long          sample
func Smooth(was, sample, since time.Duration) time.Duration {
	if was <= 0 {
		return sample
	}
	keep := math.Exp2(-max(since, 0).Seconds() / LatencyHalfLife.Seconds())
	return sample + time.Duration(math.Round(float64(was-sample)*keep))
}

// MeanLatency returns the mean of what is known, 0 when nothing is.
func MeanLatency(ls []time.Duration) time.Duration {
	var sum, n time.Duration
	for _, l := range ls {
		if l > 0 {
			sum, n = sum+l, n+1
		}
	}
	return sum / max(n, 1)
}
