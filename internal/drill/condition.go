package drill

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// How shares of answers and latencies are measured for conditions: over so many
// seconds; shares only when there were so many answers in them, latencies as the
// least of them, so that no single probe ends a drill.
const (
	window = 10
	enough = 20
)

// Always are the conditions of every drill.
func Always() []config.Abort {
	return []config.Abort{{Kind: config.AbortFailOpen, Text: "fail-open"}, {Kind: config.AbortSurvivor, Text: "survivor down"}}
}

// met says why a ends r at m; "" when it does not. A pool that was down
// already when the drill began, as forced, ends nothing.
func met(a config.Abort, r *Report, m *Moment) string {
	switch a.Kind {
	case config.AbortFailOpen:
		if len(m.FailOpen) > 0 {
			return "nothing is up for " + few(m.FailOpen) + ": it fails open"
		}
	case config.AbortSurvivor:
		return r.fell(m.Pools, func(pool string) bool { return !r.takes(pool) })
	case config.AbortPool:
		return r.fell(slices.Concat(m.Pools, m.Others), func(pool string) bool { return pool == a.Pool })
	case config.AbortAnswers:
		if all, of := r.latest(a.Pool); m.At.Sub(r.Plan.Began) > window*time.Second && all >= enough && float64(of) < a.Share*float64(all) {
			return fmt.Sprintf("%s gave %s of the last %d answers", a.Pool, share(float64(of)/float64(all)), all)
		}
	case config.AbortLatency:
		for _, p := range m.Pools {
			if l := r.laps[p.Name]; len(l) == window && slices.Min(l) > a.Latency {
				return fmt.Sprintf("probes of %s take %s", p.Name, p.Last.Round(time.Millisecond))
			}
		}
	}
	return ""
}

// fell names one of the pools meant that is down and was not when r began; ""
// when there is none.
func (r *Report) fell(pools []Seen, meant func(pool string) bool) string {
	for _, p := range pools {
		if meant(p.Name) && p.State == "down" && !r.wasDown(p.Name) {
			return strings.TrimSuffix(fmt.Sprintf("%s is down (%s)", p.Name, p.Reason), " ()")
		}
	}
	return ""
}

// share writes a share of 1 as a percentage.
func share(f float64) string { return strconv.FormatFloat(100*f, 'f', 1, 64) + "%" }
