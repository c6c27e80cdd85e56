package rehearse

import (
	"fmt"
	"time"
)

// left returns when node stopped answering with pool after a moment, never if
// it did not.
func (t *Trace) left(node int, pool string, after time.Duration) time.Duration {
	i := t.index(pool)
	for _, m := range t.movesOf(node) {
		if m.At >= after && m.Shares[i] == 0 {
			return m.At
		}
	}
	if m := t.at(node, after); m != nil && m.Shares[i] == 0 {
		return after
	}
	return never
}

// back returns when node answered with pool again after a moment.
func (t *Trace) back(node int, pool string, after time.Duration) time.Duration {
	i := t.index(pool)
	for _, m := range t.movesOf(node) {
		if m.At > after && m.Shares[i] > 0 {
			return m.At
		}
	}
	return never
}

// steerAway is the time from the first fault of the pool that is struck first
// until no node answers with it.
func steerAway(t *Trace, _ Expectation) (Value, string) {
	pool := t.hurt
	if pool == "" {
		return span_(never), "the scenario strikes no pool of the service"
	}
	at, last := t.fault, time.Duration(0)
	for n := range t.Nodes {
		left := t.left(n, pool, at)
		if left == never {
			return span_(never), fmt.Sprintf("%s goes on answering with %s", t.Nodes[n], pool)
		}
		last = max(last, left-at)
	}
	return span_(last), "away from " + pool
}

// detected is the time from the first fault of the pool that is struck first
// to the first probe that fails.
func detected(t *Trace, _ Expectation) (Value, string) {
	pool := t.hurt
	if pool == "" || t.Detected == never {
		return span_(never), "no probe fails"
	}
	return span_(t.Detected - t.fault), "a probe of " + pool
}

// firstBack returns when any node answers with the struck pool again.
func (t *Trace) firstBack() time.Duration {
	pool := t.hurt
	if pool == "" {
		return never
	}
	first := never
	for n := range t.Nodes {
		if left := t.left(n, pool, t.fault); left != never {
			first = min(first, t.back(n, pool, left))
		}
	}
	return first
}

func failback(t *Trace, _ Expectation) (Value, string) {
	if at := t.firstBack(); at != never {
		return span_(at), "the first answer with " + t.hurt + " again"
	}
	return span_(never), "nothing moves back within the rehearsal"
}

func automaticFailback(t *Trace, _ Expectation) (Value, string) {
	return truth(t.firstBack() != never), ""
}
