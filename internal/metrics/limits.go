package metrics

import (
	"iter"
	"strings"
)

// How many of each have series of their own.
const (
	mostPools   = 1000 // of the configuration, in its order
	mostGroups  = 1000 // of services that share decisions
	mostPairs   = 2000 // of service and pool, that answers are counted by
	mostTargets = 1000 // pairs of pool and monitor, that results are counted by
	mostWatched = 200  // of them, those with histograms
	otherLabel  = "other"
)

// fields are the words of s.
func fields(s string) iter.Seq[string] { return strings.FieldsSeq(s) }

// A ledger gives pairs of service and pool series that never fall, although
// what they are read from begins anew when a service goes and comes back, and
// although only so many have their own.
type ledger struct {
	kept map[pair]*account
}

type pair struct{ service, pool string }

// An account is what one pair had counted: closed before its count began anew,
// and latest since.
type account struct{ closed, latest uint64 }

func (a *account) total() uint64 { return a.closed + a.latest }

// enter takes the count n of p, where there is room for it.
func (l *ledger) enter(p pair, n uint64) {
	a := l.kept[p]
	if a == nil {
		if len(l.kept) >= mostPairs {
			return
		}
		if l.kept == nil {
			l.kept = map[pair]*account{}
		}
		a = &account{}
		l.kept[p] = a
	}
	if n < a.latest {
		a.closed += a.latest
	}
	a.latest = n
}
