package health

import "time"

// Hedge returns how long after this moment another probe of a target starts
// although its latest has not come back, and whether one shall. out is how
// many of its probes are under way, that one included; latency is what its
// last success took; timeout what a probe may take.
//
//	v                        out            next probe
//	Up, nothing against it   1              the longer of recheck and twice latency
//	Up, nothing against it   2 to Fall − 1  recheck
//	Up, nothing against it   Fall or more   none
//	otherwise                any            none: see [Thresholds.NextProbe]
//
// So the burst against an endpoint that hangs does not wait until the first of
// its probes has timed out: Fall probes time out side by side, each with the
// whole timeout, and the endpoint falls (Fall−1)×recheck after the first of
// them. One that is merely slower than last time costs Fall−1 probes more, and
// no vote. There is no hedge where it would start after the timeout, without
// recheck, or before a first success has shown what is usual.
func (t Thresholds) Hedge(v Verdict, out int, recheck, latency, timeout time.Duration) (time.Duration, bool) {
	if v.State != Up || v.Against > 0 || out >= t.fall() || recheck <= 0 || latency <= 0 {
		return 0, false
	}
	wait := recheck
	if out == 1 {
		wait = max(recheck, 2*latency)
	}
	return wait, wait < timeout
}
