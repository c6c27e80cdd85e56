// Package monitor runs probes on their schedule and keeps the verdicts. Its
// value is a [Runner], the owner of every verdict: it looks up the host names
// of pools, probes every address under every monitor of its pool, asks
// witnesses before it lets one fall, and publishes each new opinion as one
// immutable [health.Table] behind one atomic pointer.
//
// What a result makes of a verdict is decided in package health. This package
// never decides what answers, never writes a file, and starts nothing that
// outlives [Runner.Run].
//
// One goroutine owns the schedule: a heap of what is due when. Probes run in
// workers that are started on demand, up to a bound; they hand their results
// to the owner over a channel. So ten thousand endpoints cost ten thousand
// small values and as many goroutines as there are probes under way.
package monitor
