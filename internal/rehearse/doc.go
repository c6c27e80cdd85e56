// Package rehearse replays an outage in virtual time against the code that
// steers in earnest: the monitors' schedule and bursts, the verdicts, the
// controller's decisions and the compiled zones. Only what lies outside is
// made up: the paths and what a probe of them sees, and the resolvers and
// browsers that ask.
//
// Its values are a [Scenario] (an outage, as a file tells it), a [World] (what
// one sees in it at a moment), a [Population] of caches, and a [Report].
//
// It opens no socket, starts no goroutine and never looks at the clock: a
// rehearsal of the same scenario, configuration and seed gives the same bytes.
package rehearse
