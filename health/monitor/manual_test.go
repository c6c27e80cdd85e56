package monitor

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// rehearsed runs a pool of one address by hand for two hours, in which it fails from
// minute 10 to minute 20, and returns when its state changed.
func rehearsed(t *testing.T, seed uint64) string {
	t.Helper()
	start := time.Date(2025, 11, 18, 11, 20, 0, 0, time.UTC)
	cfg := &config.Config{
		Monitors: []config.Monitor{{Name: "web", Kind: config.HTTP, HTTP: config.HTTPCheck{Path: "/"}, Interval: 5 * time.Second, Timeout: 3 * time.Second,
			Recheck: 100 * time.Millisecond, Fall: 3, Rise: 5, HoldDown: 5 * time.Minute, HoldDownMax: time.Hour}},
		Pools: []config.Pool{{Name: "alpha", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Monitors: []string{"web"}, UpIf: 1}},
	}
	probes := 0
	m, err := NewManual(cfg, Seen{
		Probe: func(_ string, _ *config.Monitor, _ netip.Addr, at time.Time, timeout time.Duration) (health.Result, time.Duration) {
			probes++
			if in := at.Sub(start); in >= 10*time.Minute && in < 20*time.Minute {
				return health.Result{Class: health.Edge5xx, Reason: "status 500"}, 40 * time.Millisecond
			}
			return health.Result{OK: true}, 40 * time.Millisecond
		},
	}, Deps{}, start, seed)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	state := health.Unknown
	for m.Next().Before(start.Add(2 * time.Hour)) {
		at := m.Next()
		m.Advance(at)
		if s := m.Table().Pools["alpha"].State; s != state {
			state = s
			fmt.Fprintf(&b, "%s %v\n", s, at.Sub(start).Round(time.Second))
		}
	}
	fmt.Fprintf(&b, "%d probes\n", probes)
	return b.String()
}

// By hand, two hours pass in a moment, and the schedule, the burst, the
// hold-down and the rise are the Runner's own.
func TestManual(t *testing.T) {
	got := rehearsed(t, 1)
	lines := strings.Split(got, "\n")
	if len(lines) != 5 || lines[0] != "up 0s" || !strings.HasPrefix(lines[1], "down 10m") || !strings.HasPrefix(lines[2], "up ") {
		t.Fatalf("got\n%s", got)
	}
	var fell, rose time.Duration
	for i, at := range []*time.Duration{1: &fell, 2: &rose} {
		if at != nil {
			*at, _ = time.ParseDuration(strings.Fields(lines[i])[1])
		}
	}
	if fell > 10*time.Minute+7*time.Second {
		t.Errorf("it fell at %v, later than an interval and a burst after the fault", fell)
	}
	if rose < 25*time.Minute {
		t.Errorf("it rose at %v, before the hold-down", rose)
	}
	if again := rehearsed(t, 1); again != got {
		t.Errorf("the same seed gave\n%s\nand then\n%s", got, again)
	}
	if other := rehearsed(t, 2); other == got {
		t.Errorf("another seed gave the same:\n%s", got)
	}
}
