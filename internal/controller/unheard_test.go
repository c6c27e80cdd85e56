package controller

import (
	"net/netip"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A pool is unheard of when an endpoint had no result for three times the
// interval and timeout of its slowest monitor.
func TestUnheard(t *testing.T) {
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	c := &Controller{
		loaded: &Loaded{Config: &config.Config{Monitors: []config.Monitor{
			{Name: "quick", Interval: time.Second, Timeout: time.Second}, {Name: "slow", Interval: 5 * time.Second, Timeout: 5 * time.Second}}}},
		pools: map[string]*config.Pool{"a": {Name: "a", Monitors: []string{"quick", "slow"}}, "b": {Name: "b", Monitors: []string{"quick"}}, "c": {Name: "c"}},
	}
	for _, tt := range []struct {
		pool string
		age  time.Duration // 0: no result at all
		want string
	}{
		{"a", 30 * time.Second, ""},
		{"a", 31 * time.Second, "a: no result from 192.0.2.1 for 31s"},
		{"b", 6 * time.Second, ""},
		{"b", 7 * time.Second, "b: no result from 192.0.2.1 for 7s"},
		{"b", 0, ""},
		{"c", time.Hour, ""}, // nobody asks it
	} {
		e := health.Endpoint{Addr: netip.MustParseAddr("192.0.2.1")}
		if tt.age > 0 {
			e.Seen = now.Add(-tt.age)
		}
		if got := c.unheard(tt.pool, &health.Pool{Endpoints: []health.Endpoint{e}}, now); got != tt.want {
			t.Errorf("%s, %v old: %q, want %q", tt.pool, tt.age, got, tt.want)
		}
	}
	if got := c.unheard("a", nil, now); got != "" {
		t.Errorf("a pool without a state: %q", got)
	}
}
