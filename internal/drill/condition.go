package drill

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// How shares of answers are measured for conditions: over so many seconds,
// and only when there were so many answers in them.
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
	case config.AbortSurvivor, config.AbortPool:
		for _, p := range m.Pools {
			meant := a.Kind == config.AbortPool && p.Name == a.Pool || a.Kind == config.AbortSurvivor && !r.takes(p.Name)
			if meant && p.State == "down" && !r.wasDown(p.Name) {
				return strings.TrimSuffix(fmt.Sprintf("%s is down (%s)", p.Name, p.Reason), " ()")
			}
		}
	case config.AbortAnswers:
		if all, of := r.latest(a.Pool); m.At.Sub(r.Plan.Began) > window*time.Second && all >= enough && float64(of) < a.Share*float64(all) {
			return fmt.Sprintf("%s gave %s of the last %d answers", a.Pool, share(float64(of)/float64(all)), all)
		}
	case config.AbortLatency:
		for _, p := range m.Pools {
			if !r.takes(p.Name) && p.Latency > a.Latency {
				return fmt.Sprintf("probes of %s take %s", p.Name, p.Latency.Round(time.Millisecond))
			}
		}
	}
	return ""
}

// share writes a share of 1 as a percentage.
func share(f float64) string { return strconv.FormatFloat(100*f, 'f', 1, 64) + "%" }
