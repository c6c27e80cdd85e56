package monitor

import (
	"testing"
	"time"
)

// Seen is when the latest result of an endpoint came, of the monitor whose
// latest is the oldest; it keeps up where nothing else changes.
func TestSeen(t *testing.T) {
	cfg := conf(addressPool("a", "192.0.2.1"))
	slow := web()
	slow.Name, slow.Interval = "slow", time.Minute
	cfg.Monitors = append(cfg.Monitors, slow)
	cfg.Pools[0].Monitors = []string{"web", "slow"}
	w := newWorld(t)
	w.run(cfg, nil, func(r *Runner) {
		oldest := time.Duration(0)
		for range 300 {
			pass(time.Second)
			seen := r.Table().Pools["a"].Endpoints[0].Seen
			if seen.IsZero() {
				w.t.Fatal("nothing was seen, though results came")
			}
			oldest = max(oldest, time.Since(seen))
		}
		if oldest < 50*time.Second || oldest > 70*time.Second {
			w.t.Errorf("the oldest was %v ago, want about the minute of the slow monitor", oldest)
		}
	})
}
